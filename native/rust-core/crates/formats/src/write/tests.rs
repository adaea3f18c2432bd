//! What every writer promises: what is read back is what was written, and bytes do not depend on how batches came.

use std::sync::{Arc, Mutex};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::Encoding;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use arrow_array::builder::{Decimal128Builder, Int64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{new_null_array, *};
use arrow_schema::{DataType, Field, Schema, TimeUnit, UnionFields, UnionMode};
use arrow_select::concat::concat_batches;
use proptest::prelude::*;

use super::rejects::*;
use super::*;
use crate::position::Place;
use crate::reject::{Reject, RejectError};

/// A sink that can be looked into after the writer is gone.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

fn part(options: &OutputOptions, rows: &RecordBatch, cuts: &[usize]) -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = open_part(options, rows.schema(), Box::new(memory.clone())).unwrap();
    let mut from = 0;
    for cut in cuts.iter().map(|cut| cut % (rows.num_rows() + 1)).chain([rows.num_rows()]) {
        if cut >= from {
            writer.write(&rows.slice(from, cut - from)).unwrap();
            from = cut;
        }
    }
    assert_eq!(writer.rows(), rows.num_rows() as u64);
    let before_end = writer.written_bytes();
    writer.finish().unwrap();
    let bytes = memory.bytes();
    assert!(before_end <= bytes.len() as u64 + 1024 || rows.num_rows() > 0);
    bytes
}

fn options(format: OutputFormat) -> OutputOptions {
    OutputOptions { format, ..OutputOptions::default() }
}

/// One value of each type that a schema can name, and some that only SQL makes.
type Row = (Option<i64>, Option<f64>, Option<i64>, Option<bool>, Option<i32>, Option<i64>, Option<i64>, Option<String>);

fn table(rows: &[Row]) -> RecordBatch {
    let decimals = rows.iter().map(|row| row.2.map(i128::from)).collect::<Decimal128Array>().with_precision_and_scale(20, 3).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        ("ratio", Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>())),
        ("amount", Arc::new(decimals)),
        ("open", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>())),
        ("day", Arc::new(rows.iter().map(|row| row.4).collect::<Date32Array>())),
        ("clock", Arc::new(rows.iter().map(|row| row.5).collect::<Time64MicrosecondArray>())),
        ("at", Arc::new(rows.iter().map(|row| row.6).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
        ("note \"x\"", Arc::new(rows.iter().map(|row| row.7.clone()).collect::<StringViewArray>())),
    ];
    let schema = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(Schema::new(schema)), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("NULL".to_string()),
        prop::collection::vec(
            prop::sample::select(vec!["a", ",", ";", "\"", "\n", "\r", " ", "\t", "ß", "\u{1}", "=1+1", "\u{2028}"]),
            0..8
        )
        .prop_map(|parts| parts.concat()),
        "\\PC{0,30}",
    ]
}

fn row() -> impl Strategy<Value = Row> {
    use prop::option::of;
    (
        of(any::<i64>()),
        of(any::<f64>()),
        of(any::<i64>()),
        of(any::<bool>()),
        of(-719_162..2_932_896i32),
        of(0..86_400_000_000i64),
        of(-62_135_596_800_000_000..253_402_300_799_999_999i64),
        of(text()),
    )
}

fn many_rows(count: usize) -> RecordBatch {
    let row = |n: usize| {
        let n = n as i64;
        let value = (n % 7 != 0).then_some(n);
        let name = (n % 5 != 0).then(|| format!("row {} of {}", n, "x".repeat(n as usize % 50)));
        (value, value.map(|n| n as f64 / 3.0), value, value.map(|n| n % 2 == 0), Some(n as i32 % 9_000), Some(n), Some(n * 1_000_003), name)
    };
    table(&(0..count).map(row).collect::<Vec<_>>())
}

fn read_parquet(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let path = std::env::temp_dir().join(format!("millrace-formats-{}-{:?}.parquet", std::process::id(), std::thread::current().id()));
    std::fs::write(&path, bytes).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
    std::fs::remove_file(&path).unwrap();
    batches
}

/// The same values with plain text columns, as a reader of the file gets them.
fn with_plain_text(batch: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| arrow_cast::cast(column, field.data_type()).unwrap());
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn check_parquet(rows: &RecordBatch, options: &OutputOptions) {
    let back = read_parquet(part(options, rows, &[]));
    let Some(first) = back.first() else {
        assert_eq!(rows.num_rows(), 0);
        return;
    };
    let schema = first.schema();
    let back = concat_batches(&schema, &back).unwrap();
    assert_eq!(back, with_plain_text(rows, &schema));
}

