// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.

use crate::bounds::{Bounds, check_count, check_digest, check_filled, check_number};
use crate::error::{DecodeError, Path};
use crate::pack::{enums, tables, unions};

/// SHA-256 of `schemas/core.fbs`.
pub const SCHEMA_HASH: [u8; 32] = [
    0x42, 0xe3, 0xbb, 0x0a, 0xa8, 0xb8, 0xcc, 0x42, 0x98, 0xff, 0x1d, 0x7d, 0x3c, 0x8e, 0x02, 0x5d,
    0x14, 0x07, 0x19, 0x83, 0xdc, 0x9e, 0x82, 0xe8, 0x96, 0xdb, 0xdb, 0x2f, 0x80, 0x38, 0xa2, 0x92,
];

/// Bytes 4 to 7 of every header.
pub const FILE_IDENTIFIER: &str = "MRC1";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum ConnectionKind {
    #[default]
    File,
    S3,
    Gcs,
    Azure,
    Http,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum AccessMode {
    #[default]
    Read,
    Write,
    Both,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum AuthKind {
    #[default]
    None,
    Pipe,
    Ambient,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum SandboxWish {
    #[default]
    Required,
    BestEffort,
    Off,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum SandboxState {
    #[default]
    Full,
    Partial,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Kernel {
    #[default]
    Scalar,
    Sse2,
    Avx2,
    Neon,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum LogLevel {
    #[default]
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum PlanMode {
    #[default]
    Scan,
    Summarise,
    Fold,
    Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum ProcessMode {
    #[default]
    Commit,
    Trial,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum TraceMode {
    #[default]
    None,
    Batch,
    Record,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum MemoryMode {
    #[default]
    Normal,
    Less,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum InspectKind {
    #[default]
    Bytes,
    Record,
    Cuts,
    Rows,
    Footer,
    Check,
    Preview,
    SelfTest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum ScopeKind {
    #[default]
    Journal,
    Inputs,
    Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum PutMode {
    #[default]
    Create,
    Replace,
    Overwrite,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum CancelReason {
    #[default]
    Cancel,
    Drain,
    Fence,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum Phase {
    #[default]
    Open,
    Read,
    Decode,
    Transform,
    Encode,
    Write,
    Commit,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum ChunkOutcome {
    #[default]
    Committed,
    Superseded,
    Cancelled,
    TrialOk,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum PutOutcome {
    #[default]
    Won,
    Lost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum DeleteOutcome {
    #[default]
    Deleted,
    Absent,
    Refused,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub enum FailureClass {
    #[default]
    Data,
    Input,
    Transient,
    Resource,
    Crash,
    Lost,
    Bug,
}

/// A store that the core may talk to. Requests name it; nothing but what is listed in `Hello` is ever reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Connection {
    pub name: String,
    pub kind: ConnectionKind,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub bucket: Option<String>,
    /// Of a `File` connection the absolute directory that holds it, else the prefix of every key.
    pub prefix: String,
    pub mode: AccessMode,
    pub auth: AuthKind,
    /// Permits HTTP without TLS, for stores on a laptop.
    pub plain_http: bool,
    /// Permits an `Http` connection to lead to addresses that are not public. The endpoints of other kinds are the operator's word already.
    pub private_addresses: bool,
}

/// The first frame to the core. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct HostHello {
    pub protocol: u16,
    /// SHA-256 of this file.
    pub schema_hash: [u8; 32],
    pub host_version: String,
    pub nonce: [u8; 16],
    /// The process whose end ends the core.
    pub parent_pid: u32,
    pub slot: u16,
    pub memory_bytes: u64,
    pub scratch_bytes: u64,
    pub scratch_dir: String,
    pub read_roots: Vec<String>,
    pub write_roots: Vec<String>,
    pub connections: Vec<Connection>,
    pub http_allow: Vec<String>,
    pub ports: Vec<u16>,
    pub sandbox: SandboxWish,
    pub log_level: LogLevel,
}

/// The core's answer, also when it refuses the host: then the process ends with exit code 64 after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct CoreHello {
    pub protocol: u16,
    pub schema_hash: [u8; 32],
    pub core_version: String,
    pub result_version: u32,
    /// The host's nonce again.
    pub nonce: [u8; 16],
    pub pid: u32,
    pub sandbox: SandboxState,
    /// What of the sandbox this machine could not give.
    pub sandbox_missing: Vec<String>,
    pub kernel: Kernel,
    pub features: Vec<String>,
}

#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

/// Credentials of one connection for one request. Never logged, dropped at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Credential {
    pub connection: String,
    pub kind: String,
    pub fields: Vec<NamedValue>,
    /// Milliseconds since 1970; absent = they do not expire.
    pub expires_at_ms: Option<u64>,
}

#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Secret {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What every work and store request carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Call {
    /// Milliseconds from arrival; 0 = none.
    pub deadline_ms: u64,
    /// Milliseconds of lease left at arrival; 0 = none. A put that would fill a verdict later than that is not sent.
    pub lease_left_ms: u32,
    pub traceparent: Option<String>,
    pub credentials: Vec<Credential>,
    pub secrets: Vec<Secret>,
}

/// An input at the version it was pinned at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct InputRef {
    pub uri: String,
    /// Absent = by the URI alone: a local file below the read roots.
    pub connection: Option<String>,
    pub etag: String,
    pub size: u64,
}

/// Bytes of a stream; `end` is exclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

/// A span whose first record and physical line are known, both counted from 1 at the start of the file. Of a chunk that a producer sent, `start` and
/// `end` count its records, from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct RecordRange {
    pub start: u64,
    pub end: u64,
    pub record: u64,
    pub line: u64,
}

/// Bytes that become one reject without being parsed. Of a chunk that a producer sent, the number of one record, from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct ExcludedRange {
    pub start: u64,
    pub end: u64,
    pub code: String,
}

/// What a store request may touch. `Output` needs the job, whose prefixes it is then held to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Scope {
    pub connection: String,
    pub kind: ScopeKind,
    pub job_key: Option<String>,
    pub spec_digest: Option<String>,
}

/// Finds out how inputs must be read. The answer's payload holds the pins of the input as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Probe {
    pub call: Call,
    pub input: Vec<InputRef>,
    /// JSON: what the spec says about dialect, encoding, schema, lines and json.
    pub declared: String,
}

/// Cuts inputs into chunks and puts plan segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Plan {
    pub call: Call,
    pub job_key: String,
    pub spec_digest: String,
    pub pins_digest: String,
    pub generation: u32,
    pub mode: PlanMode,
    /// Numbers of files of the job: this request plans `first_input` up to, not including, `first_input + input_count`.
    pub first_input: u32,
    pub input_count: u32,
    /// The numbers the first segment and chunk of this request get.
    pub first_segment: u32,
    pub first_chunk: u32,
    /// The stage whose chunks are planned: a map stage in mode `Scan`, one that reads other stages in mode `Stage`. Absent = the one that job.json names.
    pub stage: Option<String>,
    pub span: Option<Span>,
}

/// One attempt at one map chunk. The payload holds the bytes of an inline chunk, if it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Process {
    pub call: Call,
    pub job_key: String,
    pub spec_digest: String,
    pub segment_key: String,
    pub segment_digest: String,
    pub chunk_index: u32,
    pub stage: String,
    pub generation: u32,
    pub attempt_id: String,
    pub verdict_key: String,
    pub mode: ProcessMode,
    /// A part of the chunk, for trials; absent = all of it.
    pub range: Option<RecordRange>,
    pub excluded: Vec<ExcludedRange>,
    pub trace: TraceMode,
    pub memory: MemoryMode,
}

/// One attempt at one partition of a reduce stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Reduce {
    pub call: Call,
    pub job_key: String,
    pub spec_digest: String,
    pub segment_key: String,
    pub segment_digest: String,
    pub chunk_index: u32,
    pub stage: String,
    pub generation: u32,
    pub attempt_id: String,
    pub verdict_key: String,
    pub mode: ProcessMode,
    pub partition: u32,
    pub trace: TraceMode,
    pub memory: MemoryMode,
}

/// Looks at something for a person or a check. The answer is the payload: `Bytes` raw, `Rows` NDJSON, all others JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Inspect {
    pub call: Call,
    pub what: InspectKind,
    pub input: Option<InputRef>,
    /// The connection that `SelfTest` tests.
    pub connection: Option<String>,
    /// The job whose pins `Record`, `Cuts` and `Rows` read with.
    pub job_key: Option<String>,
    pub start: Option<u64>,
    pub end: Option<u64>,
    pub record: Option<u64>,
    pub parts: Option<u32>,
    /// JSON: the spec that `Check` and `Preview` compile.
    pub spec: Option<String>,
}

/// Puts the payload under a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StorePut {
    pub call: Call,
    pub scope: Scope,
    pub key: String,
    pub mode: PutMode,
    /// `Replace` only: the etag to replace.
    pub if_match: Option<String>,
    /// Of the payload.
    pub sha256: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreGet {
    pub call: Call,
    pub scope: Scope,
    pub key: String,
    /// Absent = the whole object, which must then be at most 8 MiB.
    pub range: Option<Span>,
    pub if_match: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreList {
    pub call: Call,
    pub scope: Scope,
    pub prefix: String,
    pub start_after: Option<String>,
    pub limit: u16,
    /// Folds keys below the next `/` into one entry that ends in it.
    pub delimiter: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreDelete {
    pub call: Call,
    pub scope: Scope,
    pub keys: Vec<String>,
    /// Permits to delete verdicts, manifests, `job.json`, segments and `sealed.json`.
    pub purge: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreStat {
    pub call: Call,
    pub scope: Scope,
    pub key: String,
}

/// Asks another request to end. That one answers for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Cancel {
    pub target: u64,
    pub reason: CancelReason,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Ping {
    /// The lease that the running request has now; absent = unchanged.
    pub lease_left_ms: Option<u32>,
}

/// Sign of life, each second while work runs. Counts are of this request so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Progress {
    pub phase: Phase,
    pub records_in: u64,
    pub emitted: u64,
    pub filtered: u64,
    pub rejected: u64,
    pub bytes_in: u64,
    pub bytes_total: u64,
    /// Where work stands in its file: the next batch begins here.
    pub byte: u64,
    pub record: u64,
    pub line: u64,
    pub rss_bytes: u64,
    pub spill_bytes: u64,
}

/// A plan segment is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct PlanSegment {
    pub segment: u32,
    pub key: String,
    pub digest: String,
    pub stage: String,
    pub first_chunk: u32,
    pub chunk_count: u16,
    pub bytes: u64,
}

/// A fact to keep with the attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Log {
    pub level: LogLevel,
    pub message: String,
    /// A JSON object.
    pub fields_json: String,
}

/// Payload: the pins of the input as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct ProbeDone {
    /// How many bytes of the inputs were looked at.
    pub bytes_read: u64,
}

/// A file that cannot be planned, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Unplannable {
    pub file: u32,
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct PlanDone {
    pub segments: u32,
    pub chunks: u32,
    pub bytes: u64,
    pub records: u64,
    pub lines: u64,
    /// Damages: extents whose end had to be guessed.
    pub damaged: u64,
    pub unplannable: Vec<Unplannable>,
    /// True when the request was cancelled before its last file. What its segments hold stands.
    pub cancelled: bool,
}

/// Every record read has exactly one fate, so `records_in = emitted + filtered + deduplicated + rejected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Counts {
    pub records_in: u64,
    pub emitted: u64,
    pub filtered: u64,
    pub deduplicated: u64,
    pub rejected: u64,
    pub rows_out: u64,
    pub repaired: u64,
    pub bytes_in: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    pub suspect_records: u64,
    pub damaged_bytes: u64,
    pub damaged_lines: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct CodeCount {
    pub code: String,
    pub count: u64,
}

/// Where the time went, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Phases {
    pub read_us: u64,
    pub decode_us: u64,
    pub transform_us: u64,
    pub encode_us: u64,
    pub write_us: u64,
    pub commit_us: u64,
}

/// How a `Process` or `Reduce` ended. Payload: the verdict as stored (the winner's when superseded); none when cancelled or a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct ChunkDone {
    pub outcome: ChunkOutcome,
    /// Absent exactly when there is no payload.
    pub verdict_digest: Option<String>,
    /// Of this attempt; all 0 when it was superseded before it read anything.
    pub counts: Counts,
    pub by_code: Vec<CodeCount>,
    pub phases: Phases,
    pub peak_rss_bytes: u64,
}

/// Payload: the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct InspectDone {
    /// There was more than the payload may hold.
    pub truncated: bool,
}

/// Payload when lost: the object that stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StorePutDone {
    pub outcome: PutOutcome,
    /// Of the object that stands there now.
    pub etag: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoredObject {
    pub etag: String,
    pub size: u64,
    /// Milliseconds since 1970.
    pub modified_at_ms: u64,
}

/// Payload: the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreGetDone {
    /// Absent = there is no object under this key.
    pub object: Option<StoredObject>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreEntry {
    pub key: String,
    pub size: u64,
    /// Empty for keys folded at a `/`.
    pub etag: String,
    pub modified_at_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreListDone {
    pub entries: Vec<StoreEntry>,
    pub more: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct DeleteResult {
    pub key: String,
    pub outcome: DeleteOutcome,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreDeleteDone {
    pub results: Vec<DeleteResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StoreStatDone {
    /// Absent = there is no object under this key.
    pub object: Option<StoredObject>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct CancelDone {}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct PingDone {
    pub rss_bytes: u64,
    pub budget_bytes: u64,
    pub records_in: u64,
    pub bytes_in: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Done {
    pub body: DoneBody,
}

/// Where a failure stands. Record and line count from 1, byte from 0, all from the start of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Position {
    pub file: u32,
    pub record: u64,
    pub line: Option<u64>,
    pub byte: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Failed {
    pub code: String,
    pub class: FailureClass,
    pub message: String,
    /// A JSON object.
    pub details: String,
    /// Outermost first.
    pub causes: Vec<String>,
    pub position: Option<Position>,
    pub bytes_done: u64,
    pub records_done: u64,
    pub peak_rss_bytes: u64,
    pub retry_after_ms: Option<u32>,
    pub backtrace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(tag = "type"))]
#[allow(clippy::large_enum_variant)] // one lives at a time
pub enum DoneBody {
    ProbeDone(ProbeDone),
    PlanDone(PlanDone),
    ChunkDone(ChunkDone),
    InspectDone(InspectDone),
    StorePutDone(StorePutDone),
    StoreGetDone(StoreGetDone),
    StoreListDone(StoreListDone),
    StoreDeleteDone(StoreDeleteDone),
    StoreStatDone(StoreStatDone),
    CancelDone(CancelDone),
    PingDone(PingDone),
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize), serde(tag = "type"))]
#[allow(clippy::large_enum_variant)] // one lives at a time
pub enum Body {
    HostHello(HostHello),
    CoreHello(CoreHello),
    Probe(Probe),
    Plan(Plan),
    Process(Process),
    Reduce(Reduce),
    Inspect(Inspect),
    StorePut(StorePut),
    StoreGet(StoreGet),
    StoreList(StoreList),
    StoreDelete(StoreDelete),
    StoreStat(StoreStat),
    Cancel(Cancel),
    Ping(Ping),
    Progress(Progress),
    PlanSegment(PlanSegment),
    Log(Log),
    Done(Done),
    Failed(Failed),
}

enums! {
    ConnectionKind { File, S3, Gcs, Azure, Http }
    AccessMode { Read, Write, Both }
    AuthKind { None, Pipe, Ambient }
    SandboxWish { Required, BestEffort, Off }
    SandboxState { Full, Partial, None }
    Kernel { Scalar, Sse2, Avx2, Neon }
    LogLevel { Trace, Debug, Info, Warn, Error }
    PlanMode { Scan, Summarise, Fold, Stage }
    ProcessMode { Commit, Trial }
    TraceMode { None, Batch, Record }
    MemoryMode { Normal, Less }
    InspectKind { Bytes, Record, Cuts, Rows, Footer, Check, Preview, SelfTest }
    ScopeKind { Journal, Inputs, Output }
    PutMode { Create, Replace, Overwrite }
    CancelReason { Cancel, Drain, Fence }
    Phase { Open, Read, Decode, Transform, Encode, Write, Commit }
    ChunkOutcome { Committed, Superseded, Cancelled, TrialOk }
    PutOutcome { Won, Lost }
    DeleteOutcome { Deleted, Absent, Refused, Failed }
    FailureClass { Data, Input, Transient, Resource, Crash, Lost, Bug }
}

tables! {
    Connection via ConnectionArgs { name, kind, endpoint, region, bucket, prefix, mode, auth, plain_http, private_addresses }
    HostHello via HostHelloArgs { protocol, schema_hash, host_version, nonce, parent_pid, slot, memory_bytes, scratch_bytes, scratch_dir, read_roots, write_roots, connections, http_allow, ports, sandbox, log_level }
    CoreHello via CoreHelloArgs { protocol, schema_hash, core_version, result_version, nonce, pid, sandbox, sandbox_missing, kernel, features }
    NamedValue via NamedValueArgs { name, value }
    Credential via CredentialArgs { connection, kind, fields, expires_at_ms }
    Secret via SecretArgs { name, bytes }
    Call via CallArgs { deadline_ms, lease_left_ms, traceparent, credentials, secrets }
    InputRef via InputRefArgs { uri, connection, etag, size }
    Span via SpanArgs { start, end }
    RecordRange via RecordRangeArgs { start, end, record, line }
    ExcludedRange via ExcludedRangeArgs { start, end, code }
    Scope via ScopeArgs { connection, kind, job_key, spec_digest }
    Probe via ProbeArgs { call, input, declared }
    Plan via PlanArgs { call, job_key, spec_digest, pins_digest, generation, mode, first_input, input_count, first_segment, first_chunk, stage, span }
    Process via ProcessArgs { call, job_key, spec_digest, segment_key, segment_digest, chunk_index, stage, generation, attempt_id, verdict_key, mode, range, excluded, trace, memory }
    Reduce via ReduceArgs { call, job_key, spec_digest, segment_key, segment_digest, chunk_index, stage, generation, attempt_id, verdict_key, mode, partition, trace, memory }
    Inspect via InspectArgs { call, what, input, connection, job_key, start, end, record, parts, spec }
    StorePut via StorePutArgs { call, scope, key, mode, if_match, sha256 }
    StoreGet via StoreGetArgs { call, scope, key, range, if_match }
    StoreList via StoreListArgs { call, scope, prefix, start_after, limit, delimiter }
    StoreDelete via StoreDeleteArgs { call, scope, keys, purge }
    StoreStat via StoreStatArgs { call, scope, key }
    Cancel via CancelArgs { target, reason }
    Ping via PingArgs { lease_left_ms }
    Progress via ProgressArgs { phase, records_in, emitted, filtered, rejected, bytes_in, bytes_total, byte, record, line, rss_bytes, spill_bytes }
    PlanSegment via PlanSegmentArgs { segment, key, digest, stage, first_chunk, chunk_count, bytes }
    Log via LogArgs { level, message, fields_json }
    ProbeDone via ProbeDoneArgs { bytes_read }
    Unplannable via UnplannableArgs { file, code, message }
    PlanDone via PlanDoneArgs { segments, chunks, bytes, records, lines, damaged, unplannable, cancelled }
    Counts via CountsArgs { records_in, emitted, filtered, deduplicated, rejected, rows_out, repaired, bytes_in, blank_lines, comment_lines, suspect_records, damaged_bytes, damaged_lines }
    CodeCount via CodeCountArgs { code, count }
    Phases via PhasesArgs { read_us, decode_us, transform_us, encode_us, write_us, commit_us }
    ChunkDone via ChunkDoneArgs { outcome, verdict_digest, counts, by_code, phases, peak_rss_bytes }
    InspectDone via InspectDoneArgs { truncated }
    StorePutDone via StorePutDoneArgs { outcome, etag }
    StoredObject via StoredObjectArgs { etag, size, modified_at_ms }
    StoreGetDone via StoreGetDoneArgs { object }
    StoreEntry via StoreEntryArgs { key, size, etag, modified_at_ms }
    StoreListDone via StoreListDoneArgs { entries, more }
    DeleteResult via DeleteResultArgs { key, outcome }
    StoreDeleteDone via StoreDeleteDoneArgs { results }
    StoreStatDone via StoreStatDoneArgs { object }
    CancelDone via CancelDoneArgs {  }
    PingDone via PingDoneArgs { rss_bytes, budget_bytes, records_in, bytes_in }
    Position via PositionArgs { file, record, line, byte }
    Failed via FailedArgs { code, class, message, details, causes, position, bytes_done, records_done, peak_rss_bytes, retry_after_ms, backtrace }
}

unions! {
    DoneBody in Done {
        ProbeDone by body_as_probe_done,
        PlanDone by body_as_plan_done,
        ChunkDone by body_as_chunk_done,
        InspectDone by body_as_inspect_done,
        StorePutDone by body_as_store_put_done,
        StoreGetDone by body_as_store_get_done,
        StoreListDone by body_as_store_list_done,
        StoreDeleteDone by body_as_store_delete_done,
        StoreStatDone by body_as_store_stat_done,
        CancelDone by body_as_cancel_done,
        PingDone by body_as_ping_done,
    }
    Body in Header {
        HostHello by body_as_host_hello,
        CoreHello by body_as_core_hello,
        Probe by body_as_probe,
        Plan by body_as_plan,
        Process by body_as_process,
        Reduce by body_as_reduce,
        Inspect by body_as_inspect,
        StorePut by body_as_store_put,
        StoreGet by body_as_store_get,
        StoreList by body_as_store_list,
        StoreDelete by body_as_store_delete,
        StoreStat by body_as_store_stat,
        Cancel by body_as_cancel,
        Ping by body_as_ping,
        Progress by body_as_progress,
        PlanSegment by body_as_plan_segment,
        Log by body_as_log,
        Done by body_as_done,
        Failed by body_as_failed,
    }
}

impl Bounds for Connection {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.name), &path.field("name"))?;
        Ok(())
    }
}

impl Bounds for HostHello {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.host_version), &path.field("host_version"))?;
        self.memory_bytes.check(&path.field("memory_bytes"))?;
        self.scratch_bytes.check(&path.field("scratch_bytes"))?;
        check_filled(Some(&self.scratch_dir), &path.field("scratch_dir"))?;
        check_count(self.connections.len(), 0, 256, &path.field("connections"))?;
        self.connections.check(&path.field("connections"))?;
        Ok(())
    }
}

