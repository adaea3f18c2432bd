//! Reading lines as a whole: tables of cases, groups of lines, and any cut against the whole.

use proptest::prelude::*;

use crate::pins::{Format, InputPins, InvalidBytes, LinesOptions};
use crate::read::{ReadOptions, plan_file};
use crate::schema::{ExtraColumns, FieldType, MissingColumns, OnError};
use crate::testing::{csv_pins, field, plan_of, read_in_chunks, read_whole};

fn pins(regex: &str, record_start: Option<&str>) -> InputPins {
    let fields = vec![field("at", FieldType::Integer), field("text", FieldType::String)];
    let lines = LinesOptions { regex: regex.into(), record_start: record_start.map(String::from) };
    InputPins { format: Format::Lines, dialect: None, lines: Some(lines), ..csv_pins(fields) }
}

const PLAIN: &str = r"^(?<at>\S+)(?: (?<text>.*))?$";

#[test]
fn rows_and_positions() {
    let outcome = read_whole(&pins(PLAIN, None), b"\xef\xbb\xbf1 one\r\n\n2 two words\n3\n4 a\rb\n5 last");
    assert_eq!(outcome.values(), [vec!["1", "one"], vec!["2", "two words"], vec!["3", "∅"], vec!["4", "a\rb"], vec!["5", "last"]]);
    let places: Vec<_> = outcome.rows.iter().map(|(place, _)| (place.record, place.line, place.byte, place.byte_end)).collect();
    assert_eq!(places, [(1, 1, 3, 10), (2, 3, 11, 23), (3, 4, 23, 25), (4, 5, 25, 31), (5, 7, 31, 37)]);
    assert_eq!((outcome.counts.blank_lines, outcome.counts.lines), (1, 6));
}

#[test]
fn what_is_rejected_and_where() {
    let outcome = read_whole(&pins(r"^(?<at>\w+) (?<text>.*)$", None), b"1 a\nnothing\n  \nx b\n2 \xff\n9 \xc3");
    let want = vec![
        (2, vec!["LINES_NO_MATCH"]),
        (3, vec!["LINES_NO_MATCH"]),
        (4, vec!["TYPE_INTEGER"]),
        (5, vec!["ENCODING_INVALID_BYTES"]),
        (6, vec!["ENCODING_TRUNCATED"]),
    ];
    assert_eq!(outcome.codes(), want);
    let errors: Vec<_> = outcome.rejects.iter().map(|reject| (reject.errors[0].byte, reject.errors[0].line)).collect();
    assert_eq!(errors, [(4, 2), (12, 3), (15, 4), (21, 5), (25, 6)]);
    assert_eq!(outcome.rejects[2].errors[0].column_index, Some(1));
    assert_eq!(outcome.rejects[2].raw, b"x b\n");
}

#[test]
fn offsets_are_those_of_the_bytes() {
    let mut latin = pins(r"^(?<text>\D+)=(?<at>\S+)$", None);
    latin.encoding = "latin-1".into();
    let outcome = read_whole(&latin, b"\xe4\xf6=7\n\xe4\xe4\xe4=x\n");
    assert_eq!(outcome.values(), [vec!["7", "äö"]]);
    assert_eq!(outcome.rejects[0].errors[0].byte, 5 + 4);
    let mut replaced = pins(r"^(?<text>\D+)=(?<at>\S+)$", None);
    replaced.invalid_bytes = InvalidBytes::Replace;
    let outcome = read_whole(&replaced, b"\xff=1\n\xff\xff=x\nnone\xff\n");
    assert_eq!(outcome.values(), [vec!["1", "\u{fffd}"]]);
    assert_eq!(outcome.rejects[0].errors[0].byte, 4 + 3);
    assert_eq!(outcome.counts.repairs.into_iter().collect::<Vec<_>>(), [("ENCODING_INVALID_BYTES", 1)]);
}

#[test]
fn groups_that_do_not_match_are_missing() {
    let mut some = pins(r"^(?:a=(?<at>\S*)|b=(?<at..2>\S*)|(?<text>.*))$", None);
    let outcome = read_whole(&some, b"a=1\nb=2\nx\n");
    assert_eq!(outcome.values(), [vec!["1", "∅"], vec!["2", "∅"], vec!["∅", "x"]]);
    some.schema.fields[0].constraints.required = true;
    let outcome = read_whole(&some, b"a=1\nb=\nx\n");
    assert_eq!(outcome.codes(), [(2, vec!["CONSTRAINT_REQUIRED"]), (3, vec!["CONSTRAINT_REQUIRED"])]);
    some.schema.fields[0].constraints.required = false;
    some.schema.fields[0].on_error = OnError::SetNull;
    assert_eq!(read_whole(&some, b"a=x\n").counts.repairs.into_iter().collect::<Vec<_>>(), [("TYPE_INTEGER", 1)]);
}

#[test]
fn columns_find_their_fields() {
    let mut pins = pins(r"^(?<other>\S+) (?<at>\S+)$", None);
    let planned = |pins: &InputPins| plan_file(pins, 0, 0, "a", "e", &mut &b"x 1\n"[..]).map_err(|error| error.code);
    assert_eq!(planned(&pins).err(), Some("SCHEMA_MISSING_COLUMN"));
    pins.schema.missing_columns = MissingColumns::SetNull;
    let plan = planned(&pins).expect("a plan");
    assert_eq!((plan.header, plan.mapping, plan.extra), (vec!["other".into(), "at".into()], vec![None, Some(0)], vec!["other".into()]));
    assert_eq!(read_whole(&pins, b"x 1\n").values(), [vec!["1", "∅"]]);
    pins.schema.extra_columns = ExtraColumns::Fail;
    assert_eq!(planned(&pins).err(), Some("SCHEMA_EXTRA_COLUMN"));
    pins.lines = None;
    assert_eq!(planned(&pins).err(), Some("SPEC_MISSING_FIELD"));
}

