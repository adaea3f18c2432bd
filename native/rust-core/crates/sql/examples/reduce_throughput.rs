//! Seconds of reduce stages over rows in memory: `cargo run --release --example reduce_throughput [rows] [keys] [MiB]`. DuckDB beside it:
//! `SELECT k, count(*), sum(n) FROM range(rows) …` with the same keys and one thread.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{Field, Schema, SchemaRef};
use millrace_engine::program::{FailedRow, ORDER_COLUMNS, ProgramError, ReduceContext, ReduceInput, ReduceSink, RowStream};

const BATCH: u64 = 8_192;

struct Rows {
    schema: SchemaRef,
    batches: std::vec::IntoIter<RecordBatch>,
}

impl RowStream for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ProgramError> {
        Ok(self.batches.next())
    }
}

#[derive(Default)]
struct Count(usize);

impl ReduceSink for Count {
    fn rows(&mut self, rows: RecordBatch) -> Result<(), ProgramError> {
        self.0 += rows.num_rows();
        Ok(())
    }

    fn failed(&mut self, _: FailedRow) -> Result<(), ProgramError> {
        Ok(())
    }
}

/// Keys scattered by a multiplicative hash, as in `k = (i * 2654435761) % keys`.
fn batches(rows: u64, keys: u64) -> Vec<RecordBatch> {
    let mut fields = vec![Field::new("k", arrow_schema::DataType::Int64, true), Field::new("n", arrow_schema::DataType::Int64, true)];
    fields.push(Field::new("f", arrow_schema::DataType::Float64, true));
    fields.extend(ORDER_COLUMNS.map(|(name, data_type)| Field::new(name, data_type, false)));
    let schema = Arc::new(Schema::new(fields));
    let batch = |start: u64| {
        let range = start..(start + BATCH).min(rows);
        let count = (range.end - range.start) as usize;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(range.clone().map(|i| (i * 2_654_435_761 % keys) as i64))),
            Arc::new(Int64Array::from_iter_values(range.clone().map(|i| (i % 1000) as i64))),
            Arc::new(Float64Array::from_iter_values(range.clone().map(|i| (i % 1000) as f64 / 7.0))),
            Arc::new(UInt32Array::from(vec![0; count])),
            Arc::new(UInt64Array::from_iter_values(range)),
            Arc::new(UInt32Array::from(vec![0; count])),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns fit the schema")
    };
    (0..rows).step_by(BATCH as usize).map(batch).collect()
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse().expect("a number")).collect();
    let (rows, keys, mib) =
        (args.first().copied().unwrap_or(10_000_000), args.get(1).copied().unwrap_or(1_000_000), args.get(2).copied().unwrap_or(1024));
    let batches = batches(rows, keys);
    let whole = batches[0].schema();
    let visible = Arc::new(whole.project(&[0, 1, 2]).expect("three columns"));
    for sql in [
        "SELECT k, count(*) AS c, sum(n) AS s FROM input GROUP BY k",
        "SELECT k, sum(f) AS s FROM input GROUP BY k",
        "SELECT DISTINCT k FROM input",
        "SELECT k, n FROM input QUALIFY row_number() OVER (PARTITION BY k ORDER BY n) = 1",
        "SELECT k, n FROM input ORDER BY n, k",
    ] {
        let tables = [("input".to_string(), Arc::clone(&visible) as SchemaRef)];
        let params = serde_json::Map::new();
        let (accepted_at, job_id) = ("2026-01-01T00:00:00Z", "job");
        let input = ReduceInput { sql, tables: &tables, params: &params, accepted_at, job_id, lookups: &[], privacy_key: None };
        let mut program = millrace_sql::compiler().compile_reduce(input).expect("the query compiles");
        let context = ReduceContext {
            memory_bytes: mib << 20,
            scratch: Some(std::env::temp_dir()),
            scratch_bytes: 1 << 40,
            cancelled: Arc::new(|| false),
        };
        let mut sink = Count::default();
        let started = Instant::now();
        let stream = Box::new(Rows { schema: Arc::clone(&whole), batches: batches.clone().into_iter() });
        let end = program.run(vec![stream], &context, &mut sink).expect("the query runs");
        println!("{:6.2} s  {:>9} rows  {:>5} MB spilled  {sql}", started.elapsed().as_secs_f64(), sink.0, end.spilled_bytes / 1_000_000);
    }
}