impl Bounds for CoreHello {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.core_version), &path.field("core_version"))?;
        Ok(())
    }
}

impl Bounds for NamedValue {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.name), &path.field("name"))?;
        Ok(())
    }
}

impl Bounds for Credential {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.connection), &path.field("connection"))?;
        check_filled(Some(&self.kind), &path.field("kind"))?;
        check_count(self.fields.len(), 0, 64, &path.field("fields"))?;
        self.fields.check(&path.field("fields"))?;
        self.expires_at_ms.check(&path.field("expires_at_ms"))?;
        Ok(())
    }
}

impl Bounds for Secret {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.name), &path.field("name"))?;
        Ok(())
    }
}

impl Bounds for Call {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.deadline_ms.check(&path.field("deadline_ms"))?;
        check_count(self.credentials.len(), 0, 256, &path.field("credentials"))?;
        self.credentials.check(&path.field("credentials"))?;
        check_count(self.secrets.len(), 0, 256, &path.field("secrets"))?;
        self.secrets.check(&path.field("secrets"))?;
        Ok(())
    }
}

impl Bounds for InputRef {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.uri), &path.field("uri"))?;
        self.size.check(&path.field("size"))?;
        Ok(())
    }
}

impl Bounds for Span {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.start.check(&path.field("start"))?;
        self.end.check(&path.field("end"))?;
        Ok(())
    }
}

