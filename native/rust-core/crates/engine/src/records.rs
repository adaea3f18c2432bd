//! The journal's records that the core reads and writes. `docs/records.md` is normative; unknown fields are ignored, absent ones are `null`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millrace_formats::pins::{Dialect, FilePlan, Format, InputPins, LinesOptions};
use millrace_formats::write::OutputOptions;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::hex::sha256_hex;
use crate::program::Order;
use crate::stages::{DedupeSpec, ExchangeSpec, Names, PASS_THROUGH};

/// `jobs/<jobId>/job.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    pub record: String,
    pub job_id: String,
    pub accepted_at: String,
    pub result_version: u32,
    pub spec_digest: String,
    /// As it stands in the document: the digest is over exactly these bytes.
    pub spec: Box<RawValue>,
    /// Name of the map stage.
    pub stage: String,
    pub inputs: Vec<InputsRef>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct InputsRef {
    pub key: String,
    pub digest: String,
    pub first: u32,
    pub count: u32,
}

/// A command of a redrive may bring a spec of its own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandRecord {
    pub record: String,
    pub spec: Option<Box<RawValue>>,
    pub spec_digest: Option<String>,
}

/// `jobs/<jobId>/inputs/<segment>.json`.
#[derive(Debug, Deserialize)]
pub struct InputsRecord {
    pub record: String,
    pub files: Vec<InputFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InputFile {
    pub file: u32,
    pub input: u32,
    pub uri: String,
    pub etag: String,
    pub size: u64,
    /// What the sender says the stored bytes digest to.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// `jobs/<jobId>/pins.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinsRecord {
    pub record: String,
    pub inputs: Vec<InputPins>,
    /// Files of inputs under `pin: file`, each read in its own way.
    #[serde(default)]
    pub files: Vec<FilePins>,
    /// How many partitions each reduce stage has, by its name.
    #[serde(default)]
    pub partitions: BTreeMap<String, u32>,
    #[serde(default)]
    pub lookups: Vec<LookupPins>,
}

/// How one file is read: what `Probe` answered for it alone, but for the schema, which is that of its input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePins {
    pub file: u32,
    /// The input that holds it.
    pub input: u32,
    pub format: Format,
    pub compression: String,
    pub encoding: String,
    pub dialect: Option<Dialect>,
    pub columns: Vec<String>,
    pub lines: Option<LinesOptions>,
}

impl FilePins {
    /// As pins of the input that holds the file.
    fn over(self, input: &InputPins) -> InputPins {
        let FilePins { file: _, input: _, format, compression, encoding, dialect, columns, lines } = self;
        InputPins { format, compression, encoding, dialect, columns, lines, evidence: Vec::new(), notes: Vec::new(), ..input.clone() }
    }
}

/// How the files of a job are read.
#[derive(Clone, Copy, Debug)]
pub struct PinsOf<'a> {
    pub inputs: &'a [InputPins],
    /// Of files that are read in their own way, by their numbers.
    pub files: &'a [FilePins],
}

impl<'a> PinsOf<'a> {
    /// How a file of an input is read.
    pub fn file(self, file: u32, input: u32) -> Result<Cow<'a, InputPins>, Error> {
        let of_input = self.inputs.get(input as usize);
        let of_input = of_input.ok_or_else(|| Error::new("PLAN_CONFLICT", format!("the pins hold no input {input}")))?;
        let own = self.files.iter().find(|pins| pins.file == file && pins.input == input);
        Ok(own.map_or(Cow::Borrowed(of_input), |own| Cow::Owned(own.clone().over(of_input))))
    }

    /// Where no file is pinned for itself.
    pub fn of_inputs(inputs: &'a [InputPins]) -> PinsOf<'a> {
        PinsOf { inputs, files: &[] }
    }
}

/// A small table of a stage: the version that is read, and how.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookupPins {
    pub stage: String,
    pub name: String,
    pub uri: String,
    pub etag: String,
    /// What it may take in memory.
    pub max_bytes: u64,
    pub input: InputPins,
}

