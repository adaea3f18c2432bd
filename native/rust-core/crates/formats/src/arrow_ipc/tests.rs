use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use proptest::prelude::*;

use super::Layout;
use crate::pins::{Format, InputPins};
use crate::read::{ExcludedRange, ReadOptions, ReadRange, open_rows, plan_file, plan_rows};
use crate::schema::FieldType;
use crate::testing::{Outcome, SlowSource, csv_pins, field, read_range_without};

fn arrow_pins() -> InputPins {
    let mut pins = InputPins {
        format: Format::Arrow,
        dialect: None,
        ..csv_pins(vec![field("text", FieldType::String), field("id", FieldType::Integer), field("word", FieldType::String)])
    };
    pins.schema.fields[1].constraints.minimum = Some((-20).into());
    pins.schema.fields[0].constraints.max_length = Some(3);
    pins
}

fn table(ids: &[Option<i64>], texts: &[Option<String>]) -> RecordBatch {
    let words: DictionaryArray<Int32Type> =
        texts.iter().map(|text| text.as_deref().map(|text| if text.len() > 2 { "long" } else { "short" })).collect();
    RecordBatch::try_from_iter_with_nullable(vec![
        ("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef, true),
        ("word", Arc::new(words) as ArrayRef, true),
        ("text", Arc::new(StringArray::from(texts.to_vec())) as ArrayRef, true),
    ])
    .expect("equal lengths")
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    File,
    Stream,
}

fn written(rows: &RecordBatch, form: Form, codec: Option<CompressionType>, batch_rows: usize) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(codec).expect("a codec");
    let pieces = (0..rows.num_rows()).step_by(batch_rows).map(|at| rows.slice(at, batch_rows.min(rows.num_rows() - at)));
    let mut bytes = Vec::new();
    match form {
        Form::File => {
            // One dictionary for all batches: a file may not replace it.
            let mut writer = FileWriter::try_new_with_options(&mut bytes, &rows.schema(), options).expect("a schema");
            pieces.for_each(|piece| writer.write(&piece).expect("rows"));
            writer.finish().expect("a file");
        }
        Form::Stream => {
            let mut writer = StreamWriter::try_new_with_options(&mut bytes, &rows.schema(), options).expect("a schema");
            pieces.for_each(|piece| writer.write(&piece).expect("rows"));
            writer.finish().expect("a stream");
        }
    }
    bytes
}

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

fn some_rows(count: usize) -> RecordBatch {
    let ids: Vec<Option<i64>> = (0..count as i64).map(|n| (n % 7 > 0).then_some(n % 90 - 30)).collect();
    let texts: Vec<Option<String>> = (0..count).map(|n| (n % 5 > 0).then(|| "abcd"[..n % 5].to_string())).collect();
    table(&ids, &texts)
}

#[test]
fn file_and_stream_with_every_codec_give_the_same_rows() {
    let rows = some_rows(500);
    let pins = arrow_pins();
    let whole = |bytes: &[u8]| read(&pins, bytes, &[0, 500], ReadOptions::default(), &[]);
    let expected = whole(&written(&rows, Form::File, None, 64));
    assert_eq!(expected.rows.len() + expected.rejects.len(), 500);
    assert_eq!(expected.rows[0].1, ["∅", "∅", "∅"]);
    for form in [Form::File, Form::Stream] {
        for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            assert_eq!(whole(&written(&rows, form, codec, 64)), expected, "{form:?} {codec:?}");
        }
    }
}

#[test]
fn chunks_cover_all_rows_and_all_bytes() {
    let bytes = written(&some_rows(1_000), Form::Stream, None, 100);
    let pins = arrow_pins();
    let mut source = &bytes[..];
    let plan = plan_file(&pins, 0, 0, "file:///a", "e", &mut source).expect("a plan");
    for chunk_size in [100, 2_000, 1 << 30] {
        let (chunks, totals) = plan_rows(&pins, &plan, &mut source, chunk_size).expect("chunks");
        assert!(chunks.windows(2).all(|pair| pair[0].end == pair[1].start) && chunks[0].start == 0);
        assert_eq!(chunks.last().map(|chunk| chunk.end), Some(1_000));
        assert_eq!((chunks.iter().map(|chunk| chunk.bytes).sum::<u64>(), totals.records), (bytes.len() as u64, 1_000));
    }
}

