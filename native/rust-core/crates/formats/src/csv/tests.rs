//! Reading CSV as a whole: tables of cases, any cut against the whole, the column way against one record at a time, other readers.

use millrace_scan::{Extent, ExtentKind, Step, next_extent, skip_line};
use proptest::prelude::*;
use serde_json::json;

use super::record::{Judgement, judge};
use super::rules::CsvRules;
use crate::column::ColumnBuilder;
use crate::pins::{BlankRows, Dialect, InputPins, InvalidBytes, LongRows, ShortRows, StrayQuotes};
use crate::position::{Counter, Place};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::schema::{Field, FieldType, MissingColumns, OnError};
use crate::testing::{Outcome, csv_pins, field, plan_of, read_in_chunks, read_range_without, read_whole, rows_of};

fn three() -> InputPins {
    csv_pins(vec![field("id", FieldType::Integer), field("name", FieldType::String), field("day", FieldType::Date)])
}

fn edited(edit: impl FnOnce(&mut Dialect)) -> InputPins {
    let mut pins = three();
    edit(pins.dialect.as_mut().expect("csv"));
    pins
}

#[test]
fn rows_and_positions() {
    let outcome = read_whole(&three(), b"day,id,name\n2024-02-29,1,\"a \"\"b\"\",\nc\"\r\n\n,,\n2024-03-01,-7,x");
    assert_eq!(outcome.values(), [vec!["1", "a \"b\",\nc", "2024-02-29"], vec!["∅", "∅", "∅"], vec!["-7", "x", "2024-03-01"]]);
    let places: Vec<Place> = outcome.rows.iter().map(|(place, _)| *place).collect();
    assert_eq!(places[0], Place { file: 3, record: 1, line: 2, byte: 12, byte_end: 39 });
    assert_eq!(places[1], Place { file: 3, record: 2, line: 5, byte: 40, byte_end: 43 });
    assert_eq!((places[2].record, places[2].line), (3, 6));
    assert_eq!((outcome.counts.records, outcome.counts.blank_lines, outcome.counts.lines), (3, 1, 4));
}

#[test]
fn everything_wrong_with_a_record_is_reported_in_byte_order() {
    let mut pins = three();
    pins.schema.fields[0].constraints.minimum = Some(json!(10));
    pins.schema.fields[0].constraints.allowed = Some(vec![json!(12)]);
    pins.schema.fields[1].constraints.required = true;
    let outcome = read_whole(&pins, b"id,name,day\n5,,2024-02-30\n12,ok,\n");
    assert_eq!(outcome.codes(), [(1, vec!["CONSTRAINT_MINIMUM", "CONSTRAINT_ENUM", "CONSTRAINT_REQUIRED", "TYPE_DATE"])]);
    let reject = &outcome.rejects[0];
    assert_eq!(reject.raw, b"5,,2024-02-30\n");
    let places: Vec<_> = reject.errors.iter().map(|error| (error.byte, error.line, error.column.as_deref(), error.column_index)).collect();
    assert_eq!(
        places,
        [(12, 2, Some("id"), Some(1)), (12, 2, Some("id"), Some(1)), (14, 2, Some("name"), Some(2)), (15, 2, Some("day"), Some(3))]
    );
    assert_eq!(reject.errors[0].expected.as_deref(), Some("at least 10"));
    assert_eq!(reject.errors[3].value.as_deref(), Some("2024-02-30"));
    assert_eq!(outcome.values(), [vec!["12", "ok", "∅"]]);
}

#[test]
fn errors_inside_a_record_over_several_lines_have_their_own_line() {
    let outcome = read_whole(&three(), b"id,name,day\n1,\"a\nb\",x\n");
    let error = &outcome.rejects[0].errors[0];
    assert_eq!((error.code, error.byte, error.line), ("TYPE_DATE", 20, 3));
}

