//! Uniqueness over a whole job against a plain pass over all records.

use std::collections::HashSet;
use std::sync::Arc;

use millrace_engine::Context;
use millrace_engine::cancel::CancelFlag;
use millrace_engine::names::Author;
use millrace_engine::plan_stage::{StageTask, WaitingTask, plan_stage, plan_waiting};
use millrace_engine::process::Uniqueness;
use millrace_engine::progress::Progress;
use millrace_engine::records::{Receipt, Segment};
use millrace_engine::reduce::{ReduceTask, Reducer, Spill, reduce_partition};
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
}

impl Job {
    fn start(text: String, partitions: u32) -> Job {
        let keys = vec![vec!["id".to_string()], vec!["name".to_string()]];
        Job { text, keys, partitions, journal: Journal::default() }
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
        let attempt = Attempt { exchange, uniqueness: Uniqueness::Keys(self.keys.clone()), ..Attempt::default() };
        let mut world = World { objects: Arc::clone(&self.journal.objects), ..memory::world_of(self.text.as_bytes()) };
        let end = memory::run(&mut world, segment, number, &attempt, None).unwrap();
        let receipt = memory::receipt(&end);
        assert!(receipt.rejects.is_empty() && receipt.by_code.is_empty(), "what is wrong with a record is said once");
        end.verdict.unwrap()
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
            first_segment: 10,
            first_chunk,
        };
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
                let end = memory::run(&mut world, &segment, chunk.number(), &Attempt { uniqueness, ..Attempt::default() }, None).unwrap();
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
