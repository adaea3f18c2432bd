use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field as Column, Schema as Columns};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use crate::pins::{Format, InputPins};
use crate::probe::{Declared, Sample, columns_of, probe};
use crate::read::{ExcludedRange, ReadOptions, ReadRange, plan_file, plan_rows};
use crate::schema::{ExtraColumns, Field, FieldType, MissingColumns};
use crate::testing::{Outcome, csv_pins, field, read_range_without, rows_of};

fn parquet_pins(fields: Vec<Field>) -> InputPins {
    InputPins { format: Format::Parquet, dialect: None, ..csv_pins(fields) }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).expect("equal lengths")
}

fn written(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a schema");
    writer.write(batch).expect("rows");
    writer.close().expect("a file");
    bytes
}

fn groups_of(rows: usize) -> WriterProperties {
    WriterProperties::builder().set_max_row_group_row_count(Some(rows)).set_data_page_row_count_limit(7).set_write_batch_size(7).build()
}

/// Rows and rejects of the file read in the given row ranges.
fn read(pins: &InputPins, bytes: &[u8], cuts: &[u64], options: ReadOptions, excluded: &[ExcludedRange]) -> Outcome {
    let mut source = bytes;
    let plan = plan_file(pins, 3, 0, "file:///a", "e", &mut source).expect("a plan");
    let mut outcome = Outcome::default();
    for pair in cuts.windows(2) {
        let range = ReadRange { start: pair[0], end: pair[1], record: pair[0] + 1, line: 0 };
        let inside: Vec<ExcludedRange> = excluded.iter().filter(|one| one.start >= pair[0] && one.end <= pair[1]).copied().collect();
        read_range_without(pins, &plan, bytes, range, &inside, options, &mut outcome);
    }
    outcome
}

fn total(bytes: &[u8]) -> u64 {
    let mut source = bytes;
    super::Footer::read(&mut source).expect("a footer").rows
}

fn whole(pins: &InputPins, bytes: &[u8]) -> Outcome {
    read(pins, bytes, &[0, total(bytes)], ReadOptions::default(), &[])
}

fn plan_code(pins: &InputPins, mut bytes: &[u8]) -> &'static str {
    plan_file(pins, 3, 0, "file:///a", "e", &mut bytes).map_or_else(|error| error.code, |_| "fine")
}

#[test]
fn values_go_through_the_checks_of_their_field() {
    let rows = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![Some(1), Some(-5), None, Some(7)]))),
        ("name", Arc::new(StringArray::from(vec![Some("Anna"), Some("Bo"), Some("Cleo"), None]))),
        ("when", Arc::new(TimestampNanosecondArray::from(vec![Some(1_000), Some(2_000), Some(3_001), Some(4_000)]))),
        ("unused", Arc::new(BooleanArray::from(vec![true, false, true, false]))),
    ]);
    let mut pins =
        parquet_pins(vec![field("name", FieldType::String), field("id", FieldType::Integer), field("when", FieldType::Datetime)]);
    pins.schema.fields[1].constraints.minimum = Some(0.into());
    pins.schema.fields[1].constraints.required = true;
    pins.schema.fields[0].constraints.min_length = Some(3);
    let outcome = whole(&pins, &written(&rows, WriterProperties::default()));
    assert_eq!(outcome.values(), [["Anna", "1", "1"], ["∅", "7", "4"]]);
    assert_eq!(
        outcome.codes(),
        [(2, vec!["CONSTRAINT_MINIMUM", "CONSTRAINT_MIN_LENGTH"]), (3, vec!["CONSTRAINT_REQUIRED", "TYPE_PRECISION"])]
    );
    let reject = &outcome.rejects[0];
    assert_eq!((reject.place.line, reject.place.record, reject.errors[0].column_index), (0, 2, Some(1)));
    assert_eq!(String::from_utf8_lossy(&reject.raw), r#"{"id":-5,"name":"Bo","when":"1970-01-01T00:00:00.000002000"}"#);
    assert_eq!(reject.errors[0].value.as_deref(), Some("-5"));
}

