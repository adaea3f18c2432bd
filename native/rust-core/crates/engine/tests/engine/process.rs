//! What becomes of records: rows, rejects, fates, whatever the cuts.

use std::collections::BTreeMap;

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use millrace_engine::io::RecordHook;
use millrace_engine::process::{Outcome, Trace};
use millrace_engine::program::{Program, ProgramError, RowFailure, Transformed};
use millrace_engine::records::{ChunkEntry, GivenChunk, InlineChunk, InlinePayload, Origin, Segment};
use millrace_engine::sha256_hex;
use millrace_formats::batch::Batch;
use millrace_formats::read::{ExcludedRange, ReadRange};
use proptest::prelude::*;

use crate::memory::{Attempt, DIRTY, pins, receipt, rejects, rows, run, segment_of, world_of};

#[test]
fn every_record_has_one_fate_and_every_reject_its_place() {
    let mut world = world_of(DIRTY.as_bytes());
    let end = run(&mut world, &segment_of(DIRTY.as_bytes(), 1 << 20), 0, &Attempt::default(), None).unwrap();
    let counts = receipt(&end).counts;
    assert_eq!((counts.records_in, counts.emitted, counts.filtered, counts.rejected), (9, 4, 0, 5));
    assert_eq!((counts.rows_out, counts.blank_lines, counts.bytes_in), (4, 1, DIRTY.len() as u64 - 8));
    assert_eq!(rows(&world.objects), ["1,one", "3,\"th\"\"ree", "lines\"", "8,eight", "9,nine"]);
    let found: Vec<_> = rejects(&world.objects).iter().map(|row| (row.code.clone(), row.record, row.line, row.byte)).collect();
    let expected = [
        ("TYPE_INTEGER", 2, 3, 14),
        ("CONSTRAINT_REQUIRED", 4, 6, 38),
        ("CSV_STRAY_QUOTE", 5, 7, 44),
        ("CSV_SHORT_ROW", 6, 8, 52),
        ("CSV_LONG_ROW", 7, 9, 54),
    ];
    assert_eq!(found, expected.map(|(code, record, line, byte)| (code.to_owned(), record, Some(line), Some(byte))));
    assert_eq!(receipt(&end).by_code, BTreeMap::from(expected.map(|(code, ..)| (code.to_owned(), 1))));
}

/// Fails numbers that divide by 3, drops even ones, doubles the rest.
struct Sieve(SchemaRef);

impl Program for Sieve {
    fn output_schema(&self) -> SchemaRef {
        self.0.clone()
    }

    fn run(&mut self, batch: &Batch, _: &str) -> Result<Transformed, ProgramError> {
        let ids = batch.rows.column(0).as_primitive::<Int64Type>();
        let of = |row: usize| ids.value(row);
        let failed = (0..ids.len()).filter(|row| of(*row) % 3 == 0).map(|row| RowFailure {
            row: row as u32,
            code: "TRANSFORM_DIVIDE_BY_ZERO",
            message: format!("id {}", of(row)),
        });
        let origin: Vec<u32> =
            (0..ids.len()).filter(|row| of(*row) % 3 != 0 && of(*row) % 2 == 1).flat_map(|row| [row as u32; 2]).collect();
        let rows = take_record_batch(&batch.rows, &UInt32Array::from(origin.clone())).unwrap();
        Ok(Transformed { rows, origin, failed: failed.collect() })
    }
}

#[test]
fn records_that_sql_cannot_evaluate_become_rejects_with_their_bytes() {
    let text = "id,name\n1,a\n2,b\n3,c\nx,d\n5,e\n6,f\n";
    let mut world = world_of(text.as_bytes());
    let mut program = Sieve(pins()[0].schema.arrow_schema());
    let end = run(&mut world, &segment_of(text.as_bytes(), 1 << 20), 0, &Attempt::default(), Some(&mut program)).unwrap();
    let counts = receipt(&end).counts;
    assert_eq!((counts.records_in, counts.emitted, counts.filtered, counts.rejected, counts.rows_out), (6, 2, 1, 3, 4));
    assert_eq!(rows(&world.objects), ["1,a", "1,a", "5,e", "5,e"]);
    let found = rejects(&world.objects);
    let codes: Vec<_> =
        found.iter().map(|row| (row.code.as_str(), row.record, row.line.unwrap(), row.byte.unwrap(), row.raw.as_slice())).collect();
    let expected: [(&str, u64, u64, u64, &[u8]); 3] = [
        ("TRANSFORM_DIVIDE_BY_ZERO", 3, 4, 16, b"3,c\n"),
        ("TYPE_INTEGER", 4, 5, 20, b"x,d\n"),
        ("TRANSFORM_DIVIDE_BY_ZERO", 6, 7, 28, b"6,f\n"),
    ];
    assert_eq!(codes, expected);
    let ids: Vec<_> = found.iter().map(|row| row.reject_id.as_str()).collect();
    assert_eq!(ids, ["j1.read.0.r1", "j1.read.0.r2", "j1.read.0.r3"]);
}

