//! Uniqueness over a whole job against a plain pass over all records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use millrace_engine::Context;
use millrace_engine::cancel::CancelFlag;
use millrace_engine::names::Author;
use millrace_engine::plan_stage::{StageTask, WaitingTask, plan_stage, plan_waiting};
use millrace_engine::process::Uniqueness;
use millrace_engine::progress::Progress;
use millrace_engine::records::{ChunkEntry, InlineChunk, InlinePayload, Origin, Receipt, Segment};
use millrace_engine::reduce::{ReduceTask, Reducer, Spill, reduce_partition};
use millrace_engine::replaced::{Replaced, parse_replaced};
use millrace_engine::sha256_hex;
use millrace_engine::slices::parse_list;
use millrace_engine::unique::{key_exchange, loser_exchange, unique_keys};
use proptest::prelude::*;

use crate::memory::{self, Attempt, NoTimer, World};
use crate::reduce::{InMemory, Journal};

const JOB_KEY: &str = "jobs/j1/job.json";

/// A job over one file whose `id` and `name` are unique each.
struct Job {
    text: String,
    keys: Vec<Vec<String>>,
    partitions: u32,
    journal: Journal,
    /// Bytes of chunks of replayed records, by their key.
    inline: HashMap<String, Vec<u8>>,
}

impl Job {
    fn start(text: String, partitions: u32) -> Job {
        let keys = vec![vec!["id".to_string()], vec!["name".to_string()]];
        Job { text, keys, partitions, journal: Journal::default(), inline: HashMap::new() }
    }

    /// The chunks of `unique`; those for which `lost` holds died.
    fn read_keys(&mut self, chunk_size: u64, lost: impl Fn(u32) -> bool) -> Segment {
        let mut segment = memory::segment_of(self.text.as_bytes(), chunk_size);
        segment.stage = "unique".into();
        self.journal.records.insert("jobs/j1/plan/000000.json".into(), serde_json::to_vec(&segment).unwrap());
        for chunk in &segment.chunks {
            let key = format!("jobs/j1/verdicts/unique/{:06}.json", chunk.number());
            let verdict = if lost(chunk.number()) {
                br#"{"outcome":"dead","attemptId":null}"#.to_vec()
            } else {
                self.key_chunk(&segment, chunk.number())
            };
            self.journal.records.insert(key, verdict);
        }
        segment
    }

    fn key_chunk(&self, segment: &Segment, number: u32) -> Vec<u8> {
        let exchange = Some(key_exchange(self.partitions));
        let payload = self.payload_of(segment, number);
        let attempt = Attempt { exchange, uniqueness: Uniqueness::Keys(self.keys.clone()), payload, ..Attempt::default() };
        let mut world = World { objects: Arc::clone(&self.journal.objects), ..memory::world_of(self.text.as_bytes()) };
        let end = memory::run(&mut world, segment, number, &attempt, None).unwrap();
        let receipt = memory::receipt(&end);
        assert!(receipt.rejects.is_empty() && receipt.by_code.is_empty(), "what is wrong with a record is said once");
        end.verdict.unwrap()
    }

    fn payload_of(&self, segment: &Segment, number: u32) -> Vec<u8> {
        match segment.chunks.iter().find(|chunk| chunk.number() == number) {
            Some(ChunkEntry::Inline(inline)) => self.inline[&inline.key].clone(),
            _ => Vec::new(),
        }
    }

    /// The chunks that enter `unique` in a generation: one of `(record, text)` that replaces rejects, and others as they were.
    fn enter(&mut self, generation: u32, others: Vec<ChunkEntry>, replayed: &[(u64, String)]) {
        let mut segment = memory::segment_of(self.text.as_bytes(), 1 << 20);
        (segment.stage, segment.generation, segment.chunks) = ("unique".into(), generation, others);
        if !replayed.is_empty() {
            segment.chunks.push(ChunkEntry::Inline(self.replay_chunk(600 + generation, replayed)));
        }
        self.journal.records.insert(format!("jobs/j1/plan/{generation:06}/000000.json"), serde_json::to_vec(&segment).unwrap());
        for chunk in &segment.chunks {
            let verdict = self.key_chunk(&segment, chunk.number());
            self.journal.records.insert(format!("jobs/j1/verdicts/unique/{:06}.{generation:06}.json", chunk.number()), verdict);
        }
    }