#[test]
fn types_that_a_field_takes_and_types_it_does_not() {
    let rows = batch(vec![
        ("i", Arc::new(Int64Array::from(vec![12]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("f", Arc::new(Float64Array::from(vec![1.5]))),
        ("d", Arc::new(Decimal128Array::from(vec![1234]).with_precision_and_scale(9, 2).expect("fits"))),
        ("t", Arc::new(StringArray::from(vec![" 42 "]))),
        ("b", Arc::new(BooleanArray::from(vec![true]))),
        ("day", Arc::new(Date32Array::from(vec![1]))),
    ]);
    let bytes = written(&rows, WriterProperties::default());
    let decimal = |scale| Field { precision: Some(20), scale: Some(scale), ..field("x", FieldType::Number) };
    let one = |column: &str, field: Field| {
        let pins = parquet_pins(vec![Field { name: column.into(), ..field }]);
        match plan_code(&pins, &bytes) {
            "fine" => {
                let outcome = whole(&pins, &bytes);
                outcome.values().first().map_or_else(|| outcome.codes()[0].1[0].to_string(), |row| row[0].to_string())
            }
            code => code.to_string(),
        }
    };
    let plain = |kind| field("x", kind);
    assert_eq!(one("i", plain(FieldType::Number)), "12.0");
    assert_eq!(one("i", decimal(2)), "12.00");
    assert_eq!(one("i", plain(FieldType::String)), "SCHEMA_TYPE_CHANGED");
    assert_eq!(one("i", plain(FieldType::Any)), "12");
    assert_eq!(one("i", plain(FieldType::Date)), "SCHEMA_TYPE_CHANGED");
    assert_eq!(one("u", plain(FieldType::Integer)), "TYPE_RANGE");
    assert_eq!(one("u", decimal(0)), "18446744073709551615");
    assert_eq!(one("f", plain(FieldType::Integer)), "SCHEMA_TYPE_CHANGED");
    assert_eq!(one("f", decimal(1)), "1.5");
    assert_eq!(one("f", decimal(0)), "TYPE_PRECISION");
    assert_eq!(one("d", decimal(2)), "12.34");
    assert_eq!(one("d", decimal(1)), "TYPE_PRECISION");
    assert_eq!(one("d", plain(FieldType::Number)), "12.34");
    assert_eq!(one("t", plain(FieldType::Integer)), "42");
    assert_eq!(one("b", plain(FieldType::Boolean)), "true");
    assert_eq!(one("b", plain(FieldType::Integer)), "SCHEMA_TYPE_CHANGED");
    assert_eq!(one("day", plain(FieldType::Date)), "1970-01-02");
    assert_eq!(one("day", plain(FieldType::Datetime)), "SCHEMA_TYPE_CHANGED");
}

#[test]
fn columns_are_matched_as_the_schema_says() {
    let rows = batch(vec![("Id", Arc::new(Int64Array::from(vec![1]))), ("more", Arc::new(Int64Array::from(vec![2])))]);
    let bytes = written(&rows, WriterProperties::default());
    let pins = |edit: fn(&mut InputPins)| {
        let mut pins = parquet_pins(vec![field("id", FieldType::Integer)]);
        edit(&mut pins);
        pins
    };
    assert_eq!(plan_code(&pins(|_| {}), &bytes), "SCHEMA_MISSING_COLUMN");
    assert_eq!(plan_code(&pins(|pins| pins.schema.case_sensitive = false), &bytes), "fine");
    assert_eq!(plan_code(&pins(|pins| pins.schema.fields[0].aliases = vec!["Id".into()]), &bytes), "fine");
    assert_eq!(plan_code(&pins(|pins| pins.schema.missing_columns = MissingColumns::SetNull), &bytes), "fine");
    let strict = pins(|pins| {
        pins.schema.case_sensitive = false;
        pins.schema.extra_columns = ExtraColumns::Fail;
    });
    assert_eq!(plan_code(&strict, &bytes), "SCHEMA_EXTRA_COLUMN");
    let absent = whole(&pins(|pins| pins.schema.missing_columns = MissingColumns::SetNull), &bytes);
    assert_eq!(absent.values(), [["∅"]]);
}

#[test]
fn every_codec_that_is_read_and_one_that_is_not() {
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..500))),
        ("text", Arc::new(StringArray::from_iter_values((0..500).map(|n| format!("row {}", n % 7))))),
    ]);
    let pins = parquet_pins(vec![field("id", FieldType::Integer), field("text", FieldType::String)]);
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ];
    let plain = whole(&pins, &written(&rows, WriterProperties::default()));
    assert_eq!(plain.rows.len(), 500);
    for codec in codecs {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = WriterProperties::builder().set_compression(codec).set_writer_version(version).build();
            assert_eq!(whole(&pins, &written(&rows, properties)), plain, "{codec}");
        }
    }
    // Brotli cannot be written here either, so the codec (field 4 of a column's metadata, zigzag) of an uncompressed file is changed.
    let one = batch(vec![("id", Arc::new(Int64Array::from(vec![1])))]);
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).set_dictionary_enabled(false).build();
    let mut bytes = written(&one, properties);
    let path = bytes.windows(3).rposition(|window| window == b"\x02id").expect("the column's path");
    assert_eq!(bytes[path + 3..path + 5], [0x15, 0], "the codec follows the path");
    bytes[path + 4] = 8;
    assert_eq!(plan_code(&parquet_pins(vec![field("id", FieldType::Integer)]), &bytes), "PARQUET_UNSUPPORTED");
}