struct Liar(SchemaRef, fn(&mut Transformed));

impl Program for Liar {
    fn output_schema(&self) -> SchemaRef {
        self.0.clone()
    }

    fn run(&mut self, batch: &Batch, _: &str) -> Result<Transformed, ProgramError> {
        let origin = (0..batch.rows.num_rows() as u32).collect();
        let mut transformed = Transformed { rows: batch.rows.clone(), origin, failed: Vec::new() };
        (self.1)(&mut transformed);
        Ok(transformed)
    }
}

#[test]
fn a_program_that_miscounts_never_commits() {
    let lies: [fn(&mut Transformed); 4] = [
        |t| t.origin[0] = 9,
        |t| t.origin.swap(0, 1),
        |t| t.origin.truncate(1),
        |t| t.failed.push(RowFailure { row: 0, code: "TRANSFORM_CAST", message: String::new() }),
    ];
    for lie in lies {
        let text = "id,name\n1,a\n2,b\n";
        let mut world = world_of(text.as_bytes());
        let mut program = Liar(pins()[0].schema.arrow_schema(), lie);
        let error = run(&mut world, &segment_of(text.as_bytes(), 1 << 20), 0, &Attempt::default(), Some(&mut program)).unwrap_err();
        assert_eq!((error.code, world.puts), ("CORE_PANIC", 0));
    }
}

struct Forgetful;

impl RecordHook for Forgetful {
    fn meet(&self, raw: &[u8]) -> bool {
        !raw.starts_with(b"8,")
    }
}

#[test]
fn a_record_without_a_fate_stops_the_commit() {
    let mut world = world_of(DIRTY.as_bytes());
    let attempt = Attempt { hook: Some(&Forgetful), ..Attempt::default() };
    let error = run(&mut world, &segment_of(DIRTY.as_bytes(), 1 << 20), 0, &attempt, None).unwrap_err();
    assert_eq!((error.code, world.puts), ("BALANCE_MISMATCH", 0));
}

#[test]
fn a_plan_that_says_otherwise_is_a_conflict() {
    let changes: [fn(&mut millrace_engine::records::RangeChunk); 5] =
        [|c| c.records += 1, |c| c.lines += 1, |c| c.damages += 1, |c| c.blank_lines += 1, |c| c.start += 1];
    for change in changes {
        let mut segment = segment_of(DIRTY.as_bytes(), 1 << 20);
        let ChunkEntry::Range(chunk) = &mut segment.chunks[0] else { panic!("planned chunks are ranges") };
        change(chunk);
        let mut world = world_of(DIRTY.as_bytes());
        let error = run(&mut world, &segment, 0, &Attempt::default(), None).unwrap_err();
        assert_eq!((error.code, world.puts), ("PLAN_CONFLICT", 0), "{}", error.message);
    }
}

#[test]
fn a_trial_writes_nothing_and_counts_everything() {
    let mut world = world_of(DIRTY.as_bytes());
    let attempt = Attempt { trial: true, trace: Trace::Record, ..Attempt::default() };
    let end = run(&mut world, &segment_of(DIRTY.as_bytes(), 1 << 20), 0, &attempt, None).unwrap();
    assert_eq!((end.outcome, end.verdict.is_none(), end.counts.records_in, end.counts.rejected), (Outcome::TrialOk, true, 9, 5));
    assert_eq!((world.puts, world.objects.lock().unwrap().len()), (0, 0));
    assert!(world.traces >= 9, "each record is announced before it is touched: {}", world.traces);
}

