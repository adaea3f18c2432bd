//! A small table with a column of each type, and the few steps every test needs.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow_cast::display::array_value_to_string;
use millrace_engine::program::{CompileInput, Program, ProgramError, Transformed};
use millrace_formats::batch::Batch;
use millrace_formats::position::Place;
use serde_json::{Map, Value};

pub const URI: &str = "file:///data/orders.csv";

/// Rows: `s` text, `n` `m` integers, `d` decimal(10, 2), `f` float, `day` date, `at` instant, `b` boolean.
pub fn rows() -> RecordBatch {
    let columns: [(&str, ArrayRef); 8] = [
        ("s", Arc::new(StringViewArray::from(vec![Some("anna"), Some("12"), None, Some("a longer text than twelve bytes")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(0), Some(-7), None]))),
        ("m", Arc::new(Int64Array::from(vec![Some(10), Some(20), Some(30), Some(40)]))),
        ("d", Arc::new(Decimal128Array::from(vec![Some(150), Some(-25), None, Some(0)]).with_precision_and_scale(10, 2).unwrap())),
        ("f", Arc::new(Float64Array::from(vec![Some(0.5), Some(-1.0), Some(f64::NAN), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(19_000), Some(0), None, Some(-1)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_000_000), Some(0), None, Some(-1)]).with_timezone("UTC"))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub fn batch(rows: RecordBatch) -> Batch {
    let place = |index: u64| Place { file: 0, record: index + 1, line: index + 2, byte: 10 * index, byte_end: 10 * (index + 1) };
    let places = (0..rows.num_rows() as u64).map(place).collect();
    Batch { rows, places, source: Arc::new(Vec::new()), source_start: 0, file_rows: None }
}

pub fn compile_with(sql: &str, rows: &RecordBatch, params: &Map<String, Value>) -> Result<Box<dyn Program>, ProgramError> {
    millrace_sql::compiler().compile(CompileInput {
        sql,
        columns: rows.schema(),
        params,
        accepted_at: "2026-02-03T04:05:06.789Z",
        job_id: "job-1",
        lookups: &[],
        privacy_key: Some(b"a key for tests"),
    })
}

pub fn compile(sql: &str) -> Result<Box<dyn Program>, ProgramError> {
    compile_with(sql, &rows(), &Map::new())
}

pub fn run_on(sql: &str, rows: RecordBatch) -> Transformed {
    let mut program = compile_with(sql, &rows, &Map::new()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let transformed = program.run(&batch(rows), URI).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    assert_eq!(transformed.rows.schema(), program.output_schema(), "{sql}");
    assert_eq!(transformed.rows.num_rows(), transformed.origin.len(), "{sql}");
    transformed
}

pub fn run(sql: &str) -> Transformed {
    run_on(sql, rows())
}

/// All values of one column as text, null as `∅`.
pub fn column(rows: &RecordBatch, index: usize) -> Vec<String> {
    let column = rows.column(index);
    let show = |row| if column.is_null(row) { "∅".to_string() } else { array_value_to_string(column, row).unwrap() };
    (0..rows.num_rows()).map(show).collect()
}

pub fn names(rows: &RecordBatch) -> Vec<String> {
    rows.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// Row and code of each failure.
pub fn failures(transformed: &Transformed) -> Vec<(u32, &'static str)> {
    transformed.failed.iter().map(|failure| (failure.row, failure.code)).collect()
}