#[test]
fn chunks_cover_all_rows_and_all_bytes() {
    let rows = batch(vec![("id", Arc::new(Int64Array::from_iter_values(0..1_000)))]);
    let pins = parquet_pins(vec![field("id", FieldType::Integer)]);
    let bytes = written(&rows, groups_of(100));
    for chunk_size in [1, 50, 500, 5_000, 1 << 30] {
        let mut source = &bytes[..];
        let plan = plan_file(&pins, 0, 0, "file:///a", "e", &mut source).expect("a plan");
        let (chunks, totals) = plan_rows(&pins, &plan, &mut source, chunk_size).expect("chunks");
        assert_eq!(chunks.first().map(|chunk| chunk.start), Some(0));
        assert!(chunks.windows(2).all(|pair| pair[0].end == pair[1].start), "{chunks:?}");
        assert_eq!(chunks.last().map(|chunk| chunk.end), Some(1_000));
        assert_eq!(chunks.iter().map(|chunk| chunk.bytes).sum::<u64>(), bytes.len() as u64);
        assert_eq!((totals.records, totals.bytes), (1_000, bytes.len() as u64));
        assert!(chunk_size < 1 << 30 || chunks.len() == 1);
    }
}

#[test]
fn what_is_no_parquet_file_or_a_broken_one() {
    let rows = batch(vec![("id", Arc::new(Int64Array::from_iter_values(0..10)))]);
    let good = written(&rows, WriterProperties::default());
    let pins = parquet_pins(vec![field("id", FieldType::Integer)]);
    let end = good.len();
    let with = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        edit(&mut bytes);
        plan_code(&pins, &bytes)
    };
    assert_eq!(plan_code(&pins, b""), "PARQUET_MAGIC");
    assert_eq!(plan_code(&pins, b"id\n1\n2\n3\n4\n5\n"), "PARQUET_MAGIC");
    assert_eq!(plan_code(&pins, b"PAR1PAR1"), "PARQUET_FOOTER");
    assert_eq!(plan_code(&pins, b"PAREaaaaaaaaaaaaPARE"), "PARQUET_UNSUPPORTED");
    assert_eq!(plan_code(&pins, &good[..end - 1]), "PARQUET_FOOTER");
    assert_eq!(with(&|bytes| bytes[end - 5] = 0x7f), "OVER_LIMIT");
    assert_eq!(with(&|bytes| bytes[end - 8..end - 4].copy_from_slice(&(end as u32).to_le_bytes())), "PARQUET_FOOTER");
    assert_eq!(with(&|bytes| bytes[end - 8..end - 4].copy_from_slice(&1u32.to_le_bytes())), "PARQUET_FOOTER");
}

