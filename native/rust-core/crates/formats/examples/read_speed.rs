//! Speed of reading and typing, per row format: `cargo run --release -p millrace-formats --example read_speed [format]`. Prints GB/s of thread
//! time, the median of several passes over bytes in memory. The rows are those of the bench file.

use std::hint::black_box;
use std::time::Instant;

use millrace_formats::pins::InputPins;
use millrace_formats::read::{ReadOptions, ReadRange, open_reader, plan_file, plan_scan};
use millrace_formats::source::{ByteSource, SourceError};
use serde_json::{Value, json};

const ROWS: u64 = 200_000;
const PASSES: usize = 5;

/// Bytes in memory that several readers share.
#[derive(Clone)]
struct Shared(std::sync::Arc<Vec<u8>>);

impl ByteSource for Shared {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        (&self.0[..]).read_at(offset, buffer)
    }
}

/// Time this thread ran, where the system says so: neighbours on the machine do not count.
fn seconds() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|text| text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()));
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Row {
    id: u64,
    ts: String,
    user_id: u64,
    method: &'static str,
    path: String,
    status: u64,
    latency: String,
    ip: String,
    agent: String,
    md5: String,
}

fn rows() -> Vec<Row> {
    const AGENTS: [&str; 5] = ["Mozilla/5.0 (X11; Linux)", "curl/8.5.0", "okhttp/4.12", "Googlebot/2.1", "Safari/605.1.15"];
    let mut random = Random(42);
    let mut row = |id: u64| {
        let agent = AGENTS[random.below(5) as usize];
        let (second, item) = (id / 4, random.below(15_000));
        Row {
            id: id + 1,
            ts: format!(
                "2026-01-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                1 + second / 86_400,
                second / 3600 % 24,
                second / 60 % 60,
                second % 60,
                id % 4 * 250
            ),
            user_id: random.below(10_000_000),
            method: ["GET", "POST", "PUT", "DELETE"][random.below(4) as usize],
            path: format!("/shop/{}/item-{item}", item % 40),
            status: [200, 200, 200, 201, 204, 301, 304, 400, 404, 500][random.below(10) as usize],
            latency: format!("{}.{:03}", random.below(900), random.below(1000)),
            ip: format!("{}.{}.{}.{}", random.below(256), random.below(256), random.below(256), random.below(256)),
            agent: if id.is_multiple_of(4) { format!("{agent} \"v{}\"", random.below(9)) } else { agent.into() },
            md5: format!("{:016x}{:016x}", random.below(u64::MAX / 4).wrapping_mul(31), id.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        }
    };
    (0..ROWS).map(&mut row).collect()
}

fn as_json(row: &Row, colon: &str, comma: &str) -> String {
    let Row { id, ts, user_id, method, path, status, latency, ip, agent, md5 } = row;
    let agent = agent.replace('"', "\\\"");
    let members = [
        ("id", id.to_string()),
        ("ts", format!("\"{ts}\"")),
        ("user_id", user_id.to_string()),
        ("method", format!("\"{method}\"")),
        ("path", format!("\"{path}\"")),
        ("status", status.to_string()),
        ("latency", latency.clone()),
        ("ip", format!("\"{ip}\"")),
        ("agent", format!("\"{agent}\"")),
        ("md5", format!("\"{md5}\"")),
    ];
    let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect();
    format!("{{{}}}", members.join(comma))
}

fn as_log(row: &Row) -> String {
    let Row { user_id, method, path, status, ip, agent, .. } = row;
    format!(
        "{ip} - u{user_id} [10/Oct/2026:13:55:36 +0000] \"{method} {path} HTTP/1.1\" {status} {user_id} \"-\" \"{}\"\n",
        agent.replace('"', "")
    )
}

fn field(name: &str, kind: &str) -> Value {
    json!({ "name": name, "type": kind })
}

/// Pins as probing gives them for the written parts of an input.
fn pins(head: &[u8], mut declared: Value) -> InputPins {
    use millrace_formats::probe::{Declared, Sample, probe};
    if declared["schema"].is_null() {
        let integers = ["id", "user_id", "status"].map(|name| field(name, "integer"));
        let texts = ["method", "path", "ip", "agent", "md5"].map(|name| field(name, "string"));
        let others = [field("ts", "datetime"), field("latency", "number")];
        let fields: Vec<Value> = integers.into_iter().chain(texts).chain(others).collect();
        declared["schema"] = json!({ "fields": fields });
    }
    let declared: Declared = serde_json::from_value(declared).expect("a declaration");
    let sample = Sample {
        uri: "memory".into(),
        compression: None,
        head: head[..head.len().min(1 << 20)].to_vec(),
        complete: false,
        size: head.len() as u64,
        columns: None,
    };
    probe(&[sample], &declared).expect("legal pins")
}

fn measure(name: &str, bytes: Vec<u8>, declared: Value) {
    let pins = pins(&bytes, declared);
    let mut source = Shared(std::sync::Arc::new(bytes));
    let size = source.size();
    let mut planning = Vec::new();
    let mut reading = Vec::new();
    for _ in 0..PASSES {
        let started = seconds();
        let plan = plan_file(&pins, 0, 0, "memory", "e", &mut source).expect("a plan");
        let mut ranges = Vec::new();
        plan_scan(&pins, &plan, &mut source, u64::MAX / 2, &mut |range| ranges.push(range), &|| false).expect("a scan");
        planning.push(seconds() - started);
        let range = ReadRange { start: ranges[0].start, end: ranges[0].end, record: 1, line: 1 };
        let started = seconds();
        let mut reader = open_reader(&pins, &plan, range, &[], Box::new(source.clone()), ReadOptions::default()).expect("a reader");
        let mut rows = 0;
        while let Some(read) = reader.next().expect("memory can be read") {
            rows += black_box(&read).batch.rows.num_rows() as u64;
        }
        assert_eq!(rows, ROWS, "{:?}", reader.counts());
        reading.push(seconds() - started);
    }
    let speed = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        size as f64 / times[PASSES / 2] / 1e9
    };
    println!(
        "{name:<24} {:>4} MB  plan {:>6.2} GB/s  read and type {:>6.3} GB/s",
        size / 1_000_000,
        speed(&mut planning),
        speed(&mut reading)
    );
}