#[test]
fn parquet_reads_back_under_every_compression_and_row_group_size() {
    let rows = many_rows(70_000);
    for compression in ["none", "snappy", "gzip", "zstd", "lz4"] {
        for (row_group_size, statistics) in [(1 << 20, true), (32 << 20, false), (1, true)] {
            let parquet = ParquetOptions { row_group_size, statistics };
            check_parquet(&rows, &OutputOptions { compression: Some(compression.into()), parquet, ..options(OutputFormat::Parquet) });
        }
    }
    check_parquet(&many_rows(0), &options(OutputFormat::Parquet));
}

fn named(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Columns of every type that a part can hold, with a null in every third row.
fn every_type(count: usize) -> RecordBatch {
    let rows = || (0..count as i64).map(|n| (n % 3 != 1).then_some(n));
    let text = || rows().map(|n| n.map(|n| format!("{}{n}", "t".repeat(n as usize % 20))));
    let cast = |data_type: DataType| arrow_cast::cast(&rows().map(|n| n.map(|n| n % 100)).collect::<Int64Array>(), &data_type).unwrap();
    let mut lists = ListBuilder::new(Int64Builder::new());
    rows().for_each(|n| lists.append_option(n.map(|n| (0..n % 4).map(|item| (item != 2).then_some(item)))));
    let inner = named(vec![("a", cast(DataType::Int16)), ("b", Arc::new(text().collect::<StringViewArray>()))]);
    named(vec![
        ("i8", cast(DataType::Int8)),
        ("i16", cast(DataType::Int16)),
        ("i32", cast(DataType::Int32)),
        ("list", Arc::new(lists.finish())),
        ("u8", cast(DataType::UInt8)),
        ("u32", cast(DataType::UInt32)),
        ("u64", cast(DataType::UInt64)),
        ("f32", cast(DataType::Float32)),
        ("d5", cast(DataType::Decimal128(5, 2))),
        ("d18", cast(DataType::Decimal128(18, 3))),
        ("struct", Arc::new(StructArray::from(inner))),
        ("d38", cast(DataType::Decimal128(38, 3))),
        ("seconds", cast(DataType::Timestamp(TimeUnit::Second, None))),
        ("nanos", cast(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))),
        ("time32", Arc::new(rows().map(|n| n.map(|n| n as i32)).collect::<Time32MillisecondArray>())),
        ("bool", cast(DataType::Boolean)),
        ("utf8", Arc::new(text().collect::<StringArray>())),
        ("large", Arc::new(text().collect::<LargeStringArray>())),
        ("binary", Arc::new(text().map(|text| text.map(String::into_bytes)).collect::<BinaryArray>())),
        ("nothing", new_null_array(&DataType::Utf8View, count)),
        ("none", new_null_array(&DataType::Int64, count)),
    ])
}

#[test]
fn parquet_holds_every_type_and_any_number_of_rows() {
    for count in [1, 2, 31, 1_025, 25_000] {
        for compression in ["none", "gzip", "zstd", "lz4"] {
            let parquet = ParquetOptions { row_group_size: 300_000, statistics: true };
            check_parquet(
                &every_type(count),
                &OutputOptions { compression: Some(compression.into()), parquet, ..options(OutputFormat::Parquet) },
            );
        }
    }
    let required = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![3, 1, 2])) as ArrayRef)]).unwrap();
    let strict = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, false)]));
    check_parquet(&RecordBatch::try_new(strict, required.columns().to_vec()).unwrap(), &options(OutputFormat::Parquet));
}

/// Metadata of a file in memory.
fn parquet_metadata(bytes: Vec<u8>) -> ::parquet::file::metadata::ParquetMetaData {
    ::parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(bytes)).unwrap()
}

#[test]
fn statistics_are_those_that_the_library_writes() {
    for rows in [many_rows(3_000), every_type(2_000), every_type(1)] {
        let ours = parquet_metadata(part(&options(OutputFormat::Parquet), &rows, &[]));
        let memory = Memory::default();
        let properties = super::parquet::base_properties(::parquet::basic::Compression::UNCOMPRESSED)
            .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::Chunk);
        let mut writer = super::parquet::open_writer(Box::new(memory.clone()), &rows.schema(), properties).unwrap();
        writer.write(&rows).unwrap();
        super::parquet::close_writer(writer).unwrap();
        let theirs = parquet_metadata(memory.bytes());
        assert_eq!(ours.num_row_groups(), 1);
        for (ours, theirs) in ours.row_group(0).columns().iter().zip(theirs.row_group(0).columns()) {
            assert_eq!(ours.statistics(), theirs.statistics(), "{}", ours.column_path());
            assert_eq!((ours.num_values(), ours.column_descr()), (theirs.num_values(), theirs.column_descr()));
        }
    }
}

