//! Probe, plan, process, inspect: a prepared journal to parts, rejects and receipts.

use std::collections::BTreeMap;

use millrace_engine::records::{ChunkEntry, InlineChunk, InlinePayload};
use millrace_engine::sha256_hex;
use millrace_wire::message::{
    ChunkOutcome, DoneBody, Event, ExcludedRange, InputRef, Inspect, InspectKind, PlanSegment, ProcessMode, RecordRange, TraceMode,
};
use serde_json::{Value, json};

use crate::host::Host;
use crate::jobs::{JOB_KEY, Job, Order, declared, files_below, numbers, probe, receipt};

/// What is wrong: a text as number, a quote amid a field, a short row, a missing number, a long row, text behind a closing quote.
const DIRTY: &str = "id,name\n1,one\nx,two\n3,\"th\"\"ree\nlines\"\n4,fo\"ur\n5\n,six\n7,seven,more\n\n8,eight\r\n9,\"nine\"x\n10,ten\n";

const ROWS: [&str; 5] = ["1,one", "3,\"th\"\"ree", "lines\"", "8,eight", "10,ten"];

fn expected_rejects() -> Vec<(String, u64, u64, u64, String)> {
    let of = |code: &str, record, line, byte, raw: &str| (code.to_owned(), record, line, byte, raw.to_owned());
    vec![
        of("TYPE_INTEGER", 2, 3, 14, "x,two\n"),
        of("CSV_STRAY_QUOTE", 4, 6, 38, "4,fo\"ur\n"),
        of("CSV_SHORT_ROW", 5, 7, 46, "5\n"),
        of("CONSTRAINT_REQUIRED", 6, 8, 48, ",six\n"),
        of("CSV_LONG_ROW", 7, 9, 53, "7,seven,more\n"),
        of("CSV_STRAY_QUOTE", 9, 12, 76, "9,\"nine\"x\n"),
    ]
}

type Rejected = Vec<(String, u64, u64, u64, String)>;

fn run(chunk_size: u64) -> (Vec<String>, Rejected, BTreeMap<String, u64>) {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, chunk_size, ..Order::default() });
    let receipts = job.run(&mut host);
    let rejects = job.rejects(&receipts);
    let found = rejects
        .iter()
        .map(|row| (row.code.clone(), row.record, row.line.unwrap(), row.byte.unwrap(), String::from_utf8_lossy(&row.raw).into_owned()));
    let mut sums = BTreeMap::new();
    for receipt in &receipts {
        let counts = receipt.counts;
        for (name, count) in
            [("recordsIn", counts.records_in), ("emitted", counts.emitted), ("rejected", counts.rejected), ("blank", counts.blank_lines)]
        {
            *sums.entry(name.to_owned()).or_default() += count;
        }
    }
    (job.rows(&receipts), found.collect(), sums)
}

#[test]
fn a_dirty_file_becomes_clean_rows_and_rejects_with_exact_places() {
    let (rows, rejects, sums) = run(1 << 20);
    assert_eq!(rows, ROWS);
    assert_eq!(rejects, expected_rejects());
    assert_eq!(sums, BTreeMap::from([("recordsIn".into(), 10), ("emitted".into(), 4), ("rejected".into(), 6), ("blank".into(), 1)]));
}

#[test]
fn every_chunk_size_gives_the_same_rows_and_rejects() {
    let whole = run(1 << 20);
    for chunk_size in [1, 2, 3, 5, 7, 11, 16, 23, 40, 64, 90] {
        assert_eq!(run(chunk_size), whole, "chunks of {chunk_size} bytes");
    }
}

#[test]
fn a_chunk_that_is_asked_for_twice_commits_once() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (done, segments) = job.run_plan(&mut host);
    assert_eq!((done.chunks, done.records, done.unplannable.len()), (1, 10, 0));
    let first = host.ask(job.process(&segments[0].0, 0));
    let mut other = job.process(&segments[0].0, 0);
    other.attempt_id = "b0".into();
    let second = host.ask(other);
    let DoneBody::ChunkDone(chunk) = second.done() else { panic!() };
    assert_eq!((chunk.outcome, chunk.counts.records_in), (ChunkOutcome::Superseded, 0));
    assert_eq!(first.payload, second.payload);
    let again = host.ask(job.process(&segments[0].0, 0));
    assert!(
        matches!(again.done(), DoneBody::ChunkDone(chunk) if chunk.outcome == ChunkOutcome::Committed && chunk.counts.records_in == 10)
    );
    assert_eq!(files_below(&job.path("out")), ["data/_rejects/rejects-read-000000-j1-a0.pq", "data/part-read-000000-0-j1-a0.csv"]);
}

