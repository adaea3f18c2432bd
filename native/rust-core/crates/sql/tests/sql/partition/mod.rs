//! One partition of a reduce stage in memory, cut and run as a test likes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, UInt32Array, UInt64Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use millrace_engine::program::{
    FailedRow, LookupTable, ORDER_COLUMNS, ProgramError, ReduceContext, ReduceEnd, ReduceInput, ReduceProgram, ReduceSink, RowStream,
};
use serde_json::Map;

/// `k` `t` texts, `n` integer, `f` float.
pub fn batch_of() -> RecordBatch {
    let columns: [(&str, ArrayRef); 4] = [
        ("k", Arc::new(StringViewArray::from(vec![Some("a"), Some("a"), Some("b"), Some("b"), Some("a"), None]))),
        ("t", Arc::new(StringViewArray::from(vec!["x", "z", "y", "y", "y", "q"]))),
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(3), Some(4), Some(5), Some(2), None]))),
        ("f", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Batches as slices of an exchange would give them.
pub struct Slices {
    pub schema: SchemaRef,
    pub batches: std::vec::IntoIter<RecordBatch>,
}

impl RowStream for Slices {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ProgramError> {
        Ok(self.batches.next())
    }
}

/// Rows with order columns: all of file 0, ten bytes apart.
pub fn with_order(rows: &RecordBatch) -> RecordBatch {
    let count = rows.num_rows();
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.extend(ORDER_COLUMNS.map(|(name, data_type)| Arc::new(Field::new(name, data_type, false))));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from(vec![0; count])));
    columns.push(Arc::new(UInt64Array::from_iter_values((0..count as u64).map(|row| 10 * row))));
    columns.push(Arc::new(UInt32Array::from(vec![0; count])));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Rows cut at the given places.
pub fn slices(rows: &RecordBatch, cuts: &[usize]) -> Box<dyn RowStream> {
    let whole = with_order(rows);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (whole.num_rows() + 1)).collect();
    ends.push(whole.num_rows());
    ends.sort_unstable();
    let mut start = 0;
    let mut batches = Vec::new();
    for end in ends {
        // A copy, as if read from a file: a slice would count as the whole.
        let rows = UInt32Array::from_iter_values(start as u32..end as u32);
        batches.push(arrow_select::take::take_record_batch(&whole, &rows).unwrap());
        start = end;
    }
    Box::new(Slices { schema: whole.schema(), batches: batches.into_iter() })
}

pub struct Run<'a> {
    pub sql: &'a str,
    pub tables: Vec<(String, RecordBatch)>,
    pub cuts: Vec<usize>,
    pub memory_bytes: u64,
    pub scratch: Option<std::path::PathBuf>,
    pub scratch_bytes: u64,
    pub lookups: Vec<LookupTable>,
}

impl Run<'_> {
    pub fn of(sql: &str) -> Run<'_> {
        Run::over(sql, vec![("input".to_string(), batch_of())])
    }

    pub fn over(sql: &str, tables: Vec<(String, RecordBatch)>) -> Run<'_> {
        Run { sql, tables, cuts: Vec::new(), memory_bytes: 256 << 20, scratch: None, scratch_bytes: 1 << 30, lookups: Vec::new() }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub rows: Vec<String>,
    pub batches: Vec<RecordBatch>,
    pub failed: Vec<FailedRow>,
    pub read: Vec<u64>,
    pub end: ReduceEnd,
}

#[derive(Default)]
pub struct Collect {
    pub batches: Vec<RecordBatch>,
    pub failed: Vec<FailedRow>,
}

impl ReduceSink for Collect {
    fn rows(&mut self, rows: RecordBatch) -> Result<(), ProgramError> {
        self.batches.push(rows);
        Ok(())
    }

    fn failed(&mut self, row: FailedRow) -> Result<(), ProgramError> {
        self.failed.push(row);
        Ok(())
    }
}

pub fn compile(run: &Run<'_>) -> Result<Box<dyn ReduceProgram>, ProgramError> {
    let tables: Vec<(String, SchemaRef)> = run.tables.iter().map(|(name, rows)| (name.clone(), rows.schema())).collect();
    millrace_sql::compiler().compile_reduce(ReduceInput {
        sql: run.sql,
        tables: &tables,
        params: &Map::new(),
        accepted_at: "2026-02-03T04:05:06.789Z",
        job_id: "job-1",
        lookups: &run.lookups,
        privacy_key: Some(b"a key for tests"),
    })
}

pub fn try_run(run: &Run<'_>) -> Result<Answer, ProgramError> {
    let mut program = compile(run)?;
    let streams = run.tables.iter().map(|(_, rows)| slices(rows, &run.cuts)).collect();
    let context = ReduceContext {
        memory_bytes: run.memory_bytes,
        scratch: run.scratch.clone(),
        scratch_bytes: run.scratch_bytes,
        cancelled: Arc::new(|| false),
    };
    let mut sink = Collect::default();
    let end = program.run(streams, &context, &mut sink)?;
    for batch in &sink.batches {
        assert_eq!(batch.schema(), program.output_schema(), "{}", run.sql);
    }
    let rows = sink.batches.iter().flat_map(texts).collect();
    Ok(Answer { rows, batches: sink.batches, failed: sink.failed, read: end.read.clone(), end })
}

pub fn run(run: Run<'_>) -> Answer {
    try_run(&run).unwrap_or_else(|error| panic!("{}: {error:?}", run.sql))
}

pub fn answer(sql: &str) -> Vec<String> {
    let answer = run(Run::of(sql));
    assert!(answer.failed.is_empty(), "{sql}: {:?}", answer.failed);
    answer.rows
}

pub fn run_err(sql: &str) -> Option<&'static str> {
    try_run(&Run::of(sql)).err().map(|error| error.code)
}

/// Rows as texts, cells between bars.
pub fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")).collect()
}
