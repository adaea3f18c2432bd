//! Map chunks, the plan of a reduce stage and its partitions together, over a journal in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SortOptions;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use millrace_engine::cancel::CancelFlag;
use millrace_engine::io::{PutEnd, Scratch, ScratchFile};
use millrace_engine::names::Author;
use millrace_engine::partition::keys_of;
use millrace_engine::plan::{PlanEnd, SegmentRef};
use millrace_engine::plan_stage::{StageIo, StageTask, plan_stage};
use millrace_engine::process::ExchangeTo;
use millrace_engine::program::{
    FailedRow, Order, ProgramError, ReduceContext, ReduceEnd, ReduceProgram, ReduceSink, RowFailure, RowStream, SortKeys,
};
use millrace_engine::progress::Progress;
use millrace_engine::records::{ChunkEntry, PartitionChunk, Receipt, Segment};
use millrace_engine::reduce::{ReduceTask, Reducer, Spill, reduce_partition};
use millrace_engine::slices::parse_list;
use millrace_engine::{ChunkEnd, Context, Error, sha256_hex};
use proptest::prelude::*;

use crate::memory::{self, Attempt, NoTimer, Objects, World};

const JOB_KEY: &str = "jobs/j1/job.json";

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8View, true)]))
}

fn exchange(keys: &[&str], partitions: u32) -> ExchangeTo {
    let columns = columns();
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_string()).collect();
    ExchangeTo { keys: keys_of(&keys, &[("read", columns.as_ref())]).unwrap(), columns, partitions, folders: Vec::new() }
}

/// The journal: records by key, and everything attempts wrote.
#[derive(Default)]
pub struct Journal {
    pub records: BTreeMap<String, Vec<u8>>,
    pub announced: Vec<(String, SegmentRef)>,
    pub objects: Objects,
}

impl StageIo for Journal {
    fn list(&mut self, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.records.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
    }

    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.records.get(key).cloned())
    }

    fn put_if_absent(&mut self, key: &str, bytes: &[u8]) -> Result<PutEnd, Error> {
        match self.records.get(key) {
            Some(standing) => Ok(PutEnd::Lost(standing.clone())),
            None => {
                self.records.insert(key.into(), bytes.to_vec());
                Ok(PutEnd::Won)
            }
        }
    }

    fn announce(&mut self, key: &str, segment: &SegmentRef) -> Result<(), Error> {
        self.announced.push((key.into(), segment.clone()));
        Ok(())
    }
}

impl Journal {
    /// Runs every chunk of the map stage over `text`.
    fn map(text: &str, chunk_size: u64, to: &ExchangeTo) -> Journal {
        let mut journal = Journal::default();
        let segment = memory::segment_of(text.as_bytes(), chunk_size);
        for chunk in &segment.chunks {
            let end = journal.map_chunk(text, &segment, chunk.number(), to);
            let key = format!("jobs/j1/verdicts/read/{:06}.json", chunk.number());
            journal.records.insert(key, end.verdict.expect("a verdict"));
        }
        journal.records.insert("jobs/j1/plan/000000.json".into(), serde_json::to_vec(&segment).unwrap());
        journal
    }

    fn map_chunk(&self, text: &str, segment: &Segment, number: u32, to: &ExchangeTo) -> ChunkEnd {
        let mut world = World { objects: Arc::clone(&self.objects), ..memory::world_of(text.as_bytes()) };
        memory::run(&mut world, segment, number, &Attempt { exchange: Some(to.clone()), ..Attempt::default() }, None).unwrap()
    }

    fn plan(&mut self, generation: u32, partitions: u32) -> Result<PlanEnd, Error> {
        self.plan_ranges(generation, partitions, None)
    }

    fn plan_ranges(&mut self, generation: u32, partitions: u32, range_bytes: Option<u64>) -> Result<PlanEnd, Error> {
        self.announced.clear();
        let task = StageTask {
            job_id: "j1",
            job_key: JOB_KEY,
            stage: "once",
            generation,
            spec_digest: "s",
            pins_digest: "p",
            sources: &["read".to_string()],
            partitions,
            range_bytes,
            keys: false,
            first_segment: 1,
            first_chunk: 100,
        };
        plan_stage(&task, self, &CancelFlag::default())
    }