#[test]
fn counts_of_fields() {
    let bytes = b"id,name,day\n1\n2,b\n3,c,2024-01-01,d,e\n4,d,\n";
    let strict = read_whole(&three(), bytes);
    assert_eq!(strict.codes(), [(1, vec!["CSV_SHORT_ROW"]), (2, vec!["CSV_SHORT_ROW"]), (3, vec!["CSV_LONG_ROW"])]);
    let places: Vec<u64> = strict.rejects.iter().map(|reject| reject.errors[0].byte).collect();
    assert_eq!(places, [13, 17, 33]);
    let lenient = read_whole(
        &edited(|dialect| {
            dialect.short_rows = ShortRows::Pad;
            dialect.long_rows = LongRows::Truncate;
        }),
        bytes,
    );
    assert_eq!(lenient.values(), [vec!["1", "∅", "∅"], vec!["2", "b", "∅"], vec!["3", "c", "2024-01-01"], vec!["4", "d", "∅"]]);
    assert_eq!(lenient.counts.repairs.into_iter().collect::<Vec<_>>(), [("CSV_LONG_ROW", 1), ("CSV_SHORT_ROW", 2)]);
}

#[test]
fn stray_quotes() {
    let bytes = b"id,name,day\n1,a\"b,\n2,\"c\"d,\n3,e,\n";
    let strict = read_whole(&three(), bytes);
    assert_eq!(strict.codes(), [(1, vec!["CSV_STRAY_QUOTE"]), (2, vec!["CSV_STRAY_QUOTE"])]);
    assert_eq!((strict.rejects[0].errors[0].byte, strict.rejects[1].errors[0].byte), (15, 24));
    assert_eq!((strict.counts.damages, strict.counts.damaged_bytes, strict.counts.damaged_lines), (1, 8, 1));
    let literal = read_whole(&edited(|dialect| dialect.stray_quotes = StrayQuotes::Literal), b"id,name,day\n1,a\"b,\n2,\"c\"d\",\n3,e,\n");
    assert_eq!(literal.values(), [vec!["1", "a\"b", "∅"], vec!["2", "c\"d", "∅"], vec!["3", "e", "∅"]]);
    assert_eq!(literal.counts.repairs.get("CSV_STRAY_QUOTE"), Some(&2));
}

#[test]
fn a_broken_quote_costs_one_record() {
    let outcome = read_whole(&three(), b"id,name,day\n1,\"a,\n2,b,\n3,c,\n");
    assert_eq!(outcome.codes(), [(1, vec!["CSV_UNCLOSED_QUOTE"])]);
    assert_eq!(outcome.rejects[0].raw, b"1,\"a,\n");
    assert_eq!((outcome.rejects[0].errors[0].byte, outcome.rejects[0].errors[0].line), (14, 2));
    assert_eq!(outcome.values(), [vec!["2", "b", "∅"], vec!["3", "c", "∅"]]);
}

#[test]
fn escapes_and_the_null_sequence() {
    let pins = edited(|dialect| {
        dialect.escape_char = "\\".into();
        dialect.double_quote = false;
        dialect.null_sequence = Some("\\N".into());
    });
    let outcome = read_whole(&pins, b"id,name,day\n1,a\\,b,\n2,\"c\\\"d\",\\N\n3,\\N,\n4,\"\\N\",\n5,\\x,\n");
    assert_eq!(outcome.values(), [vec!["1", "a,b", "∅"], vec!["2", "c\"d", "∅"], vec!["3", "∅", "∅"]]);
    assert_eq!(outcome.codes(), [(4, vec!["CSV_BAD_ESCAPE"]), (5, vec!["CSV_BAD_ESCAPE"])]);
    let plain = edited(|dialect| dialect.null_sequence = Some("NULL".into()));
    let outcome = read_whole(&plain, b"id,name,day\n NULL ,NULL,\n1,\"NULL\",\n1, NULL,\n");
    assert_eq!(outcome.values(), [vec!["∅", "∅", "∅"], vec!["1", "NULL", "∅"], vec!["1", " NULL", "∅"]]);
}