/// Plans and reads; the code of the first error.
fn code(bytes: &[u8]) -> &'static str {
    let pins = arrow_pins();
    let mut source = bytes;
    let plan = match plan_file(&pins, 3, 0, "file:///a", "e", &mut source) {
        Ok(plan) => plan,
        Err(error) => return error.code,
    };
    let rows = match Layout::read(&mut source) {
        Ok(layout) => layout.rows,
        Err(error) => return error.code,
    };
    let range = ReadRange { start: 0, end: rows, record: 1, line: 0 };
    let source = Box::new(SlowSource { bytes: bytes.to_vec(), most: usize::MAX });
    let mut reader = match open_rows(&pins, &plan, range, &[], source, ReadOptions::default()) {
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

#[test]
fn what_is_no_arrow_data_or_broken() {
    let file = written(&some_rows(50), Form::File, None, 20);
    let stream = written(&some_rows(50), Form::Stream, None, 20);
    assert_eq!(code(&file), "fine");
    assert_eq!(code(b""), "ARROW_MAGIC");
    assert_eq!(code(b"id\n1\n2\n3\n"), "ARROW_MAGIC");
    assert_eq!(code(&file[..file.len() - 1]), "ARROW_BATCH");
    assert_eq!(code(&file[..12]), "ARROW_BATCH");
    // A stream may end without its end mark, but not inside a message.
    assert_eq!(code(&stream[..stream.len() - 8]), "fine");
    assert_eq!(code(&stream[..stream.len() - 9]), "ARROW_BATCH");
    assert_eq!(code(&stream[..stream.len() - 100]), "ARROW_BATCH");
    let mut huge = file.clone();
    let end = huge.len();
    huge[end - 10..end - 6].copy_from_slice(&i32::MAX.to_le_bytes());
    assert_eq!(code(&huge), "OVER_LIMIT");
}

/// Whatever becomes of the bytes: an error with a code of its own, or rows, and never a panic.
#[test]
fn damaged_data_are_errors_and_nothing_worse() {
    let rows = some_rows(200);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for (form, codec) in [
        (Form::File, None),
        (Form::Stream, None),
        (Form::File, Some(CompressionType::ZSTD)),
        (Form::Stream, Some(CompressionType::LZ4_FRAME)),
    ] {
        let good = written(&rows, form, codec, 70);
        for round in 0..1_500 {
            let mut bytes = good.clone();
            for _ in 0..1 + round % 3 {
                let at = random() % good.len();
                match random() % 4 {
                    0 => bytes[at] = random() as u8,
                    1 => bytes[at] ^= 1 << (random() % 8),
                    2 => bytes[at] = 0xff,
                    _ => bytes.truncate(at.max(1)),
                }
                bytes.resize(good.len(), 0);
            }
            let code = code(&bytes);
            let known = [
                "fine",
                "OVER_LIMIT",
                "ARROW_MAGIC",
                "ARROW_BATCH",
                "ARROW_UNSUPPORTED",
                "SCHEMA_MISSING_COLUMN",
                "SCHEMA_TYPE_CHANGED",
                "SCHEMA_AMBIGUOUS_COLUMN",
            ];
            assert!(known.contains(&code), "{code}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_split_equals_the_whole(
        ids in proptest::collection::vec(proptest::option::of(-50..50i64), 1..150),
        batch in 1..60usize,
        is_file: bool,
        mut cuts in proptest::collection::vec(0..150u64, 0..6),
        batch_records in 2..50usize,
        poison in proptest::option::of(0..150u64),
    ) {
        let texts: Vec<Option<String>> = ids.iter().map(|id| id.filter(|id| id % 3 != 0).map(|id| "abcd"[..(id.unsigned_abs() as usize) % 5].to_string())).collect();
        let count = ids.len() as u64;
        let bytes = written(&table(&ids, &texts), if is_file { Form::File } else { Form::Stream }, None, batch);
        let pins = arrow_pins();
        let excluded: Vec<ExcludedRange> = poison.filter(|row| *row < count).map(|row| ExcludedRange { start: row, end: row + 1, code: "CORE_CRASH" }).into_iter().collect();
        let expected = read(&pins, &bytes, &[0, count], ReadOptions::default(), &excluded);
        prop_assert_eq!(expected.counts.records, count);
        prop_assert_eq!(expected.rows.len() + expected.rejects.len(), ids.len());
        cuts.retain(|cut| *cut < count);
        cuts.extend([0, count]);
        cuts.sort_unstable();
        cuts.dedup();
        let options = ReadOptions { batch_records, ..ReadOptions::default() };
        prop_assert_eq!(read(&pins, &bytes, &cuts, options, &excluded), expected);
    }
}
