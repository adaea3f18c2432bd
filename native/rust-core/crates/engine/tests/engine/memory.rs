//! A journal, inputs and an output in memory, which answer as they are told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use millrace_engine::cancel::CancelFlag;
use millrace_engine::io::{ChunkIo, PartSink, PinnedSource, PutEnd, SinkEnd, SourceOpener, StagedPieces, Timer};
use millrace_engine::names::Author;
use millrace_engine::plan::{PlanEnd, PlanIo, PlanTask, SegmentRef, plan_files};
use millrace_engine::process::{ExchangeTo, Trace, Uniqueness};
use millrace_engine::program::Program;
use millrace_engine::progress::Progress;
use millrace_engine::records::{ChunkEntry, InputFile, PinsOf, Receipt, Segment, Spec};
use millrace_engine::unique::lenient;
use millrace_engine::{ChunkEnd, ChunkTask, Context, Error, process_chunk, sha256_hex};
use millrace_formats::pins::InputPins;
use millrace_formats::read::{ExcludedRange, ReadRange};
use millrace_formats::source::{ByteSource, SourceError};
use millrace_formats::write::rejects::{RejectRow, read_rejects_bytes};
use serde_json::{Value, json};

pub type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Pins of a CSV with the columns `id` (integer, required) and `name` (text).
pub fn pins() -> Vec<InputPins> {
    let field = |name: &str, kind: &str, required: bool| {
        json!({
            "name": name, "type": kind, "format": "default", "aliases": [], "path": null, "missingValues": null, "trim": null,
            "onError": "reject", "decimalChar": ".", "groupChar": null, "bareNumber": true, "precision": null, "scale": null,
            "trueValues": ["true"], "falseValues": ["false"], "timezone": "UTC",
            "constraints": { "required": required, "unique": false, "minimum": null, "maximum": null, "minLength": null, "maxLength": null,
                "pattern": null, "enum": null },
        })
    };
    let pins = json!({
        "name": "input", "format": "csv", "compression": "none", "encoding": "utf-8", "invalidBytes": "reject", "maxRecordBytes": 4096,
        "dialect": { "delimiter": ",", "quoteChar": "\"", "doubleQuote": true, "escapeChar": "", "lineTerminator": null,
            "skipInitialSpace": false, "header": true, "headerRows": [1], "headerJoin": " ", "commentRows": [], "commentChar": "",
            "nullSequence": null, "strayQuotes": "reject", "shortRows": "reject", "longRows": "reject", "blankRows": "skip",
            "skipSepLine": false },
        "columns": ["id", "name"],
        "schema": { "fields": [field("id", "integer", true), field("name", "string", false)], "missingValues": [""], "match": "name",
            "caseSensitive": true, "missingColumns": "fail", "extraColumns": "drop", "primaryKey": [] },
        "inferred": [], "json": { "duplicateKeys": "reject", "maxDepth": 64 }, "evidence": [], "notes": [],
    });
    vec![serde_json::from_value(pins).unwrap()]
}

pub fn spec(part_size: u64, output: &[(&str, Value)]) -> Spec {
    let mut spec = json!({ "output": { "uri": "file:///out/", "format": "csv", "compression": "none", "partSize": part_size } });
    output.iter().for_each(|(key, value)| spec["output"][*key] = value.clone());
    serde_json::from_value(spec).unwrap()
}

/// A source that can be told that it changed.
pub struct Bytes {
    pub bytes: Vec<u8>,
    pub changed: bool,
}

impl ByteSource for Bytes {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut bytes: &[u8] = &self.bytes;
        bytes.read_at(offset, buffer)
    }
}

impl PinnedSource for Bytes {
    fn check_unchanged(&mut self) -> Result<(), Error> {
        if self.changed { Err(Error::new("INPUT_CHANGED", "told to")) } else { Ok(()) }
    }
}

struct Sink {
    uri: String,
    bytes: Vec<u8>,
    objects: Objects,
}

