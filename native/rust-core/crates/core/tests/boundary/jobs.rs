//! A prepared journal: job, inputs and pins of a dirty CSV, as a host would have put them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_engine::records::{ChunkEntry, Receipt, Segment};
use millrace_engine::sha256_hex;
use millrace_formats::write::rejects::{RejectRow, read_rejects_bytes};
use millrace_store::{Grants, Place, Store, path_of_uri, uri_of_path};
use millrace_wire::message::{ChunkDone, DoneBody, Event, Plan, PlanDone, PlanSegment, Probe, Process};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::host::{Answered, Host};

pub const JOB_KEY: &str = "jobs/j1/job.json";

pub struct Job {
    pub root: Folder,
    pub spec_digest: String,
    pub pins_digest: String,
    pub stage: String,
    pub input: PathBuf,
}

/// What to run.
pub struct Order<'a> {
    pub text: &'a str,
    pub chunk_size: u64,
    pub pipeline: Value,
    /// Of each reduce stage, as the pins say it.
    pub partitions: Value,
    /// The constraints of `id`.
    pub id: Value,
    pub format: &'a str,
}

impl Default for Order<'_> {
    fn default() -> Self {
        Order { text: "", chunk_size: 1 << 20, pipeline: json!([]), partitions: json!({}), id: json!({ "required": true }), format: "csv" }
    }
}