#[test]
fn a_dictionary_that_grows_too_large_takes_no_more_values() {
    let text =
        |n: usize| if n < 40_000 { format!("few {}", n % 10) } else { format!("a value of its own, number {n}, {}", "x".repeat(n % 60)) };
    let column: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..120_000).map(text)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..400_000).map(|n| if n < 40_000 { n % 10 } else { n * n })));
    for rows in [named(vec![("x", column)]), named(vec![("x", numbers)])] {
        let bytes = part(&options(OutputFormat::Parquet), &rows, &[]);
        let metadata = parquet_metadata(bytes);
        let encodings: Vec<_> = metadata.row_group(0).column(0).encodings().collect();
        assert!(encodings.contains(&Encoding::RLE_DICTIONARY), "{encodings:?}");
        assert!(encodings.iter().any(|encoding| matches!(encoding, Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY)));
        check_parquet(&rows, &options(OutputFormat::Parquet));
    }
}

#[test]
fn pages_are_compressed_where_that_pays() {
    let noise: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..30_000u64).map(|n| {
        let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd6e8_feb8_6659_fd93);
        format!("{:016x}{:016x}", mixed(n), mixed(n + 1_000_000))
    })));
    let prose: ArrayRef =
        Arc::new(StringViewArray::from_iter_values((0..30_000).map(|n| format!("the same words again and again, {n} times"))));
    let rows = named(vec![("noise", noise), ("prose", prose)]);
    let metadata =
        parquet_metadata(part(&OutputOptions { compression: Some("snappy".into()), ..options(OutputFormat::Parquet) }, &rows, &[]));
    let of = |column: usize| metadata.row_group(0).column(column).compression();
    assert_eq!((of(0), of(1)), (::parquet::basic::Compression::UNCOMPRESSED, ::parquet::basic::Compression::SNAPPY));
}

#[test]
fn large_values_close_pages_early() {
    let column: ArrayRef =
        Arc::new(StringViewArray::from_iter_values((0..64usize).map(|n| char::from(b'a' + n as u8 % 26).to_string().repeat(1 << 20))));
    let rows = named(vec![("text", column)]);
    let options = OutputOptions { compression: Some("none".into()), ..options(OutputFormat::Parquet) };
    let file = SerializedFileReader::new(bytes::Bytes::from(part(&options, &rows, &[]))).unwrap();
    let groups: Vec<i64> = file.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [32, 32]);
    let mut pages = file.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
    assert_eq!(std::iter::from_fn(|| pages.get_next_page().unwrap()).count(), 4);
    check_parquet(&rows, &options);
}

#[test]
fn a_small_part_size_ends_the_sample_early() {
    let rows = many_rows(30_000);
    let small = OutputOptions { part_size: 1 << 20, ..options(OutputFormat::Parquet) };
    let mut writer = open_part(&small, rows.schema(), Box::new(Memory::default())).unwrap();
    writer.write(&rows).unwrap();
    assert!(writer.written_bytes() > 0);
}