impl PartSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<SinkEnd, Error> {
        let end = SinkEnd { bytes: self.bytes.len() as u64, sha256: sha256_hex(&self.bytes) };
        self.objects.lock().unwrap().insert(self.uri, self.bytes);
        Ok(end)
    }
}

pub struct NoTimer;

impl Timer for NoTimer {
    fn now_us(&self) -> u64 {
        0
    }
}

/// What the store answers to the put of the verdict.
pub enum PutAnswer {
    Lost(String),
    Unknown,
}

struct Pieces(HashMap<u64, Vec<u8>>);

impl StagedPieces for Pieces {
    fn read(&mut self, piece: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(&piece).cloned())
    }
}

/// The outside of one attempt.
#[derive(Default)]
pub struct World {
    /// Other pins than `pins()`.
    pub pins: Option<Vec<InputPins>>,
    /// Pieces by file and number.
    pub staged: BTreeMap<(u32, u64), Vec<u8>>,
    pub files: HashMap<String, Vec<u8>>,
    pub verdict: Option<Vec<u8>>,
    pub objects: Objects,
    pub answer: Option<PutAnswer>,
    pub lease: Option<Error>,
    pub input_changed: bool,
    /// Files that changed.
    pub changed: Vec<String>,
    pub deleted: Vec<String>,
    pub puts: u32,
    pub opened: u32,
    pub traces: u32,
    pub cancel: CancelFlag,
}

impl ChunkIo for World {
    fn read_verdict(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.verdict.clone())
    }

    fn open_source(&mut self, uri: &str, _etag: &str) -> Result<Box<dyn PinnedSource>, Error> {
        self.opened += 1;
        let bytes = self.files.get(uri).cloned().ok_or_else(|| Error::new("INPUT_NOT_FOUND", uri))?;
        Ok(Box::new(Bytes { bytes, changed: self.input_changed || self.changed.iter().any(|changed| changed == uri) }))
    }

    fn staged_pieces(&mut self, file: u32) -> Result<Box<dyn StagedPieces>, Error> {
        let of_file = |((owner, piece), bytes): (&(u32, u64), &Vec<u8>)| (*owner == file).then(|| (*piece, bytes.clone()));
        Ok(Box::new(Pieces(self.staged.iter().filter_map(of_file).collect())))
    }

    fn open_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        Ok(Box::new(Sink { uri: uri.into(), bytes: Vec::new(), objects: Arc::clone(&self.objects) }))
    }

    fn work_uri(&self, key: &str) -> Result<String, Error> {
        Ok(format!("work://{key}"))
    }

    fn work_opener(&self) -> Result<Arc<dyn SourceOpener>, Error> {
        Ok(Arc::new(WorkObjects(Arc::clone(&self.objects))))
    }

    fn check_lease(&mut self) -> Result<(), Error> {
        self.lease.clone().map_or(Ok(()), Err)
    }

    fn put_verdict(&mut self, bytes: &[u8]) -> Result<PutEnd, Error> {
        self.puts += 1;
        match &self.answer {
            Some(PutAnswer::Lost(winner)) => Ok(PutEnd::Lost(winner.clone().into_bytes())),
            Some(PutAnswer::Unknown) => Err(Error::new("STORAGE_TIMEOUT", "told to")),
            None => {
                self.verdict = Some(bytes.to_vec());
                Ok(PutEnd::Won)
            }
        }
    }

    fn delete_own(&mut self, uri: &str) -> Result<(), Error> {
        self.deleted.push(uri.into());
        self.objects.lock().unwrap().remove(uri);
        Ok(())
    }

    fn trace(&mut self) {
        self.traces += 1;
    }
}

/// Work objects among what attempts have written.
struct WorkObjects(Objects);

impl SourceOpener for WorkObjects {
    fn open_work(&self, key: &str) -> Result<Box<dyn PinnedSource>, Error> {
        let objects = self.0.lock().unwrap();
        let bytes = objects.get(&format!("work://{key}")).cloned().ok_or_else(|| Error::new("INPUT_NOT_FOUND", key))?;
        Ok(Box::new(Bytes { bytes, changed: false }))
    }
}