impl Job {
    /// Writes the input, lets the core probe it, and puts the records.
    pub fn prepare(order: &Order<'_>) -> (Job, Host) {
        let root = Folder::create();
        for name in ["in", "out", "journal"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let input = root.path().join("in/data.csv");
        std::fs::write(&input, order.text).unwrap();
        let mut host = Host::start(root.path());
        let mut job = Job { spec_digest: String::new(), pins_digest: String::new(), stage: stage_of(&order.pipeline), input, root };
        job.put_records(order, &mut host);
        (job, host)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn input_uri(&self) -> String {
        uri_of_path(&self.input)
    }

    fn store(&self) -> Store {
        Store::new(&Grants { write_roots: vec![self.root.path().to_owned()], ..Grants::default() }).unwrap()
    }

    fn put(&self, key: &str, value: &Value) -> String {
        self.put_bytes(key, value.to_string().as_bytes())
    }

    pub fn put_bytes(&self, key: &str, bytes: &[u8]) -> String {
        self.store().overwrite(&Place::File(self.path("journal").join(key)), bytes).unwrap();
        sha256_hex(bytes)
    }

    fn put_records(&mut self, order: &Order<'_>, host: &mut Host) {
        let stat = self.store().stat(&Place::File(self.input.clone())).unwrap().unwrap();
        let file = json!({ "file": 0, "input": 0, "uri": self.input_uri(), "etag": stat.etag, "size": stat.size });
        let inputs = json!({ "record": "inputs", "version": 1, "jobId": "j1", "segment": 0, "first": 0, "files": [file] });
        let inputs_digest = self.put("jobs/j1/inputs/000000.json", &inputs);
        let output = json!({ "uri": uri_of_path(&self.path("out/data")) + "/", "format": order.format, "compression": "none" });
        let spec = json!({
            "name": "test", "inputs": [{ "name": "input" }], "pipeline": order.pipeline, "output": output, "params": { "low": 2 }, "execution": { "chunkSize": order.chunk_size },
        });
        self.spec_digest = sha256_hex(spec.to_string().as_bytes());
        let job = json!({
            "record": "job", "version": 1, "jobId": "j1", "tenant": "default", "name": "test", "idempotencyKey": null,
            "acceptedAt": "2026-11-23T10:00:00.000Z", "resultVersion": 1, "specDigest": self.spec_digest, "spec": spec, "stage": self.stage,
            "inputs": [{ "key": "jobs/j1/inputs/000000.json", "digest": inputs_digest, "first": 0, "count": 1 }], "inputFiles": 1,
            "inputBytes": stat.size,
        });
        self.put(JOB_KEY, &job);
        let probed = {
            let mut declared = declared();
            declared["schema"]["fields"][0]["constraints"] = order.id.clone();
            host.ask(probe(&self.input_uri(), &declared))
        };
        let pins: Value = serde_json::from_slice(&probed.payload).unwrap_or_else(|_| panic!("{:?}", probed.response));
        self.pins_digest = self.put(
            "jobs/j1/pins.json",
            &json!({ "record": "pins", "version": 1, "jobId": "j1", "rules": 1, "inputs": [pins], "partitions": order.partitions }),
        );
    }

    pub fn plan(&self) -> Plan {
        Plan {
            job_key: JOB_KEY.into(),
            spec_digest: self.spec_digest.clone(),
            pins_digest: self.pins_digest.clone(),
            generation: 1,
            input_count: 1,
            ..Plan::default()
        }
    }

    /// Plans, and reads the segments that were announced.
    pub fn run_plan(&self, host: &mut Host) -> (PlanDone, Vec<(PlanSegment, Segment)>) {
        let answered = host.ask(self.plan());
        let DoneBody::PlanDone(done) = answered.done() else { panic!("{:?}", answered.response) };
        let segments = answered.events.iter().filter_map(|event| match event {
            Event::PlanSegment(segment) => Some((segment.clone(), self.segment(segment))),
            _ => None,
        });
        (done.clone(), segments.collect())
    }

    pub fn segment(&self, announced: &PlanSegment) -> Segment {
        let bytes = std::fs::read(self.path("journal").join(&announced.key)).unwrap();
        assert_eq!(sha256_hex(&bytes), announced.digest);
        serde_json::from_slice(&bytes).unwrap()
    }

    pub fn process(&self, segment: &PlanSegment, chunk: u32) -> Process {
        Process {
            job_key: JOB_KEY.into(),
            spec_digest: self.spec_digest.clone(),
            segment_key: segment.key.clone(),
            segment_digest: segment.digest.clone(),
            chunk_index: chunk,
            stage: self.stage.clone(),
            generation: 1,
            attempt_id: format!("a{chunk}"),
            verdict_key: format!("jobs/j1/verdicts/{}/{chunk:06}.json", self.stage),
            ..Process::default()
        }
    }

    /// Plans and processes everything.
    pub fn run(&self, host: &mut Host) -> Vec<Receipt> {
        let (_, segments) = self.run_plan(host);
        let mut receipts = Vec::new();
        for (announced, segment) in &segments {
            for chunk in &segment.chunks {
                let answered = host.ask(self.process(announced, chunk.number()));
                receipts.push(receipt(&answered));
            }
        }
        receipts
    }

    /// Lines of all parts that receipts name, headers left out.
    pub fn rows(&self, receipts: &[Receipt]) -> Vec<String> {
        let parts = receipts.iter().flat_map(|receipt| &receipt.parts);
        parts
            .flat_map(|part| read_named(&part.uri, part.bytes, &part.sha256).lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    pub fn rejects(&self, receipts: &[Receipt]) -> Vec<RejectRow> {
        let mut found = Vec::new();
        for file in receipts.iter().flat_map(|receipt| &receipt.rejects) {
            let bytes = std::fs::read(path_of_uri(&file.uri).unwrap()).unwrap();
            assert_eq!(sha256_hex(&bytes), file.sha256);
            let before = found.len() as u64;
            read_rejects_bytes(bytes, |row| {
                found.push(row);
                true
            })
            .unwrap();
            assert_eq!(found.len() as u64 - before, file.rows);
        }
        found
    }
}

fn stage_of(pipeline: &Value) -> String {
    if pipeline[0]["exchange"].is_object() {
        return "read".to_owned();
    }
    pipeline[0]["name"].as_str().unwrap_or("read").to_owned()
}

fn read_named(uri: &str, bytes: u64, sha256: &str) -> String {
    let content = std::fs::read(path_of_uri(uri).unwrap()).unwrap();
    assert_eq!((content.len() as u64, sha256_hex(&content)), (bytes, sha256.to_owned()));
    String::from_utf8(content).unwrap()
}

pub fn receipt(answered: &Answered) -> Receipt {
    let DoneBody::ChunkDone(ChunkDone { verdict_digest, .. }) = answered.done() else { panic!("{:?}", answered.response) };
    assert_eq!(verdict_digest.as_deref(), Some(sha256_hex(&answered.payload).as_str()));
    serde_json::from_slice(&answered.payload).unwrap()
}

pub fn probe(uri: &str, declared: &Value) -> Probe {
    let input = millrace_wire::message::InputRef { uri: uri.into(), ..Default::default() };
    Probe { input: vec![input], declared: declared.to_string(), ..Probe::default() }
}

/// As the TypeScript side sends it: the resolved input with every key, what is not written being null or `auto`.
pub fn declared() -> Value {
    let field = |name: &str, kind: &str, constraints: Value| json!({ "name": name, "type": kind, "constraints": constraints });
    json!({
        "name": "input", "format": "csv", "compression": "none", "encoding": "utf-8", "invalidBytes": "reject",
        "dialect": { "delimiter": ",", "quoteChar": "\"" }, "maxRecordSize": 65536,
        "schema": { "fields": [field("id", "integer", json!({ "required": true })), field("name", "string", json!({}))] },
    })
}

/// Names of all files below a directory, relative to it.
pub fn files_below(directory: &Path) -> Vec<String> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned(), ());
            }
        }
    }
    found.into_keys().collect()
}

/// Every number of the chunks of a segment.
pub fn numbers(segment: &Segment) -> Vec<u32> {
    segment.chunks.iter().map(ChunkEntry::number).collect()
}
