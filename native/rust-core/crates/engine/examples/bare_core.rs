//! The core alone, without queue, journal and Node: reads and types a CSV or NDJSON file with the bench file's ten columns, and writes it as Parquet
//! through the store, chunk by chunk in one thread. What `npm run bench` compares, and what a profiler is pointed at.
//!
//! `bare_core <file> <folder> [typed|convert] [chunk MiB] [compression] [rounds]` prints one line of JSON: seconds of each phase and of the processor
//! in the last round, and of each round the seconds with its planning.

use std::error::Error as AnyError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use millrace_engine::cancel::CancelFlag;
use millrace_engine::io::{ChunkIo, PartSink, PinnedSource, PutEnd, SinkEnd, SourceOpener, StagedPieces, Timer};
use millrace_engine::names::Author;
use millrace_engine::process::{Phases, Trace, Uniqueness};
use millrace_engine::progress::Progress;
use millrace_engine::records::{ChunkEntry, PinsOf, Segment, Spec};
use millrace_engine::{ChunkTask, Context, Error, process_chunk};
use millrace_formats::pins::{FilePlan, Format, InputPins};
use millrace_formats::read::{PlannedRange, ReadOptions, ReadRange, open_reader, plan_file, plan_scan};
use millrace_formats::source::{ByteSource, SourceError};
use millrace_store::{LocalPart, LocalStore, PinnedFile};
use serde_json::json;

/// Columns of the bench file with their types.
const COLUMNS: [(&str, &str); 10] = [
    ("id", "integer"),
    ("ts", "datetime"),
    ("user_id", "integer"),
    ("method", "string"),
    ("path", "string"),
    ("status", "integer"),
    ("latency", "number"),
    ("ip", "string"),
    ("agent", "string"),
    ("md5", "string"),
];

fn main() -> Result<(), Box<dyn AnyError>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, folder, rest @ ..] = &arguments[..] else {
        return Err("bare_core <file> <folder> [typed|convert] [MiB] [compression] [rounds]".into());
    };
    let mode = rest.first().map_or("convert", String::as_str);
    let chunk_size = rest.get(1).map_or(Ok(64), |text| text.parse::<u64>())? << 20;
    let compression = rest.get(2).map_or("snappy", String::as_str);
    let file = std::fs::canonicalize(file)?;
    let root = file.parent().ok_or("the file needs a folder")?.to_owned();
    std::fs::create_dir_all(folder)?;
    let folder = std::fs::canonicalize(folder)?;
    let store = LocalStore::new(&[root], std::slice::from_ref(&folder))?;
    let mut bench =
        Bench { store, file, folder: folder.clone(), pins: pins(arguments[1].ends_with(".csv"))?, compression: compression.to_owned() };
    let rounds = rest.get(3).map_or(Ok(1), |text| text.parse::<usize>())?;
    let mut round_seconds = Vec::new();
    loop {
        bench.folder = folder.join(round_seconds.len().to_string());
        std::fs::create_dir(&bench.folder)?;
        let round = bench.round(mode, chunk_size)?;
        round_seconds.push(round.plan_seconds + round.seconds);
        if round_seconds.len() >= rounds {
            return bench.tell(mode, &round, &round_seconds);
        }
    }
}

struct Round {
    done: Done,
    chunks: usize,
    plan_seconds: f64,
    seconds: f64,
    processor_seconds: f64,
}
struct Bench {
    store: LocalStore,
    file: PathBuf,
    folder: PathBuf,
    pins: Vec<InputPins>,
    compression: String,
}

struct Planned {
    file: FilePlan,
    ranges: Vec<PlannedRange>,
}

#[derive(Default)]
struct Done {
    rows: u64,
    rejected: u64,
    bytes_out: u64,
    phases: Phases,
    /// Until what was written is durable.
    sync_us: u64,
}

impl Bench {
    fn round(&self, mode: &str, chunk_size: u64) -> Result<Round, Box<dyn AnyError>> {
        let started = Instant::now();
        let plan = self.plan(chunk_size)?;
        let plan_seconds = started.elapsed().as_secs_f64();
        let (started, processor) = (Instant::now(), processor_seconds()?);
        let done = match mode {
            "typed" => self.typed(&plan)?,
            _ => self.convert(&plan)?,
        };
        let (seconds, processor_seconds) = (started.elapsed().as_secs_f64(), processor_seconds()? - processor);
        Ok(Round { done, chunks: plan.ranges.len(), plan_seconds, seconds, processor_seconds })
    }

    fn tell(&self, mode: &str, round: &Round, round_seconds: &[f64]) -> Result<(), Box<dyn AnyError>> {
        let Round { done, chunks, plan_seconds, seconds, processor_seconds } = round;
        let of = |micros: u64| micros as f64 / 1e6;
        let Phases { read_us, decode_us, encode_us, write_us, commit_us, .. } = done.phases;
        println!(
            "{}",
            json!({ "mode": mode, "rows": done.rows, "rejected": done.rejected, "bytesIn": self.size()?, "bytesOut": done.bytes_out, "chunks": chunks,
                "planSeconds": plan_seconds, "seconds": seconds, "processorSeconds": processor_seconds, "syncSeconds": of(done.sync_us),
                "roundSeconds": round_seconds,
                "phases": { "read": of(read_us), "decode": of(decode_us), "encode": of(encode_us), "write": of(write_us), "commit": of(commit_us) } })
        );
        Ok(())
    }