#[test]
fn a_chunk_without_rows_has_no_part_and_one_without_rejects_no_file() {
    let text = "id,name\nx,a\ny,b\n";
    let mut world = world_of(text.as_bytes());
    let end = run(&mut world, &segment_of(text.as_bytes(), 1 << 20), 0, &Attempt::default(), None).unwrap();
    assert_eq!((receipt(&end).parts.len(), receipt(&end).rejects.len()), (0, 1));
    let text = "id,name\n1,a\n";
    let mut world = world_of(text.as_bytes());
    let end = run(&mut world, &segment_of(text.as_bytes(), 1 << 20), 0, &Attempt::default(), None).unwrap();
    assert_eq!((receipt(&end).parts.len(), receipt(&end).rejects.len()), (1, 0));
}

#[test]
fn parts_are_cut_at_the_same_rows_in_both_memory_modes() {
    let mut text = String::from("id,name\n");
    (0..50_000).for_each(|id| text.push_str(&format!("{id},name of {id}\n")));
    let segment = segment_of(text.as_bytes(), 16 << 20);
    let mut parts = Vec::new();
    for less_memory in [false, true] {
        let mut world = world_of(text.as_bytes());
        let attempt = Attempt { less_memory, part_size: 300_000, ..Attempt::default() };
        let end = run(&mut world, &segment, 0, &attempt, None).unwrap();
        assert!(receipt(&end).parts.len() > 1);
        assert_eq!(rows(&world.objects).len(), 50_000);
        parts.push(receipt(&end).parts);
    }
    assert_eq!(parts[0], parts[1]);
}

#[test]
fn too_little_memory_is_said_before_anything_is_read() {
    let mut world = world_of(DIRTY.as_bytes());
    let attempt = Attempt { memory_bytes: 48 << 20, ..Attempt::default() };
    let error = run(&mut world, &segment_of(DIRTY.as_bytes(), 1 << 20), 0, &attempt, None).unwrap_err();
    assert_eq!((error.code, world.opened), ("CORE_MEMORY", 0));
}

fn inline_segment(payloads: &[&str]) -> (Segment, Vec<u8>) {
    let bytes: Vec<u8> = payloads.concat().into_bytes();
    let mut offset = 0;
    let payloads = payloads.iter().enumerate().map(|(number, text)| {
        let payload = InlinePayload { key: format!("call-{number}"), offset, length: text.len() as u64, origin: None, records: None };
        offset += payload.length;
        payload
    });
    let chunk = InlineChunk {
        chunk: 7,
        key: "jobs/j1/inline/000000.bin".into(),
        offset: 100,
        length: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        payloads: payloads.collect(),
    };
    let mut segment = segment_of(b"id,name\n1,a\n", 1 << 20);
    segment.chunks = vec![ChunkEntry::Inline(chunk)];
    (segment, bytes)
}

#[test]
fn each_payload_of_an_inline_chunk_is_a_file_of_its_own() {
    let (segment, payload) = inline_segment(&["id,name\n1,a\nx,b\n", "name,id\nc,3\nd\n"]);
    let mut world = world_of(b"");
    let attempt = Attempt { payload, ..Attempt::default() };
    let end = run(&mut world, &segment, 7, &attempt, None).unwrap();
    assert_eq!(rows(&world.objects), ["1,a", "3,c"]);
    let places: Vec<_> =
        rejects(&world.objects).iter().map(|row| (row.file.clone(), row.code.clone(), row.record, row.line, row.byte)).collect();
    assert_eq!(
        places,
        [("call-0".into(), "TYPE_INTEGER".into(), 2, Some(3), Some(12)), ("call-1".into(), "CSV_SHORT_ROW".into(), 2, Some(3), Some(12))]
    );
    let receipt = receipt(&end);
    let files: Vec<_> = receipt.files.iter().map(|file| (file.file, file.key.as_deref(), file.records_in, file.rejected)).collect();
    assert_eq!(files, [(None, Some("call-0"), 2, 1), (None, Some("call-1"), 2, 1)]);
    assert_eq!(receipt.counts.bytes_in, 30 - 16);
}

