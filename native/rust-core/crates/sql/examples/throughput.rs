//! Records per second of a few queries, and of one query at several shares of failing records. Run with `--release`.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringViewArray};
use millrace_engine::program::CompileInput;
use millrace_formats::batch::Batch;
use millrace_formats::position::Place;

const ROWS: usize = 8_192;

/// One batch in which every `failing`-th record has no number in `text` and a zero in `part`.
fn batch(failing: usize) -> Batch {
    let fails = |row: usize| failing > 0 && row.is_multiple_of(failing);
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("part", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| i64::from(!fails(row)))))),
        (
            "text",
            Arc::new(StringViewArray::from_iter_values((0..ROWS).map(|row| if fails(row) { "none".into() } else { row.to_string() }))),
        ),
        (
            "price",
            Arc::new(
                Decimal128Array::from_iter_values((0..ROWS as i128).map(|row| row * 7)).with_precision_and_scale(12, 2).expect("valid"),
            ),
        ),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let places = (0..ROWS as u64).map(|row| Place { record: row + 1, line: row + 2, byte: row, byte_end: row + 1, file: 0 }).collect();
    Batch { rows, places, source: Arc::new(Vec::new()), source_start: 0, file_rows: None }
}

fn measure(out: &mut impl Write, sql: &str, failing: usize) -> std::io::Result<()> {
    let batch = batch(failing);
    let params = serde_json::Map::new();
    let input = CompileInput {
        sql,
        columns: batch.rows.schema(),
        params: &params,
        accepted_at: "2026-01-01T00:00:00Z",
        job_id: "job",
        lookups: &[],
        privacy_key: None,
    };
    let mut program = millrace_sql::compiler().compile(input).expect("a valid query");
    let start = Instant::now();
    let mut runs = 0u32;
    let mut failed = 0;
    while start.elapsed().as_millis() < 500 {
        failed = program.run(&batch, "file:///orders.csv").expect("no fault").failed.len();
        runs += 1;
    }
    let rate = f64::from(runs) * ROWS as f64 / start.elapsed().as_secs_f64();
    writeln!(out, "{:>12.0} records/s  {:>5.1} % failing  {sql}", rate, 100.0 * failed as f64 / ROWS as f64)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    measure(&mut out, "SELECT * FROM input", 0)?;
    measure(&mut out, "SELECT id, price FROM input WHERE id > 4000", 0)?;
    measure(&mut out, "SELECT id, upper(text) AS t, price * 1.19 AS gross, _line FROM input WHERE price > 10", 0)?;
    measure(&mut out, "SELECT CASE WHEN part <> 0 THEN id / part ELSE 0 END AS x FROM input", 2)?;
    measure(&mut out, "SELECT id FROM input WHERE part <> 0 AND id / part > 0", 2)?;
    for failing in [0, 1_000, 100, 10, 2, 1] {
        measure(&mut out, "SELECT id, CAST(text AS BIGINT) AS n, price * 2 AS p, id / part AS q FROM input", failing)?;
    }
    Ok(())
}