#[test]
fn groups_of_lines() {
    let stack = pins(r"(?s)^(?<at>\d+) (?<text>.*)$", Some(r"^\d"));
    let text = b"\n  before\nlines\n1 boom\r\n  at a\n\n  at b\n2 next\n3 end\n  tail";
    let outcome = read_whole(&stack, text);
    assert_eq!(outcome.codes(), [(1, vec!["LINES_NO_MATCH"])]);
    assert_eq!(outcome.rejects[0].raw, b"  before\nlines\n");
    assert_eq!(outcome.values(), [vec!["1", "boom\r\n  at a\n\n  at b"], vec!["2", "next"], vec!["3", "end\n  tail"]]);
    let places: Vec<_> = outcome.rows.iter().map(|(place, _)| (place.record, place.line, place.byte)).collect();
    assert_eq!(places, [(2, 4, 16), (3, 8, 39), (4, 9, 46)]);
    assert_eq!((outcome.counts.blank_lines, outcome.counts.lines), (1, 9));
}

#[test]
fn records_over_the_limit_are_passed() {
    let mut single = pins(PLAIN, None);
    single.max_record_bytes = 8;
    let outcome = read_whole(&single, b"1 a\n2 0123456789\n3 b\n");
    assert_eq!(outcome.codes(), [(2, vec!["LINES_RECORD_TOO_LARGE"])]);
    assert_eq!((outcome.rejects[0].errors[0].byte, outcome.counts.damages), (12, 1));
    let mut stack = pins(r"(?s)^(?<at>\d+) (?<text>.*)$", Some(r"^\d"));
    stack.max_record_bytes = 12;
    let long = format!("1 a\n2 b\n x\n y\n {}\n 3\n3 c\n", "z".repeat(3_000_000));
    let outcome = read_whole(&stack, long.as_bytes());
    assert_eq!(outcome.codes(), [(2, vec!["LINES_RECORD_TOO_LARGE"])]);
    assert_eq!((outcome.rejects[0].place.line, outcome.rows[1].0.line, outcome.rows[1].0.record), (2, 7, 3));
    // A line over the limit begins no record, whatever it holds.
    let outcome = read_whole(&stack, b"1 a\n2 345678901234567890\n3 c\n");
    assert_eq!((outcome.rows.len(), outcome.codes()), (1, vec![(1, vec!["LINES_RECORD_TOO_LARGE"])]));
}

#[test]
fn fields_are_cut_for_people() {
    let pins = pins(PLAIN, None);
    let plan = plan_of(&pins, b"1 a\n");
    assert_eq!(crate::read::cut_fields(&pins, &plan, b"x y z\r\n"), ["x", "y z"]);
    assert_eq!(crate::read::cut_fields(&pins, &plan, b"\n"), Vec::<String>::new());
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"1 a",
        b"22 bb cc",
        b"x y",
        b" at z",
        b"",
        b" ",
        b"\t",
        b"3",
        b"4 a\rb",
        b"5 \xff",
        b"6 \xc3\xa4",
        b"nope",
        b"\r",
        b"7 0123456789012345678901234567890123456789012345678901234567890123456789",
    ];
    prop::sample::select(pieces).prop_map(<[u8]>::to_vec)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn any_cut_equals_the_whole(
        lines in prop::collection::vec((line(), prop::sample::select(vec!["\n", "\n", "\r\n"])), 0..24), ends in any::<bool>(),
        grouped in any::<bool>(), limit in prop_oneof![Just(16u64 << 20), 3u64..60], replace in any::<bool>(),
        chunk_size in 1u64..120, batch_records in 1usize..7, batch_bytes in 1u64..150,
    ) {
        let mut pins = pins(r"(?s)^(?<at>\d+|x)(?: (?<text>.*))?$", grouped.then_some(r"^\d+ "));
        pins.max_record_bytes = limit;
        pins.invalid_bytes = if replace { InvalidBytes::Replace } else { InvalidBytes::Reject };
        let mut bytes: Vec<u8> = lines.iter().flat_map(|(line, end)| [line.as_slice(), end.as_bytes()].concat()).collect();
        if !ends {
            bytes.truncate(bytes.len().saturating_sub(1));
        }
        let whole = read_whole(&pins, &bytes);
        let cut = read_in_chunks(&pins, &bytes, chunk_size, ReadOptions { batch_records, batch_bytes });
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\n\r1 x".to_vec())], 0..200), grouped in any::<bool>(), chunk_size in 1u64..80) {
        let mut pins = pins(PLAIN, grouped.then_some("1"));
        pins.max_record_bytes = 20;
        let known = [&b"\xff\xfe"[..], b"\xfe\xff", b"\x1f\x8b", b"BZh", b"PK\x03\x04"];
        prop_assume!(!known.iter().any(|magic| bytes.starts_with(magic)));
        let outcome = read_in_chunks(&pins, &bytes, chunk_size, ReadOptions { batch_records: 3, batch_bytes: 40 });
        prop_assert!(outcome.counts.records <= bytes.len() as u64);
    }
}