    fn replay_chunk(&mut self, chunk: u32, replayed: &[(u64, String)]) -> InlineChunk {
        let bytes: Vec<u8> = replayed.iter().flat_map(|(_, text)| text.bytes()).collect();
        let mut offset = 0;
        let payloads = replayed.iter().map(|(record, text)| {
            let origin = Origin { file: 0, record: *record, line: record + 1, byte: record * 100, errors: vec![] };
            let payload =
                InlinePayload { key: format!("r{record}"), offset, length: text.len() as u64, origin: Some(origin), records: None };
            offset += payload.length;
            payload
        });
        let payloads = payloads.collect();
        let key = format!("inline-{chunk}");
        self.inline.insert(key.clone(), bytes.clone());
        InlineChunk { chunk, key, offset: 0, length: bytes.len() as u64, sha256: sha256_hex(&bytes), payloads }
    }

    fn replaced(&self, lists: &[millrace_engine::records::RecordRef]) -> Replaced {
        Replaced::of(lists.iter().flat_map(|list| parse_replaced(&list.key, &self.journal.records[&list.key]).unwrap()))
    }

    /// Rejects of the attempts since this was asked last, by record.
    fn take_rejects(&self) -> BTreeMap<u64, String> {
        let found = memory::rejects(&self.journal.objects).into_iter().map(|row| (row.record, row.code)).collect();
        self.journal.objects.lock().unwrap().retain(|uri, _| !uri.contains("/rejects-"));
        found
    }

    fn find_owners(&mut self, generation: u32, first_chunk: u32) {
        self.journal.announced.clear();
        let sources = ["unique".to_string()];
        let task = StageTask {
            job_id: "j1",
            job_key: JOB_KEY,
            stage: "owners",
            generation,
            spec_digest: "s",
            pins_digest: "p",
            sources: &sources,
            partitions: self.partitions,
            range_bytes: None,
            keys: true,
            first_segment: 10,
            first_chunk,
        };
        plan_stage(&task, &mut self.journal, &CancelFlag::default()).unwrap();
        // Whoever plans once more, after a kill, puts the same.
        self.journal.announced.clear();
        plan_stage(&task, &mut self.journal, &CancelFlag::default()).unwrap();
        let spec = memory::spec(1 << 20, &[]);
        let tables = [("unique".to_string(), key_exchange(1).columns)];
        let exchange = loser_exchange(1_000);
        for chunk in self.journal.planned() {
            let task = ReduceTask {
                author: Author { job_id: "j1".into(), stage: "owners".into(), chunk: chunk.chunk, generation, attempt_id: "a".into() },
                spec: &spec,
                spec_digest: "s",
                segment_digest: "d",
                chunk: &chunk,
                tables: &tables,
                slices: parse_list("slices", &self.journal.records[&chunk.slices.key]).unwrap(),
                replaced: self.replaced(&chunk.replaced),
                exchange: Some(&exchange),
                trial: false,
                less_memory: false,
                core_version: "0.0.0",
            };
            let context = Context {
                cancel: CancelFlag::default(),
                progress: Progress::default(),
                timer: Arc::new(NoTimer),
                memory_bytes: 1 << 30,
                hook: None,
            };
            let spill = Spill { scratch: Some(&InMemory), directory: None, bytes: 1 << 30 };
            let mut world = World { objects: Arc::clone(&self.journal.objects), ..World::default() };
            let end = reduce_partition(&task, Reducer::Owners, spill, &mut world, &context).unwrap();
            let suffix = if generation == 1 { String::new() } else { format!(".{generation:06}") };
            self.journal.records.insert(format!("jobs/j1/verdicts/owners/{:06}{suffix}.json", chunk.chunk), end.verdict.unwrap());
        }
    }