/// What of the resolved job spec the core acts by.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    #[serde(default)]
    pub inputs: Vec<InputSpec>,
    /// Of inputs without one of their own, as written.
    #[serde(default)]
    pub schema: Value,
    #[serde(default)]
    pub params: Map<String, Value>,
    #[serde(default)]
    pub pipeline: Vec<StageSpec>,
    pub output: OutputSpec,
    #[serde(default)]
    pub rejects: RejectsSpec,
    #[serde(default)]
    pub privacy: Option<PrivacySpec>,
    #[serde(default)]
    pub execution: ExecutionSpec,
}

#[derive(Clone, Debug, Deserialize)]
pub struct InputSpec {
    pub name: String,
    /// The connection that holds it; the best one there is when absent.
    pub connection: Option<String>,
    #[serde(default)]
    pub uri: Option<Names>,
    /// As written; null: the job's.
    #[serde(default)]
    pub schema: Value,
}

impl InputSpec {
    /// URIs, patterns and prefixes as written; none of an input that is a list file.
    pub fn uris(&self) -> Vec<&str> {
        match &self.uri {
            None => Vec::new(),
            Some(Names::One(uri)) => vec![uri],
            Some(Names::Several(uris)) => uris.iter().map(String::as_str).collect(),
        }
    }
}

/// A stage as written; `stages::stages_of` says what it means.
#[derive(Clone, Debug, Deserialize)]
pub struct StageSpec {
    pub name: String,
    #[serde(default)]
    pub from: Option<Names>,
    pub sql: Option<String>,
    #[serde(default)]
    pub exchange: Option<ExchangeSpec>,
    #[serde(default)]
    pub dedupe: Option<DedupeSpec>,
}