fn read_code(pins: &InputPins, bytes: &[u8]) -> &'static str {
    let mut source = bytes;
    let Ok(plan) = plan_file(pins, 3, 0, "file:///a", "e", &mut source) else { return "unplanned" };
    let Ok(footer) = super::Footer::read(&mut source) else { return "unplanned" };
    let range = ReadRange { start: 0, end: footer.rows, record: 1, line: 0 };
    let source = Box::new(crate::testing::SlowSource { bytes: bytes.to_vec(), most: usize::MAX });
    let mut reader = match crate::read::open_rows(pins, &plan, range, &[], source, ReadOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return error.code,
    };
    loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => return "fine",
            Err(error) => return error.code,
        }
    }
}

/// A value that a rule refuses is found though nobody wants its field, and the reject shows the whole row.
#[test]
fn unwanted_fields_are_judged_where_they_can_be_bad() {
    let rows = batch(vec![
        ("text", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("day", Arc::new(arrow_array::Date32Array::from(vec![0, i32::MAX, 1]))),
        ("id", Arc::new(Int64Array::from(vec![7, 8, 9]))),
        ("more", Arc::new(StringArray::from(vec![Some("x"), None, Some("z")]))),
    ]);
    let bytes = written(&rows, WriterProperties::default());
    let mut required = field("more", FieldType::String);
    required.constraints.required = true;
    for (more, codes) in [(field("more", FieldType::String), vec!["TYPE_RANGE"]), (required, vec!["TYPE_RANGE", "CONSTRAINT_REQUIRED"])] {
        let fields = vec![field("text", FieldType::String), field("day", FieldType::Date), field("id", FieldType::Integer), more];
        let pins = parquet_pins(fields);
        let plan = plan_file(&pins, 3, 0, "file:///a", "e", &mut &bytes[..]).expect("a good file");
        let range = ReadRange { start: 0, end: 3, record: 1, line: 0 };
        for wanted in [Some(&[2][..]), Some(&[]), None] {
            let source = Box::new(crate::testing::SlowSource { bytes: bytes.clone(), most: usize::MAX });
            let mut reader =
                crate::read::open_columns(&pins, &plan, range, &[], source, ReadOptions::default(), wanted).expect("a good file");
            let read = reader.next().expect("rows").expect("rows");
            let [reject] = &read.rejects[..] else { panic!("{:?}", read.rejects) };
            assert_eq!(reject.errors.iter().map(|error| error.code).collect::<Vec<_>>(), codes);
            let raw = String::from_utf8_lossy(&reject.raw).into_owned();
            assert!(raw.starts_with(r#"{"text":"b","day":"#) && raw.ends_with(r#","id":8,"more":null}"#), "{raw}");
            assert_eq!(read.batch.places.iter().map(|place| place.record).collect::<Vec<_>>(), [1, 3]);
        }
    }
}

/// Whatever becomes of the bytes of a file: an error with a code of its own, or rows, and never a panic.
#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..300))),
        ("text", Arc::new(StringArray::from_iter((0..300).map(|n| (n % 5 > 0).then(|| format!("row {}", n % 11)))))),
    ]);
    let good = written(&rows, groups_of(64));
    let pins = parquet_pins(vec![field("id", FieldType::Integer), field("text", FieldType::String)]);
    let footer_bytes = u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().expect("four bytes")) as usize;
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for round in 0..4_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + round % 3 {
            // Half of the damage where it hurts most.
            let at = if round % 2 == 0 { good.len() - 8 - random() % footer_bytes } else { random() % good.len() };
            match random() % 3 {
                0 => bytes[at] = random() as u8,
                1 => bytes[at] ^= 1 << (random() % 8),
                _ => drop(bytes.splice(at..(at + random() % 4).min(good.len()), vec![0xff; random() % 4])),
            }
            bytes.resize(good.len(), 0);
        }
        let code = read_code(&pins, &bytes);
        let known = ["fine", "unplanned", "OVER_LIMIT", "PARQUET_PAGE", "PARQUET_FOOTER", "PARQUET_UNSUPPORTED"];
        assert!(known.contains(&code), "{code}");
    }
}

