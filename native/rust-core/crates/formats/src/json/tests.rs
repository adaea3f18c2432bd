//! Reading JSON arrays as a whole: tables of cases, any cut against the whole, and structures that cannot be followed.

use proptest::prelude::*;

use crate::batch::ReadCounts;
use crate::error::Error;
use crate::pins::{Format, InputPins};
use crate::read::{ExcludedRange, PlannedRange, ReadOptions, ReadRange, open_reader, plan_file, plan_scan};
use crate::schema::FieldType;
use crate::source::ByteSource;
use crate::testing::{Outcome, SlowSource, field, ndjson_pins, read_range, read_range_without};

fn pins(records: &str) -> InputPins {
    let fields = vec![field("id", FieldType::Integer), field("name", FieldType::String)];
    let mut pins = InputPins { format: Format::Json, ..ndjson_pins(fields) };
    pins.json.records = records.into();
    pins
}

/// Plans and reads a file in chunks of about `chunk_size`; the plan's counts must be those of the readers.
fn read(pins: &InputPins, bytes: &[u8], chunk_size: u64, options: ReadOptions) -> Result<Outcome, Error> {
    let mut source = bytes;
    let plan = plan_file(pins, 3, 0, "file:///a", "e", &mut source)?;
    let mut ranges: Vec<PlannedRange> = Vec::new();
    let totals = plan_scan(pins, &plan, &mut source, chunk_size, &mut |range| ranges.push(range), &|| false)?;
    let mut outcome = Outcome::default();
    let mut next = plan.data_start;
    for planned in ranges {
        assert_eq!(planned.start, next, "chunks must join");
        next = planned.end;
        let range = ReadRange { start: planned.start, end: planned.end, record: planned.record, line: planned.line };
        let before = outcome.counts.clone();
        read_range(pins, &plan, bytes, range, options, &mut outcome);
        let got = &outcome.counts;
        assert_eq!(got.records - before.records, planned.records);
        assert_eq!(got.lines - before.lines, planned.lines);
        assert_eq!(got.damages - before.damages, planned.damages);
    }
    assert_eq!((totals.records, totals.bytes), (outcome.counts.records, bytes.len() as u64));
    Ok(outcome)
}

fn whole(pins: &InputPins, text: &str) -> Result<Outcome, Error> {
    read(pins, text.as_bytes(), u64::MAX / 2, ReadOptions::default())
}

/// Reads bytes that nobody has planned, as an inline payload is read.
fn unplanned(pins: &InputPins, bytes: &[u8], options: ReadOptions) -> Result<(Outcome, ReadCounts), Error> {
    let mut source = bytes;
    let plan = plan_file(pins, 3, 0, "key", "", &mut source)?;
    let range = ReadRange { start: plan.data_start, end: source.size(), record: 1, line: plan.first_line };
    let source = Box::new(SlowSource { bytes: bytes.to_vec(), most: 7 });
    let mut reader = open_reader(pins, &plan, range, &[], source, options)?;
    let mut outcome = Outcome::default();
    while let Some(read) = reader.next()? {
        outcome.rows.extend(read.batch.places.iter().copied().zip(crate::testing::rows_of(&read.batch.rows)));
        outcome.rejects.extend(read.rejects);
    }
    Ok((outcome, reader.counts().clone()))
}

#[test]
fn rows_and_positions() {
    let text = "\u{feff}[\r\n  {\"id\": 1,\r\n   \"name\": \"a,]}\\\"\"},\n{\"id\":2}\n,\n\t{\"id\":3} ]\n";
    let outcome = whole(&pins(""), text).expect("an array");
    assert_eq!(outcome.values(), [vec!["1", "a,]}\""], vec!["2", "∅"], vec!["3", "∅"]]);
    let places: Vec<_> = outcome.rows.iter().map(|(place, _)| (place.record, place.line, place.byte, place.byte_end)).collect();
    assert_eq!(places, [(1, 2, 8, 39), (2, 4, 41, 49), (3, 6, 53, 61)]);
    assert_eq!(outcome.counts.lines, 5);
}