    pub fn planned(&self) -> Vec<PartitionChunk> {
        let segments = self.announced.iter().map(|(key, _)| serde_json::from_slice::<Segment>(&self.records[key]).unwrap());
        let chunks = segments.flat_map(|segment| segment.chunks);
        chunks.map(|chunk| if let ChunkEntry::Partition(partition) = chunk { partition } else { panic!("no partition") }).collect()
    }

    fn reduce(&self, chunk: &PartitionChunk, reducer: Reducer<'_>, run: Resources<'_>) -> Result<ChunkEnd, Error> {
        let list = &self.records[&chunk.slices.key];
        assert_eq!(sha256_hex(list), chunk.slices.digest);
        let spec = memory::spec(1 << 20, &[]);
        let tables = [("read".to_string(), columns())];
        let task = ReduceTask {
            author: Author { job_id: "j1".into(), stage: "once".into(), chunk: chunk.chunk, generation: 1, attempt_id: "a2".into() },
            spec: &spec,
            spec_digest: "s",
            segment_digest: "d",
            chunk,
            tables: &tables,
            slices: parse_list(&chunk.slices.key, list).unwrap(),
            replaced: Default::default(),
            exchange: run.exchange,
            trial: false,
            less_memory: false,
            core_version: "0.0.0",
        };
        let context = Context {
            cancel: CancelFlag::default(),
            progress: Progress::default(),
            timer: Arc::new(NoTimer),
            memory_bytes: run.memory_bytes,
            hook: None,
        };
        let spill = Spill { scratch: Some(&InMemory), directory: None, bytes: 1 << 30 };
        let mut world = World { objects: Arc::clone(&self.objects), ..World::default() };
        reduce_partition(&task, reducer, spill, &mut world, &context)
    }
}

struct Resources<'a> {
    memory_bytes: u64,
    exchange: Option<&'a ExchangeTo>,
}

impl Default for Resources<'_> {
    fn default() -> Self {
        Resources { memory_bytes: 1 << 30, exchange: None }
    }
}

pub struct InMemory;

impl Scratch for InMemory {
    fn open(&self) -> Result<Box<dyn ScratchFile>, Error> {
        Ok(Box::new(std::io::Cursor::new(Vec::new())))
    }
}

/// Yields the rows as they come, and rejects those named `bad`.
struct Copy;

impl ReduceProgram for Copy {
    fn output_schema(&self) -> SchemaRef {
        columns()
    }

    fn run(&mut self, tables: Vec<Box<dyn RowStream>>, _: &ReduceContext, sink: &mut dyn ReduceSink) -> Result<ReduceEnd, ProgramError> {
        let mut read = Vec::new();
        for (table, mut rows) in tables.into_iter().enumerate() {
            read.push(0);
            while let Some(batch) = rows.next()? {
                read[table] += batch.num_rows() as u64;
                for row in 0..batch.num_rows() {
                    let one = batch.slice(row, 1).project(&[0, 1]).unwrap();
                    if one.column(1).as_string_view().iter().next() == Some(Some("bad")) {
                        let row = r#"{"name":"bad"}"#.to_string();
                        sink.failed(FailedRow { table, order: Order::default(), code: "TRANSFORM_CAST", message: "bad".into(), row })?;
                    } else {
                        sink.rows(one)?;
                    }
                }
            }
        }
        Ok(ReduceEnd { read, spilled_bytes: 0 })
    }
}

fn text_of(rows: &[(i64, String)]) -> String {
    let lines = rows.iter().map(|(id, name)| format!("{id},{name}\n"));
    std::iter::once("id,name\n".to_string()).chain(lines).collect()
}

fn dedupe_all(journal: &Journal, chunks: &[PartitionChunk], keys: &[&str], keep_last: bool, room: Option<u64>) -> Vec<Receipt> {
    let run = |chunk: &PartitionChunk| {
        let keys = keys.iter().map(|key| (*key).to_string()).collect();
        let reducer = Reducer::Dedupe { keys, order_by: None, keep_last };
        let memory_bytes = room.map_or(1 << 30, |room| just_enough(chunk) + room);
        let end = journal.reduce(chunk, reducer, Resources { memory_bytes, exchange: None }).unwrap();
        memory::receipt(&end)
    };
    chunks.iter().map(run).collect()
}