impl Bounds for RecordRange {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.start.check(&path.field("start"))?;
        self.end.check(&path.field("end"))?;
        self.record.check(&path.field("record"))?;
        self.line.check(&path.field("line"))?;
        Ok(())
    }
}

impl Bounds for ExcludedRange {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.start.check(&path.field("start"))?;
        self.end.check(&path.field("end"))?;
        check_filled(Some(&self.code), &path.field("code"))?;
        Ok(())
    }
}

impl Bounds for Scope {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.connection), &path.field("connection"))?;
        check_digest(self.spec_digest.as_deref(), &path.field("spec_digest"))?;
        Ok(())
    }
}

impl Bounds for Probe {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        check_count(self.input.len(), 1, 5, &path.field("input"))?;
        self.input.check(&path.field("input"))?;
        check_filled(Some(&self.declared), &path.field("declared"))?;
        Ok(())
    }
}

impl Bounds for Plan {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        check_filled(Some(&self.job_key), &path.field("job_key"))?;
        check_digest(Some(&self.spec_digest), &path.field("spec_digest"))?;
        check_digest(Some(&self.pins_digest), &path.field("pins_digest"))?;
        check_number(u64::from(self.generation), 1, u64::MAX, &path.field("generation"))?;
        self.span.check(&path.field("span"))?;
        Ok(())
    }
}