#[test]
fn blank_and_comment_lines() {
    let bytes = b"id,name,day\n\n# 1,\"x\n1,a,\n\r\n";
    let skipping = edited(|dialect| dialect.comment_char = "#".into());
    let outcome = read_whole(&skipping, bytes);
    assert_eq!((outcome.counts.records, outcome.counts.blank_lines, outcome.counts.comment_lines, outcome.counts.lines), (1, 2, 1, 4));
    assert_eq!((outcome.rows[0].0.record, outcome.rows[0].0.line), (1, 4));
    let mut rejecting = skipping;
    rejecting.dialect.as_mut().expect("csv").blank_rows = BlankRows::Reject;
    let outcome = read_whole(&rejecting, bytes);
    assert_eq!(outcome.codes(), [(1, vec!["CSV_BLANK_ROW"]), (3, vec!["CSV_BLANK_ROW"])]);
    assert_eq!((outcome.counts.records, outcome.counts.blank_lines), (3, 0));
    assert_eq!(read_in_chunks(&rejecting, bytes, 1, ReadOptions::default()), outcome);
}

#[test]
fn illegal_bytes() {
    let mut pins = csv_pins(vec![field("a", FieldType::String), field("b", FieldType::Integer)]);
    let bytes = b"a,note,b\nx,\xffy,1\n\"p\xc3\",,z\nok,,2\nlast,,\xc3";
    let strict = read_whole(&pins, bytes);
    assert_eq!(
        strict.codes(),
        [(1, vec!["ENCODING_INVALID_BYTES"]), (2, vec!["ENCODING_INVALID_BYTES", "TYPE_INTEGER"]), (4, vec!["ENCODING_TRUNCATED"])]
    );
    assert_eq!(strict.rejects[0].errors[0].column.as_deref(), Some("note"));
    assert_eq!((strict.rejects[0].errors[0].byte, strict.rejects[1].errors[0].byte), (11, 18));
    assert_eq!(strict.rejects[1].raw, b"\"p\xc3\",,z\n");
    pins.invalid_bytes = InvalidBytes::Replace;
    let lenient = read_whole(&pins, b"a,note,b\nx,\xffy,1\n\"p\xc3\"\"\",,3\nok,,2\nlast\xc3,,");
    assert_eq!(lenient.values(), [vec!["x", "1"], vec!["p\u{fffd}\"", "3"], vec!["ok", "2"], vec!["last\u{fffd}", "∅"]]);
    assert_eq!(lenient.counts.repairs.into_iter().collect::<Vec<_>>(), [("ENCODING_INVALID_BYTES", 3)]);
}

#[test]
fn single_byte_encodings() {
    let mut pins = csv_pins(vec![field("größe", FieldType::Number), field("b", FieldType::String)]);
    pins.encoding = "windows-1252".into();
    pins.dialect.as_mut().expect("csv").delimiter = "§".into();
    pins.schema.fields[0].bare_number = false;
    let outcome = read_whole(&pins, b"gr\xf6\xdfe\xa7b\n\x80 1.5\xa7\"\xe4\"\"\"\n2\xa7a\n3\xa7\x81\n");
    assert_eq!(outcome.values(), [vec!["1.5", "ä\""], vec!["2.0", "a"], vec!["3.0", "\u{81}"]]);
    let mut greek = csv_pins(vec![field("a", FieldType::String)]);
    greek.encoding = "windows-1253".into();
    let outcome = read_whole(&greek, b"a,x\n\xe1,\n\xe2,\xd2\n");
    assert_eq!(outcome.values(), [vec!["α"]]);
    assert_eq!((outcome.codes(), outcome.rejects[0].errors[0].byte), (vec![(2, vec!["ENCODING_INVALID_BYTES"])], 9));
}

#[test]
fn a_file_without_columns_is_read_without_a_fault() {
    let mut pins = csv_pins(vec![]);
    pins.dialect.as_mut().expect("csv").header = false;
    pins.dialect.as_mut().expect("csv").header_rows.clear();
    let outcome = read_whole(&pins, b"a,b\n\"c,d\n");
    assert_eq!(outcome.counts.records, outcome.rows.len() as u64 + outcome.rejects.len() as u64);
}