#[test]
fn options_are_read_from_the_resolved_spec_and_refused_clearly() {
    let read = |json: &str| serde_json::from_str::<OutputOptions>(json).unwrap();
    let full = read(
        r#"{"uri":"file:///x/","format":"csv","compression":"none","layout":"merged","partSize":5,"csv":{"delimiter":";","quote":"always","header":false,
        "nullValue":"NA","lineTerminator":"\r\n"},"parquet":{"rowGroupSize":9,"statistics":false}}"#,
    );
    assert_eq!((full.format, full.part_size, full.csv.quote), (OutputFormat::Csv, 5, QuoteStyle::Always));
    assert_eq!(read("{}"), OutputOptions::default());
    let schema = many_rows(0).schema();
    for (json, code) in [
        (r#"{"format":"arrow","compression":"snappy"}"#, "SPEC_CONFLICT"),
        (r#"{"format":"csv","compression":"snappy"}"#, "SPEC_CONFLICT"),
        (r#"{"format":"ndjson","compression":"lz4"}"#, "SPEC_CONFLICT"),
        (r#"{"format":"parquet","compression":"brotli"}"#, "SPEC_CONFLICT"),
        (r#"{"format":"csv","csv":{"delimiter":"\""}}"#, "SPEC_BAD_VALUE"),
        (r#"{"format":"csv","csv":{"nullValue":"a,b"}}"#, "SPEC_BAD_VALUE"),
    ] {
        let error = open_part(&read(json), schema.clone(), Box::new(Memory::default())).err().expect(json);
        assert_eq!(error.code, code, "{json}: {error}");
    }
}

fn csv_rows(bytes: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(String::from).collect()).collect()
}

fn date(days: i32) -> chrono::NaiveDateTime {
    chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0).unwrap().naive_utc()
}

fn instant(micros: i64, format: &str) -> String {
    let text = chrono::DateTime::from_timestamp_micros(micros).unwrap().format(format).to_string();
    text.replace(".000000", "")
}

fn check_number(text: &str, value: Option<f64>) {
    match value {
        None => assert_eq!(text, "\\N"),
        Some(value) if value.is_nan() => assert_eq!(text, "NaN"),
        Some(value) if value.is_infinite() => assert_eq!(text, if value > 0.0 { "INF" } else { "-INF" }),
        Some(value) => assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn csv_reads_back(rows in prop::collection::vec(row(), 0..40), always: bool, delimiter in prop::sample::select(vec![',', ';', '\t', '|', '1'])) {
        let quote = if always { QuoteStyle::Always } else { QuoteStyle::Minimal };
        // A backslash is in no generated text but by chance; such rows would read as null only if they were not quoted.
        let csv = CsvOptions { delimiter: delimiter.to_string(), quote, null_value: "\\N".into(), ..CsvOptions::default() };
        let bytes = part(&OutputOptions { csv, ..options(OutputFormat::Csv) }, &table(&rows), &[]);
        let back = csv_rows(&bytes, delimiter as u8);
        prop_assert_eq!(&back[0][7], "note \"x\"");
        prop_assert_eq!(back.len(), rows.len() + 1);
        for (cells, row) in back[1..].iter().zip(&rows) {
            let null = || "\\N".to_string();
            prop_assert_eq!(&cells[0], &row.0.map_or_else(null, |value| value.to_string()));
            check_number(&cells[1], row.1);
            let amount = cells[2].replace('.', "");
            prop_assert_eq!(if row.2.is_some() { amount.parse::<i64>().unwrap().to_string() } else { amount }, row.2.map_or_else(null, |v| v.to_string()));
            prop_assert_eq!(&cells[3], &row.3.map_or_else(null, |value| value.to_string()));
            prop_assert_eq!(&cells[4], &row.4.map_or_else(null, |value| date(value).format("%Y-%m-%d").to_string()));
            prop_assert_eq!(&cells[5], &row.5.map_or_else(null, |value| instant(value, "%H:%M:%S%.6f")));
            prop_assert_eq!(&cells[6], &row.6.map_or_else(null, |value| instant(value, "%Y-%m-%dT%H:%M:%S%.6fZ")));
            prop_assert_eq!(&cells[7], &row.7.clone().unwrap_or_else(null));
        }
    }

    #[test]
    fn ndjson_reads_back(rows in prop::collection::vec(row(), 0..40)) {
        let bytes = part(&options(OutputFormat::Ndjson), &table(&rows), &[]);
        let text = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(text.lines().count(), rows.len());
        for (text, row) in text.lines().zip(&rows) {
            let line: serde_json::Value = serde_json::from_str(text).unwrap();
            let raw: std::collections::HashMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
            prop_assert_eq!(line["id"].as_i64(), row.0);
            match row.1 {
                // serde_json rounds long numbers a little off, so the text is read by the standard library.
                Some(value) if value.is_finite() => prop_assert_eq!(raw["ratio"].get().parse::<f64>().unwrap().to_bits(), value.to_bits()),
                Some(_) => prop_assert!(["NaN", "INF", "-INF"].contains(&line["ratio"].as_str().unwrap())),
                None => prop_assert!(line["ratio"].is_null()),
            }
            prop_assert_eq!(line["open"].as_bool(), row.3);
            prop_assert_eq!(line["day"].as_str().map(String::from), row.4.map(|value| date(value).format("%Y-%m-%d").to_string()));
            prop_assert_eq!(line["note \"x\""].as_str().map(String::from), row.7.clone());
        }
    }

    #[test]
    fn parquet_reads_back(rows in prop::collection::vec(row(), 1..40)) {
        // NaN is equal to nothing, so it is compared as the greatest number here.
        let rows: Vec<Row> = rows.into_iter().map(|mut row| { row.1 = row.1.map(|v| if v.is_nan() { f64::MAX } else { v }); row }).collect();
        check_parquet(&table(&rows), &options(OutputFormat::Parquet));
    }

    #[test]
    fn compressed_text_and_arrow_read_back(rows in prop::collection::vec(row(), 0..40)) {
        for format in [OutputFormat::Csv, OutputFormat::Ndjson] {
            let plain = part(&options(format), &table(&rows), &[]);
            prop_assert!(decoded(&part(&compressed(format, "gzip"), &table(&rows), &[])) == plain);
            prop_assert!(decoded(&part(&compressed(format, "zstd"), &table(&rows), &[])) == plain);
        }
        // NaN is equal to nothing, so it is compared as the greatest number here.
        let rows: Vec<Row> = rows.into_iter().map(|mut row| { row.1 = row.1.map(|v| if v.is_nan() { f64::MAX } else { v }); row }).collect();
        check_arrow(&table(&rows), "lz4");
    }

    #[test]
    fn large_rows_close_a_batch_at_the_same_place(cuts in prop::collection::vec(0usize..40, 0..6)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let texts = (0..40).map(|n| "x".repeat(n * 100_000 % 3_000_001));
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let rows = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let sizes = |cuts: &[usize]| {
            let mut recut = Recut::new(rows.schema());
            let mut sizes = Vec::new();
            let mut from = 0;
            for cut in cuts.iter().copied().chain([40]) {
                recut.push(rows.slice(from, cut - from)).unwrap();
                from = cut;
                while let Some(batch) = recut.next() {
                    sizes.push(batch.num_rows());
                }
            }
            sizes.extend(recut.rest().unwrap().map(|batch| batch.num_rows()));
            sizes
        };
        let want = sizes(&[]);
        prop_assert!(want.len() > 3);
        prop_assert_eq!(sizes(&cuts), want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn bytes_do_not_depend_on_how_batches_came(cuts in prop::collection::vec(0usize..90_000, 0..12)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let rows = many_rows(70_000);
        for (format, compressions) in COMPRESSIONS {
            for compression in compressions {
                let parquet = ParquetOptions { row_group_size: 1 << 20, statistics: true };
                let options = OutputOptions { parquet, ..compressed(format, compression) };
                prop_assert!(part(&options, &rows, &cuts) == part(&options, &rows, &[]), "{format:?} {compression}");
            }
        }
    }
}

const COMPRESSIONS: [(OutputFormat, &[&str]); 4] = [
    (OutputFormat::Parquet, &["none", "snappy", "gzip", "zstd", "lz4"]),
    (OutputFormat::Csv, &["none", "gzip", "zstd"]),
    (OutputFormat::Ndjson, &["none", "gzip", "zstd"]),
    (OutputFormat::Arrow, &["none", "lz4", "zstd"]),
];

fn compressed(format: OutputFormat, compression: &str) -> OutputOptions {
    OutputOptions { compression: Some(compression.into()), ..options(format) }
}

/// What a gzip or zstd stream holds.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        _ => drop(zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out).unwrap()),
    }
    out
}

fn read_arrow(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = arrow_ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
    reader.map(Result::unwrap).collect()
}

fn check_arrow(rows: &RecordBatch, compression: &str) {
    let back = read_arrow(part(&compressed(OutputFormat::Arrow, compression), rows, &[]));
    assert_eq!(back.iter().map(RecordBatch::num_rows).sum::<usize>(), rows.num_rows());
    let Some(first) = back.first() else { return };
    let schema = first.schema();
    assert_eq!(concat_batches(&schema, &back).unwrap(), with_plain_text(rows, &schema));
}

#[test]
fn arrow_holds_every_type_in_batches_of_65536_rows() {
    for count in [0, 1, 31, 70_000] {
        check_arrow(&every_type(count), "zstd");
        check_arrow(&every_type(count), "none");
    }
    let back = read_arrow(part(&compressed(OutputFormat::Arrow, "lz4"), &many_rows(140_000), &[]));
    assert_eq!(back.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [65_536, 65_536, 8_928]);
    assert_eq!(back[0].schema().field(7).data_type(), &DataType::Utf8);
}

#[test]
fn large_values_close_a_batch_of_arrow_early() {
    let column: ArrayRef =
        Arc::new(StringViewArray::from_iter_values((0..40).map(|n| char::from(b'a' + n % 26).to_string().repeat(1 << 20))));
    let rows = named(vec![("text", column)]);
    let back = read_arrow(part(&compressed(OutputFormat::Arrow, "zstd"), &rows, &[]));
    assert_eq!(back.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [32, 8]);
    check_arrow(&rows, "lz4");
}

#[test]
fn what_lies_under_a_null_does_not_show() {
    let nulls = || Some(arrow_buffer::NullBuffer::from(vec![true, false, true]));
    let of = |hidden: i64, text: &str, flag: bool| {
        let numbers = Int64Array::new(vec![1, hidden, 3].into(), nulls());
        let texts = StringArray::from(vec!["a", text, "c"]);
        let texts = StringArray::new(texts.offsets().clone(), texts.values().clone(), nulls());
        let flags = BooleanArray::new(vec![true, flag, false].into(), nulls());
        let inner = StructArray::from(named(vec![("x", Arc::new(numbers.clone()) as ArrayRef)]));
        let inner = StructArray::new(inner.fields().clone(), inner.columns().to_vec(), nulls());
        named(vec![("n", Arc::new(numbers)), ("t", Arc::new(texts)), ("f", Arc::new(flags)), ("s", Arc::new(inner))])
    };
    for (format, compressions) in COMPRESSIONS {
        for compression in compressions {
            let options = compressed(format, compression);
            assert!(part(&options, &of(7, "b", true), &[]) == part(&options, &of(8, "longer", false), &[]), "{format:?} {compression}");
        }
    }
}

#[test]
fn gzip_has_neither_time_nor_name_and_zstd_no_size() {
    let rows = many_rows(3);
    let bytes = part(&compressed(OutputFormat::Csv, "gzip"), &rows, &[]);
    assert_eq!((&bytes[..4], &bytes[4..8]), (&[0x1f, 0x8b, 8, 0][..], &[0; 4][..]));
    let bytes = part(&compressed(OutputFormat::Ndjson, "zstd"), &rows, &[]);
    assert_eq!(zstd::zstd_safe::get_frame_content_size(&bytes).ok().flatten(), None);
}

#[test]
fn names_of_parts_tell_format_and_compression() {
    let extension = |format, compression: &str| compressed(format, compression).extension();
    assert_eq!(extension(OutputFormat::Csv, "gzip"), "csv.gz");
    assert_eq!(extension(OutputFormat::Ndjson, "zstd"), "ndjson.zst");
    assert_eq!(extension(OutputFormat::Csv, "none"), "csv");
    assert_eq!(extension(OutputFormat::Parquet, "gzip"), "parquet");
    assert_eq!(extension(OutputFormat::Arrow, "zstd"), "arrow");
}

#[test]
fn numbers_keep_every_digit_in_ndjson() {
    let mut decimals = Decimal128Builder::new().with_precision_and_scale(38, 2).unwrap();
    decimals.append_value(12_345_678_901_234_567_890_123_456_789i128);
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append_value([Some(1), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from(vec![9_007_199_254_740_993]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("d", Arc::new(decimals.finish())),
        ("f", Arc::new(Float32Array::from(vec![0.1f32]))),
        ("l", Arc::new(lists.finish())),
        ("b", Arc::new(BinaryArray::from_vec(vec![b"\xff"]))),
        ("n", new_null_array(&DataType::Null, 1)),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![1]))),
        ("day", Arc::new(Date64Array::from(vec![86_400_000]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let text = String::from_utf8(part(&options(OutputFormat::Ndjson), &rows, &[])).unwrap();
    assert_eq!(
        text,
        "{\"i\":9007199254740993,\"u\":18446744073709551615,\"d\":123456789012345678901234567.89,\"f\":0.1,\"l\":[1,null],\"b\":\"/w==\",\
         \"n\":null,\"ns\":\"1970-01-01T00:00:00.000000001\",\"day\":\"1970-01-02\"}\n"
    );
    let text = String::from_utf8(part(&options(OutputFormat::Csv), &rows, &[])).unwrap();
    assert_eq!(
        text.lines().nth(1).unwrap(),
        "9007199254740993,18446744073709551615,123456789012345678901234567.89,0.1,\"[1,null]\",/w==,,1970-01-01T00:00:00.000000001,1970-01-02"
    );
}

#[test]
fn csv_keeps_null_and_empty_text_apart_and_writes_no_blank_line() {
    let column: ArrayRef = Arc::new(StringViewArray::from(vec![Some(""), None, Some(" a"), Some("=1+1"), Some("a\"b")]));
    let rows = RecordBatch::try_from_iter([("x", column.clone()), ("y", column.clone())]).unwrap();
    let text = |csv: CsvOptions, rows: &RecordBatch| {
        String::from_utf8(part(&OutputOptions { csv, ..options(OutputFormat::Csv) }, rows, &[])).unwrap()
    };
    assert_eq!(text(CsvOptions::default(), &rows), "x,y\n\"\",\"\"\n,\n\" a\",\" a\"\n=1+1,=1+1\n\"a\"\"b\",\"a\"\"b\"\n");
    let always = CsvOptions { quote: QuoteStyle::Always, header: false, line_terminator: "\r\n".into(), ..CsvOptions::default() };
    assert_eq!(text(always, &rows).lines().nth(1), Some(","));
    let one = RecordBatch::try_from_iter([("x", column)]).unwrap();
    assert_eq!(text(CsvOptions::default(), &one), "x\n\"\"\n\"\"\n\" a\"\n=1+1\n\"a\"\"b\"\n");
    let null_text = CsvOptions { null_value: "=1+1".into(), ..CsvOptions::default() };
    assert_eq!(text(null_text, &one), "x\n\n=1+1\n\" a\"\n\"=1+1\"\n\"a\"\"b\"\n".replace("x\n\n", "x\n\"\"\n"));
}

#[test]
fn a_sink_that_fails_says_why() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other(Error::new("LEASE_LOST", "cannot go on: the lease is gone")))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in [OutputFormat::Csv, OutputFormat::Ndjson] {
        let rows = many_rows(10);
        let mut writer = open_part(&options(format), rows.schema(), Box::new(Full)).unwrap();
        writer.write(&rows).unwrap();
        assert_eq!(writer.finish().unwrap_err().code, "LEASE_LOST");
    }
    // Arrow writes the head of its file at once, the others when a piece is full.
    for format in [OutputFormat::Parquet, OutputFormat::Arrow] {
        let rows = many_rows(10);
        let end = open_part(&options(format), rows.schema(), Box::new(Full)).and_then(|mut writer| {
            writer.write(&rows)?;
            writer.finish()
        });
        assert_eq!(end.unwrap_err().code, "LEASE_LOST");
    }
}

#[test]
fn types_without_a_form_are_refused_by_name() {
    let union = UnionFields::from_fields([Field::new("a", DataType::Int32, true)]);
    let schema = Arc::new(Schema::new(vec![Field::new("span", DataType::Union(union, UnionMode::Sparse), true)]));
    for format in [OutputFormat::Parquet, OutputFormat::Csv, OutputFormat::Ndjson] {
        let error = open_part(&options(format), schema.clone(), Box::new(Memory::default())).err().unwrap();
        assert_eq!(error.code, "SPEC_SQL_TYPE");
        assert!(error.message.contains("span"), "{error}");
    }
    let schema = Arc::new(Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Second, None), true)]));
    assert!(open_part(&options(OutputFormat::Parquet), schema, Box::new(Memory::default())).is_ok());
}

fn reject(n: u64, raw: Vec<u8>) -> Reject {
    let error = |code, byte| RejectError {
        code,
        column: n.is_multiple_of(2).then(|| "amount".to_string()),
        column_index: n.is_multiple_of(2).then_some(3),
        path: None,
        byte,
        line: n + 1,
        message: format!("not a number: {n}"),
        expected: n.is_multiple_of(3).then(|| "number".to_string()),
        value: (n % 3 != 2).then(|| "12,5 €".to_string()),
    };
    let errors = if n.is_multiple_of(4) {
        vec![error("TYPE_NUMBER", n * 10 + 3), error("CONSTRAINT_MAXIMUM", n * 10 + 5)]
    } else {
        vec![error("CSV_LONG_ROW", n * 10)]
    };
    Reject {
        place: Place { file: 0, record: n, line: n + 1, byte: n * 10, byte_end: n * 10 + 10 },
        errors,
        raw_truncated: n.is_multiple_of(5),
        raw,
    }
}

fn rejects_file(rejects: &[Reject], cuts: &[usize]) -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = RejectsWriter::open(Box::new(memory.clone())).unwrap();
    let context = RejectContext {
        job_id: "j01".into(),
        generation: 2,
        stage: "read".into(),
        chunk: 17,
        attempt_id: "a01".into(),
        file_uri: "file:///in/a.csv".into(),
        etag: "1-2-3-4".into(),
    };
    let mut from = 0;
    for cut in cuts.iter().copied().chain([rejects.len()]) {
        writer.write(&context, &rejects[from..cut]).unwrap();
        from = cut;
    }
    assert_eq!(writer.rows(), rejects.len() as u64);
    writer.finish().unwrap();
    memory.bytes()
}