    /// Plans the stage behind, runs what was planned, and answers its receipts.
    fn read_records(&mut self, generation: u32, first_chunk: u32) -> Vec<Receipt> {
        self.journal.announced.clear();
        let task = WaitingTask {
            job_id: "j1",
            job_key: JOB_KEY,
            stage: "read",
            generation,
            spec_digest: "s",
            pins_digest: "p",
            inputs: &[0],
            unique: "unique",
            owners: "owners",
            first_segment: 50,
            first_chunk,
        };
        plan_waiting(&task, &mut self.journal, &CancelFlag::default()).unwrap();
        let mut receipts = Vec::new();
        for (key, _) in self.journal.announced.clone() {
            let segment: Segment = serde_json::from_slice(&self.journal.records[&key]).unwrap();
            for chunk in &segment.chunks {
                let losers = segment.losers.iter().find(|losers| losers.chunk == chunk.number());
                let slices = losers.map(|losers| parse_list("losers", &self.journal.records[&losers.slices.key]).unwrap());
                let uniqueness = Uniqueness::Losers(self.keys.clone(), slices.unwrap_or_default());
                let mut world = World { objects: Arc::clone(&self.journal.objects), ..memory::world_of(self.text.as_bytes()) };
                let attempt = Attempt { uniqueness, payload: self.payload_of(&segment, chunk.number()), ..Attempt::default() };
                let end = memory::run(&mut world, &segment, chunk.number(), &attempt, None).unwrap();
                receipts.push(memory::receipt(&end));
            }
        }
        receipts
    }
}

fn text_of(rows: &[(String, String)]) -> String {
    std::iter::once("id,name\n".to_string()).chain(rows.iter().map(|(id, name)| format!("{id},{name}\n"))).collect()
}

/// What one pass over all records says: rows, and rejects by record with their code.
fn oracle(rows: &[(String, String)]) -> (Vec<String>, Vec<(u64, String)>) {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    let (mut good, mut rejects) = (Vec::new(), Vec::new());
    for (number, (id, name)) in rows.iter().enumerate() {
        let lost_id = id.parse::<i64>().is_ok_and(|id| !ids.insert(id));
        let lost_name = !name.is_empty() && !names.insert(name.clone());
        let code = match id.as_str() {
            "x" => Some("TYPE_INTEGER"),
            "" => Some("CONSTRAINT_REQUIRED"),
            _ if lost_id || lost_name => Some("CONSTRAINT_UNIQUE"),
            _ => None,
        };
        match code {
            Some(code) => rejects.push((number as u64 + 1, code.to_string())),
            None => good.push(format!("{id},{name}")),
        }
    }
    (good, rejects)
}