#[test]
fn an_invalid_element_is_one_reject() {
    let text = "[{\"id\":1},\n {\"id\":x},\n {\"id\":1}}],\n";
    assert_eq!(whole(&pins(""), text).map(|_| ()).expect_err("a bracket too many").code, "JSON_ARRAY_BROKEN");
    let text = "[{\"id\":1},\n {\"id\":x}, 7,\n[1],\"{\\\"id\\\":5}\",{\"id\":\"y\",\n\"name\":9},nope,{\"id\":1]\n]";
    let outcome = whole(&pins(""), text).expect("an array");
    let want = vec![
        (2, vec!["JSON_SYNTAX"]),
        (3, vec!["JSON_NOT_OBJECT"]),
        (4, vec!["JSON_NOT_OBJECT"]),
        (5, vec!["JSON_NOT_OBJECT"]),
        (6, vec!["TYPE_INTEGER", "TYPE_STRING"]),
        (7, vec!["JSON_SYNTAX"]),
        (8, vec!["JSON_SYNTAX"]),
    ];
    assert_eq!(outcome.codes(), want);
    let place = |index: usize| (outcome.rejects[index].errors[0].byte as usize, outcome.rejects[index].errors[0].line);
    assert_eq!(place(0), (text.find("x}").expect("there"), 2));
    assert_eq!(outcome.rejects[4].errors[1].line, 4);
    assert_eq!(outcome.rejects[1].raw, b"7");
}

#[test]
fn arrays_below_a_pointer() {
    let text = "{\"meta\": {\"items\": [9, \"]\"], \"n\": -1.5}, \"da\\u0074a\": [{\"x/y\": [ {\"id\":1}, {\"id\":2} ]}], \"rest\": [1]}\n";
    let outcome = whole(&pins("/data/0/x~1y"), text).expect("an array");
    assert_eq!(outcome.values(), [vec!["1", "∅"], vec!["2", "∅"]]);
    assert_eq!(outcome.rows[1].0.byte as usize, text.find("{\"id\":2}").expect("there"));
    for (pointer, code) in [
        ("/data", None),
        ("/data/1", Some("JSON_ARRAY_MISSING")),
        ("/data/00", Some("JSON_ARRAY_MISSING")),
        ("/data/x", Some("JSON_ARRAY_MISSING")),
        ("/nothing", Some("JSON_ARRAY_MISSING")),
        ("/meta", Some("JSON_ARRAY_MISSING")),
        ("/meta/n", Some("JSON_ARRAY_MISSING")),
        ("/meta/n/x", Some("JSON_ARRAY_MISSING")),
        ("", Some("JSON_ARRAY_MISSING")),
        ("data", Some("SPEC_BAD_VALUE")),
        ("/a~2", Some("SPEC_BAD_VALUE")),
    ] {
        assert_eq!(whole(&pins(pointer), text).err().map(|error| error.code), code, "{pointer}");
    }
}