#[test]
fn files_say_what_their_columns_are() {
    let rows = batch(vec![
        ("id", Arc::new(Int32Array::from(vec![1]))),
        ("price", Arc::new(Decimal128Array::from(vec![1234]).with_precision_and_scale(9, 2).expect("fits"))),
        ("text", Arc::new(StringArray::from(vec![""]))),
    ]);
    let bytes = written(&rows, WriterProperties::default());
    let columns = columns_of(&bytes, &mut &bytes[..]).expect("a footer");
    let sample =
        Sample { uri: "file:///a".into(), head: bytes.clone(), complete: true, size: bytes.len() as u64, compression: None, columns };
    let declared: Declared = serde_json::from_str(r#"{"format":"auto","schema":"auto"}"#).expect("a declaration");
    let pins = probe(&[sample], &declared).expect("pins");
    assert_eq!(pins.format, Format::Parquet);
    let types: Vec<_> = pins.schema.fields.iter().map(|field| (field.field_type, field.precision, field.scale)).collect();
    assert_eq!(types, [(FieldType::Integer, None, None), (FieldType::Number, Some(9), Some(2)), (FieldType::String, None, None)]);
    // Empty text is text: only null is null.
    assert_eq!(whole(&pins, &bytes).values(), [["1", "12.34", ""]]);
}

#[derive(Clone, Debug)]
struct Table {
    ids: Vec<Option<i64>>,
    texts: Vec<Option<String>>,
}

fn tables() -> impl Strategy<Value = Table> {
    (1..200usize).prop_flat_map(|rows| {
        let ids = proptest::collection::vec(proptest::option::of(-50..50i64), rows);
        let texts = proptest::collection::vec(proptest::option::of("[a-c ]{0,4}"), rows);
        (ids, texts).prop_map(|(ids, texts)| Table { ids, texts })
    })
}

fn rows_of_table(table: &Table) -> RecordBatch {
    let mut ids = Int64Builder::new();
    table.ids.iter().for_each(|id| ids.append_option(*id));
    let mut texts = StringBuilder::new();
    table.texts.iter().for_each(|text| texts.append_option(text.as_deref()));
    let columns = Columns::new(vec![Column::new("id", DataType::Int64, true), Column::new("text", DataType::Utf8, true)]);
    RecordBatch::try_new(Arc::new(columns), vec![Arc::new(ids.finish()), Arc::new(texts.finish())]).expect("two columns")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Rows, rejects, places and counts do not depend on the cut, the batches or the row groups; excluded rows are one reject each.
    #[test]
    fn any_split_equals_the_whole(table in tables(), group in 1..80usize, mut cuts in proptest::collection::vec(0..200u64, 0..6), batch_records in 1..50usize, poison in proptest::option::of(0..200u64)) {
        let rows = rows_of_table(&table);
        let count = rows.num_rows() as u64;
        let bytes = written(&rows, groups_of(group));
        let mut pins = parquet_pins(vec![field("text", FieldType::String), field("id", FieldType::Integer)]);
        pins.schema.fields[1].constraints.minimum = Some((-20).into());
        pins.schema.fields[0].constraints.max_length = Some(3);
        let excluded: Vec<ExcludedRange> = poison.filter(|row| *row < count).map(|row| ExcludedRange { start: row, end: row + 1, code: "CORE_CRASH" }).into_iter().collect();
        let expected = read(&pins, &bytes, &[0, count], ReadOptions::default(), &excluded);
        prop_assert_eq!(expected.counts.records, count);
        prop_assert_eq!(expected.rows.len() + expected.rejects.len(), table.ids.len());
        cuts.retain(|cut| *cut < count);
        cuts.extend([0, count]);
        cuts.sort_unstable();
        cuts.dedup();
        let options = ReadOptions { batch_records, ..ReadOptions::default() };
        prop_assert_eq!(read(&pins, &bytes, &cuts, options, &excluded), expected);
    }

    /// Without checks the rows are those that the library's own reader gives.
    #[test]
    fn rows_are_those_of_the_library(table in tables(), group in 1..80usize) {
        let rows = rows_of_table(&table);
        let bytes = written(&rows, groups_of(group));
        let mut pins = parquet_pins(vec![field("id", FieldType::Integer), field("text", FieldType::String)]);
        pins.schema.missing_values = Vec::new();
        let mut expected = Vec::new();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes.clone())).expect("a footer").build().expect("a reader");
        for batch in reader {
            expected.extend(rows_of(&batch.expect("a batch")));
        }
        let outcome = whole(&pins, &bytes);
        let got: Vec<Vec<String>> = outcome.rows.into_iter().map(|(_, values)| values).collect();
        prop_assert_eq!(got, expected);
    }
}

