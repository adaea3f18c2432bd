//! The conformance suite: for each format a table of cases in `conformance/`, bytes and what must become of them, read whole and under every cut.
//!
//! A case is a block of lines. `case` names it, `fields` gives the schema as `name:type` (else that of the table's first line), `set` changes a pin
//! by its path, `bytes` is the file with the escapes `\n \r \t \\ \xNN`. Then follows what is expected: `record` lines with number, line, byte and
//! values (null is `∅`), `reject` lines with number, line, byte and each error as `CODE line:byte`, a `counts` line for what is neither, or one
//! `refused` line for a file that planning refuses. With `MILLRACE_CONFORMANCE=write` the expectations are written anew, to be read before they
//! are kept.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::pins::{Format, InputPins, LinesOptions};
use crate::read::{ReadOptions, ReadRange, open_reader, plan_file, plan_scan};
use crate::schema::FieldType;
use crate::testing::{Outcome, SlowSource, csv_pins, field, ndjson_pins, rows_of};

/// Bytes of each call of the source, and records of a batch: all at once, and as little as can be.
const WAYS: [(usize, usize); 2] = [(usize::MAX, 8_192), (1, 1)];

struct Case {
    name: String,
    /// `case`, `fields`, `set` and `bytes`, as they are written.
    given: Vec<String>,
    expected: Vec<String>,
}

fn path_of(table: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance").join(table)
}

/// The comment that the table begins with, and its cases.
fn read_table(table: &str) -> (String, Vec<Case>) {
    let text = std::fs::read_to_string(path_of(table)).expect("the table lies beside the crate");
    let mut blocks = text.trim_end().split("\n\n");
    let head = blocks.next().unwrap_or_default().to_string();
    let case = |block: &str| {
        let is_given = |line: &&str| ["case ", "fields ", "set ", "bytes "].iter().any(|key| line.starts_with(key));
        let given: Vec<String> = block.lines().take_while(is_given).map(String::from).collect();
        let expected = block.lines().skip(given.len()).map(String::from).collect();
        let name = given.first().and_then(|line| line.strip_prefix("case ")).expect("a block begins with its name").to_string();
        Case { name, given, expected }
    };
    (head, blocks.map(case).collect())
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, length) = match rest {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).expect("two digits"), 16).expect("two hex digits"), 3)
            }
            other => panic!("no escape: {other:?}"),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' => "\\n".into(),
            '\r' => "\\r".into(),
            '\t' => "\\t".into(),
            '\\' => "\\\\".into(),
            character if character.is_control() => format!("\\x{:02x}", u32::from(character)),
            character => character.to_string(),
        })
        .collect()
}