#[test]
fn planning_again_finds_the_same_plan() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, chunk_size: 16, ..Order::default() });
    let (first, segments) = job.run_plan(&mut host);
    let (second, again) = job.run_plan(&mut host);
    assert_eq!((&first, segments.len()), (&second, again.len()));
    assert_eq!(segments[0].0.digest, again[0].0.digest);
    assert_eq!(numbers(&segments[0].1), (0..first.chunks).collect::<Vec<_>>());
}

#[test]
fn records_of_another_digest_run_nothing() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let other = sha256_hex(b"other");
    let good = job.process(&segments[0].0, 0);
    let requests = [
        millrace_wire::message::Process { spec_digest: other.clone(), ..good.clone() },
        millrace_wire::message::Process { segment_digest: other.clone(), ..good.clone() },
        millrace_wire::message::Process { chunk_index: 9, ..good.clone() },
        millrace_wire::message::Process { generation: 2, ..good.clone() },
        millrace_wire::message::Process { stage: "other".into(), ..good.clone() },
    ];
    for request in requests {
        assert_eq!(host.ask(request).failed().code, "PLAN_CONFLICT");
    }
    let gone = millrace_wire::message::Process { job_key: "jobs/j9/job.json".into(), ..good };
    assert_eq!(host.ask(gone).failed().code, "JOURNAL_UNSAFE");
    assert!(files_below(&job.path("out")).is_empty());
}

#[test]
fn an_input_that_changed_or_went_away_is_named() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    std::fs::rename(&job.input, job.path("in/away")).unwrap();
    let failed = host.ask(job.process(&segments[0].0, 0));
    assert_eq!(failed.failed().code, "INPUT_NOT_FOUND");
    std::fs::write(&job.input, "id,name\n1,a\n").unwrap();
    assert_eq!(host.ask(job.process(&segments[0].0, 0)).failed().code, "INPUT_CHANGED");
    std::fs::rename(job.path("in/away"), &job.input).unwrap();
    assert_eq!(receipt(&host.ask(job.process(&segments[0].0, 0))).counts.records_in, 10);
}

#[test]
fn a_trial_of_a_record_range_commits_nothing() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let mut request = job.process(&segments[0].0, 0);
    (request.mode, request.trace) = (ProcessMode::Trial, TraceMode::Record);
    request.range = Some(RecordRange { start: 14, end: 46, record: 2, line: 3 });
    let answered = host.ask(request);
    let DoneBody::ChunkDone(done) = answered.done() else { panic!() };
    assert_eq!(
        (done.outcome, done.verdict_digest.is_none(), done.counts.records_in, done.counts.rejected),
        (ChunkOutcome::TrialOk, true, 3, 2)
    );
    let bytes: Vec<u64> =
        answered.events.iter().filter_map(|event| if let Event::Progress(progress) = event { Some(progress.byte) } else { None }).collect();
    assert!([14, 20, 38].iter().all(|byte| bytes.contains(byte)), "{bytes:?}");
    assert!(files_below(&job.path("out")).is_empty() && files_below(&job.path("journal/jobs/j1/verdicts")).is_empty());
}

#[test]
fn excluded_records_become_rejects_without_being_read() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let mut request = job.process(&segments[0].0, 0);
    request.excluded = vec![ExcludedRange { start: 8, end: 14, code: "CORE_CRASH".into() }];
    let receipts = [receipt(&host.ask(request))];
    assert_eq!((receipts[0].counts.records_in, receipts[0].counts.emitted, receipts[0].counts.rejected), (10, 3, 7));
    let rejects = job.rejects(&receipts);
    assert_eq!((rejects[0].code.as_str(), rejects[0].record, rejects[0].raw.as_slice()), ("CORE_CRASH", 1, &b"1,one\n"[..]));
}