/// Rows of values so large that a page of them is a large one, and one small column beside them.
fn large_pages() -> Vec<u8> {
    let texts = StringArray::from_iter_values((0..75).map(|row| char::from(b'a' + row % 26).to_string().repeat(1 << 20)));
    let numbers = Int64Array::from_iter_values(0..75);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("a level")))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(20 << 20)
        .set_write_batch_size(1)
        .set_max_row_group_row_count(Some(50))
        .build();
    written(&batch(vec![("n", Arc::new(numbers)), ("text", Arc::new(texts))]), properties)
}

#[test]
fn each_large_page_is_read_by_a_decoder_of_its_own() {
    let bytes: &'static [u8] = large_pages().leak();
    let mut source = bytes;
    let footer = super::Footer::read(&mut source).expect("a footer");
    let pages = || super::Pages::new(Box::new(bytes), footer.leaves);
    let all = std::slice::from_ref(&(0..75));
    let whole = super::rows::pieces_of(&footer, &[0, 1], all, &pages());
    assert!(whole.len() >= 4, "{whole:?}");
    assert!(whole.concat().windows(2).all(|pair| pair[0].end == pair[1].start), "{whole:?}");
    assert!(whole.iter().flatten().any(|range| range.start == 50), "a group ends there: {whole:?}");
    assert_eq!(super::rows::pieces_of(&footer, &[0], all, &pages()), [all]);
    let apart = super::rows::pieces_of(&footer, &[0, 1], &[3..5, 40..60], &pages()).concat();
    let rows: Vec<u64> = apart.into_iter().flatten().collect();
    assert_eq!(rows, (3..5).chain(40..60).collect::<Vec<u64>>());
}

#[test]
fn rows_of_large_pages_are_those_of_the_file_wherever_it_is_cut() {
    let bytes = large_pages();
    let pins = parquet_pins(vec![field("n", FieldType::Integer), field("text", FieldType::String)]);
    let one = whole(&pins, &bytes);
    assert_eq!((one.rows.len(), one.rejects.len()), (75, 0));
    let cut = read(&pins, &bytes, &[0, 7, 50, 64, 75], ReadOptions::default(), &[]);
    assert!(one.rows == cut.rows, "rows differ by the cut");
}