fn records() -> impl Strategy<Value = Vec<(String, String)>> {
    let id = prop_oneof![6 => (0i64..30).prop_map(|id| id.to_string()), 1 => Just("x".to_string()), 1 => Just(String::new())];
    // A line with nothing in it but a comma is a record too.
    prop::collection::vec((id, "[a-f]{0,2}"), 0..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_first_record_owns_a_key_whatever_the_chunks(rows in records(), chunk_size in 1u64..150, partitions in 1u32..6) {
        let mut job = Job::start(text_of(&rows), partitions);
        job.read_keys(chunk_size, |_| false);
        job.find_owners(1, 100);
        let receipts = job.read_records(1, 200);
        let (wanted, rejects) = oracle(&rows);
        prop_assert_eq!(memory::rows(&job.journal.objects), wanted);
        let mut found: Vec<(u64, String)> =
            memory::rejects(&job.journal.objects).into_iter().map(|row| (row.record, row.code)).collect();
        found.sort();
        prop_assert_eq!(found, rejects);
        prop_assert_eq!(receipts.iter().map(|receipt| receipt.counts.records_in).sum::<u64>(), rows.len() as u64);
    }
}

#[test]
fn a_reject_names_the_owner() {
    let mut job = Job::start("id,name\n1,a\n2,b\n1,c\n".into(), 2);
    job.read_keys(5, |_| false);
    job.find_owners(1, 100);
    job.read_records(1, 200);
    let reject = memory::rejects(&job.journal.objects).remove(0);
    assert_eq!((reject.record, reject.code.as_str(), reject.column.as_deref()), (3, "CONSTRAINT_UNIQUE", Some("id")));
    assert!(reject.message.contains("record 1 of file 0"), "{}", reject.message);
}

#[test]
fn what_is_read_later_takes_no_key_from_what_stands() {
    let mut job = Job::start("id,name\n1,a\n1,b\n2,c\n".into(), 2);
    // The first chunk, which holds the first record, dies.
    let segment = job.read_keys(4, |chunk| chunk == 0);
    job.find_owners(1, 100);
    job.read_records(1, 200);
    assert_eq!(memory::rows(&job.journal.objects), ["1,b", "2,c"], "the owner of 1 is the first record that was read");
    // Generation 2 reads it.
    let chunks = segment.chunks[..1].to_vec();
    let again = Segment { generation: 2, chunks, ..segment };
    job.journal.records.insert("jobs/j1/plan/000002/000000.json".into(), serde_json::to_vec(&again).unwrap());
    let verdict = job.key_chunk(&again, 0);
    job.journal.records.insert("jobs/j1/verdicts/unique/000000.000002.json".into(), verdict);
    job.find_owners(2, 300);
    let receipts = job.read_records(2, 400);
    assert_eq!(receipts.len(), 1, "only what was not read before is planned");
    let rejected: Vec<u64> = memory::rejects(&job.journal.objects).iter().map(|row| row.record).collect();
    assert_eq!(rejected, [1]);
}

#[test]
fn keys_are_the_primary_key_and_unique_fields() {
    let mut schema = memory::pins().remove(0).schema;
    assert!(unique_keys(&schema).is_empty());
    schema.fields[1].constraints.unique = true;
    schema.primary_key = vec!["id".into(), "name".into()];
    assert_eq!(unique_keys(&schema), [vec!["id".to_string(), "name".into()], vec!["name".into()]]);
    schema.primary_key = vec!["name".into()];
    assert_eq!(unique_keys(&schema), [vec!["name".to_string()]]);
}

type Row = (String, String);

/// Who has a key, by one record after another: what stands is kept, and who is read again gives up what it had.
#[derive(Default)]
struct Owners {
    held: HashMap<(usize, String), u64>,
    /// Rows by record, of those that are in the output.
    good: BTreeMap<u64, Row>,
    rejected: BTreeMap<u64, String>,
}

impl Owners {
    /// The records that one generation reads, in the order of their places.
    fn read(&mut self, readings: &BTreeMap<u64, Row>) -> BTreeMap<u64, String> {
        self.held.retain(|_, owner| !readings.contains_key(owner));
        let mut rejects = BTreeMap::new();
        for (record, (id, name)) in readings {
            let keys = [id.parse::<i64>().ok().map(|id| (0, id.to_string())), (!name.is_empty()).then(|| (1, name.clone()))];
            // It asks for each of its keys, also when it has lost one.
            let owners: Vec<u64> = keys.into_iter().flatten().map(|key| *self.held.entry(key).or_insert(*record)).collect();
            let lost = owners.iter().any(|owner| owner != record);
            let code = match id.as_str() {
                "x" => "TYPE_INTEGER",
                "" => "CONSTRAINT_REQUIRED",
                _ if lost => "CONSTRAINT_UNIQUE",
                _ => {
                    self.rejected.remove(record);
                    self.good.insert(*record, (id.clone(), name.clone()));
                    continue;
                }
            };
            rejects.insert(*record, code.to_string());
        }
        self.rejected.extend(rejects.clone());
        rejects
    }
}

/// Of each reject that stands: whether it is replayed, and corrected to what.
fn replays() -> impl Strategy<Value = Vec<Vec<(bool, Option<Row>)>>> {
    let id = prop_oneof![8 => (0i64..40).prop_map(|id| id.to_string()), 1 => Just("x".to_string())];
    prop::collection::vec(prop::collection::vec((any::<bool>(), prop::option::weighted(0.8, (id, "[a-h]{0,2}"))), 1..12), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However records come, in the first run, a redrive or replays: no two of one key are in the output, and each is in it or a reject.
    #[test]
    fn replays_take_no_key_from_what_stands(
        rows in records(), replays in replays(), chunk_size in 20u64..150, partitions in 1u32..6, lost in 0u32..8,
    ) {
        let mut job = Job::start(text_of(&rows), partitions);
        let mut owners = Owners::default();
        let mut texts: BTreeMap<u64, Row> = (1..).zip(rows.iter().cloned()).collect();
        let segment = job.read_keys(chunk_size, |chunk| chunk == lost);
        let late = segment.chunks.iter().find(|chunk| chunk.number() == lost).cloned();
        let of_late = |record: u64| match &late {
            Some(ChunkEntry::Range(range)) => (range.record..range.record + range.records).contains(&record),
            _ => false,
        };
        job.find_owners(1, 100);
        let mut receipts = job.read_records(1, 200);
        let first = texts.iter().filter(|(record, _)| !of_late(**record)).map(|(record, row)| (*record, row.clone())).collect();
        prop_assert_eq!(job.take_rejects(), owners.read(&first));
        let mut replayed_count = 0;
        for (generation, choices) in (2u32..).zip(&replays) {
            let standing: Vec<u64> = owners.rejected.keys().copied().collect();
            let mut readings = BTreeMap::new();
            for (record, (chosen, correction)) in standing.iter().zip(choices.iter().cycle()) {
                if *chosen {
                    let row = correction.clone().unwrap_or_else(|| texts[record].clone());
                    texts.insert(*record, row.clone());
                    readings.insert(*record, row);
                }
            }
            let replayed: Vec<(u64, String)> = readings.iter().map(|(record, (id, name))| (*record, format!("{id},{name}\n"))).collect();
            replayed_count += replayed.len() as u64;
            // What died in the first generation comes back together with the second replay.
            let back: Vec<ChunkEntry> = late.iter().filter(|_| generation == 3).cloned().collect();
            if !back.is_empty() {
                readings.extend(texts.iter().filter(|(record, _)| of_late(**record)).map(|(record, row)| (*record, row.clone())));
            }
            job.enter(generation, back, &replayed);
            job.find_owners(generation, 100 * generation);
            receipts.extend(job.read_records(generation, 100 * generation + 50));
            prop_assert_eq!(job.take_rejects(), owners.read(&readings), "generation {}", generation);
        }
        let mut found = memory::rows(&job.journal.objects);
        found.sort();
        let mut wanted: Vec<String> = owners.good.values().map(|(id, name)| format!("{id},{name}")).collect();
        wanted.sort();
        prop_assert_eq!(found, wanted);
        let unread = if replays.len() >= 2 { 0 } else { texts.keys().filter(|record| of_late(**record)).count() };
        prop_assert_eq!(owners.good.len() + owners.rejected.len() + unread, rows.len(), "each record has one fate");
        let mut keys = HashSet::new();
        for (id, name) in owners.good.values() {
            let fresh = keys.insert((0, id.parse::<i64>().unwrap().to_string())) & (name.is_empty() || keys.insert((1, name.clone())));
            prop_assert!(fresh, "{} {}", id, name);
        }
        let read: u64 = receipts.iter().map(|receipt| receipt.counts.records_in).sum();
        prop_assert_eq!(read - replayed_count, (rows.len() - unread) as u64, "with what was replayed taken off, each is counted once");
    }
}

#[test]
fn an_owner_that_is_replayed_keeps_its_key_and_who_lost_it_to_the_reject_stays_a_loser() {
    let mut job = Job::start("id,name\nx,a\n2,a\n3,b\n".into(), 3);
    job.read_keys(1 << 20, |_| false);
    job.find_owners(1, 100);
    job.read_records(1, 200);
    assert_eq!(job.take_rejects(), BTreeMap::from([(1, "TYPE_INTEGER".into()), (2, "CONSTRAINT_UNIQUE".into())]));
    job.enter(2, Vec::new(), &[(1, "1,a\n".into())]);
    job.find_owners(2, 300);
    job.read_records(2, 400);
    assert_eq!(job.take_rejects(), BTreeMap::new(), "it is the same record that had the key");
    job.enter(3, Vec::new(), &[(2, "2,b\n".into())]);
    job.find_owners(3, 500);
    job.read_records(3, 600);
    let rejects = memory::rejects(&job.journal.objects);
    assert_eq!(rejects.iter().map(|row| (row.record, row.code.as_str())).collect::<Vec<_>>(), [(2, "CONSTRAINT_UNIQUE")]);
    assert!(rejects[0].message.contains("record 3 of file 0"), "earlier in the file and later in the job: {}", rejects[0].message);
}