/// Names the secret that keyed functions use; the secret itself comes with each request.
#[derive(Clone, Debug, Deserialize)]
pub struct PrivacySpec {
    pub key: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct OutputSpec {
    pub uri: String,
    /// The connection that holds it; the best one there is when absent.
    pub connection: Option<String>,
    /// A last stage merges what would be many small parts.
    #[serde(default)]
    pub compact: bool,
    #[serde(flatten)]
    pub options: OutputOptions,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct RejectsSpec {
    pub uri: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSpec {
    /// Bytes of a chunk before it is aligned to records.
    #[serde(default = "default_chunk_size")]
    pub chunk_size: u64,
    /// Bytes; never above what the host gives the process.
    pub core_memory: Option<u64>,
}

fn default_chunk_size() -> u64 {
    64 << 20
}

impl Default for ExecutionSpec {
    fn default() -> ExecutionSpec {
        ExecutionSpec { chunk_size: default_chunk_size(), core_memory: None }
    }
}

impl Spec {
    pub fn input_connection(&self, input: u32) -> Option<&str> {
        self.inputs.get(input as usize)?.connection.as_deref()
    }

    /// The connection that is named for what is written at `uri`. Rejects that have a place of their own may lie in another store.
    pub fn output_connection(&self, uri: &str) -> Option<&str> {
        self.output.connection.as_deref().filter(|_| uri.starts_with(&self.output_uri()))
    }

    /// Where rejects go, ending in `/`.
    pub fn rejects_uri(&self) -> String {
        let default = || format!("{}_rejects/", with_slash(&self.output.uri));
        self.rejects.uri.as_deref().map_or_else(default, with_slash)
    }

    pub fn output_uri(&self) -> String {
        with_slash(&self.output.uri)
    }

    /// The SQL of a stage; none for the pass-through stage.
    pub fn sql_of(&self, stage: &str) -> Result<Option<&str>, Error> {
        if stage == PASS_THROUGH {
            return Ok(None);
        }
        let found = self.pipeline.iter().find(|candidate| candidate.name == stage);
        let found = found.ok_or_else(|| Error::new("PLAN_CONFLICT", format!("the spec has no stage {stage}")))?;
        Ok(found.sql.as_deref())
    }

    /// Numbers of the inputs that a map stage reads as one table.
    pub fn inputs_of(&self, stage: &str) -> Vec<usize> {
        let from = self.pipeline.iter().find(|candidate| candidate.name == stage).and_then(|found| found.from.as_ref());
        let is_read = |name: &String| match from {
            None => true,
            Some(Names::One(one)) => one == name,
            Some(Names::Several(names)) => names.contains(name),
        };
        self.inputs.iter().enumerate().filter(|(_, input)| is_read(&input.name)).map(|(number, _)| number).collect()
    }
}

fn with_slash(uri: &str) -> String {
    if uri.ends_with('/') { uri.to_owned() } else { format!("{uri}/") }
}

/// `jobs/<jobId>/plan/[<gen>/]<segment>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    pub record: String,
    pub version: u32,
    pub job_id: String,
    pub generation: u32,
    pub stage: String,
    pub segment: u32,
    pub spec_digest: String,
    pub pins_digest: String,
    pub first_chunk: u32,
    pub files: Vec<FilePlan>,
    pub chunks: Vec<ChunkEntry>,
    pub ended: Vec<EndedFile>,
    /// Of a stage that is planned behind `owners`: chunks in which records lost a unique key to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losers: Vec<ChunkLosers>,
}

/// Where the records of a chunk stand that lost a unique key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkLosers {
    pub chunk: u32,
    pub rows: u64,
    /// A list of slices.
    pub slices: RecordRef,
}

impl Segment {
    pub fn file(&self, number: u32) -> Result<&FilePlan, Error> {
        let found = self.files.iter().find(|plan| plan.file == number);
        found.ok_or_else(|| Error::new("PLAN_CONFLICT", format!("segment {} names file {number} and does not hold it", self.segment)))
    }
}

/// One chunk of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ChunkEntry {
    Range(RangeChunk),
    Files(FilesChunk),
    Inline(InlineChunk),
    Given(GivenChunk),
    Partition(PartitionChunk),
    Rows(RowsChunk),
}

impl ChunkEntry {
    pub fn number(&self) -> u32 {
        match self {
            ChunkEntry::Range(range) => range.chunk,
            ChunkEntry::Files(files) => files.chunk,
            ChunkEntry::Inline(inline) => inline.chunk,
            ChunkEntry::Given(given) => given.chunk,
            ChunkEntry::Partition(partition) => partition.chunk,
            ChunkEntry::Rows(rows) => rows.chunk,
        }
    }

    /// Its part of one planned file; none of a group of files, and of a chunk that brings its own bytes.
    pub fn planned(&self) -> Option<PlannedPart> {
        match self {
            ChunkEntry::Range(range) => {
                Some(PlannedPart { file: range.file, start: range.start, records: range.records, damages: range.damages })
            }
            ChunkEntry::Rows(rows) => Some(PlannedPart { file: rows.file, start: rows.start, records: rows.records, damages: 0 }),
            ChunkEntry::Files(_) | ChunkEntry::Inline(_) | ChunkEntry::Given(_) | ChunkEntry::Partition(_) => None,
        }
    }

    /// Its parts of planned files: one, or one of each file of a group.
    pub fn parts(&self) -> Vec<PlannedPart> {
        let of_file = |file: &FileRange| PlannedPart { file: file.file, start: file.start, records: file.records, damages: file.damages };
        match self {
            ChunkEntry::Files(files) => files.files.iter().map(of_file).collect(),
            other => other.planned().into_iter().collect(),
        }
    }

    /// The ranges of bytes that it reads of files: one, or one of each file of a group.
    pub fn ranges(&self) -> Vec<RangeChunk> {
        match self {
            ChunkEntry::Range(range) => vec![range.clone()],
            ChunkEntry::Files(files) => files.files.iter().map(|file| file.of_chunk(files.chunk)).collect(),
            ChunkEntry::Inline(_) | ChunkEntry::Given(_) | ChunkEntry::Partition(_) | ChunkEntry::Rows(_) => Vec::new(),
        }
    }

