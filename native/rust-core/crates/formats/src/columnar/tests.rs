//! Files that pyarrow wrote (`tests/fixtures/make.py`), read without a word about their columns.

use std::path::PathBuf;

use serde_json::Value;

use super::json_of_row;
use crate::error::Error;
use crate::pins::InputPins;
use crate::probe::{Declared, Sample, columns_of, probe};
use crate::read::{ExcludedRange, ReadOptions, ReadRange, open_columns, open_rows, plan_file, plan_rows};
use crate::testing::SlowSource;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pins_of(bytes: &[u8]) -> Result<InputPins, Error> {
    let columns = columns_of(bytes, &mut &bytes[..])?;
    let sample =
        Sample { uri: "file:///a".into(), head: bytes.to_vec(), complete: true, size: bytes.len() as u64, compression: None, columns };
    let declared: Declared = serde_json::from_str("{}").expect("everything has a default");
    probe(&[sample], &declared)
}

/// All rows as JSON, chunk by chunk.
fn rows_of(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let pins = pins_of(bytes)?;
    let mut source = bytes;
    let plan = plan_file(&pins, 0, 0, "file:///a", "e", &mut source)?;
    let (chunks, _) = plan_rows(&pins, &plan, &mut source, 500)?;
    let mut rows = Vec::new();
    for chunk in chunks {
        let range = ReadRange { start: chunk.start, end: chunk.end, record: chunk.start + 1, line: 0 };
        let source = Box::new(SlowSource { bytes: bytes.to_vec(), most: 700 });
        let mut reader = open_rows(&pins, &plan, range, &[], source, ReadOptions { batch_records: 11, ..ReadOptions::default() })?;
        while let Some(read) = reader.next()? {
            assert!(read.rejects.is_empty(), "{:?}", read.rejects);
            rows.extend(
                (0..read.batch.rows.num_rows()).map(|row| serde_json::from_slice(&json_of_row(&read.batch.rows, row)).expect("JSON")),
            );
        }
    }
    Ok(rows)
}

/// What Python wrote as text of a decimal is a number here; 1 and 1.0 are one number.
fn normal(row: &Value) -> Value {
    let mut row = row.clone();
    for (name, cell) in row.as_object_mut().expect("an object") {
        let text = cell.as_str().filter(|_| name == "decimal").map(String::from);
        if let Some(number) = cell.as_f64().or_else(|| text?.parse().ok()) {
            *cell = number.into();
        }
    }
    row
}

#[test]
fn files_of_another_writer_hold_what_it_wrote() {
    let expected: Vec<Value> = serde_json::from_slice(&fixture("expected.json")).expect("JSON");
    let expected: Vec<Value> = expected.iter().map(normal).collect();
    let files = [
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "zstd.parquet",
        "lz4.parquet",
        "encodings.parquet",
        "lengths.parquet",
        "int96.parquet",
        "pages.parquet",
        "uncompressed.arrow",
        "lz4.arrow",
        "zstd.arrow",
        "stream.arrow",
        "deltas.arrow",
    ];
    for name in files {
        let rows = rows_of(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {} {error}", error.code));
        let rows: Vec<Value> = rows.iter().map(normal).collect();
        assert_eq!(rows.len(), expected.len(), "{name}");
        for (number, (row, expected)) in rows.iter().zip(&expected).enumerate() {
            assert_eq!(row, expected, "{name}, row {number}");
        }
    }
}

/// Raw rows by number, and the values of some columns.
fn records_of(
    pins: &InputPins,
    bytes: &[u8],
    excluded: &[ExcludedRange],
    wanted: Option<&[usize]>,
    shown: &[usize],
) -> Vec<(u64, String, Vec<u8>)> {
    let plan = plan_file(pins, 0, 0, "file:///a", "e", &mut &bytes[..]).expect("a good file");
    let (chunks, _) = plan_rows(pins, &plan, &mut &bytes[..], u64::MAX).expect("a good file");
    let range = ReadRange { start: 0, end: chunks.last().expect("rows").end, record: 1, line: 0 };
    let source = Box::new(SlowSource { bytes: bytes.to_vec(), most: 700 });
    let options = ReadOptions { batch_records: 11, ..ReadOptions::default() };
    let mut reader = open_columns(pins, &plan, range, excluded, source, options, wanted).expect("a good file");
    let mut reads = Vec::new();
    while let Some(read) = reader.next().expect("a good file") {
        reads.push(read);
    }
    // From the last row to the first, so that what was read late is read again.
    let mut records = Vec::new();
    for batch in reads.iter().map(|read| &read.batch).rev() {
        let rows = batch.rows.project(shown).expect("columns");
        for row in (0..rows.num_rows()).rev() {
            let values = String::from_utf8(json_of_row(&rows, row)).expect("JSON");
            records.push((batch.places[row].record, values, batch.raw(row).expect("a good file").into_owned()));
        }
    }
    records
}

#[test]
fn records_are_the_same_whatever_fields_are_wanted() {
    for name in ["none.parquet", "encodings.parquet", "pages.parquet", "zstd.parquet", "lz4.arrow"] {
        let bytes = fixture(name);
        let pins = pins_of(&bytes).expect("a good file");
        let excluded = [
            ExcludedRange { start: 15, end: 18, code: "EXCLUDED_BY_OPERATOR" },
            ExcludedRange { start: 22, end: 23, code: "EXCLUDED_BY_OPERATOR" },
        ];
        for excluded in [&excluded[..], &[]] {
            for wanted in [vec![], vec![0], vec![pins.schema.fields.len() - 1], vec![1, 3]] {
                let all = records_of(&pins, &bytes, excluded, None, &wanted);
                assert!(all.len() > 20, "{name}");
                assert_eq!(records_of(&pins, &bytes, excluded, Some(&wanted), &wanted), all, "{name}, {wanted:?}");
            }
        }
    }
}

#[test]
fn a_codec_that_is_not_read_is_named() {
    let (bytes, pins) = (fixture("brotli.parquet"), pins_of(&fixture("none.parquet")).expect("a good file"));
    let error = plan_file(&pins, 0, 0, "file:///a", "e", &mut &bytes[..]).expect_err("brotli is not read");
    assert_eq!(error.code, "PARQUET_UNSUPPORTED");
    assert!(error.message.contains("BROTLI"), "{error}");
    assert!(columns_of(&bytes, &mut &bytes[..]).expect("the source is fine").is_none());
}

/// The files carry a checksum of each page: one flipped bit anywhere in the pages is found, whatever it would have become.
#[test]
fn a_flipped_bit_in_a_page_is_found() {
    let good = fixture("none.parquet");
    let footer = u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().expect("four bytes")) as usize;
    let rows = rows_of(&good).expect("a good file");
    for at in (4..good.len() - 8 - footer).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        match rows_of(&bytes) {
            Err(error) => assert!(["PARQUET_PAGE", "OVER_LIMIT"].contains(&error.code), "byte {at}: {} {error}", error.code),
            // Bytes of a header that nobody relies on, such as its statistics.
            Ok(read) => assert_eq!(read, rows, "byte {at}"),
        }
    }
}