impl Bounds for Process {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        check_filled(Some(&self.job_key), &path.field("job_key"))?;
        check_digest(Some(&self.spec_digest), &path.field("spec_digest"))?;
        check_filled(Some(&self.segment_key), &path.field("segment_key"))?;
        check_digest(Some(&self.segment_digest), &path.field("segment_digest"))?;
        check_filled(Some(&self.stage), &path.field("stage"))?;
        check_number(u64::from(self.generation), 1, u64::MAX, &path.field("generation"))?;
        check_filled(Some(&self.attempt_id), &path.field("attempt_id"))?;
        check_filled(Some(&self.verdict_key), &path.field("verdict_key"))?;
        self.range.check(&path.field("range"))?;
        check_count(self.excluded.len(), 0, 1000, &path.field("excluded"))?;
        self.excluded.check(&path.field("excluded"))?;
        Ok(())
    }
}

impl Bounds for Reduce {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        check_filled(Some(&self.job_key), &path.field("job_key"))?;
        check_digest(Some(&self.spec_digest), &path.field("spec_digest"))?;
        check_filled(Some(&self.segment_key), &path.field("segment_key"))?;
        check_digest(Some(&self.segment_digest), &path.field("segment_digest"))?;
        check_filled(Some(&self.stage), &path.field("stage"))?;
        check_number(u64::from(self.generation), 1, u64::MAX, &path.field("generation"))?;
        check_filled(Some(&self.attempt_id), &path.field("attempt_id"))?;
        check_filled(Some(&self.verdict_key), &path.field("verdict_key"))?;
        Ok(())
    }
}