/// What a test changes of an attempt.
pub struct Attempt {
    pub trial: bool,
    pub trace: Trace,
    pub less_memory: bool,
    pub part_size: u64,
    pub payload: Vec<u8>,
    pub memory_bytes: u64,
    pub hook: Option<&'static dyn millrace_engine::io::RecordHook>,
    pub exchange: Option<ExchangeTo>,
    pub uniqueness: Uniqueness,
    /// A part of the chunk, for trials.
    pub range: Option<ReadRange>,
    pub excluded: Vec<ExcludedRange>,
    /// Options of the output, besides CSV without compression.
    pub output: Vec<(&'static str, Value)>,
}

impl Default for Attempt {
    fn default() -> Attempt {
        Attempt {
            trial: false,
            trace: Trace::None,
            less_memory: false,
            part_size: 1 << 20,
            payload: Vec::new(),
            memory_bytes: 1 << 30,
            hook: None,
            exchange: None,
            uniqueness: Uniqueness::None,
            range: None,
            excluded: Vec::new(),
            output: Vec::new(),
        }
    }
}

pub fn run(
    world: &mut World,
    segment: &Segment,
    number: u32,
    attempt: &Attempt,
    program: Option<&mut (dyn Program + 'static)>,
) -> Result<ChunkEnd, Error> {
    let (spec, pins) = (spec(attempt.part_size, &attempt.output), world.pins.clone().unwrap_or_else(pins));
    let pins: Vec<InputPins> = match &attempt.uniqueness {
        Uniqueness::Keys(_) => pins.iter().map(lenient).collect(),
        _ => pins,
    };
    let chunk = segment.chunks.iter().find(|chunk| chunk.number() == number).expect("the segment lists the chunk");
    let task = ChunkTask {
        author: Author {
            job_id: "j1".into(),
            stage: "read".into(),
            chunk: number,
            generation: segment.generation,
            attempt_id: "a1".into(),
        },
        spec: &spec,
        spec_digest: "s",
        pins: PinsOf::of_inputs(&pins),
        segment,
        segment_digest: "d",
        chunk,
        exchange: attempt.exchange.as_ref(),
        uniqueness: attempt.uniqueness.clone(),
        payload: Arc::from(attempt.payload.as_slice()),
        trial: attempt.trial,
        range: attempt.range,
        excluded: attempt.excluded.clone(),
        trace: attempt.trace,
        less_memory: attempt.less_memory,
        core_version: "0.0.0",
    };
    let context = Context {
        cancel: world.cancel.clone(),
        progress: Progress::default(),
        timer: Arc::new(NoTimer),
        memory_bytes: attempt.memory_bytes,
        hook: attempt.hook.map(|hook| hook as &dyn millrace_engine::io::RecordHook),
    };
    process_chunk(&task, program, world, &context)
}

pub fn receipt(end: &ChunkEnd) -> Receipt {
    serde_json::from_slice(end.verdict.as_ref().expect("a verdict")).unwrap()
}

/// Rows of all CSV parts, headers left out, in the order of part names.
pub fn rows(objects: &Objects) -> Vec<String> {
    let objects = objects.lock().unwrap();
    let parts = objects.iter().filter(|(uri, _)| uri.contains("/part-"));
    parts.flat_map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

pub fn rejects(objects: &Objects) -> Vec<RejectRow> {
    let objects = objects.lock().unwrap();
    let mut found = Vec::new();
    for (_, bytes) in objects.iter().filter(|(uri, _)| uri.contains("/rejects-")) {
        read_rejects_bytes(bytes.clone(), |row| {
            found.push(row);
            true
        })
        .unwrap();
    }
    found
}

/// The outside of planning.
#[derive(Default)]
pub struct PlanWorld {
    /// Other pins than `pins()`.
    pub pins: Option<Vec<InputPins>>,
    /// Pieces by file and number.
    pub staged: BTreeMap<(u32, u64), Vec<u8>>,
    pub files: HashMap<String, Vec<u8>>,
    pub segments: BTreeMap<(u32, u32), Vec<u8>>,
    pub announced: Vec<SegmentRef>,
    /// Answers for segments that are about to be put: another planner's.
    pub faster: VecDeque<Vec<u8>>,
    pub always_due: bool,
    pub generation: u32,
}

impl PlanIo for PlanWorld {
    fn open_source(&mut self, file: &InputFile) -> Result<Box<dyn PinnedSource>, Error> {
        let bytes = self.files.get(&file.uri).cloned().ok_or_else(|| Error::new("INPUT_NOT_FOUND", &file.uri))?;
        Ok(Box::new(Bytes { bytes, changed: false }))
    }

    fn read_segment(&mut self, generation: u32, segment: u32) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.segments.get(&(generation, segment)).cloned())
    }

    fn put_segment(&mut self, segment: u32, bytes: &[u8]) -> Result<PutEnd, Error> {
        if let Some(other) = self.faster.pop_front() {
            self.segments.insert((self.generation, segment), other);
        }
        match self.segments.get(&(self.generation, segment)) {
            Some(existing) => Ok(PutEnd::Lost(existing.clone())),
            None => {
                self.segments.insert((self.generation, segment), bytes.to_vec());
                Ok(PutEnd::Won)
            }
        }
    }

    fn put_staged(&mut self, file: u32, piece: u64, bytes: &[u8]) -> Result<PutEnd, Error> {
        match self.staged.get(&(file, piece)) {
            Some(existing) => Ok(PutEnd::Lost(existing.clone())),
            None => {
                self.staged.insert((file, piece), bytes.to_vec());
                Ok(PutEnd::Won)
            }
        }
    }

    fn announce(&mut self, segment: &SegmentRef) -> Result<(), Error> {
        self.announced.push(segment.clone());
        Ok(())
    }

    fn is_due(&mut self) -> bool {
        self.always_due
    }
}

/// Where a request starts.
#[derive(Clone, Copy, Default)]
pub struct From {
    pub segment: u32,
    pub chunk: u32,
}

pub fn plan(world: &mut PlanWorld, files: &[(u32, &str)], chunk_size: u64, from: From) -> Result<PlanEnd, Error> {
    world.generation = world.generation.max(1);
    let pins = world.pins.clone().unwrap_or_else(pins);
    let inputs: Vec<InputFile> = files
        .iter()
        .map(|(file, uri)| InputFile {
            file: *file,
            input: 0,
            uri: (*uri).into(),
            etag: "e".into(),
            sha256: None,
            size: world.files.get(*uri).map_or(0, |bytes| bytes.len() as u64),
        })
        .collect();
    let task = PlanTask {
        job_id: "j1",
        stage: "read",
        generation: world.generation,
        spec_digest: "s",
        pins_digest: "p",
        pins: PinsOf::of_inputs(&pins),
        chunk_size,
        files: &inputs,
        first_segment: from.segment,
        first_chunk: from.chunk,
    };
    plan_files(&task, world, &CancelFlag::default(), &Progress::default())
}

pub fn segments(world: &PlanWorld) -> Vec<Segment> {
    world.segments.values().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
}

pub fn chunks(world: &PlanWorld) -> Vec<ChunkEntry> {
    segments(world).into_iter().flat_map(|segment| segment.chunks).collect()
}

/// One segment with all chunks of one file.
pub fn segment_of(bytes: &[u8], chunk_size: u64) -> Segment {
    let mut world = PlanWorld::default();
    world.files.insert("file:///in.csv".into(), bytes.to_vec());
    plan(&mut world, &[(0, "file:///in.csv")], chunk_size, From::default()).unwrap();
    segments(&world).remove(0)
}

pub fn world_of(bytes: &[u8]) -> World {
    World { files: HashMap::from([("file:///in.csv".into(), bytes.to_vec())]), ..World::default() }
}

/// A file with things wrong in it: a text where a number should be, a missing one, a stray quote, short and long rows, quoted line ends.
pub const DIRTY: &str = "id,name\n1,one\nx,two\n3,\"th\"\"ree\nlines\"\n,four\n5,fi\"ve\n6\n7,seven,extra\n\n8,eight\r\n9,\"nine\"\n";