#[test]
fn absent_columns_are_null_or_required() {
    let mut pins = three();
    pins.schema.missing_columns = MissingColumns::SetNull;
    assert_eq!(read_whole(&pins, b"id,x\n1,2\n").values(), [vec!["1", "∅", "∅"]]);
    pins.schema.fields[2].constraints.required = true;
    assert_eq!(read_whole(&pins, b"id,x\n1,2\n").codes(), [(1, vec!["CONSTRAINT_REQUIRED"])]);
}

#[test]
fn dropped_values_count_one_repair_a_record_and_code() {
    let mut pins = three();
    pins.schema.fields[0].on_error = OnError::SetNull;
    pins.schema.fields[2].on_error = OnError::SetNull;
    pins.schema.fields[2].field_type = FieldType::Integer;
    let outcome = read_whole(&pins, b"id,name,day\nx,a,y\nx,b,1\n1,c,2\n");
    assert_eq!(outcome.values(), [vec!["∅", "a", "∅"], vec!["∅", "b", "1"], vec!["1", "c", "2"]]);
    assert_eq!(outcome.counts.repairs.into_iter().collect::<Vec<_>>(), [("TYPE_INTEGER", 2)]);
}

#[test]
fn excluded_records_are_rejects_and_are_not_parsed() {
    let pins = three();
    let bytes = b"id,name,day\n1,a,\n2,\"b\nb\",\n3,c,\n4,d,\n";
    let plan = plan_of(&pins, bytes);
    let range = ReadRange { start: 12, end: bytes.len() as u64, record: 1, line: 2 };
    let excluded = [ExcludedRange { start: 31, end: 36, code: "CORE_MEMORY" }, ExcludedRange { start: 17, end: 26, code: "CORE_CRASH" }];
    let mut outcome = Outcome::default();
    read_range_without(&pins, &plan, bytes, range, &excluded, ReadOptions::default(), &mut outcome);
    assert_eq!(outcome.codes(), [(2, vec!["CORE_CRASH"]), (4, vec!["CORE_MEMORY"])]);
    assert_eq!(outcome.rejects[0].raw, b"2,\"b\nb\",\n");
    let places: Vec<_> = outcome.rows.iter().map(|(place, _)| (place.record, place.line)).collect();
    assert_eq!(places, [(1, 2), (3, 5)]);
    assert_eq!((outcome.counts.records, outcome.counts.lines), (4, 5));
    let outside = [ExcludedRange { start: 0, end: 12, code: "CORE_CRASH" }];
    let source = Box::new(crate::testing::SlowSource { bytes: bytes.to_vec(), most: 9 });
    assert_eq!(
        crate::read::open_reader(&pins, &plan, range, &outside, source, ReadOptions::default()).err().map(|e| e.code),
        Some("INPUT_RANGE")
    );
}

#[test]
fn fields_are_cut_for_people() {
    let pins = three();
    let bytes = b"id,name,day\n";
    let plan = plan_of(&pins, bytes);
    for (raw, want) in [
        (&b"1,\"a,\"\"b\",\xff\r\n"[..], vec!["1", "a,\"b", "\u{fffd}"]),
        (b"1,2", vec!["1", "2"]),
        (b"1,2,3,4\n", vec!["1", "2", "3", "4"]),
        (b"1,\"a,\n", vec![]),
        (b"1,2,3\n4,5,6\n", vec![]),
        (b"", vec![]),
    ] {
        assert_eq!(crate::read::cut_fields(&pins, &plan, raw), want, "{raw:?}");
    }
}

#[test]
fn a_damage_longer_than_the_limit_keeps_its_beginning() {
    let mut pins = three();
    pins.max_record_bytes = 100_000;
    let mut bytes = b"id,name,day\n1,".to_vec();
    bytes.extend(vec![b'x'; 3_000_000]);
    bytes.extend(b"\r\n2,b,\n");
    let outcome = read_whole(&pins, &bytes);
    assert_eq!(outcome.codes(), [(1, vec!["CSV_RECORD_TOO_LARGE"])]);
    let reject = &outcome.rejects[0];
    assert_eq!((reject.raw.len(), reject.raw_truncated, reject.place.byte_end), (65_536, true, 3_000_016));
    assert_eq!(reject.raw, &bytes[12..12 + 65_536]);
    assert_eq!(outcome.values(), [vec!["2", "b", "∅"]]);
    assert_eq!(outcome.rows[0].0.line, 3);
}