    /// The same chunk under another number.
    pub fn renumbered(mut self, number: u32) -> ChunkEntry {
        match &mut self {
            ChunkEntry::Range(range) => range.chunk = number,
            ChunkEntry::Files(files) => files.chunk = number,
            ChunkEntry::Inline(inline) => inline.chunk = number,
            ChunkEntry::Given(given) => given.chunk = number,
            ChunkEntry::Rows(rows) => rows.chunk = number,
            ChunkEntry::Partition(partition) => partition.chunk = number,
        }
        self
    }

    pub fn bytes(&self) -> u64 {
        match self {
            ChunkEntry::Range(range) => range.end - range.start,
            ChunkEntry::Files(files) => files.files.iter().map(FileRange::bytes).sum(),
            ChunkEntry::Inline(inline) => inline.length,
            ChunkEntry::Given(given) => given.end - given.start,
            ChunkEntry::Partition(partition) => partition.bytes,
            ChunkEntry::Rows(rows) => rows.bytes,
        }
    }
}

/// What planning needs to know of any chunk of a file. `start` counts bytes or, in a file of columns, rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPart {
    pub file: u32,
    pub start: u64,
    pub records: u64,
    pub damages: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeChunk {
    pub chunk: u32,
    pub file: u32,
    pub start: u64,
    pub end: u64,
    /// Number of the first record, from 1.
    pub record: u64,
    /// Physical line at `start`, from 1.
    pub line: u64,
    /// Damages included.
    pub records: u64,
    pub lines: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    /// Where decoding starts; none where the file is not compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<DecodeFrom>,
}

/// Small files, each whole, in order. Where a place in it is named, its files count as if they stood one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesChunk {
    pub chunk: u32,
    pub files: Vec<FileRange>,
}

/// A `RangeChunk` that is part of another chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRange {
    pub file: u32,
    pub start: u64,
    pub end: u64,
    pub record: u64,
    pub line: u64,
    pub records: u64,
    pub lines: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<DecodeFrom>,
}

impl FileRange {
    pub fn of(range: RangeChunk) -> FileRange {
        let RangeChunk { chunk: _, file, start, end, record, line, records, lines, damages, blank_lines, comment_lines, decode } = range;
        FileRange { file, start, end, record, line, records, lines, damages, blank_lines, comment_lines, decode }
    }

    pub fn of_chunk(&self, chunk: u32) -> RangeChunk {
        let FileRange { file, start, end, record, line, records, lines, damages, blank_lines, comment_lines, decode } = self.clone();
        RangeChunk { chunk, file, start, end, record, line, records, lines, damages, blank_lines, comment_lines, decode }
    }

    pub fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// How the bytes of a chunk come out of a compressed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum DecodeFrom {
    /// A member begins at `offset` in the file and at `stream` in the stream, at or before the chunk.
    Member { offset: u64, stream: u64 },
    /// The stream lies in the journal, in pieces of `piece_bytes`; those from number `first` on hold the chunk and what follows it.
    Staged { piece_bytes: u64, first: u64, sha256: Vec<String> },
}

impl DecodeFrom {
    /// About how many bytes of a segment it takes.
    pub fn record_bytes(&self) -> usize {
        match self {
            DecodeFrom::Member { .. } => 64,
            DecodeFrom::Staged { sha256, .. } => 64 + 67 * sha256.len(),
        }
    }
}

/// Rows `[start, end)` of a Parquet or Arrow file, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsChunk {
    pub chunk: u32,
    pub file: u32,
    pub start: u64,
    pub end: u64,
    /// Its share of the file's bytes.
    pub bytes: u64,
    pub records: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineChunk {
    pub chunk: u32,
    pub key: String,
    pub offset: u64,
    pub length: u64,
    /// Of the chunk's own bytes.
    pub sha256: String,
    /// One after another in the chunk's bytes, each a file of its own.
    pub payloads: Vec<InlinePayload>,
}