#[test]
fn what_cannot_be_followed_is_named_with_its_byte() {
    for (pointer, text, code, byte) in [
        ("", "[{\"id\":1},]", "JSON_ARRAY_BROKEN", 10),
        ("", "[,{\"id\":1}]", "JSON_ARRAY_BROKEN", 1),
        ("", "[{\"id\":1} {\"id\":2}]", "JSON_ARRAY_BROKEN", 10),
        ("", "[{\"id\":1}", "JSON_ARRAY_BROKEN", 9),
        ("", "[{\"id\":1", "JSON_ARRAY_BROKEN", 8),
        ("", "[{\"id\":\"1]", "JSON_ARRAY_BROKEN", 10),
        ("", "[{\"id\":1}] x", "JSON_ARRAY_BROKEN", 11),
        ("", "[", "JSON_ARRAY_BROKEN", 1),
        ("", "  \n ", "JSON_ARRAY_MISSING", 4),
        ("", "{\"id\":1}", "JSON_ARRAY_MISSING", 0),
        ("/a", "{\"a\":[1]", "JSON_ARRAY_BROKEN", 8),
        ("/a", "{\"b\":[1,\"a\":[1]}", "JSON_ARRAY_BROKEN", 16),
        ("/a", "{\"b\" 1}", "JSON_ARRAY_BROKEN", 5),
        ("/a", "{\"b\":}", "JSON_ARRAY_BROKEN", 5),
        ("/a", "{\"b\":1 \"a\":[]}", "JSON_ARRAY_BROKEN", 7),
        ("/a", "{b:1}", "JSON_ARRAY_BROKEN", 1),
        ("/a", "{\"b\":1,}", "JSON_ARRAY_BROKEN", 7),
        ("/a", "{\"b", "JSON_ARRAY_BROKEN", 3),
        ("/1", "[1,]", "JSON_ARRAY_BROKEN", 3),
    ] {
        let error = whole(&pins(pointer), text).map(|_| ()).expect_err(text);
        assert_eq!(error.code, code, "{text}: {}", error.message);
        assert!(error.message.contains(&format!("byte {byte}")), "{text}: {}", error.message);
    }
    for text in ["", "[]", "[ \n]", "\u{feff}", " [ ] "] {
        assert_eq!(whole(&pins(""), text).expect("legal").counts.records, 0, "{text:?}");
    }
}

#[test]
fn payloads_are_read_without_a_plan() {
    let options = ReadOptions { batch_records: 2, batch_bytes: 1 << 20 };
    let text = b"[{\"id\":1},{\"id\":2} ,{\"id\":3}\n]\n\n";
    let (outcome, counts) = unplanned(&pins(""), text, options).expect("an array");
    assert_eq!((outcome.rows.len(), counts.records, counts.lines), (3, 3, 1));
    assert_eq!(unplanned(&pins("/a"), b"{\"a\":[{\"id\":1}],\"b\":2}", options).expect("an array").1.records, 1);
    assert_eq!(unplanned(&pins(""), b"", options).expect("nothing").1.records, 0);
    assert_eq!(unplanned(&pins(""), b"[ ]", options).expect("nothing").1.records, 0);
    for text in ["[{\"id\":1}", "[{\"id\":1},]", "[{\"id\":1}] 1", "[{\"id\":1", "[1 2]", "[", "[12"] {
        let error = unplanned(&pins(""), text.as_bytes(), options).map(|_| ()).expect_err(text);
        assert_eq!(error.code, "JSON_ARRAY_BROKEN", "{text}");
    }
}

#[test]
fn elements_over_the_limit_are_passed() {
    let mut pins = pins("");
    pins.max_record_bytes = 16;
    let long = "x".repeat(200_000);
    let text = format!("[{{\"id\":1}},{{\"name\":\"{long}\n\"}},\n{{\"id\":2}},{{\"id\":   12345678}}]");
    let outcome = read(&pins, text.as_bytes(), u64::MAX / 2, ReadOptions { batch_records: 9, batch_bytes: 100 }).expect("an array");
    assert_eq!(outcome.codes(), [(2, vec!["JSON_RECORD_TOO_LARGE"]), (4, vec!["JSON_RECORD_TOO_LARGE"])]);
    assert_eq!((outcome.rejects[0].raw.len(), outcome.rejects[0].raw_truncated), (64 << 10, true));
    assert_eq!(outcome.rejects[0].errors[0].byte, 10 + 16);
    assert_eq!((outcome.rows[1].0.record, outcome.rows[1].0.line), (3, 3));
    assert_eq!(outcome.counts.damages, 2);
}