/// Reads by the plain definitions alone: extent by extent, record by record, value by value.
fn read_plainly(pins: &InputPins, bytes: &[u8]) -> Outcome {
    let plan = plan_of(pins, bytes);
    let rules = CsvRules::compile(pins, &plan).expect("the pins are valid");
    let mut outcome = Outcome::default();
    let mut counter = Counter { file: plan.file, record: 1, line: plan.first_line };
    let mut at = plan.data_start as usize;
    while at < bytes.len() {
        let extent = match next_extent(&bytes[at..], true, at as u64, &rules.scan) {
            Step::Extent(extent) => extent,
            Step::LongLine(extent) => match skip_line(&bytes[at + extent.length as usize..], true, &rules.scan) {
                millrace_scan::Skip::End { length, lines } => {
                    Extent { length: extent.length + length, lines: extent.lines + lines, ..extent }
                }
                more => panic!("the stream ends: {more:?}"),
            },
            Step::NeedMore => panic!("the stream ends"),
        };
        plain_extent(pins, &rules, &extent, &bytes[at..], at as u64, &mut counter, &mut outcome);
        at += extent.length as usize;
    }
    outcome
}

/// `rest`: the extent and all behind it, where what proves a damage may stand.
fn plain_extent(pins: &InputPins, rules: &CsvRules, extent: &Extent, rest: &[u8], byte: u64, counter: &mut Counter, outcome: &mut Outcome) {
    let raw = &rest[..extent.length as usize];
    outcome.counts.lines += extent.lines;
    let is_record = extent.counts_as_record() || (extent.kind == ExtentKind::Blank && rules.reject_blank);
    if !is_record {
        counter.line += extent.lines;
        *(if extent.kind == ExtentKind::Blank { &mut outcome.counts.blank_lines } else { &mut outcome.counts.comment_lines }) += 1;
        return;
    }
    outcome.counts.records += 1;
    let place = counter.take(byte, extent.length, extent.lines);
    match extent.kind {
        ExtentKind::Record => match judge(rules, raw, &place) {
            Judgement::Reject(errors) => outcome.rejects.push(crate::report::reject(place, errors, raw)),
            Judgement::Row { slots, mut repairs } => {
                outcome.counts.suspect_records += u64::from(extent.suspect);
                repairs.extend(slots.iter().filter_map(|slot| slot.judged.repair));
                repairs.extend(extent.literal.then_some("CSV_STRAY_QUOTE"));
                repairs.sort_unstable();
                repairs.dedup();
                repairs.into_iter().for_each(|code| *outcome.counts.repairs.entry(code).or_default() += 1);
                let columns = rules.fields.iter().zip(&slots).map(|(field, slot)| {
                    let mut builder = ColumnBuilder::new(&field.kind);
                    builder.append(slot.judged.value, field.trimmed(slot.text.as_deref().unwrap_or_default()));
                    builder.finish()
                });
                let row = arrow_array::RecordBatch::try_new(pins.schema.arrow_schema(), columns.collect()).expect("types agree");
                outcome.rows.push((place, rows_of(&row).remove(0)));
            }
        },
        kind => {
            let (code, at) = match kind {
                ExtentKind::Damage { code, error_offset } => (code.code(), error_offset),
                _ => ("CSV_BLANK_ROW", byte),
            };
            if code != "CSV_BLANK_ROW" {
                outcome.counts.damages += 1;
                outcome.counts.damaged_bytes += extent.length;
                outcome.counts.damaged_lines += extent.lines;
            }
            let spot = crate::report::Spot { raw: rest, place: &place, offset: (at - byte) as usize, column_index: None };
            outcome.rejects.push(crate::report::reject_range(place, spot.error(code, String::new(), None), raw, rules.max_record_bytes));
        }
    }
}