/// A replay of records that were rejected: `(record, line, byte, corrected text)`.
fn replay_segment(file: &[u8], corrections: &[(u64, u64, u64, &str)]) -> (Segment, Vec<u8>) {
    let bytes: Vec<u8> = corrections.iter().flat_map(|(_, _, _, text)| text.bytes()).collect();
    let mut offset = 0;
    let payloads = corrections.iter().map(|(record, line, byte, text)| {
        let origin = Origin { file: 0, record: *record, line: *line, byte: *byte, errors: vec![] };
        let payload =
            InlinePayload { key: format!("read.0.r{record}"), offset, length: text.len() as u64, origin: Some(origin), records: None };
        offset += payload.length;
        payload
    });
    let payloads = payloads.collect();
    let chunk = InlineChunk { chunk: 7, key: "k".into(), offset: 0, length: bytes.len() as u64, sha256: sha256_hex(&bytes), payloads };
    let mut segment = segment_of(file, 1 << 20);
    segment.chunks = vec![ChunkEntry::Inline(chunk)];
    (segment, bytes)
}

#[test]
fn a_replayed_record_is_read_with_its_files_header_and_keeps_its_place() {
    // The file's columns stand in another order than the schema's.
    let file = b"name,id\na,1\nb,x\nc,3\n";
    let (segment, payload) =
        replay_segment(file, &[(2, 3, 12, "b,2\n"), (90, 91, 5_000, "late,y\n"), (91, 92, 6_000, "\"quoted, with\nlines\",92")]);
    let mut world = world_of(b"");
    let attempt = Attempt { payload, ..Attempt::default() };
    let end = run(&mut world, &segment, 7, &attempt, None).unwrap();
    assert_eq!(rows(&world.objects), ["2,b", "92,\"quoted, with", "lines\""]);
    let places: Vec<_> = rejects(&world.objects).iter().map(|row| (row.code.clone(), row.record, row.line, row.byte)).collect();
    assert_eq!(places, [("TYPE_INTEGER".into(), 90, Some(91), Some(5_000))]);
    let receipt = receipt(&end);
    let files: Vec<_> = receipt.files.iter().map(|file| (file.file, file.records_in, file.emitted, file.rejected)).collect();
    assert_eq!(files, [(Some(0), 3, 2, 1)]);
    assert_eq!(world.opened, 0, "the file itself is not read");
}

#[test]
fn what_is_not_one_record_is_a_reject_again_under_the_same_place() {
    let file = b"id,name\n1,a\n";
    let (segment, payload) = replay_segment(file, &[(1, 2, 8, "1,a\n2,b\n"), (2, 3, 12, "\n"), (3, 4, 13, ""), (4, 5, 14, "4,\"open\n")]);
    let mut world = world_of(b"");
    let attempt = Attempt { payload, ..Attempt::default() };
    let end = run(&mut world, &segment, 7, &attempt, None).unwrap();
    assert_eq!(rows(&world.objects), [""; 0]);
    let found: Vec<_> = rejects(&world.objects).iter().map(|row| (row.code.clone(), row.record, row.line, row.byte)).collect();
    let long = |record, line, byte| ("CSV_LONG_ROW".to_owned(), record, Some(line), Some(byte));
    let open = ("CSV_UNCLOSED_QUOTE".to_owned(), 4, Some(5), Some(14));
    assert_eq!(found, [long(1, 2, 8), long(2, 3, 12), long(3, 4, 13), open]);
    assert_eq!((end.counts.records_in, end.counts.rejected), (4, 4));
}

#[test]
fn replayed_records_and_payloads_of_their_own_do_not_share_a_chunk() {
    let (mut segment, payload) = replay_segment(b"id,name\n1,a\n", &[(1, 2, 8, "1,a\n"), (2, 3, 12, "2,b\n")]);
    if let ChunkEntry::Inline(chunk) = &mut segment.chunks[0] {
        chunk.payloads[1].origin = None;
    }
    let mut world = world_of(b"");
    let attempt = Attempt { payload, ..Attempt::default() };
    assert_eq!(run(&mut world, &segment, 7, &attempt, None).unwrap_err().code, "PLAN_CONFLICT");
}

#[test]
fn an_inline_chunk_with_other_bytes_than_planned_is_refused() {
    let (segment, mut payload) = inline_segment(&["id,name\n1,a\n"]);
    payload[8] = b'2';
    let mut world = world_of(b"");
    let attempt = Attempt { payload, ..Attempt::default() };
    assert_eq!(run(&mut world, &segment, 7, &attempt, None).unwrap_err().code, "STORAGE_CHECKSUM");
}