impl Bounds for Inspect {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.input.check(&path.field("input"))?;
        self.start.check(&path.field("start"))?;
        self.end.check(&path.field("end"))?;
        self.record.check(&path.field("record"))?;
        Ok(())
    }
}

impl Bounds for StorePut {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.scope.check(&path.field("scope"))?;
        check_filled(Some(&self.key), &path.field("key"))?;
        check_digest(Some(&self.sha256), &path.field("sha256"))?;
        Ok(())
    }
}

impl Bounds for StoreGet {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.scope.check(&path.field("scope"))?;
        check_filled(Some(&self.key), &path.field("key"))?;
        self.range.check(&path.field("range"))?;
        Ok(())
    }
}

impl Bounds for StoreList {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.scope.check(&path.field("scope"))?;
        check_number(u64::from(self.limit), 1, 1000, &path.field("limit"))?;
        Ok(())
    }
}

impl Bounds for StoreDelete {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.scope.check(&path.field("scope"))?;
        check_count(self.keys.len(), 1, 1000, &path.field("keys"))?;
        Ok(())
    }
}

impl Bounds for StoreStat {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.call.check(&path.field("call"))?;
        self.scope.check(&path.field("scope"))?;
        check_filled(Some(&self.key), &path.field("key"))?;
        Ok(())
    }
}