#[test]
fn the_payload_of_an_inline_chunk_is_read_from_the_request() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    let bytes = b"id,name\n1,a\nid,name\nx,b\n2,c\n";
    let payload = |key: &str, offset, length| InlinePayload { key: key.into(), offset, length, origin: None, records: None };
    let chunk = InlineChunk {
        chunk: 5,
        key: "jobs/j1/inline/000000.bin".into(),
        offset: 0,
        length: bytes.len() as u64,
        sha256: sha256_hex(bytes),
        payloads: vec![payload("first", 0, 12), payload("second", 12, bytes.len() as u64 - 12)],
    };
    let mut segment = segments[0].1.clone();
    (segment.segment, segment.first_chunk, segment.chunks) = (7, 5, vec![ChunkEntry::Inline(chunk)]);
    let key = "jobs/j1/plan/000007.json";
    let digest = job.put_bytes(key, &serde_json::to_vec(&segment).unwrap());
    let announced = PlanSegment { key: key.into(), digest, ..PlanSegment::default() };
    let receipts = [receipt(&host.ask_with(job.process(&announced, 5), bytes))];
    assert_eq!(job.rows(&receipts), ["1,a", "2,c"]);
    let rejects = job.rejects(&receipts);
    assert_eq!((rejects[0].file.as_str(), rejects[0].record, rejects[0].line, rejects[0].byte), ("second", 1, Some(2), Some(8)));
    let keys: Vec<_> = receipts[0].files.iter().map(|file| file.key.as_deref()).collect();
    assert_eq!(keys, [Some("first"), Some("second")]);
}

#[test]
fn a_header_in_another_order_is_found_by_name_and_a_file_without_one_is_unplannable() {
    let (job, mut host) = Job::prepare(&Order { text: "name,note,id\na,n,1\n", ..Order::default() });
    let receipts = job.run(&mut host);
    assert_eq!(job.rows(&receipts), ["1,a"]);
    let (job, mut host) = Job::prepare(&Order { text: "id,name\n1,a\n", ..Order::default() });
    std::fs::rename(&job.input, job.path("in/away")).unwrap();
    let (done, segments) = job.run_plan(&mut host);
    assert_eq!((done.chunks, segments.len()), (0, 0));
    assert_eq!((done.unplannable[0].file, done.unplannable[0].code.as_str()), (0, "INPUT_NOT_FOUND"));
}

#[test]
fn probing_says_what_it_decided_and_what_is_missing() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let answered = host.ask(probe(&job.input_uri(), &declared()));
    let pins: Value = serde_json::from_slice(&answered.payload).unwrap();
    assert_eq!(
        (pins["format"].as_str(), pins["dialect"]["delimiter"].as_str(), pins["columns"].clone()),
        (Some("csv"), Some(","), json!(["id", "name"]))
    );
    let missing = host.ask(probe("file:///in/none.csv", &declared()));
    assert_eq!(missing.failed().code, "STORAGE_FORBIDDEN");
    let missing = host.ask(probe(&format!("{}x", job.input_uri()), &declared()));
    assert_eq!(missing.failed().code, "INPUT_NOT_FOUND");
    let folder = job.input_uri().replace("/data.csv", "");
    assert_eq!(host.ask(probe(&folder, &declared())).failed().code, "INPUT_MAGIC");
}

fn look(job: &Job, what: InspectKind) -> Inspect {
    Inspect {
        what,
        input: Some(InputRef { uri: job.input_uri(), ..InputRef::default() }),
        job_key: Some(JOB_KEY.into()),
        ..Inspect::default()
    }
}

fn json_of(host: &mut Host, request: Inspect) -> Value {
    let answered = host.ask(request);
    answered.done();
    serde_json::from_slice(&answered.payload).unwrap()
}

#[test]
fn bytes_records_cuts_and_rejects_can_be_looked_at() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, chunk_size: 32, ..Order::default() });
    let receipts = job.run(&mut host);
    let window = host.ask(Inspect { start: Some(8), end: Some(13), ..look(&job, InspectKind::Bytes) });
    assert_eq!(&window.payload[..], b"1,one");

    let record = json_of(&mut host, Inspect { record: Some(3), ..look(&job, InspectKind::Record) });
    assert_eq!(
        (record["record"].as_u64(), record["line"].as_u64(), record["byte"].as_u64(), record["byteEnd"].as_u64()),
        (Some(3), Some(4), Some(20), Some(38))
    );
    assert_eq!(record["fields"], json!(["3", "th\"ree\nlines"]));
    let reject = json_of(&mut host, Inspect { start: Some(16), ..look(&job, InspectKind::Record) });
    assert_eq!(
        (reject["record"].as_u64(), reject["reject"]["code"].as_str(), reject["rawBase64"].as_str()),
        (Some(2), Some("TYPE_INTEGER"), Some("eCx0d28K"))
    );
    assert_eq!(host.ask(Inspect { record: Some(99), ..look(&job, InspectKind::Record) }).failed().code, "INPUT_RANGE");

    let uri = receipts.iter().flat_map(|receipt| &receipt.rejects).next().unwrap().uri.clone();
    let input = Some(InputRef { uri, ..InputRef::default() });
    let page = host.ask(Inspect { input, start: Some(0), end: Some(1), ..look(&job, InspectKind::Rows) });
    let lines: Vec<Value> =
        String::from_utf8(page.payload.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["code"].as_str(), lines[0]["rawBase64"].as_str()), (1, Some("TYPE_INTEGER"), Some("eCx0d28K")));
}