/// Messages of damages are not part of the plain definition.
fn without_messages(mut outcome: Outcome) -> Outcome {
    for reject in &mut outcome.rejects {
        reject.errors.iter_mut().for_each(|error| error.message.clear());
    }
    outcome
}

fn every_type() -> Vec<Field> {
    let mut fields = vec![
        field("i", FieldType::Integer),
        field("s", FieldType::String),
        field("n", FieldType::Number),
        field("d", FieldType::Date),
        field("t", FieldType::Datetime),
        field("b", FieldType::Boolean),
        field("x", FieldType::Number),
    ];
    fields[0].constraints.minimum = Some(json!(0));
    fields[1].constraints.max_length = Some(6);
    fields[3].on_error = OnError::SetNull;
    fields[5].on_error = OnError::SetNull;
    (fields[6].precision, fields[6].scale, fields[6].group_char) = (Some(6), Some(2), Some("'".into()));
    fields[6].constraints.required = true;
    fields
}

prop_compose! {
    fn dirty_pins()(
        dialect_bits in 0u32..512,
        limit in prop_oneof![Just(16u64 << 20), 24u64..200],
        encoding in prop_oneof![Just("utf-8"), Just("windows-1252"), Just("latin-1")],
        replace in any::<bool>(),
    ) -> InputPins {
        let on = |bit: u32| dialect_bits >> bit & 1 == 1;
        let mut pins = csv_pins(every_type());
        pins.max_record_bytes = limit;
        pins.encoding = encoding.into();
        pins.invalid_bytes = if replace { InvalidBytes::Replace } else { InvalidBytes::Reject };
        pins.schema.missing_values = vec![String::new(), "n/a".into()];
        let dialect = pins.dialect.as_mut().expect("csv");
        dialect.stray_quotes = if on(0) { StrayQuotes::Literal } else { StrayQuotes::Reject };
        dialect.short_rows = if on(1) { ShortRows::Pad } else { ShortRows::Reject };
        dialect.long_rows = if on(2) { LongRows::Truncate } else { LongRows::Reject };
        dialect.blank_rows = if on(3) { BlankRows::Reject } else { BlankRows::Skip };
        dialect.skip_initial_space = on(4);
        dialect.escape_char = if on(5) { "\\".into() } else { String::new() };
        dialect.double_quote = !on(5);
        dialect.null_sequence = on(6).then(|| "\\N".into());
        dialect.comment_char = if on(7) { "#".into() } else { String::new() };
        dialect.line_terminator = on(8).then(|| "\n".into());
        pins
    }
}

fn good_row() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![Just("a"), Just("äö"), Just("\"q\"\"q\""), Just("\"x,\ny\""), Just("\" \""), Just("n/a")];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (0u32..99, text, any::<bool>(), end).prop_map(|(number, text, flag, end)| {
        format!("{number},{text},{number}.5,2024-01-{:02},2024-01-01T00:00,{flag},1'0{number:02}.5{end}", number % 31 + 1).into_bytes()
    })
}

fn dirty_piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 24] = [
        b",",
        b",",
        b",,,",
        b"\n",
        b"\r\n",
        b"\r",
        b"\"",
        b"\"",
        b"\"\"",
        b" ",
        b"1",
        b"-5",
        b"x",
        b"\xff",
        b"\xc3",
        "ä".as_bytes(),
        b"\\",
        b"\\N",
        b"\\,",
        b"#",
        b"n/a",
        b"2024-02-30",
        b"1e999",
        b"long text with words",
    ];
    prop_oneof![6 => good_row(), 4 => prop::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec), 1 => Just(b"1,a,1,2024-01-01,,,1\n".to_vec())]
}