impl Bounds for Cancel {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.target.check(&path.field("target"))?;
        Ok(())
    }
}

impl Bounds for Ping {
    fn check(&self, _path: &Path) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Bounds for Progress {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.records_in.check(&path.field("records_in"))?;
        self.emitted.check(&path.field("emitted"))?;
        self.filtered.check(&path.field("filtered"))?;
        self.rejected.check(&path.field("rejected"))?;
        self.bytes_in.check(&path.field("bytes_in"))?;
        self.bytes_total.check(&path.field("bytes_total"))?;
        self.byte.check(&path.field("byte"))?;
        self.record.check(&path.field("record"))?;
        self.line.check(&path.field("line"))?;
        self.rss_bytes.check(&path.field("rss_bytes"))?;
        self.spill_bytes.check(&path.field("spill_bytes"))?;
        Ok(())
    }
}

impl Bounds for PlanSegment {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.key), &path.field("key"))?;
        check_digest(Some(&self.digest), &path.field("digest"))?;
        check_filled(Some(&self.stage), &path.field("stage"))?;
        self.bytes.check(&path.field("bytes"))?;
        Ok(())
    }
}

impl Bounds for Log {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.fields_json), &path.field("fields_json"))?;
        Ok(())
    }
}

impl Bounds for ProbeDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.bytes_read.check(&path.field("bytes_read"))?;
        Ok(())
    }
}