impl InlineChunk {
    /// A chunk of records that take the places of rejected ones.
    pub fn is_replay(&self) -> bool {
        self.payloads.first().is_some_and(|payload| payload.origin.is_some())
    }

    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.payloads.iter().filter_map(|payload| payload.origin.as_ref())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePayload {
    pub key: String,
    /// Relative to the chunk's bytes.
    pub offset: u64,
    pub length: u64,
    /// Of a replayed reject: the record whose place it takes. It is then no file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// As many as its producer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// The place of a rejected record in its file, and what it was rejected for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub file: u32,
    pub record: u64,
    pub line: u64,
    pub byte: u64,
    /// What is taken off the sums when the replay commits; the first is the main one.
    pub errors: Vec<OriginError>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginError {
    pub code: String,
    pub column: Option<String>,
}

/// Bytes of an object as a producer named them: the records that start in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenChunk {
    pub chunk: u32,
    pub key: String,
    pub uri: String,
    pub etag: String,
    pub size: u64,
    pub start: u64,
    pub end: u64,
    /// As many as its producer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// What tells its content from another under its key; the scheduler's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One partition of a reduce stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionChunk {
    pub chunk: u32,
    pub partition: u32,
    /// Rows and stored bytes of its slices.
    pub rows: u64,
    pub bytes: u64,
    /// The list of its slices.
    pub slices: RecordRef,
    /// Of the stage `owners`: lists of the records that replays have read in place of rejected ones, up to this generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<RecordRef>,
}

/// A record of the journal by key and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRef {
    pub key: String,
    pub digest: String,
}

/// One line of the list of slices of a partition: a run of rows in the object that a chunk of a stage before has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slice {
    /// Index of the stage in `from`.
    pub table: u32,
    pub chunk: u32,
    pub generation: u32,
    pub object: String,
    /// Of the whole object.
    pub object_bytes: u64,
    #[serde(flatten)]
    pub run: Run,
}

/// The rows that an attempt hands on to a reduce stage, in place of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRecord {
    /// Key in the journal.
    pub object: String,
    pub bytes: u64,
    pub runs: Vec<Run>,
}

/// Rows of one partition that stand together in an exchange object: one stream of Arrow IPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub partition: u32,
    pub offset: u64,
    pub length: u64,
    pub rows: u64,
    /// XXH3-64 of the bytes of the run, 16 hex digits.
    pub xxh3: String,
    /// Places of the first and the last row; rows between them ascend.
    pub first: Order,
    pub last: Order,
}

/// Sums over a file that planning has read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedFile {
    pub file: u32,
    pub records: u64,
    pub lines: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    pub bytes: u64,
}

/// The verdict of a chunk that committed. Field order is the order in the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub record: String,
    pub version: u32,
    pub outcome: String,
    pub job_id: String,
    pub stage: String,
    pub chunk: u32,
    pub generation: u32,
    pub attempt_id: String,
    pub spec_digest: String,
    pub segment_digest: String,
    pub result_version: u32,
    pub core_version: String,
    pub counts: Counts,
    pub by_code: BTreeMap<String, u64>,
    /// Records with an error of that code in that column.
    pub by_column: BTreeMap<String, BTreeMap<String, u64>>,
    pub repairs: BTreeMap<String, u64>,
    pub files: Vec<FileFates>,
    /// Files of a group that could not be read any more; none of their records is counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadFile>,
    pub parts: Vec<PartRecord>,
    pub rejects: Vec<PartRecord>,
    /// None without rows, and of a stage whose rows are the output.
    #[serde(default)]
    pub exchange: Option<ExchangeRecord>,
    /// Of a reduce chunk: the digest of the list of slices it read.
    #[serde(default)]
    pub inputs_digest: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub records_in: u64,
    pub emitted: u64,
    pub filtered: u64,
    pub deduplicated: u64,
    pub rejected: u64,
    pub rows_out: u64,
    /// Records that a lenient option changed.
    pub repaired: u64,
    pub bytes_in: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    pub suspect_records: u64,
    pub damaged_bytes: u64,
    pub damaged_lines: u64,
}