#[test]
fn rejects_read_back_and_their_bytes_do_not_depend_on_calls() {
    let rejects: Vec<Reject> = (1..=3_000).map(|n| reject(n, vec![(n % 251) as u8; n as usize % 7_000])).collect();
    let file = rejects_file(&rejects, &[]);
    assert!(file == rejects_file(&rejects, &[1, 2, 700, 1_024, 2_999]));
    let mut back = Vec::new();
    read_rejects_bytes(file, |row| {
        back.push(row);
        true
    })
    .unwrap();
    assert_eq!(back.len(), rejects.len());
    for (index, (row, reject)) in back.iter().zip(&rejects).enumerate() {
        assert_eq!(row.reject_id, format!("j01.read.17.r{}", index + 1));
        assert_eq!((row.generation, row.chunk, row.file.as_str(), row.etag.as_str()), (2, 17, "file:///in/a.csv", "1-2-3-4"));
        assert_eq!(
            (row.record, row.line, row.byte, row.byte_end),
            (reject.place.record, Some(reject.place.line), Some(reject.place.byte), Some(reject.place.byte_end))
        );
        assert_eq!(
            (row.error_line, row.error_byte, row.code.as_str()),
            (Some(reject.errors[0].line), Some(reject.errors[0].byte), reject.errors[0].code)
        );
        assert_eq!((&row.column, row.column_index, &row.path), (&reject.errors[0].column, reject.errors[0].column_index, &None));
        assert_eq!((&row.raw, row.raw_truncated), (&reject.raw, reject.raw_truncated));
        let errors: Vec<_> = row.errors.iter().map(|error| (error.code.as_str(), error.byte, &error.value, &error.expected)).collect();
        let want: Vec<_> = reject.errors.iter().map(|error| (error.code, Some(error.byte), &error.value, &error.expected)).collect();
        assert_eq!(errors, want);
    }
    let json = serde_json::to_value(&back[3]).unwrap();
    assert_eq!(json["rejectId"], "j01.read.17.r4");
    assert_eq!(json["errors"][1]["code"], "CONSTRAINT_MAXIMUM");
}