impl Bounds for Unplannable {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.code), &path.field("code"))?;
        Ok(())
    }
}

impl Bounds for PlanDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.bytes.check(&path.field("bytes"))?;
        self.records.check(&path.field("records"))?;
        self.lines.check(&path.field("lines"))?;
        self.damaged.check(&path.field("damaged"))?;
        check_count(self.unplannable.len(), 0, 1000, &path.field("unplannable"))?;
        self.unplannable.check(&path.field("unplannable"))?;
        Ok(())
    }
}

impl Bounds for Counts {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.records_in.check(&path.field("records_in"))?;
        self.emitted.check(&path.field("emitted"))?;
        self.filtered.check(&path.field("filtered"))?;
        self.deduplicated.check(&path.field("deduplicated"))?;
        self.rejected.check(&path.field("rejected"))?;
        self.rows_out.check(&path.field("rows_out"))?;
        self.repaired.check(&path.field("repaired"))?;
        self.bytes_in.check(&path.field("bytes_in"))?;
        self.blank_lines.check(&path.field("blank_lines"))?;
        self.comment_lines.check(&path.field("comment_lines"))?;
        self.suspect_records.check(&path.field("suspect_records"))?;
        self.damaged_bytes.check(&path.field("damaged_bytes"))?;
        self.damaged_lines.check(&path.field("damaged_lines"))?;
        Ok(())
    }
}