    fn open(&self) -> Result<Source, Box<dyn AnyError>> {
        Ok(Source(self.store.open_input(&self.file, None)?))
    }

    fn size(&self) -> Result<u64, Box<dyn AnyError>> {
        Ok(std::fs::metadata(&self.file)?.len())
    }

    fn plan(&self, chunk_size: u64) -> Result<Planned, Box<dyn AnyError>> {
        let mut source = self.open()?;
        let etag = source.0.stat().etag.clone();
        let uri = format!("file://{}", self.file.display());
        let file = plan_file(&self.pins[0], 0, 0, &uri, &etag, &mut source).map_err(|error| error.to_string())?;
        let mut ranges = Vec::new();
        plan_scan(&self.pins[0], &file, &mut source, chunk_size, &mut |range| ranges.push(range), &|| false)
            .map_err(|error| error.to_string())?;
        Ok(Planned { file, ranges })
    }

    /// Reads, types and checks every record.
    fn typed(&self, plan: &Planned) -> Result<Done, Box<dyn AnyError>> {
        let mut done = Done::default();
        for planned in &plan.ranges {
            let range = ReadRange { start: planned.start, end: planned.end, record: planned.record, line: planned.line };
            let mut reader = open_reader(&self.pins[0], &plan.file, range, &[], Box::new(self.open()?), ReadOptions::default())
                .map_err(|error| error.to_string())?;
            while let Some(read) = reader.next().map_err(|error| error.to_string())? {
                done.rows += read.batch.rows.num_rows() as u64;
                done.rejected += read.rejects.len() as u64;
            }
        }
        Ok(done)
    }

    /// The whole path of a map chunk, for one chunk after the other.
    fn convert(&self, plan: &Planned) -> Result<Done, Box<dyn AnyError>> {
        let spec: Spec = serde_json::from_value(json!({
            "output": { "uri": format!("file://{}/", self.folder.display()), "format": "parquet", "compression": self.compression } }))?;
        let segment = segment(plan)?;
        let mut done = Done::default();
        for chunk in &segment.chunks {
            let task = task(&spec, &self.pins, &segment, chunk);
            let cx = Context {
                cancel: CancelFlag::default(),
                progress: Progress::default(),
                timer: Arc::new(Stopwatch(Instant::now())),
                memory_bytes: 1 << 30,
                hook: None,
            };
            let mut io = LocalIo {
                store: &self.store,
                verdict: self.folder.join(format!("verdict-{}.json", chunk.number())),
                sync_us: Arc::default(),
            };
            let end = process_chunk(&task, None, &mut io, &cx).map_err(|error| error.to_string())?;
            done.rows += end.counts.emitted;
            done.rejected += end.counts.rejected;
            add(&mut done.phases, &end.phases);
            done.sync_us += io.sync_us.load(Ordering::Relaxed);
        }
        done.bytes_out = parquet_bytes(&self.folder)?;
        Ok(done)
    }
}

fn add(sum: &mut Phases, more: &Phases) {
    sum.read_us += more.read_us;
    sum.decode_us += more.decode_us;
    sum.transform_us += more.transform_us;
    sum.encode_us += more.encode_us;
    sum.write_us += more.write_us;
    sum.commit_us += more.commit_us;
}

fn parquet_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

fn pins(is_csv: bool) -> Result<Vec<InputPins>, Box<dyn AnyError>> {
    let field = |(name, kind): (&str, &str)| {
        json!({
            "name": name, "type": kind, "format": "default", "aliases": [], "path": null, "missingValues": null, "trim": null,
            "onError": "reject", "decimalChar": ".", "groupChar": null, "bareNumber": true, "precision": null, "scale": null,
            "trueValues": ["true"], "falseValues": ["false"], "timezone": "UTC",
            "constraints": { "required": name == "id", "unique": false, "minimum": null, "maximum": null, "minLength": null, "maxLength": null,
                "pattern": null, "enum": null },
        })
    };
    let dialect = json!({ "delimiter": ",", "quoteChar": "\"", "doubleQuote": true, "escapeChar": "", "lineTerminator": null,
        "skipInitialSpace": false, "header": true, "headerRows": [1], "headerJoin": " ", "commentRows": [], "commentChar": "",
        "nullSequence": null, "strayQuotes": "reject", "shortRows": "reject", "longRows": "reject", "blankRows": "skip", "skipSepLine": false });
    let mut pins = json!({
        "name": "input", "format": if is_csv { "csv" } else { "ndjson" }, "compression": "none", "encoding": "utf-8", "invalidBytes": "reject",
        "maxRecordBytes": 16 << 20, "columns": COLUMNS.map(|(name, _)| name),
        "schema": { "fields": COLUMNS.map(field), "missingValues": [""], "match": "name",
            "caseSensitive": true, "missingColumns": "fail", "extraColumns": "drop", "primaryKey": [] },
        "inferred": [], "json": { "duplicateKeys": "reject", "maxDepth": 64 }, "evidence": [], "notes": [],
    });
    if is_csv {
        pins["dialect"] = dialect;
    }
    let pins: InputPins = serde_json::from_value(pins)?;
    assert!(is_csv == (pins.format == Format::Csv));
    Ok(vec![pins])
}