#[test]
fn reading_rejects_stops_when_asked_and_refuses_other_files() {
    let rejects: Vec<Reject> = (1..=10).map(|n| reject(n, b"a,b\n".to_vec())).collect();
    let mut seen = 0;
    read_rejects_bytes(rejects_file(&rejects, &[]), |_| {
        seen += 1;
        seen < 3
    })
    .unwrap();
    assert_eq!(seen, 3);
    assert_eq!(read_rejects_bytes(b"PAR1 no".to_vec(), |_| true).unwrap_err().code, "PARQUET_FOOTER");
    let other = part(&options(OutputFormat::Parquet), &many_rows(3), &[]);
    assert_eq!(read_rejects_bytes(other, |_| true).unwrap_err().code, "PARQUET_FOOTER");
}

#[test]
fn the_rejects_file_closes_a_row_group_at_4_mib_of_raw() {
    let rejects: Vec<Reject> = (1..=10).map(|n| reject(n, vec![b'x'; 1 << 20])).collect();
    let path = std::env::temp_dir().join(format!("millrace-rejects-{}.pq", std::process::id()));
    std::fs::write(&path, rejects_file(&rejects, &[])).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap()).unwrap();
    let groups: Vec<i64> = builder.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [4, 4, 2]);
    assert_eq!(builder.metadata().file_metadata().created_by(), Some("millrace"));
    let raw = builder.schema().index_of("raw").unwrap();
    assert_eq!(builder.build().unwrap().next().unwrap().unwrap().column(raw).as_binary::<i32>().value(0).len(), 1 << 20);
    let mut rows = 0;
    read_rejects(file, |_| {
        rows += 1;
        true
    })
    .unwrap();
    assert_eq!(rows, 10);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn durations_are_text_in_parquet() {
    use arrow_array::builder::{IntervalMonthDayNanoBuilder, ListBuilder};
    use arrow_array::types::IntervalMonthDayNano;
    let mut spans = IntervalMonthDayNanoBuilder::new();
    spans.append_value(IntervalMonthDayNano::new(14, 3, 1_500_000_000));
    spans.append_null();
    let mut lists = ListBuilder::new(IntervalMonthDayNanoBuilder::new());
    lists.append_value([Some(IntervalMonthDayNano::new(0, -1, 0)), None]);
    lists.append_null();
    let columns = vec![("span", Arc::new(spans.finish()) as ArrayRef, true), ("list", Arc::new(lists.finish()) as ArrayRef, true)];
    let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let memory = part(&options(OutputFormat::Parquet), &rows, &[]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(memory)).unwrap();
    let read = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(crate::testing::rows_of(&read), [["P1Y2M3DT1.5S", "[-P1D, ∅]"], ["∅", "∅"]]);
}