#[test]
fn excluded_elements_become_rejects() {
    let pins = pins("");
    let text = b"[{\"id\":1}, {\"id\":2},\n {\"id\":3} ]";
    let mut source = &text[..];
    let plan = plan_file(&pins, 3, 0, "a", "e", &mut source).expect("an array");
    let places: Vec<u64> =
        whole(&pins, std::str::from_utf8(text).expect("text")).expect("an array").rows.iter().map(|(place, _)| place.byte).collect();
    let end = text.len() as u64 - 1;
    for (index, start) in places.iter().copied().enumerate() {
        let excluded = ExcludedRange { start, end: places.get(index + 1).copied().unwrap_or(end), code: "CORE_CRASH" };
        let range = ReadRange { start: 1, end, record: 1, line: 1 };
        let mut outcome = Outcome::default();
        read_range_without(&pins, &plan, text, range, &[excluded], ReadOptions::default(), &mut outcome);
        assert_eq!(outcome.codes(), [(index as u64 + 1, vec!["CORE_CRASH"])]);
        assert_eq!((outcome.rows.len(), outcome.counts.lines), (2, 1));
    }
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{\"id\":1,\"name\":\"a\"}",
        "{\"id\":-22, \"name\": \"x\\\"]\\\\\"}",
        "{\r\n \"id\": 3\n}",
        "{\"id\":\"bad\"}",
        "{\"id\":01}",
        "{\"name\":\"\\ud800\"}",
        "{\"z\":{\"q\":[[],{}]}}",
        "null",
        "12e",
        "\"},{\"",
        "{\"name\":\"ä\u{1F600}\"}",
        "{\"name\":\"0123456789012345678901234567890123456789\"}",
    ])
}

fn separator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![",", ", ", ",\n", " ,\r\n  ", "\r,\r", "\n\n,\n\n"])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn any_cut_equals_the_whole(
        elements in prop::collection::vec((piece(), separator()), 0..12), last in piece(), head in prop::sample::select(vec!["[", " \n[ ", "[\r\n"]),
        below in any::<bool>(), limit in prop_oneof![Just(16u64 << 20), 10u64..60],
        chunk_size in 1u64..120, batch_records in 1usize..6, batch_bytes in 1u64..150,
    ) {
        let mut pins = pins(if below { "/a" } else { "" });
        pins.max_record_bytes = limit;
        let inside: String = elements.iter().flat_map(|(element, separator)| [*element, *separator]).collect();
        let array = format!("{head}{inside}{last}\n]");
        let text = if below { format!("{{\"b\":[[]],\r\n\"a\":{array} ,\"c\":{{}}}}\n") } else { array };
        let whole = whole(&pins, &text).expect("an array");
        let cut = read(&pins, text.as_bytes(), chunk_size, ReadOptions { batch_records, batch_bytes }).expect("an array");
        prop_assert_eq!(&cut, &whole);
        // What a reader without a plan finds is the same.
        let (payload, counts) = unplanned(&pins, text.as_bytes(), ReadOptions { batch_records, batch_bytes }).expect("an array");
        prop_assert_eq!((&payload.rows, &payload.rejects), (&whole.rows, &whole.rejects));
        prop_assert_eq!(counts.records, whole.counts.records);
        // Elements are those of another parser where that one understands the whole.
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
            let array = if below { &value["a"] } else { &value };
            prop_assert_eq!(array.as_array().map(Vec::len), Some(whole.counts.records as usize));
        }
    }

    /// Bytes changed anywhere: an error or an outcome, and never more records than bytes.
    #[test]
    fn mutations_are_survived(
        elements in prop::collection::vec((piece(), separator()), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), prop::sample::select(b"[]{}\",\\\n".to_vec())]), 0..6),
        cut in any::<prop::sample::Index>(), chunk_size in 1u64..80,
    ) {
        let inside: String = elements.iter().flat_map(|(element, separator)| [*element, *separator]).collect();
        let mut bytes = format!("[{inside}1]").into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(1).min(bytes.len()));
        let options = ReadOptions { batch_records: 3, batch_bytes: 64 };
        match read(&pins(""), &bytes, chunk_size, options) {
            Ok(outcome) => prop_assert!(outcome.counts.records <= bytes.len() as u64),
            Err(error) => prop_assert!(["JSON_ARRAY_BROKEN", "JSON_ARRAY_MISSING", "ENCODING_MISMATCH", "INPUT_MAGIC"].contains(&error.code), "{}", error.code),
        }
        let _ = unplanned(&pins(""), &bytes, options);
    }
}