fn segment(plan: &Planned) -> Result<Segment, Box<dyn AnyError>> {
    let chunk = |(number, range): (usize, &PlannedRange)| {
        json!({ "chunk": number, "kind": "range", "file": 0, "start": range.start, "end": range.end, "record": range.record, "line": range.line,
            "records": range.records, "lines": range.lines, "damages": range.damages, "blankLines": range.blank_lines, "commentLines": range.comment_lines })
    };
    Ok(serde_json::from_value(json!({
        "record": "segment", "version": 1, "jobId": "bench", "generation": 1, "stage": "read", "segment": 0, "specDigest": "", "pinsDigest": "",
        "firstChunk": 0, "files": [plan.file], "chunks": plan.ranges.iter().enumerate().map(chunk).collect::<Vec<_>>(), "ended": [] }))?)
}

fn task<'a>(spec: &'a Spec, pins: &'a [InputPins], segment: &'a Segment, chunk: &'a ChunkEntry) -> ChunkTask<'a> {
    ChunkTask {
        author: Author {
            job_id: "bench".into(),
            stage: "read".into(),
            chunk: chunk.number(),
            generation: 1,
            attempt_id: std::process::id().to_string(),
        },
        spec,
        spec_digest: "",
        pins: PinsOf::of_inputs(pins),
        segment,
        segment_digest: "",
        chunk,
        exchange: None,
        uniqueness: Uniqueness::None,
        payload: Arc::new([]),
        trial: false,
        range: None,
        excluded: Vec::new(),
        trace: Trace::None,
        less_memory: false,
        core_version: "bench",
    }
}

struct Source(PinnedFile);

impl ByteSource for Source {
    fn size(&self) -> u64 {
        self.0.stat().size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.0.read_at(offset, buffer).map_err(|error| SourceError { code: error.code, message: error.to_string() })
    }
}

impl PinnedSource for Source {
    fn check_unchanged(&mut self) -> Result<(), Error> {
        self.0.check_unchanged().map_err(of_store)
    }
}

struct Sink(LocalPart, Arc<AtomicU64>);

impl PartSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.write(bytes).map_err(of_store)
    }

    fn finish(self: Box<Self>) -> Result<SinkEnd, Error> {
        let started = Instant::now();
        let done = self.0.finish().map_err(of_store)?;
        self.1.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        Ok(SinkEnd { bytes: done.bytes, sha256: done.sha256 })
    }
}

struct LocalIo<'a> {
    store: &'a LocalStore,
    verdict: PathBuf,
    sync_us: Arc<AtomicU64>,
}

impl ChunkIo for LocalIo<'_> {
    fn read_verdict(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn open_source(&mut self, uri: &str, etag: &str) -> Result<Box<dyn PinnedSource>, Error> {
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        Ok(Box::new(Source(self.store.open_input(Path::new(path), Some(etag)).map_err(of_store)?)))
    }

    fn open_sink(&mut self, uri: &str) -> Result<Box<dyn PartSink>, Error> {
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        Ok(Box::new(Sink(self.store.open_part(Path::new(path)).map_err(of_store)?, Arc::clone(&self.sync_us))))
    }

    fn check_lease(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn put_verdict(&mut self, bytes: &[u8]) -> Result<PutEnd, Error> {
        let started = Instant::now();
        self.store.overwrite(&self.verdict, bytes).map_err(of_store)?;
        self.sync_us.fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        Ok(PutEnd::Won)
    }

    fn delete_own(&mut self, _uri: &str) -> Result<(), Error> {
        Ok(())
    }

    fn staged_pieces(&mut self, _: u32) -> Result<Box<dyn StagedPieces>, Error> {
        Err(Error::new("CORE_PANIC", "a plain file has no staged pieces"))
    }

    fn work_uri(&self, _: &str) -> Result<String, Error> {
        Err(Error::new("CORE_PANIC", "a stage whose rows are the output hands none on"))
    }

    fn work_opener(&self) -> Result<Arc<dyn SourceOpener>, Error> {
        Err(Error::new("CORE_PANIC", "a map stage reads no work objects"))
    }

    fn trace(&mut self) {}
}

fn of_store(error: millrace_store::Error) -> Error {
    Error::new(error.code, error.to_string())
}

struct Stopwatch(Instant);

impl Timer for Stopwatch {
    fn now_us(&self) -> u64 {
        self.0.elapsed().as_micros() as u64
    }
}

/// Seconds of the processor that this process has used, its time in the kernel included; clock ticks are hundredths of a second.
fn processor_seconds() -> Result<f64, Box<dyn AnyError>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1;
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|text| text.parse::<u64>().unwrap_or(0)).sum();
    Ok(ticks as f64 / 100.0)
}