fn pins_of(format: Format, case: &Case) -> InputPins {
    let written = case.given.iter().find_map(|line| line.strip_prefix("fields ")).unwrap_or("id:integer,name:string");
    let fields = written.split(',').map(|written| {
        let (name, kind) = written.split_once(':').expect("name:type");
        let kind: FieldType = serde_json::from_value(json!(kind)).expect("a type of fields");
        field(name, kind)
    });
    let fields = fields.collect();
    let mut pins = match format {
        Format::Csv => csv_pins(fields),
        Format::Lines => InputPins {
            format,
            dialect: None,
            lines: Some(LinesOptions { regex: r"^(?<id>\S+)(?: (?<name>.*))?$".into(), record_start: None }),
            ..csv_pins(fields)
        },
        _ => InputPins { format, ..ndjson_pins(fields) },
    };
    for setting in case.given.iter().filter_map(|line| line.strip_prefix("set ")) {
        let (path, value) = setting.split_once(" = ").expect("path = value");
        let value = serde_json::from_str(value).unwrap_or_else(|_| panic!("{}: {value} is no JSON", case.name));
        let mut whole = serde_json::to_value(&pins).expect("pins are JSON");
        let parts: Vec<&str> = path.split('.').collect();
        put(&mut whole, &parts, value);
        pins = serde_json::from_value(whole).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
    pins
}

/// Pins leave out what is not set, so the last name may be new.
fn put(target: &mut Value, path: &[&str], value: Value) {
    let [name, rest @ ..] = path else { return *target = value };
    match target {
        Value::Array(items) => put(&mut items[name.parse::<usize>().expect("a number of an item")], rest, value),
        _ => put(&mut target[*name], rest, value),
    }
}

/// What becomes of the bytes under chunks of this size, as lines of the table.
fn found(pins: &InputPins, bytes: &[u8], chunk_size: u64, (piece, records): (usize, usize)) -> Vec<String> {
    let source = || SlowSource { bytes: bytes.to_vec(), most: piece };
    let refused = |error: crate::error::Error| vec![format!("refused {} {}", error.code, error.message)];
    let plan = match plan_file(pins, 0, 0, "file:///case", "e", &mut source()) {
        Ok(plan) => plan,
        Err(error) => return refused(error),
    };
    let mut ranges = Vec::new();
    if let Err(error) = plan_scan(pins, &plan, &mut source(), chunk_size, &mut |range| ranges.push(range), &|| false) {
        return refused(error);
    }
    let mut outcome = Outcome::default();
    for planned in ranges {
        let range = ReadRange { start: planned.start, end: planned.end, record: planned.record, line: planned.line };
        let options = ReadOptions { batch_records: records, ..ReadOptions::default() };
        let mut reader = open_reader(pins, &plan, range, &[], Box::new(source()), options).expect("the pins were planned with");
        while let Some(read) = reader.next().expect("bytes in memory can be read") {
            outcome.rows.extend(read.batch.places.iter().copied().zip(rows_of(&read.batch.rows)));
            outcome.rejects.extend(read.rejects);
        }
        outcome.counts.blank_lines += reader.counts().blank_lines;
        outcome.counts.comment_lines += reader.counts().comment_lines;
        outcome.counts.suspect_records += reader.counts().suspect_records;
        for (code, count) in &reader.counts().repairs {
            *outcome.counts.repairs.entry(code).or_default() += count;
        }
    }
    lines_of(&outcome)
}

fn lines_of(outcome: &Outcome) -> Vec<String> {
    let record = |(place, values): &(crate::position::Place, Vec<String>)| {
        let values: Vec<String> = values.iter().map(|value| escaped(value)).collect();
        (place.record, format!("record {} {} {} | {}", place.record, place.line, place.byte, values.join(" | ")))
    };
    let reject = |reject: &crate::reject::Reject| {
        let place = &reject.place;
        let mut line = format!("reject {} {} {}-{} |", place.record, place.line, place.byte, place.byte_end);
        reject.errors.iter().for_each(|error| write!(line, " {} {}:{}", error.code, error.line, error.byte).expect("text can be written"));
        (place.record, line)
    };
    let mut lines: Vec<(u64, String)> = outcome.rows.iter().map(record).chain(outcome.rejects.iter().map(reject)).collect();
    lines.sort();
    let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    let counts = &outcome.counts;
    let mut other: Vec<String> = [("blank", counts.blank_lines), ("comment", counts.comment_lines), ("suspect", counts.suspect_records)]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    other.extend(counts.repairs.iter().map(|(code, count)| format!("repaired {code} {count}")));
    if !other.is_empty() {
        lines.push(format!("counts {}", other.join(", ")));
    }
    lines
}

fn check(table: &str, format: Format) {
    let (head, mut cases) = read_table(table);
    let mut wrong = String::new();
    for case in &mut cases {
        let pins = pins_of(format, case);
        let bytes = unescaped(case.given.iter().find_map(|line| line.strip_prefix("bytes ")).unwrap_or_default());
        let whole = found(&pins, &bytes, 1 << 20, WAYS[0]);
        for (chunk_size, way) in (1..=bytes.len() as u64).flat_map(|size| WAYS.map(|way| (size, way))) {
            let cut = found(&pins, &bytes, chunk_size, way);
            assert_eq!(cut, whole, "{table}, {}: chunks of {chunk_size}, {way:?}", case.name);
        }
        if whole != case.expected {
            writeln!(wrong, "{}\n  expected {:#?}\n  found {whole:#?}", case.name, case.expected).expect("text can be written");
            case.expected = whole;
        }
    }
    if std::env::var("MILLRACE_CONFORMANCE").is_ok_and(|mode| mode == "write") {
        let blocks = cases.iter().map(|case| [case.given.as_slice(), &case.expected].concat().join("\n"));
        let text = std::iter::once(head).chain(blocks).collect::<Vec<_>>().join("\n\n");
        return std::fs::write(path_of(table), text + "\n").expect("the table can be written");
    }
    assert!(wrong.is_empty(), "{table}:\n{wrong}");
}

#[test]
fn csv() {
    check("csv.table", Format::Csv);
}

#[test]
fn ndjson() {
    check("ndjson.table", Format::Ndjson);
}

#[test]
fn json() {
    check("json.table", Format::Json);
}

#[test]
fn lines() {
    check("lines.table", Format::Lines);
}