/// Fates of the records of one file, or of one payload of an inline chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFates {
    pub file: Option<u32>,
    pub key: Option<String>,
    pub records_in: u64,
    pub emitted: u64,
    pub filtered: u64,
    pub deduplicated: u64,
    pub rejected: u64,
}

/// A file that had been planned and could not be read when its group ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadFile {
    pub file: u32,
    pub code: String,
    pub message: String,
}

/// A part, or a file of rejects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    pub uri: String,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    /// Folder below the output, under `partitionBy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The input whose rows it holds, under `layout: perInput`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u32>,
}

/// What any verdict says, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerdictHead {
    pub outcome: String,
    pub attempt_id: Option<String>,
}

/// Only what every record begins with.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordHead {
    pub record: String,
}

/// Reads a record that must have this digest; another one means that the journal and the ledger do not speak of the same thing.
pub fn parse_checked<T: DeserializeOwned>(key: &str, bytes: &[u8], digest: &str) -> Result<T, Error> {
    let actual = sha256_hex(bytes);
    if actual != digest {
        return Err(Error::new("PLAN_CONFLICT", format!("{key}: expected digest {digest}, got {actual}")));
    }
    parse(key, bytes)
}

pub fn parse<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::new("PLAN_CONFLICT", format!("{key}: expected another record: {error}")))
}

/// The stored bytes of a record: JSON and one LF.
pub fn to_bytes(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(record).expect("records hold nothing that JSON cannot");
    bytes.push(b'\n');
    bytes
}

/// The spec in `raw`, if it is the one with this digest.
pub fn spec_of(raw: &RawValue, digest: &str) -> Result<Option<Spec>, Error> {
    if sha256_hex(raw.get().as_bytes()) != digest {
        return Ok(None);
    }
    let parsed = serde_json::from_str(raw.get());
    parsed.map(Some).map_err(|error| Error::new("SPEC_WRONG_TYPE", format!("the job's spec cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_spec_is_over_the_bytes_as_they_stand() {
        let spec = r#"{"output":{"uri":"file:///o"},  "name":"x"}"#;
        let text = format!(
            r#"{{"record":"job","jobId":"j1","acceptedAt":"t","resultVersion":1,"specDigest":"d","spec":{spec},"stage":"read","inputs":[]}}"#
        );
        let job: JobRecord = parse("job.json", text.as_bytes()).unwrap();
        assert_eq!(job.spec.get(), spec);
        let read = spec_of(&job.spec, &sha256_hex(spec.as_bytes())).unwrap().unwrap();
        assert_eq!(read.output_uri(), "file:///o/");
        assert_eq!(read.rejects_uri(), "file:///o/_rejects/");
        assert_eq!(read.execution.chunk_size, 64 << 20);
        assert!(spec_of(&job.spec, &sha256_hex(b"other")).unwrap().is_none());
    }

    #[test]
    fn chunks_carry_their_kind_beside_their_fields() {
        let text =
            r#"{"chunk":3,"kind":"inline","key":"k","offset":0,"length":4,"sha256":"x","payloads":[{"key":"p","offset":0,"length":4}]}"#;
        let chunk: ChunkEntry = serde_json::from_str(text).unwrap();
        assert_eq!((chunk.number(), chunk.bytes()), (3, 4));
        let again: ChunkEntry = serde_json::from_str(&serde_json::to_string(&chunk).unwrap()).unwrap();
        assert_eq!(chunk, again);
    }
}