fn messy_file() -> impl Strategy<Value = String> {
    let row = prop_oneof![
        8 => (0u32..1000, "[a-z ]{0,6}").prop_map(|(id, name)| format!("{id},{name}\n")),
        1 => Just("x,bad\n".to_owned()),
        1 => Just("5,\"two\nlines, \"\"quoted\"\"\"\r\n".to_owned()),
        1 => Just("6,st\"ray\n".to_owned()),
        1 => Just("7\n".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("8,\"closed\"then\n".to_owned()),
    ];
    prop::collection::vec(row, 0..60).prop_map(|rows| format!("id,name\n{}", rows.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_chunk_size_gives_the_same_rows_rejects_and_sums(text in messy_file(), chunk_size in 1u64..200) {
        let whole = outcome_of(&text, 1 << 20);
        prop_assert_eq!(&outcome_of(&text, chunk_size), &whole);
    }
}

/// Code, record, line, byte, end, offending byte, raw bytes.
type Rejected = (String, u64, Option<u64>, Option<u64>, Option<u64>, Option<u64>, Vec<u8>);
type Sums = (u64, u64, u64, u64, BTreeMap<String, u64>);

/// Rows, rejects without what names their chunk, and sums, over all chunks of a file.
fn outcome_of(text: &str, chunk_size: u64) -> (Vec<String>, Vec<Rejected>, Sums) {
    let segment = segment_of(text.as_bytes(), chunk_size);
    let mut world = world_of(text.as_bytes());
    let mut sums: Sums = Default::default();
    for chunk in &segment.chunks {
        world.verdict = None;
        let end = run(&mut world, &segment, chunk.number(), &Attempt::default(), None).unwrap();
        let counts = end.counts;
        sums.0 += counts.records_in;
        sums.1 += counts.emitted;
        sums.2 += counts.rejected;
        sums.3 += counts.blank_lines;
        for (code, count) in end.by_code {
            *sums.4.entry(code).or_default() += count;
        }
    }
    let found =
        rejects(&world.objects).into_iter().map(|row| (row.code, row.record, row.line, row.byte, row.byte_end, row.error_byte, row.raw));
    (rows(&world.objects), found.collect(), sums)
}

/// Keeps what the query and the outputs are shown.
#[derive(Default)]
struct Witness(std::sync::Mutex<Vec<String>>);

impl RecordHook for Witness {
    fn meet(&self, raw: &[u8]) -> bool {
        self.0.lock().unwrap().push(String::from_utf8(raw.to_vec()).unwrap());
        true
    }
}

/// A range of an object that holds `before`, `text` and `behind`.
fn given_segment(before: &str, text: &str, behind: &str) -> (Segment, Vec<u8>) {
    let file = [before, text, behind].concat().into_bytes();
    let (start, end) = (before.len() as u64, (before.len() + text.len()) as u64);
    let chunk = GivenChunk {
        chunk: 7,
        key: "k".into(),
        uri: "file:///in/given.csv".into(),
        etag: "e".into(),
        size: file.len() as u64,
        start,
        end,
        records: None,
        digest: None,
    };
    let mut segment = segment_of(b"id,name\n1,a\n", 1 << 20);
    segment.chunks = vec![ChunkEntry::Given(chunk)];
    (segment, file)
}

/// A record as it is sent, and whether it is a row.
fn sent_record() -> impl Strategy<Value = (String, bool)> {
    prop_oneof![
        4 => (0i64..1_000, "[a-c]{0,9}").prop_map(|(id, name)| (format!("{id},{name}\n"), true)),
        1 => (0i64..1_000).prop_map(|id| (format!("{id},\"two\nlines\"\n"), true)),
        1 => Just(("x,no number\n".to_owned(), false)),
        1 => Just(("1,2,long\n".to_owned(), false)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Of a chunk that a producer sent, as payloads or as a range: a trial shows the records it names and no others, and records left out become rejects
    /// in their place while all else is as it was.
    #[test]
    fn records_of_sent_chunks_are_chosen_by_their_number(
        payloads in prop::collection::vec(prop::collection::vec(sent_record(), 1..12), 1..4),
        is_range: bool,
        less_memory: bool,
        span in (0.0..1.0f64, 0.0..1.0f64),
        poison in prop::collection::btree_set(0..30usize, 0..4),
    ) {
        // A range has to begin with whole records.
        let first = vec![("0,first\n".to_owned(), true); 2];
        let payloads = if is_range { vec![[first, payloads.concat()].concat()] } else { payloads };
        let texts: Vec<String> = payloads.iter().map(|records| records.iter().map(|(text, _)| text.as_str()).collect()).collect();
        let all: Vec<(String, bool)> = payloads.concat();
        let (segment, bytes) = match is_range {
            true => given_segment("id,name\n0,before\n", &texts[0], "9,behind\n"),
            false => inline_segment(&texts.iter().map(|text| format!("id,name\n{text}")).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>()),
        };
        let world = || {
            let mut world = world_of(b"");
            world.files.insert("file:///in/given.csv".into(), bytes.clone());
            world
        };
        let payload = if is_range { Vec::new() } else { bytes.clone() };
        let attempt = || Attempt { payload: payload.clone(), less_memory, ..Attempt::default() };

        // A trial.
        let count = all.len() as f64;
        let (start, end) = ((span.0.min(span.1) * count) as usize, (span.0.max(span.1) * count) as usize);
        let witness: &'static Witness = Box::leak(Box::default());
        let range = Some(ReadRange { start: start as u64, end: end as u64, record: 1, line: 1 });
        let mut tried = world();
        let end_of_trial = run(&mut tried, &segment, 7, &Attempt { trial: true, range, hook: Some(witness), ..attempt() }, None).unwrap();
        let shown: Vec<String> = all[start..end].iter().filter(|(_, is_row)| *is_row).map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(&*witness.0.lock().unwrap(), &shown);
        prop_assert_eq!((end_of_trial.counts.records_in, end_of_trial.verdict, tried.objects.lock().unwrap().len()), (all.len() as u64, None, 0));

        // Records that are left out, beside the same chunk as it is.
        let poison: Vec<usize> = poison.into_iter().filter(|number| *number < all.len()).collect();
        let excluded = poison.iter().map(|number| ExcludedRange { start: *number as u64, end: *number as u64 + 1, code: "CORE_CRASH" }).collect();
        let (mut whole, mut without) = (world(), world());
        let witness: &'static Witness = Box::leak(Box::default());
        run(&mut whole, &segment, 7, &attempt(), None).unwrap();
        let end = run(&mut without, &segment, 7, &Attempt { excluded, hook: Some(witness), ..attempt() }, None).unwrap();
        prop_assert!(poison.iter().all(|number| !all[*number].1) || witness.0.lock().unwrap().len() < all.len());
        let counts = receipt(&end).counts;
        let rows_left = all.iter().enumerate().filter(|(number, (_, is_row))| *is_row && !poison.contains(number)).count();
        prop_assert_eq!((counts.records_in, counts.emitted, counts.rejected), (all.len() as u64, rows_left as u64, (all.len() - rows_left) as u64));
        prop_assert_eq!(receipt(&end).by_code.get("CORE_CRASH").copied().unwrap_or(0), poison.len() as u64);
        let kept: String = all.iter().enumerate().filter(|(number, (_, is_row))| *is_row && !poison.contains(number)).map(|(_, (text, _))| text.as_str()).collect();
        prop_assert_eq!(rows(&without.objects).join("\n"), kept.trim_end_matches('\n'));
        let crashed: Vec<_> = rejects(&without.objects).into_iter().filter(|row| row.code == "CORE_CRASH").collect();
        prop_assert_eq!(crashed.iter().map(|row| String::from_utf8(row.raw.clone()).unwrap()).collect::<Vec<_>>(), poison.iter().map(|number| all[*number].0.clone()).collect::<Vec<_>>());
        let of = |objects| -> Vec<_> { rejects(objects).into_iter().map(|row| (row.file.clone(), row.record, row.line, row.byte, row.raw)).collect() };
        let (all_rejects, before) = (of(&without.objects), of(&whole.objects));
        prop_assert!(before.iter().all(|reject| all_rejects.contains(reject)), "a record that was a reject stays one, in its place");
    }
}

#[test]
fn some_records_of_a_sent_chunk_are_read_by_trials_alone() {
    let (segment, payload) = inline_segment(&["id,name\n1,a\n2,b\n"]);
    let range = Some(ReadRange { start: 0, end: 1, record: 1, line: 1 });
    let error = run(&mut world_of(b""), &segment, 7, &Attempt { payload, range, ..Attempt::default() }, None).unwrap_err();
    assert_eq!(error.code, "PLAN_CONFLICT");
}
