//! Micro benches of the way of rows, each step by itself: `cargo bench -p millrace-formats`. The bytes are in memory, the rows a small likeness of
//! the bench file. For figures to be kept there is `npm run bench`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millrace_formats::batch::RecordReader;
use millrace_formats::pins::InputPins;
use millrace_formats::probe::{Declared, Sample, probe};
use millrace_formats::read::{ReadOptions, ReadRange, open_reader, plan_file, plan_scan};
use millrace_formats::source::{ByteSource, SourceError};
use millrace_formats::write::{OutputOptions, open_part};
use serde_json::json;

const ROWS: u64 = 50_000;

#[derive(Clone)]
struct Shared(Arc<Vec<u8>>);

impl ByteSource for Shared {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (&self.0[..]).read_at(offset, buffer)
    }
}

/// The same file each time: scattered numbers, few and many texts, quotes in every fourth row.
fn rows(line: impl Fn(u64, u64, &str, &str) -> String) -> String {
    let row = |id: u64| {
        let scattered = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let agent = if id.is_multiple_of(4) { format!("okhttp/4.12 \"\"v{}\"\"", id % 9) } else { "Mozilla/5.0 (X11; Linux)".into() };
        line(id, scattered, ["GET", "POST", "PUT", "DELETE"][scattered as usize % 4], &agent)
    };
    (0..ROWS).map(row).collect()
}

fn csv() -> Vec<u8> {
    let line = |id: u64, scattered: u64, method: &str, agent: &str| {
        let (second, item) = (id % 60, scattered % 15_000);
        let agent = if agent.contains('"') { format!("\"{agent}\"") } else { agent.into() };
        format!("{id},2026-01-01T00:00:{second:02}.250Z,{scattered},{method},/shop/item-{item},{}.{:03},{agent}\n", item % 900, id % 1000)
    };
    ("id,ts,user,method,path,latency,agent\n".to_string() + &rows(line)).into_bytes()
}

fn ndjson() -> Vec<u8> {
    let line = |id: u64, scattered: u64, method: &str, agent: &str| {
        let (second, item, agent) = (id % 60, scattered % 15_000, agent.replace("\"\"", "\\\""));
        let at = format!("2026-01-01T00:00:{second:02}.250Z");
        format!(
            "{{\"id\":{id},\"ts\":\"{at}\",\"user\":{scattered},\"method\":\"{method}\",\"path\":\"/shop/item-{item}\",\"latency\":{}.{:03},\"agent\":\"{agent}\"}}\n",
            item % 900,
            id % 1000
        )
    };
    rows(line).into_bytes()
}

/// The pins that probing gives for a file of this format.
fn pins(bytes: &[u8], format: &str) -> InputPins {
    let field = |(name, kind): (&str, &str)| json!({ "name": name, "type": kind });
    let fields =
        [("id", "integer"), ("ts", "datetime"), ("user", "integer"), ("method", "string"), ("path", "string"), ("latency", "number")];
    let fields: Vec<_> = fields.into_iter().chain([("agent", "string")]).map(field).collect();
    let declared: Declared = serde_json::from_value(json!({ "format": format, "schema": { "fields": fields } })).expect("a declaration");
    let size = bytes.len() as u64;
    let head = bytes[..bytes.len().min(1 << 20)].to_vec();
    probe(&[Sample { uri: "memory".into(), compression: None, head, complete: false, size, columns: None }], &declared).expect("legal pins")
}

fn reader(pins: &InputPins, source: &Shared) -> Box<dyn RecordReader> {
    let plan = plan_file(pins, 0, 0, "memory", "e", &mut source.clone()).expect("a plan");
    let range = ReadRange { start: plan.data_start, end: plan.size, record: 1, line: plan.first_line };
    open_reader(pins, &plan, range, &[], Box::new(source.clone()), ReadOptions::default()).expect("a reader")
}

fn reading(criterion: &mut Criterion) {
    for (format, bytes) in [("csv", csv()), ("ndjson", ndjson())] {
        let pins = pins(&bytes, format);
        let mut source = Shared(Arc::new(bytes));
        let mut group = criterion.benchmark_group(format);
        group.throughput(Throughput::Bytes(source.size())).sample_size(20);
        group.bench_function("boundaries", |bencher| {
            let plan = plan_file(&pins, 0, 0, "memory", "e", &mut source).expect("a plan");
            bencher.iter(|| plan_scan(&pins, &plan, &mut source, 1 << 20, &mut |range| _ = black_box(range), &|| false).expect("a scan"));
        });
        group.bench_function("read and type", |bencher| {
            bencher.iter(|| {
                let mut reader = reader(&pins, &source);
                while let Some(read) = reader.next().expect("memory can be read") {
                    black_box(read.batch.rows.num_rows());
                }
            });
        });
        group.finish();
    }
}

fn writing(criterion: &mut Criterion) {
    let bytes = csv();
    let pins = pins(&bytes, "csv");
    let source = Shared(Arc::new(bytes));
    let mut reader = reader(&pins, &source);
    let batches: Vec<_> = std::iter::from_fn(|| reader.next().expect("memory can be read").map(|read| read.batch.rows)).collect();
    let options: OutputOptions = serde_json::from_value(json!({ "format": "parquet", "compression": "snappy" })).expect("options");
    let mut group = criterion.benchmark_group("parquet");
    group.throughput(Throughput::Bytes(source.size())).sample_size(20);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            let mut part = open_part(&options, batches[0].schema(), Box::new(std::io::sink())).expect("a part");
            batches.iter().for_each(|batch| part.write(batch).expect("rows of its schema"));
            part.finish().expect("a part");
        });
    });
    group.finish();
}

criterion_group!(steps, reading, writing);
criterion_main!(steps);
