//! Digests of what fixed inputs become: plans, parts, rejects and receipts. A digest that moves is a result that changed for some input, and that
//! needs a new result version.
//!
//! The digests stand in `tests/golden.json` with the version they belong to. `MILLRACE_GOLDEN=write` writes them anew, after
//! `RESULT_VERSION` was raised (or, before the first release, without).

use std::collections::BTreeMap;
use std::path::PathBuf;

use millrace_engine::partition::keys_of;
use millrace_engine::process::ExchangeTo;
use millrace_engine::result_version::RESULT_VERSION;
use millrace_engine::sha256_hex;
use millrace_formats::pins::InputPins;
use serde_json::{Value, json};

use crate::memory::{Attempt, DIRTY, From, PlanWorld, World, pins, plan, receipt, run, segments};
use crate::reduce::deduped;

/// The four digests of a case.
type Digests = BTreeMap<&'static str, String>;

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Golden {
    result_version: u32,
    cases: BTreeMap<String, BTreeMap<String, String>>,
}

struct Case {
    name: String,
    pins: Vec<InputPins>,
    files: Vec<Vec<u8>>,
    chunk_size: u64,
    attempt: Attempt,
}

fn case(name: &str, pins: InputPins, bytes: &[u8], output: &[(&'static str, Value)]) -> Case {
    let attempt = Attempt { output: output.to_vec(), ..Attempt::default() };
    Case { name: name.into(), pins: vec![pins], files: vec![bytes.to_vec()], chunk_size: 1 << 20, attempt }
}

fn edited(edits: &[(&str, Value)]) -> InputPins {
    let mut whole = serde_json::to_value(&pins()[0]).unwrap();
    for (path, value) in edits {
        *whole.pointer_mut(path).unwrap() = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

/// Pins with fields of these types, otherwise as those of `id`.
fn typed(format: &str, fields: &[(&str, &str, Value)]) -> InputPins {
    let base = serde_json::to_value(&pins()[0]).unwrap();
    let field = |(name, kind, more): &(&str, &str, Value)| {
        let mut field = base["schema"]["fields"][1].clone();
        field["name"] = json!(name);
        field["type"] = json!(kind);
        more.as_object().into_iter().flatten().for_each(|(key, value)| field[key] = value.clone());
        field
    };
    let names: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    let mut edits = vec![
        ("/format", json!(format)),
        ("/columns", json!(names)),
        ("/schema/fields", fields.iter().map(field).collect()),
        ("/schema/missingColumns", json!("setNull")),
    ];
    if format != "csv" {
        edits.push(("/dialect", Value::Null));
    }
    edited(&edits)
}

const EVERY_TYPE: &[(&str, &str)] = &[
    ("i", "integer"),
    ("f", "number"),
    ("d", "number"),
    ("b", "boolean"),
    ("day", "date"),
    ("t", "time"),
    ("at", "datetime"),
    ("y", "year"),
    ("ym", "yearmonth"),
    ("dur", "duration"),
    ("s", "string"),
    ("o", "object"),
    ("a", "array"),
];

fn every_type(format: &str) -> InputPins {
    let more = |name: &str| if name == "d" { json!({ "precision": 12, "scale": 3 }) } else { json!({}) };
    // Files of columns have dates where text has months.
    let is_readable = |kind: &str| !matches!((format, kind), ("parquet" | "arrow", "yearmonth"));
    let fields = EVERY_TYPE.iter().filter(|(_, kind)| is_readable(kind)).map(|(name, kind)| (*name, *kind, more(name)));
    typed(format, &fields.collect::<Vec<_>>())
}

fn every_type_csv() -> String {
    let names: Vec<&str> = EVERY_TYPE.iter().map(|(name, _)| *name).collect();
    let mut text = names.join(",") + "\n";
    for n in 0..300u32 {
        let (month, day) = (n % 12 + 1, n % 28 + 1);
        text.push_str(&format!(
            "{},{}.5e{},{}.{:03},{},20{:02}-{month:02}-{day:02},{:02}:{:02}:{:02}.{n:06},20{:02}-{month:02}-{day:02}T00:00:{:02}Z,{},2024-{month:02},P{n}D,\"t {} \"\"{}\"\"\",\"{{\"\"n\"\":{n}}}\",\"[{n},null]\"\n",
            i64::from(n) * 7_919 - 1_000_000,
            n % 9,
            n % 30,
            n * 31,
            n % 1_000,
            n % 3 == 0,
            n % 100,
            n % 24,
            n % 60,
            n % 60,
            n % 100,
            n % 60,
            1_900 + n,
            n % 7,
            n,
        ));
    }
    text + ",,,,,,,,,,,,\nx,y,z,maybe,2024-02-30,25:00,never,0,2024-13,P,s,{,[\n1,2\n"
}

fn table(rows: u64) -> String {
    let rows: String = (0..rows).map(|id| format!("{id},\"name {} of\n{}\"\n", id % 97, id * 7_919 % 1_009)).collect();
    format!("id,name\n{rows}")
}

fn rows_of_few_names(rows: u64) -> String {
    let rows: String = (0..rows).map(|id| format!("{id},name {}\n", id * 7_919 % 97)).collect();
    format!("id,name\n{rows}")
}

/// Inputs of every text format.
fn inputs() -> Vec<Case> {
    let plain = [("id", "integer", json!({})), ("name", "string", json!({}))];
    let ndjson: String = (0..500).map(|n| format!("{{\"id\":{n},\"name\":\"\\u00e4{}\",\"x\":[{n}]}}\n", n % 5)).collect();
    let array = format!("[{}]", ndjson.trim_end().replace('\n', ",\n"));
    let mut lines = typed("lines", &plain);
    lines.lines = serde_json::from_value(json!({ "regex": r"^(?<id>\S+) (?<name>.*)$", "recordStart": null })).unwrap();
    let latin = edited(&[("/encoding", json!("latin-1"))]);
    let wide: Vec<u8> = "\u{feff}id,name\n1,ä\nx,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut cut = case("csv: every line end, in chunks of 100 bytes", pins().remove(0), DIRTY.repeat(20).as_bytes(), &[]);
    cut.chunk_size = 100;
    let mut files = case("several files in one chunk", pins().remove(0), DIRTY.as_bytes(), &[("layout", json!("perInput"))]);
    files.files = vec![DIRTY.into(), table(10).into(), b"id,name\n".to_vec()];
    vec![
        case("csv: what is wrong with records", pins().remove(0), DIRTY.as_bytes(), &[]),
        case("csv: every type", every_type("csv"), every_type_csv().as_bytes(), &[("format", json!("parquet"))]),
        case("csv: latin-1", latin, b"id,name\n1,\xe4\n2,\x80\n", &[]),
        case("csv: utf-16", edited(&[("/encoding", json!("utf-16le"))]), &wide, &[]),
        case("ndjson", typed("ndjson", &plain), (ndjson + "{\"id\":1,}\n[]\n{\"id\":\"x\"}\n").as_bytes(), &[]),
        case("json", typed("json", &plain), array.as_bytes(), &[]),
        case("lines", lines, b"1 one\n2 two\nx y\nnone\n", &[]),
        cut,
        files,
    ]
}

/// One table in every output form.
fn outputs() -> Vec<Case> {
    let forms = [
        ("csv", &["none", "gzip", "zstd"][..]),
        ("ndjson", &["none", "gzip", "zstd"]),
        ("parquet", &["none", "snappy", "gzip", "zstd", "lz4"]),
        ("arrow", &["none", "lz4", "zstd"]),
    ];
    let mut cases = Vec::new();
    for (format, compressions) in forms {
        for compression in compressions {
            let output = [("format", json!(format)), ("compression", json!(compression))];
            cases.push(case(&format!("{format} {compression}: every type"), every_type("csv"), every_type_csv().as_bytes(), &output));
        }
        let output = [("format", json!(format))];
        let mut long = case(&format!("{format}: 40,000 rows in small parts"), pins().remove(0), table(40_000).as_bytes(), &output);
        long.attempt.part_size = 100_000;
        cases.push(long);
        let output = [("format", json!(format)), ("partitionBy", json!(["name"]))];
        cases.push(case(&format!("{format}: many folders"), pins().remove(0), table(3_000).as_bytes(), &output));
    }
    let style = json!({ "delimiter": ";", "quote": "always", "header": false, "nullValue": "NULL", "lineTerminator": "\r\n" });
    cases.push(case("csv: every style", every_type("csv"), every_type_csv().as_bytes(), &[("csv", style)]));
    let mut less = case("less memory", pins().remove(0), table(5_000).as_bytes(), &[("format", json!("parquet"))]);
    less.attempt.less_memory = true;
    cases.push(less);
    let mut exchange = case("exchange", pins().remove(0), table(5_000).as_bytes(), &[]);
    exchange.attempt.exchange = Some(to_partitions(&exchange.pins[0]));
    cases.push(exchange);
    cases
}

fn to_partitions(pins: &InputPins) -> ExchangeTo {
    let columns = pins.schema.arrow_schema();
    let keys = keys_of(&["name".into()], &[("read", columns.as_ref())]).unwrap();
    ExchangeTo { keys, columns, partitions: 8, folders: Vec::new() }
}

/// What we have written is read again.
fn files_of_columns() -> Vec<Case> {
    let written = |format: &str| {
        let made = case("", every_type("csv"), every_type_csv().as_bytes(), &[("format", json!(format))]);
        let (_, objects) = results(&made);
        objects.into_iter().find(|(uri, _)| uri.contains("/part-")).unwrap().1
    };
    ["parquet", "arrow"].map(|format| case(&format!("{format} as input"), every_type(format), &written(format), &[])).into()
}

/// Segments and verdicts of a case, and the objects it has put.
fn results(case: &Case) -> (Vec<Vec<u8>>, BTreeMap<String, Vec<u8>>) {
    let mut planned = PlanWorld { pins: Some(case.pins.clone()), ..PlanWorld::default() };
    let names: Vec<String> = (0..case.files.len()).map(|file| format!("file:///in/{file}.data")).collect();
    planned.files = names.iter().cloned().zip(case.files.iter().cloned()).collect();
    let files: Vec<(u32, &str)> = names.iter().enumerate().map(|(file, name)| (file as u32, name.as_str())).collect();
    let end = plan(&mut planned, &files, case.chunk_size, From::default()).unwrap();
    assert_eq!(end.unplannable, [], "{}", case.name);
    let mut records: Vec<Vec<u8>> = planned.segments.values().cloned().collect();
    let mut objects = BTreeMap::new();
    for segment in segments(&planned) {
        for chunk in &segment.chunks {
            let mut world = World { pins: Some(case.pins.clone()), files: planned.files.clone(), ..World::default() };
            let end = run(&mut world, &segment, chunk.number(), &case.attempt, None).unwrap();
            assert_eq!(receipt(&end).result_version, RESULT_VERSION);
            records.push(end.verdict.unwrap());
            objects.extend(std::mem::take(&mut *world.objects.lock().unwrap()));
        }
    }
    (records, objects)
}

fn digests((records, objects): &(Vec<Vec<u8>>, BTreeMap<String, Vec<u8>>)) -> Digests {
    let of = |what: &str| {
        let found = objects.iter().filter(|(uri, _)| uri.contains(what)).map(|(uri, bytes)| format!("{uri} {}\n", sha256_hex(bytes)));
        sha256_hex(found.collect::<String>().as_bytes())
    };
    let records: String = records.iter().map(|record| sha256_hex(record)).collect();
    BTreeMap::from([
        ("parts", of("/part-")),
        ("rejects", of("/rejects-")),
        ("exchanged", of("work://")),
        ("planAndReceipts", sha256_hex(records.as_bytes())),
    ])
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden.json")
}

#[test]
fn results_are_those_of_their_version() {
    let cases: Vec<Case> = inputs().into_iter().chain(outputs()).chain(files_of_columns()).collect();
    let of_chunks = cases.iter().map(|case| (case.name.clone(), results(case)));
    let deduped = [false, true].map(|keep_last| (format!("dedupe, keep last {keep_last}"), deduped(&rows_of_few_names(3_000), keep_last)));
    let found: BTreeMap<String, BTreeMap<String, String>> = of_chunks
        .chain(deduped)
        .map(|(name, results)| (name, digests(&results).into_iter().map(|(what, digest)| (what.to_owned(), digest)).collect()))
        .collect();
    assert_eq!(found.len(), cases.len() + 2, "two cases have one name");
    if std::env::var("MILLRACE_GOLDEN").is_ok_and(|mode| mode == "write") {
        let golden = Golden { result_version: RESULT_VERSION, cases: found };
        return std::fs::write(path(), serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
    }
    let golden: Golden = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
    assert_eq!(golden.result_version, RESULT_VERSION, "the digests are of another result version: write them with MILLRACE_GOLDEN=write");
    let names = |cases: &BTreeMap<String, BTreeMap<String, String>>| cases.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&golden.cases), "write the digests of new cases with MILLRACE_GOLDEN=write");
    let changed: Vec<String> = found
        .iter()
        .flat_map(|(name, digests)| {
            let before = &golden.cases[name];
            digests.iter().filter(|(what, digest)| before.get(*what) != Some(digest)).map(move |(what, _)| format!("{name}: {what}"))
        })
        .collect();
    assert!(changed.is_empty(), "results changed without a new RESULT_VERSION:\n  {}", changed.join("\n  "));
}