prop_compose! {
    fn dirty_file()(pieces in prop::collection::vec(dirty_piece(), 0..40)) -> Vec<u8> {
        let mut bytes = b"i,s,extra,n,d,t,b,x\n".to_vec();
        // The header has one column more than a row; half of the files take it out again.
        if pieces.len() % 2 == 0 {
            bytes = b"i,s,n,d,t,b,x\n".to_vec();
        }
        bytes.extend(pieces.concat());
        bytes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_cut_equals_the_whole_and_the_plain_reading(
        pins in dirty_pins(), bytes in dirty_file(), chunk_size in 1u64..400, batch_records in 1usize..9, batch_bytes in 1u64..300,
    ) {
        let whole = read_whole(&pins, &bytes);
        let cut = read_in_chunks(&pins, &bytes, chunk_size, ReadOptions { batch_records, batch_bytes });
        prop_assert_eq!(&cut, &whole);
        prop_assert_eq!(without_messages(whole), without_messages(read_plainly(&pins, &bytes)));
    }

    #[test]
    fn clean_files_have_the_fields_that_the_csv_crate_reads(
        records in prop::collection::vec(prop::collection::vec("[ -~äß\n\r]{0,9}", 3), 0..20), crlf in any::<bool>(),
    ) {
        let mut pins = csv_pins(["a", "b", "c"].map(|name| field(name, FieldType::String)).into());
        pins.schema.missing_values.clear();
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).expect("to memory");
        records.iter().for_each(|record| writer.write_record(record).expect("to memory"));
        let bytes = writer.into_inner().expect("to memory");
        let outcome = read_whole(&pins, &bytes);
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let expected: Vec<Vec<String>> =
            reader.records().map(|record| record.expect("valid").iter().map(String::from).collect()).collect();
        prop_assert_eq!(outcome.rejects, vec![]);
        prop_assert_eq!(outcome.rows.into_iter().map(|(_, values)| values).collect::<Vec<_>>(), expected);
    }
}

/// Types whose values are more than one number: what each takes, what it refuses, and how it is written again.
#[test]
fn the_wider_types() {
    let list = crate::schema::Field { delimiter: "|".into(), item_type: FieldType::Integer, ..field("l", FieldType::List) };
    let binary = crate::schema::Field { format: "binary".into(), ..field("b", FieldType::String) };
    let mut short = field("a", FieldType::Array);
    short.constraints.max_length = Some(2);
    let fields =
        vec![field("m", FieldType::Yearmonth), field("d", FieldType::Duration), field("o", FieldType::Object), short, list, binary];
    let text = "m,d,o,a,l,b\n\
        2026-02,P1DT2H,\"{\"\"k\"\":1}\",\"[1,2]\",1|2|3,YWI=\n\
        ,,,,,\n\
        2026,P1X,[],{},1|x,YW\n\
        2026-02,P1D,{},\"[1,2,3]\",7,\n";
    let pins = csv_pins(fields);
    let outcome = read_whole(&pins, text.as_bytes());
    assert_eq!(outcome.values()[0][..2], ["2026-02-01", "1 days 2 hours"]);
    assert_eq!(outcome.values()[0][2..], ["{\"k\":1}", "[1,2]", "[1, 2, 3]", "6162"]);
    assert_eq!(outcome.values()[1], ["∅"; 6]);
    let all = vec!["TYPE_YEAR", "TYPE_DURATION", "TYPE_OBJECT", "TYPE_ARRAY", "TYPE_LIST", "TYPE_FORMAT"];
    assert_eq!(outcome.codes(), [(3, all), (4, vec!["CONSTRAINT_MAX_LENGTH"])]);

    let plan = plan_of(&pins, text.as_bytes());
    let range = ReadRange { start: plan.data_start, end: plan.size, record: 1, line: plan.first_line };
    let source = Box::new(crate::testing::SlowSource { bytes: text.as_bytes().to_vec(), most: 7 });
    let mut reader = crate::read::open_reader(&pins, &plan, range, &[], source, ReadOptions::default()).expect("valid pins");
    let rows = reader.next().expect("rows").expect("a batch").batch.rows;
    let json = String::from_utf8(crate::columnar::json_of_row(&rows, 0)).expect("JSON");
    assert_eq!(json, r#"{"m":"2026-02-01","d":"P1DT2H","o":"{\"k\":1}","a":"[1,2]","l":[1,2,3],"b":"YWI="}"#);
}