/// Records and objects of a job that keeps one row of each key: of its map chunks, of the plan of its stage, and of its partitions.
pub fn deduped(text: &str, keep_last: bool) -> (Vec<Vec<u8>>, BTreeMap<String, Vec<u8>>) {
    let mut journal = Journal::map(text, 10_000, &exchange(&["name"], 4));
    journal.plan(1, 4).unwrap();
    let receipts = dedupe_all(&journal, &journal.planned(), &["name"], keep_last, None);
    let receipts = receipts.iter().map(|receipt| serde_json::to_vec(receipt).unwrap());
    let records = journal.records.values().cloned().chain(receipts).collect();
    let objects = std::mem::take(&mut *journal.objects.lock().unwrap());
    (records, objects.into_iter().collect())
}

/// What a process and its output hold. With nothing beside it all rows are spilled.
fn just_enough(chunk: &PartitionChunk) -> u64 {
    (56 << 20) + 9 * chunk.bytes
}

fn records() -> impl Strategy<Value = Vec<(i64, String)>> {
    prop::collection::vec((0i64..12, "[a-c]{1,3}"), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunks_and_partitions_give_the_same_rows_in_order(rows in records(), chunk_size in 1u64..200, partitions in 1u32..9) {
        let to = exchange(&["id"], partitions);
        let mut journal = Journal::map(&text_of(&rows), chunk_size, &to);
        let end = journal.plan(1, partitions).unwrap();
        prop_assert_eq!(end.records, rows.len() as u64);
        let mut seen = Vec::new();
        for chunk in journal.planned() {
            let before: Vec<String> = memory::rows(&journal.objects);
            let end = journal.reduce(&chunk, Reducer::Program(&mut Copy), Resources::default()).unwrap();
            let receipt = memory::receipt(&end);
            prop_assert_eq!(receipt.inputs_digest.as_ref(), Some(&chunk.slices.digest));
            prop_assert_eq!(receipt.counts.emitted, chunk.rows);
            prop_assert!(receipt.files.is_empty());
            let own: Vec<String> = memory::rows(&journal.objects).split_off(before.len());
            // Rows of a partition keep the order of the file, and equal keys meet.
            let wanted: Vec<String> = rows.iter().map(|(id, name)| format!("{id},{name}"))
                .filter(|row| own.iter().any(|own| own.split(',').next() == row.split(',').next())).collect();
            prop_assert_eq!(&own, &wanted);
            seen.extend(own);
        }
        seen.sort();
        let mut wanted: Vec<String> = rows.iter().map(|(id, name)| format!("{id},{name}")).collect();
        wanted.sort();
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn dedupe_keeps_one_of_each_key_in_order(
        rows in records(), chunk_size in 1u64..200, partitions in 1u32..5, keep_last: bool, by_both: bool,
        room in prop::option::of(0u64..40_000),
    ) {
        let to = exchange(&["id"], partitions);
        let mut journal = Journal::map(&text_of(&rows), chunk_size, &to);
        journal.plan(1, partitions).unwrap();
        let keys: &[&str] = if by_both { &["id", "name"] } else { &["id"] };
        let receipts = dedupe_all(&journal, &journal.planned(), keys, keep_last, room);
        let key_of = |(id, name): &(i64, String)| if by_both { format!("{id},{name}") } else { id.to_string() };
        let mut keepers: HashMap<String, usize> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            if keep_last {
                keepers.insert(key_of(row), number);
            } else {
                keepers.entry(key_of(row)).or_insert(number);
            }
        }
        let mut wanted: Vec<String> = keepers.values().map(|number| format!("{},{}", rows[*number].0, rows[*number].1)).collect();
        let mut found = memory::rows(&journal.objects);
        wanted.sort();
        found.sort();
        prop_assert_eq!(found, wanted);
        let deduplicated: u64 = receipts.iter().map(|receipt| receipt.counts.deduplicated).sum();
        prop_assert_eq!(deduplicated, (rows.len() - keepers.len()) as u64);
        prop_assert!(receipts.iter().all(|receipt| receipt.counts.records_in == receipt.counts.emitted + receipt.counts.deduplicated));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranges_of_any_size_hold_all_rows_in_order(rows in records(), chunk_size in 1u64..200, range_bytes in 1u64..4_000) {
        let mut journal = Journal::map(&text_of(&rows), chunk_size, &exchange(&[], 1));
        let end = journal.plan_ranges(1, 1, Some(range_bytes)).unwrap();
        prop_assert_eq!(end.records, rows.len() as u64);
        let planned = journal.planned();
        for (number, chunk) in planned.iter().enumerate() {
            prop_assert_eq!(chunk.partition as usize, number);
            let slices = parse_list("list", &journal.records[&chunk.slices.key]).unwrap();
            prop_assert!(chunk.bytes <= range_bytes || slices.len() == 1);
            let next = planned.get(number + 1).map(|next| parse_list("list", &journal.records[&next.slices.key]).unwrap());
            prop_assert!(next.is_none_or(|next| chunk.bytes + next[0].run.length > range_bytes), "a range is filled before the next begins");
            let receipt = memory::receipt(&journal.reduce(chunk, Reducer::Merge, Resources::default()).unwrap());
            prop_assert_eq!((receipt.counts.records_in, receipt.counts.emitted, receipt.counts.rows_out), (chunk.rows, chunk.rows, chunk.rows));
        }
        let wanted: Vec<String> = rows.iter().map(|(id, name)| format!("{id},{name}")).collect();
        prop_assert_eq!(memory::rows(&journal.objects), wanted);
    }
}

#[test]
fn a_redrive_takes_in_of_the_dead_partitions_those_that_it_selects() {
    let mut journal = Journal::map("id,name\n1,a\n2,b\n3,c\n4,d\n5,e\n6,f\n", 8, &exchange(&["id"], 4));
    journal.plan(1, 4).unwrap();
    let planned = journal.planned();
    assert!(planned.len() > 2);
    for chunk in &planned {
        let verdict = br#"{"outcome":"dead","attemptId":null}"#.to_vec();
        journal.records.insert(format!("jobs/j1/verdicts/once/{:06}.json", chunk.chunk), verdict);
    }
    let wanted = planned[1].chunk;
    for (select, expected) in [
        (serde_json::json!([format!("once.{wanted}")]), vec![wanted]),
        (serde_json::json!([format!("other.{wanted}")]), vec![]),
        (serde_json::json!("all"), planned.iter().map(|chunk| chunk.chunk).collect()),
    ] {
        let command = serde_json::json!({ "command": "redrive", "opens": 2, "select": select });
        journal.records.insert("jobs/j1/commands/000000.json".into(), serde_json::to_vec(&command).unwrap());
        journal.plan(2, 4).unwrap();
        let mut entered: Vec<u32> = journal.planned().iter().map(|chunk| chunk.chunk).collect();
        entered.sort_unstable();
        assert_eq!(entered, expected);
        journal.records.retain(|key, _| !key.starts_with("jobs/j1/plan/000002/once/"));
    }
}

#[test]
fn a_later_generation_empties_ranges_that_it_has_no_rows_for() {
    let text = text_of(&(0..40).map(|id| (id, "some name".to_string())).collect::<Vec<_>>());
    let mut journal = Journal::map(&text, 60, &exchange(&[], 1));
    journal.plan_ranges(1, 1, Some(1)).unwrap();
    let many = journal.planned();
    for chunk in &many {
        let end = journal.reduce(chunk, Reducer::Merge, Resources::default()).unwrap();
        journal.records.insert(format!("jobs/j1/verdicts/once/{:06}.json", chunk.chunk), end.verdict.unwrap());
    }
    assert_eq!(journal.plan_ranges(2, 1, Some(1)).unwrap().chunks, 0, "nothing has changed");
    journal.plan_ranges(2, 1, Some(1 << 20)).unwrap();
    let again = journal.planned();
    assert_eq!(again.len(), many.len());
    assert_eq!(again.iter().map(|chunk| chunk.rows).sum::<u64>(), 40);
    assert!(again.iter().skip(1).all(|chunk| chunk.rows == 0));
}

#[test]
fn rows_that_fail_are_rejects_that_name_their_partition() {
    let mut journal = Journal::map("id,name\n1,good\n2,bad\n3,good\n", 8, &exchange(&[], 1));
    journal.plan(1, 1).unwrap();
    let chunk = journal.planned().remove(0);
    let receipt = memory::receipt(&journal.reduce(&chunk, Reducer::Program(&mut Copy), Resources::default()).unwrap());
    assert_eq!((receipt.counts.records_in, receipt.counts.emitted, receipt.counts.rejected, receipt.counts.rows_out), (3, 2, 1, 2));
    let reject = memory::rejects(&journal.objects).remove(0);
    assert_eq!((reject.file.as_str(), reject.code.as_str()), ("partition:once/0", "TRANSFORM_CAST"));
    assert_eq!(reject.raw, br#"{"name":"bad"}"#);
}

#[test]
fn a_stage_of_a_reduce_stage_reads_its_rows_in_order() {
    let rows: Vec<(i64, String)> = (0..50).map(|id| (id % 7, format!("n{id}"))).collect();
    let mut journal = Journal::map(&text_of(&rows), 40, &exchange(&["id"], 3));
    journal.plan(1, 3).unwrap();
    let to = exchange(&["name"], 2);
    for chunk in journal.planned() {
        let end = journal.reduce(&chunk, Reducer::Program(&mut Copy), Resources { exchange: Some(&to), ..Resources::default() }).unwrap();
        let runs = memory::receipt(&end).exchange.unwrap().runs;
        assert_eq!(runs.iter().map(|run| run.rows).sum::<u64>(), chunk.rows);
        assert!(runs.iter().all(|run| run.first.0 == chunk.partition && run.first <= run.last));
    }
    assert!(memory::rows(&journal.objects).is_empty(), "rows that are handed on are no parts");
}

#[test]
fn a_damaged_slice_is_found_before_a_row_of_it_is_used() {
    let mut journal = Journal::map("id,name\n1,a\n2,b\n3,c\n", 1 << 20, &exchange(&["id"], 1));
    journal.plan(1, 1).unwrap();
    let chunk = journal.planned().remove(0);
    for byte in [0, 100, 300] {
        let mut damaged = None;
        for (uri, bytes) in journal.objects.lock().unwrap().iter_mut().filter(|(uri, _)| uri.starts_with("work://")) {
            bytes[byte] ^= 1;
            damaged = Some(uri.clone());
        }
        let error = journal.reduce(&chunk, Reducer::Program(&mut Copy), Resources::default()).unwrap_err();
        assert_eq!(error.code, "STORAGE_CHECKSUM", "{}", error.message);
        journal.objects.lock().unwrap().get_mut(&damaged.unwrap()).unwrap()[byte] ^= 1;
    }
    journal.reduce(&chunk, Reducer::Program(&mut Copy), Resources::default()).unwrap();
}

#[test]
fn a_receipt_that_does_not_account_for_its_rows_stops_the_plan() {
    let mut journal = Journal::map("id,name\n1,a\n2,b\n", 1 << 20, &exchange(&["id"], 2));
    let key = "jobs/j1/verdicts/read/000000.json";
    let mut receipt: Receipt = serde_json::from_slice(&journal.records[key]).unwrap();
    receipt.exchange.as_mut().unwrap().runs[0].rows += 1;
    journal.records.insert(key.into(), serde_json::to_vec(&receipt).unwrap());
    assert_eq!(journal.plan(1, 2).unwrap_err().code, "BALANCE_MISMATCH");
    journal.records.remove(key);
    assert_eq!(journal.plan(1, 2).unwrap_err().code, "PLAN_CONFLICT");
}

#[test]
fn planning_again_puts_the_same_and_says_so() {
    let mut journal = Journal::map("id,name\n1,a\n2,b\n3,c\n4,d\n", 4, &exchange(&["id"], 3));
    let first = journal.plan(1, 3).unwrap();
    let (announced, records) = (journal.announced.clone(), journal.records.clone());
    assert_eq!(journal.plan(1, 3).unwrap(), first);
    assert_eq!((journal.announced, journal.records), (announced, records));
}

#[test]
fn a_later_generation_takes_in_only_partitions_whose_inputs_changed() {
    let text = "id,name\n1,a\n2,b\n3,c\n4,d\n5,e\n6,f\n";
    let to = exchange(&["id"], 4);
    let mut journal = Journal::map(text, 8, &to);
    // The last chunk died, so its rows are missing.
    let segment = memory::segment_of(text.as_bytes(), 8);
    let last = segment.chunks.last().unwrap().clone();
    let dead_key = format!("jobs/j1/verdicts/read/{:06}.json", last.number());
    let receipt = journal.records.insert(dead_key, br#"{"outcome":"dead","attemptId":null}"#.to_vec()).unwrap();
    journal.plan(1, 4).unwrap();
    let planned = journal.planned();
    for chunk in &planned {
        let end = journal.reduce(chunk, Reducer::Program(&mut Copy), Resources::default()).unwrap();
        journal.records.insert(format!("jobs/j1/verdicts/once/{:06}.json", chunk.chunk), end.verdict.unwrap());
    }
    // It is redriven in generation 2 and commits.
    let again = Segment { generation: 2, chunks: vec![last.clone()], ..segment };
    journal.records.insert("jobs/j1/plan/000002/000000.json".into(), serde_json::to_vec(&again).unwrap());
    journal.records.insert(format!("jobs/j1/verdicts/read/{:06}.000002.json", last.number()), receipt.clone());
    journal.plan(2, 4).unwrap();
    let receipt: Receipt = serde_json::from_slice(&receipt).unwrap();
    let changed: Vec<u32> = receipt.exchange.unwrap().runs.iter().map(|run| run.partition).collect();
    let entered: Vec<u32> = journal.planned().iter().map(|chunk| chunk.partition).collect();
    let mut wanted = changed.clone();
    wanted.sort_unstable();
    let mut found = entered.clone();
    found.sort_unstable();
    assert_eq!(found, wanted);
    for chunk in journal.planned() {
        let before = planned.iter().find(|known| known.partition == chunk.partition);
        assert!(before.is_none_or(|before| before.chunk == chunk.chunk && before.slices.digest != chunk.slices.digest));
        assert!(chunk.slices.key.starts_with("jobs/j1/work/slices/000002/once/"));
    }
}

/// Orders by name, descending; a name `bad` cannot be evaluated.
struct ByName([(DataType, SortOptions); 1]);

impl SortKeys for ByName {
    fn columns(&self) -> &[(DataType, SortOptions)] {
        &self.0
    }

    fn evaluate(&mut self, rows: &RecordBatch) -> Result<(Vec<ArrayRef>, Vec<RowFailure>), ProgramError> {
        let names = rows.column(1).as_string_view();
        let failed = (0..rows.num_rows()).filter(|row| names.value(*row) == "bad");
        let failure = |row: usize| RowFailure { row: row as u32, code: "TRANSFORM_FUNCTION", message: "bad".into() };
        Ok((vec![Arc::clone(rows.column(1))], failed.map(failure).collect()))
    }
}

#[test]
fn order_by_decides_which_row_stays_and_its_failures_are_rejects() {
    let text = "id,name\n1,a\n1,c\n2,bad\n1,b\n1,c\n2,x\n";
    // From all in memory to all spilled; between them rows that have lost are forgotten.
    for room in [None, Some(20_000), Some(8_000), Some(4_000), Some(2_000), Some(0)] {
        let mut journal = Journal::map(text, 8, &exchange(&["id"], 1));
        journal.plan(1, 1).unwrap();
        let chunk = journal.planned().remove(0);
        let mut order = ByName([(DataType::Utf8View, SortOptions { descending: true, nulls_first: false })]);
        let reducer = Reducer::Dedupe { keys: vec!["id".into()], order_by: Some(&mut order), keep_last: false };
        let memory_bytes = room.map_or(1 << 30, |room| just_enough(&chunk) + room);
        let receipt = memory::receipt(&journal.reduce(&chunk, reducer, Resources { memory_bytes, exchange: None }).unwrap());
        assert_eq!(memory::rows(&journal.objects), ["1,c", "2,x"], "{room:?}");
        assert_eq!((receipt.counts.emitted, receipt.counts.deduplicated, receipt.counts.rejected), (2, 3, 1));
        let reject = memory::rejects(&journal.objects).remove(0);
        assert_eq!(String::from_utf8(reject.raw).unwrap(), r#"{"id":2,"name":"bad"}"#);
    }
}