fn main() {
    let wanted = std::env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let rows = rows();
    let text = |line: &dyn Fn(&Row) -> String| rows.iter().map(line).collect::<String>().into_bytes();
    if is_wanted("ndjson") {
        measure("ndjson", text(&|row| as_json(row, ":", ",") + "\n"), json!({ "format": "ndjson" }));
        measure("ndjson with blanks", text(&|row| as_json(row, ": ", ", ") + "\n"), json!({ "format": "ndjson" }));
    }
    if is_wanted("json") {
        let array = |separator: &str| {
            let elements: Vec<String> = rows.iter().map(|row| as_json(row, ":", ",")).collect();
            format!("[{}]", elements.join(separator)).into_bytes()
        };
        measure("json array", array(","), json!({ "format": "json" }));
        measure("json array, lines", array(",\n  "), json!({ "format": "json" }));
    }
    if is_wanted("csv") {
        let mut csv = "id,ts,user_id,method,path,status,latency,ip,agent,md5\n".to_string();
        for Row { id, ts, user_id, method, path, status, latency, ip, agent, md5 } in &rows {
            let agent = if agent.contains('"') { format!("\"{}\"", agent.replace('"', "\"\"")) } else { agent.clone() };
            csv.push_str(&format!("{id},{ts},{user_id},{method},{path},{status},{latency},{ip},{agent},{md5}\n"));
        }
        measure("csv", csv.into_bytes(), json!({ "format": "csv" }));
    }
    if is_wanted("lines") {
        let log = text(&|row| as_log(row));
        let grok = json!({ "format": "lines", "schema": "text", "lines": { "grok": "%{COMBINEDAPACHELOG}" } });
        measure("lines, combined log", log.clone(), grok);
        let regex = r#"^(?<ip>\S+) \S+ (?<user>\S+) \[(?<at>[^\]]+)\] "(?<method>\S+) (?<path>\S+) [^"]*" (?<status>\d+) (?<bytes>\d+)"#;
        measure("lines, plain regex", log, json!({ "format": "lines", "schema": "text", "lines": { "regex": regex } }));
    }
}