impl Bounds for CodeCount {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.code), &path.field("code"))?;
        self.count.check(&path.field("count"))?;
        Ok(())
    }
}

impl Bounds for Phases {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.read_us.check(&path.field("read_us"))?;
        self.decode_us.check(&path.field("decode_us"))?;
        self.transform_us.check(&path.field("transform_us"))?;
        self.encode_us.check(&path.field("encode_us"))?;
        self.write_us.check(&path.field("write_us"))?;
        self.commit_us.check(&path.field("commit_us"))?;
        Ok(())
    }
}

impl Bounds for ChunkDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_digest(self.verdict_digest.as_deref(), &path.field("verdict_digest"))?;
        self.counts.check(&path.field("counts"))?;
        check_count(self.by_code.len(), 0, 1000, &path.field("by_code"))?;
        self.by_code.check(&path.field("by_code"))?;
        self.phases.check(&path.field("phases"))?;
        self.peak_rss_bytes.check(&path.field("peak_rss_bytes"))?;
        Ok(())
    }
}

impl Bounds for InspectDone {
    fn check(&self, _path: &Path) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Bounds for StorePutDone {
    fn check(&self, _path: &Path) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Bounds for StoredObject {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.size.check(&path.field("size"))?;
        self.modified_at_ms.check(&path.field("modified_at_ms"))?;
        Ok(())
    }
}

impl Bounds for StoreGetDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.object.check(&path.field("object"))?;
        Ok(())
    }
}

impl Bounds for StoreEntry {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.key), &path.field("key"))?;
        self.size.check(&path.field("size"))?;
        self.modified_at_ms.check(&path.field("modified_at_ms"))?;
        Ok(())
    }
}

impl Bounds for StoreListDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_count(self.entries.len(), 0, 1000, &path.field("entries"))?;
        self.entries.check(&path.field("entries"))?;
        Ok(())
    }
}

impl Bounds for DeleteResult {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.key), &path.field("key"))?;
        Ok(())
    }
}

impl Bounds for StoreDeleteDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_count(self.results.len(), 0, 1000, &path.field("results"))?;
        self.results.check(&path.field("results"))?;
        Ok(())
    }
}

impl Bounds for StoreStatDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.object.check(&path.field("object"))?;
        Ok(())
    }
}

impl Bounds for CancelDone {
    fn check(&self, _path: &Path) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Bounds for PingDone {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.rss_bytes.check(&path.field("rss_bytes"))?;
        self.budget_bytes.check(&path.field("budget_bytes"))?;
        self.records_in.check(&path.field("records_in"))?;
        self.bytes_in.check(&path.field("bytes_in"))?;
        Ok(())
    }
}

impl Bounds for Done {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.body.check(&path.field("body"))?;
        Ok(())
    }
}

impl Bounds for Position {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.record.check(&path.field("record"))?;
        self.line.check(&path.field("line"))?;
        self.byte.check(&path.field("byte"))?;
        Ok(())
    }
}

impl Bounds for Failed {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_filled(Some(&self.code), &path.field("code"))?;
        check_filled(Some(&self.message), &path.field("message"))?;
        check_filled(Some(&self.details), &path.field("details"))?;
        check_count(self.causes.len(), 0, 32, &path.field("causes"))?;
        self.position.check(&path.field("position"))?;
        self.bytes_done.check(&path.field("bytes_done"))?;
        self.records_done.check(&path.field("records_done"))?;
        self.peak_rss_bytes.check(&path.field("peak_rss_bytes"))?;
        Ok(())
    }
}

impl std::fmt::Debug for NamedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedValue").field("name", &self.name).field("value", &"hidden").finish()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("bytes", &"hidden").finish()
    }
}