#[test]
fn a_range_is_cut_at_records_until_one_is_left() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    job.run_plan(&mut host);
    let end = DIRTY.len() as u64;
    let cuts = json_of(&mut host, Inspect { start: Some(8), end: Some(end), parts: Some(2), ..look(&job, InspectKind::Cuts) });
    let (first, second) = (&cuts[0], &cuts[1]);
    assert_eq!((first["start"].as_u64(), first["record"].as_u64(), first["line"].as_u64()), (Some(8), Some(1), Some(2)));
    assert_eq!((first["end"].clone(), second["end"].as_u64()), (second["start"].clone(), Some(end)));
    let all = json_of(&mut host, Inspect { start: Some(8), end: Some(end), parts: Some(1_000), ..look(&job, InspectKind::Cuts) });
    assert!(all.as_array().unwrap().len() <= 10);
    let one = json_of(&mut host, Inspect { start: Some(14), end: Some(20), parts: Some(2), ..look(&job, InspectKind::Cuts) });
    assert_eq!(one, json!([{ "start": 14, "end": 20, "record": 2, "line": 3 }]));
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let failed = host.ask(look(&job, InspectKind::Footer));
    assert_eq!(failed.failed().code, "SPEC_NOT_AVAILABLE");
    assert!(failed.failed().message.contains("not available in this version"));
}

#[test]
fn a_bucket_that_no_connection_grants_is_never_asked() {
    let (_job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    for (uri, code) in
        [("s3://bucket/key", "STORAGE_FORBIDDEN"), ("https://169.254.169.254/", "STORAGE_FORBIDDEN"), ("ftp://a/b", "SPEC_SCHEME_DENIED")]
    {
        assert_eq!(host.ask(probe(uri, &declared())).failed().code, code, "{uri}");
    }
}

#[cfg(feature = "sql")]
#[test]
fn sql_filters_converts_and_rejects_what_it_cannot_evaluate() {
    let sql = "SELECT id, upper(name) AS name, 60 / (id - 8) AS ratio FROM input WHERE id > $low";
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, pipeline: json!([{ "name": "clean", "sql": sql }]), ..Order::default() });
    let receipts = job.run(&mut host);
    assert_eq!(job.rows(&receipts), ["3,\"TH\"\"REE", "LINES\",-12", "10,TEN,30"]);
    let counts = receipts[0].counts;
    assert_eq!((counts.records_in, counts.emitted, counts.filtered, counts.rejected), (10, 2, 1, 7));
    let rejects = job.rejects(&receipts);
    let divided = rejects.iter().find(|row| row.code == "TRANSFORM_DIVIDE_BY_ZERO").expect("one record divides by zero");
    assert_eq!((divided.record, divided.line, divided.raw.as_slice(), divided.stage.as_str()), (8, Some(11), &b"8,eight\r\n"[..], "clean"));
}

#[cfg(feature = "sql")]
#[test]
fn sql_is_checked_before_anything_is_read() {
    let (job, mut host) = Job::prepare(&Order { text: DIRTY, ..Order::default() });
    let check = |sql: &str| Inspect {
        spec: Some(json!({ "pipeline": [{ "name": "s1", "sql": sql }] }).to_string()),
        job_key: None,
        ..look(&job, InspectKind::Check)
    };
    assert_eq!(json_of(&mut host, check("SELECT id FROM input")), json!({ "ok": true }));
    assert_eq!(host.ask(check("SELEKT id FROM input")).failed().code, "SPEC_SQL_SYNTAX");
}

#[cfg(not(feature = "sql"))]
#[test]
fn a_core_without_sql_refuses_it() {
    let (job, mut host) =
        Job::prepare(&Order { text: DIRTY, pipeline: json!([{ "name": "clean", "sql": "SELECT id FROM input" }]), ..Order::default() });
    let (_, segments) = job.run_plan(&mut host);
    assert_eq!(host.ask(job.process(&segments[0].0, 0)).failed().code, "SPEC_SQL_UNSUPPORTED");
}
