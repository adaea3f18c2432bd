// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.

/** SHA-256 of schemas/core.fbs. */
export const schemaHash = '42e3bb0aa8b8cc4298ff1d7d3c8e025d14071983dc9e82e896dbdb2f8038a292';

/** Bytes 4 to 7 of every header. */
export const fileIdentifier = 'MRC1';

export type ConnectionKind = 'file' | 's3' | 'gcs' | 'azure' | 'http';
export type AccessMode = 'read' | 'write' | 'both';
export type AuthKind = 'none' | 'pipe' | 'ambient';
export type SandboxWish = 'required' | 'bestEffort' | 'off';
export type SandboxState = 'full' | 'partial' | 'none';
export type Kernel = 'scalar' | 'sse2' | 'avx2' | 'neon';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
export type PlanMode = 'scan' | 'summarise' | 'fold' | 'stage';
export type ProcessMode = 'commit' | 'trial';
export type TraceMode = 'none' | 'batch' | 'record';
export type MemoryMode = 'normal' | 'less';
export type InspectKind = 'bytes' | 'record' | 'cuts' | 'rows' | 'footer' | 'check' | 'preview' | 'selfTest';
export type ScopeKind = 'journal' | 'inputs' | 'output';
export type PutMode = 'create' | 'replace' | 'overwrite';
export type CancelReason = 'cancel' | 'drain' | 'fence';
export type Phase = 'open' | 'read' | 'decode' | 'transform' | 'encode' | 'write' | 'commit';
export type ChunkOutcome = 'committed' | 'superseded' | 'cancelled' | 'trialOk';
export type PutOutcome = 'won' | 'lost';
export type DeleteOutcome = 'deleted' | 'absent' | 'refused' | 'failed';
export type FailureClass = 'data' | 'input' | 'transient' | 'resource' | 'crash' | 'lost' | 'bug';

/** A store that the core may talk to. Requests name it; nothing but what is listed in `Hello` is ever reached. */
export interface Connection {
  readonly name: string;
  readonly kind: ConnectionKind;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly bucket: string | null;
  /** Of a `File` connection the absolute directory that holds it, else the prefix of every key. */
  readonly prefix: string;
  readonly mode: AccessMode;
  readonly auth: AuthKind;
  /** Permits HTTP without TLS, for stores on a laptop. */
  readonly plainHttp: boolean;
  /** Permits an `Http` connection to lead to addresses that are not public. The endpoints of other kinds are the operator's word already. */
  readonly privateAddresses: boolean;
}

/** The first frame to the core. Sizes are bytes. */
export interface HostHello {
  readonly type: 'HostHello';
  readonly protocol: number;
  /** SHA-256 of this file. */
  readonly schemaHash: Uint8Array;
  readonly hostVersion: string;
  readonly nonce: Uint8Array;
  /** The process whose end ends the core. */
  readonly parentPid: number;
  readonly slot: number;
  readonly memoryBytes: number;
  readonly scratchBytes: number;
  readonly scratchDir: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  readonly connections: readonly Connection[];
  readonly httpAllow: readonly string[];
  readonly ports: readonly number[];
  readonly sandbox: SandboxWish;
  readonly logLevel: LogLevel;
}

/** The core's answer, also when it refuses the host: then the process ends with exit code 64 after it. */
export interface CoreHello {
  readonly type: 'CoreHello';
  readonly protocol: number;
  readonly schemaHash: Uint8Array;
  readonly coreVersion: string;
  readonly resultVersion: number;
  /** The host's nonce again. */
  readonly nonce: Uint8Array;
  readonly pid: number;
  readonly sandbox: SandboxState;
  /** What of the sandbox this machine could not give. */
  readonly sandboxMissing: readonly string[];
  readonly kernel: Kernel;
  readonly features: readonly string[];
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** Credentials of one connection for one request. Never logged, dropped at its end. */
export interface Credential {
  readonly connection: string;
  readonly kind: string;
  readonly fields: readonly NamedValue[];
  /** Milliseconds since 1970; absent = they do not expire. */
  readonly expiresAtMs: number | null;
}

export interface Secret {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What every work and store request carries. */
export interface Call {
  /** Milliseconds from arrival; 0 = none. */
  readonly deadlineMs: number;
  /** Milliseconds of lease left at arrival; 0 = none. A put that would fill a verdict later than that is not sent. */
  readonly leaseLeftMs: number;
  readonly traceparent: string | null;
  readonly credentials: readonly Credential[];
  readonly secrets: readonly Secret[];
}

/** An input at the version it was pinned at. */
export interface InputRef {
  readonly uri: string;
  /** Absent = by the URI alone: a local file below the read roots. */
  readonly connection: string | null;
  readonly etag: string;
  readonly size: number;
}

/** Bytes of a stream; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A span whose first record and physical line are known, both counted from 1 at the start of the file. Of a chunk that a producer sent, `start` and `end` count its records, from 0. */
export interface RecordRange {
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly line: number;
}

/** Bytes that become one reject without being parsed. Of a chunk that a producer sent, the number of one record, from 0. */
export interface ExcludedRange {
  readonly start: number;
  readonly end: number;
  readonly code: string;
}

/** What a store request may touch. `Output` needs the job, whose prefixes it is then held to. */
export interface Scope {
  readonly connection: string;
  readonly kind: ScopeKind;
  readonly jobKey: string | null;
  readonly specDigest: string | null;
}

/** Finds out how inputs must be read. The answer's payload holds the pins of the input as JSON. */
export interface Probe {
  readonly type: 'Probe';
  readonly call: Call;
  readonly input: readonly InputRef[];
  /** JSON: what the spec says about dialect, encoding, schema, lines and json. */
  readonly declared: string;
}

/** Cuts inputs into chunks and puts plan segments. */
export interface Plan {
  readonly type: 'Plan';
  readonly call: Call;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly pinsDigest: string;
  readonly generation: number;
  readonly mode: PlanMode;
  /** Numbers of files of the job: this request plans `first_input` up to, not including, `first_input + input_count`. */
  readonly firstInput: number;
  readonly inputCount: number;
  /** The numbers the first segment and chunk of this request get. */
  readonly firstSegment: number;
  readonly firstChunk: number;
  /** The stage whose chunks are planned: a map stage in mode `Scan`, one that reads other stages in mode `Stage`. Absent = the one that job.json names. */
  readonly stage: string | null;
  readonly span: Span | null;
}

/** One attempt at one map chunk. The payload holds the bytes of an inline chunk, if it is one. */
export interface Process {
  readonly type: 'Process';
  readonly call: Call;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly chunkIndex: number;
  readonly stage: string;
  readonly generation: number;
  readonly attemptId: string;
  readonly verdictKey: string;
  readonly mode: ProcessMode;
  /** A part of the chunk, for trials; absent = all of it. */
  readonly range: RecordRange | null;
  readonly excluded: readonly ExcludedRange[];
  readonly trace: TraceMode;
  readonly memory: MemoryMode;
}

/** One attempt at one partition of a reduce stage. */
export interface Reduce {
  readonly type: 'Reduce';
  readonly call: Call;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly chunkIndex: number;
  readonly stage: string;
  readonly generation: number;
  readonly attemptId: string;
  readonly verdictKey: string;
  readonly mode: ProcessMode;
  readonly partition: number;
  readonly trace: TraceMode;
  readonly memory: MemoryMode;
}

/** Looks at something for a person or a check. The answer is the payload: `Bytes` raw, `Rows` NDJSON, all others JSON. */
export interface Inspect {
  readonly type: 'Inspect';
  readonly call: Call;
  readonly what: InspectKind;
  readonly input: InputRef | null;
  /** The connection that `SelfTest` tests. */
  readonly connection: string | null;
  /** The job whose pins `Record`, `Cuts` and `Rows` read with. */
  readonly jobKey: string | null;
  readonly start: number | null;
  readonly end: number | null;
  readonly record: number | null;
  readonly parts: number | null;
  /** JSON: the spec that `Check` and `Preview` compile. */
  readonly spec: string | null;
}

/** Puts the payload under a key. */
export interface StorePut {
  readonly type: 'StorePut';
  readonly call: Call;
  readonly scope: Scope;
  readonly key: string;
  readonly mode: PutMode;
  /** `Replace` only: the etag to replace. */
  readonly ifMatch: string | null;
  /** Of the payload. */
  readonly sha256: string;
}

export interface StoreGet {
  readonly type: 'StoreGet';
  readonly call: Call;
  readonly scope: Scope;
  readonly key: string;
  /** Absent = the whole object, which must then be at most 8 MiB. */
  readonly range: Span | null;
  readonly ifMatch: string | null;
}

export interface StoreList {
  readonly type: 'StoreList';
  readonly call: Call;
  readonly scope: Scope;
  readonly prefix: string;
  readonly startAfter: string | null;
  readonly limit: number;
  /** Folds keys below the next `/` into one entry that ends in it. */
  readonly delimiter: boolean;
}

export interface StoreDelete {
  readonly type: 'StoreDelete';
  readonly call: Call;
  readonly scope: Scope;
  readonly keys: readonly string[];
  /** Permits to delete verdicts, manifests, `job.json`, segments and `sealed.json`. */
  readonly purge: boolean;
}

export interface StoreStat {
  readonly type: 'StoreStat';
  readonly call: Call;
  readonly scope: Scope;
  readonly key: string;
}

/** Asks another request to end. That one answers for itself. */
export interface Cancel {
  readonly type: 'Cancel';
  readonly target: number;
  readonly reason: CancelReason;
}

export interface Ping {
  readonly type: 'Ping';
  /** The lease that the running request has now; absent = unchanged. */
  readonly leaseLeftMs: number | null;
}

/** Sign of life, each second while work runs. Counts are of this request so far. */
export interface Progress {
  readonly type: 'Progress';
  readonly phase: Phase;
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly rejected: number;
  readonly bytesIn: number;
  readonly bytesTotal: number;
  /** Where work stands in its file: the next batch begins here. */
  readonly byte: number;
  readonly record: number;
  readonly line: number;
  readonly rssBytes: number;
  readonly spillBytes: number;
}

/** A plan segment is durable. */
export interface PlanSegment {
  readonly type: 'PlanSegment';
  readonly segment: number;
  readonly key: string;
  readonly digest: string;
  readonly stage: string;
  readonly firstChunk: number;
  readonly chunkCount: number;
  readonly bytes: number;
}

/** A fact to keep with the attempt. */
export interface Log {
  readonly type: 'Log';
  readonly level: LogLevel;
  readonly message: string;
  /** A JSON object. */
  readonly fieldsJson: string;
}

/** Payload: the pins of the input as JSON. */
export interface ProbeDone {
  readonly type: 'ProbeDone';
  /** How many bytes of the inputs were looked at. */
  readonly bytesRead: number;
}

/** A file that cannot be planned, and why. */
export interface Unplannable {
  readonly file: number;
  readonly code: string;
  readonly message: string;
}

export interface PlanDone {
  readonly type: 'PlanDone';
  readonly segments: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly records: number;
  readonly lines: number;
  /** Damages: extents whose end had to be guessed. */
  readonly damaged: number;
  readonly unplannable: readonly Unplannable[];
  /** True when the request was cancelled before its last file. What its segments hold stands. */
  readonly cancelled: boolean;
}

/** Every record read has exactly one fate, so `records_in = emitted + filtered + deduplicated + rejected`. */
export interface Counts {
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly deduplicated: number;
  readonly rejected: number;
  readonly rowsOut: number;
  readonly repaired: number;
  readonly bytesIn: number;
  readonly blankLines: number;
  readonly commentLines: number;
  readonly suspectRecords: number;
  readonly damagedBytes: number;
  readonly damagedLines: number;
}

export interface CodeCount {
  readonly code: string;
  readonly count: number;
}

/** Where the time went, in microseconds. */
export interface Phases {
  readonly readUs: number;
  readonly decodeUs: number;
  readonly transformUs: number;
  readonly encodeUs: number;
  readonly writeUs: number;
  readonly commitUs: number;
}

/** How a `Process` or `Reduce` ended. Payload: the verdict as stored (the winner's when superseded); none when cancelled or a trial. */
export interface ChunkDone {
  readonly type: 'ChunkDone';
  readonly outcome: ChunkOutcome;
  /** Absent exactly when there is no payload. */
  readonly verdictDigest: string | null;
  /** Of this attempt; all 0 when it was superseded before it read anything. */
  readonly counts: Counts;
  readonly byCode: readonly CodeCount[];
  readonly phases: Phases;
  readonly peakRssBytes: number;
}

/** Payload: the answer. */
export interface InspectDone {
  readonly type: 'InspectDone';
  /** There was more than the payload may hold. */
  readonly truncated: boolean;
}

/** Payload when lost: the object that stands there. */
export interface StorePutDone {
  readonly type: 'StorePutDone';
  readonly outcome: PutOutcome;
  /** Of the object that stands there now. */
  readonly etag: string;
}

export interface StoredObject {
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedAtMs: number;
}

/** Payload: the bytes. */
export interface StoreGetDone {
  readonly type: 'StoreGetDone';
  /** Absent = there is no object under this key. */
  readonly object: StoredObject | null;
}

export interface StoreEntry {
  readonly key: string;
  readonly size: number;
  /** Empty for keys folded at a `/`. */
  readonly etag: string;
  readonly modifiedAtMs: number;
}

export interface StoreListDone {
  readonly type: 'StoreListDone';
  readonly entries: readonly StoreEntry[];
  readonly more: boolean;
}

export interface DeleteResult {
  readonly key: string;
  readonly outcome: DeleteOutcome;
}

export interface StoreDeleteDone {
  readonly type: 'StoreDeleteDone';
  readonly results: readonly DeleteResult[];
}

export interface StoreStatDone {
  readonly type: 'StoreStatDone';
  /** Absent = there is no object under this key. */
  readonly object: StoredObject | null;
}

export interface CancelDone {
  readonly type: 'CancelDone';
}

export interface PingDone {
  readonly type: 'PingDone';
  readonly rssBytes: number;
  readonly budgetBytes: number;
  readonly recordsIn: number;
  readonly bytesIn: number;
}

export interface Done {
  readonly type: 'Done';
  readonly body: DoneBody;
}

/** Where a failure stands. Record and line count from 1, byte from 0, all from the start of the file. */
export interface Position {
  readonly file: number;
  readonly record: number;
  readonly line: number | null;
  readonly byte: number | null;
}

export interface Failed {
  readonly type: 'Failed';
  readonly code: string;
  readonly class: FailureClass;
  readonly message: string;
  /** A JSON object. */
  readonly details: string;
  /** Outermost first. */
  readonly causes: readonly string[];
  readonly position: Position | null;
  readonly bytesDone: number;
  readonly recordsDone: number;
  readonly peakRssBytes: number;
  readonly retryAfterMs: number | null;
  readonly backtrace: string | null;
}

export interface Header {
  /** CRC-32C of the payload; absent exactly when there is none. */
  readonly payloadCrc: number | null;
  readonly body: Body;
}

export type DoneBody = ProbeDone | PlanDone | ChunkDone | InspectDone | StorePutDone | StoreGetDone | StoreListDone | StoreDeleteDone | StoreStatDone | CancelDone | PingDone;
export type Body = HostHello | CoreHello | Probe | Plan | Process | Reduce | Inspect | StorePut | StoreGet | StoreList | StoreDelete | StoreStat | Cancel | Ping | Progress | PlanSegment | Log | Done | Failed;

/** How the bytes of a field are read. `slot` is its place in the vtable; a union takes the slot before its value for the type. */
export interface FieldDescription {
  readonly name: string;
  readonly slot: number;
  readonly type: 'bool' | 'ubyte' | 'ushort' | 'uint' | 'ulong' | 'string' | 'enum' | 'table' | 'union';
  /** The enum, table or union, where `type` is one. */
  readonly of: string | null;
  readonly vector: boolean;
  readonly optional: boolean;
  readonly exactly: number | null;
  readonly atLeast: number | null;
  readonly atMost: number | null;
  readonly digest: boolean;
  readonly filled: boolean;
}

/** Values of each enum in the order of their numbers, from 0. */
export const enums: Readonly<Record<string, readonly string[]>> = {
  ConnectionKind: ['file', 's3', 'gcs', 'azure', 'http'],
  AccessMode: ['read', 'write', 'both'],
  AuthKind: ['none', 'pipe', 'ambient'],
  SandboxWish: ['required', 'bestEffort', 'off'],
  SandboxState: ['full', 'partial', 'none'],
  Kernel: ['scalar', 'sse2', 'avx2', 'neon'],
  LogLevel: ['trace', 'debug', 'info', 'warn', 'error'],
  PlanMode: ['scan', 'summarise', 'fold', 'stage'],
  ProcessMode: ['commit', 'trial'],
  TraceMode: ['none', 'batch', 'record'],
  MemoryMode: ['normal', 'less'],
  InspectKind: ['bytes', 'record', 'cuts', 'rows', 'footer', 'check', 'preview', 'selfTest'],
  ScopeKind: ['journal', 'inputs', 'output'],
  PutMode: ['create', 'replace', 'overwrite'],
  CancelReason: ['cancel', 'drain', 'fence'],
  Phase: ['open', 'read', 'decode', 'transform', 'encode', 'write', 'commit'],
  ChunkOutcome: ['committed', 'superseded', 'cancelled', 'trialOk'],
  PutOutcome: ['won', 'lost'],
  DeleteOutcome: ['deleted', 'absent', 'refused', 'failed'],
  FailureClass: ['data', 'input', 'transient', 'resource', 'crash', 'lost', 'bug'],
};

/** Tables of each union in the order of their numbers, from 1. */
export const unions: Readonly<Record<string, readonly string[]>> = {
  DoneBody: ['ProbeDone', 'PlanDone', 'ChunkDone', 'InspectDone', 'StorePutDone', 'StoreGetDone', 'StoreListDone', 'StoreDeleteDone', 'StoreStatDone', 'CancelDone', 'PingDone'],
  Body: ['HostHello', 'CoreHello', 'Probe', 'Plan', 'Process', 'Reduce', 'Inspect', 'StorePut', 'StoreGet', 'StoreList', 'StoreDelete', 'StoreStat', 'Cancel', 'Ping', 'Progress', 'PlanSegment', 'Log', 'Done', 'Failed'],
};

export const tables: Readonly<Record<string, { readonly message: boolean; readonly fields: readonly FieldDescription[] }>> = {
  Connection: {
    message: false,
    fields: [
      { name: 'name', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'kind', slot: 1, type: 'enum', of: 'ConnectionKind', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'endpoint', slot: 2, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'region', slot: 3, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bucket', slot: 4, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'prefix', slot: 5, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'mode', slot: 6, type: 'enum', of: 'AccessMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'auth', slot: 7, type: 'enum', of: 'AuthKind', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'plainHttp', slot: 8, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'privateAddresses', slot: 9, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  HostHello: {
    message: true,
    fields: [
      { name: 'protocol', slot: 0, type: 'ushort', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'schemaHash', slot: 1, type: 'ubyte', of: null, vector: true, optional: false, exactly: 32, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'hostVersion', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'nonce', slot: 3, type: 'ubyte', of: null, vector: true, optional: false, exactly: 16, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'parentPid', slot: 4, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'slot', slot: 5, type: 'ushort', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'memoryBytes', slot: 6, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scratchBytes', slot: 7, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scratchDir', slot: 8, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'readRoots', slot: 9, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'writeRoots', slot: 10, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'connections', slot: 11, type: 'table', of: 'Connection', vector: true, optional: false, exactly: null, atLeast: null, atMost: 256, digest: false, filled: false },
      { name: 'httpAllow', slot: 12, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'ports', slot: 13, type: 'ushort', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'sandbox', slot: 14, type: 'enum', of: 'SandboxWish', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'logLevel', slot: 15, type: 'enum', of: 'LogLevel', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  CoreHello: {
    message: true,
    fields: [
      { name: 'protocol', slot: 0, type: 'ushort', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'schemaHash', slot: 1, type: 'ubyte', of: null, vector: true, optional: false, exactly: 32, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'coreVersion', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'resultVersion', slot: 3, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'nonce', slot: 4, type: 'ubyte', of: null, vector: true, optional: false, exactly: 16, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'pid', slot: 5, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'sandbox', slot: 6, type: 'enum', of: 'SandboxState', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'sandboxMissing', slot: 7, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'kernel', slot: 8, type: 'enum', of: 'Kernel', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'features', slot: 9, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  NamedValue: {
    message: false,
    fields: [
      { name: 'name', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'value', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Credential: {
    message: false,
    fields: [
      { name: 'connection', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'kind', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'fields', slot: 2, type: 'table', of: 'NamedValue', vector: true, optional: false, exactly: null, atLeast: null, atMost: 64, digest: false, filled: false },
      { name: 'expiresAtMs', slot: 3, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Secret: {
    message: false,
    fields: [
      { name: 'name', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'bytes', slot: 1, type: 'ubyte', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Call: {
    message: false,
    fields: [
      { name: 'deadlineMs', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'leaseLeftMs', slot: 1, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'traceparent', slot: 2, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'credentials', slot: 3, type: 'table', of: 'Credential', vector: true, optional: false, exactly: null, atLeast: null, atMost: 256, digest: false, filled: false },
      { name: 'secrets', slot: 4, type: 'table', of: 'Secret', vector: true, optional: false, exactly: null, atLeast: null, atMost: 256, digest: false, filled: false },
    ],
  },
  InputRef: {
    message: false,
    fields: [
      { name: 'uri', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'connection', slot: 1, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'etag', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'size', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Span: {
    message: false,
    fields: [
      { name: 'start', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'end', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  RecordRange: {
    message: false,
    fields: [
      { name: 'start', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'end', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'record', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'line', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  ExcludedRange: {
    message: false,
    fields: [
      { name: 'start', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'end', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'code', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
    ],
  },
  Scope: {
    message: false,
    fields: [
      { name: 'connection', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'kind', slot: 1, type: 'enum', of: 'ScopeKind', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'jobKey', slot: 2, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'specDigest', slot: 3, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
    ],
  },
  Probe: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'input', slot: 1, type: 'table', of: 'InputRef', vector: true, optional: false, exactly: null, atLeast: 1, atMost: 5, digest: false, filled: false },
      { name: 'declared', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
    ],
  },
  Plan: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'jobKey', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'specDigest', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'pinsDigest', slot: 3, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'generation', slot: 4, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: 1, atMost: null, digest: false, filled: false },
      { name: 'mode', slot: 5, type: 'enum', of: 'PlanMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'firstInput', slot: 6, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'inputCount', slot: 7, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'firstSegment', slot: 8, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'firstChunk', slot: 9, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'stage', slot: 10, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'span', slot: 11, type: 'table', of: 'Span', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Process: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'jobKey', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'specDigest', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'segmentKey', slot: 3, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'segmentDigest', slot: 4, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'chunkIndex', slot: 5, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'stage', slot: 6, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'generation', slot: 7, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: 1, atMost: null, digest: false, filled: false },
      { name: 'attemptId', slot: 8, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'verdictKey', slot: 9, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'mode', slot: 10, type: 'enum', of: 'ProcessMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'range', slot: 11, type: 'table', of: 'RecordRange', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'excluded', slot: 12, type: 'table', of: 'ExcludedRange', vector: true, optional: false, exactly: null, atLeast: null, atMost: 1000, digest: false, filled: false },
      { name: 'trace', slot: 13, type: 'enum', of: 'TraceMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'memory', slot: 14, type: 'enum', of: 'MemoryMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Reduce: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'jobKey', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'specDigest', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'segmentKey', slot: 3, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'segmentDigest', slot: 4, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'chunkIndex', slot: 5, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'stage', slot: 6, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'generation', slot: 7, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: 1, atMost: null, digest: false, filled: false },
      { name: 'attemptId', slot: 8, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'verdictKey', slot: 9, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'mode', slot: 10, type: 'enum', of: 'ProcessMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'partition', slot: 11, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'trace', slot: 12, type: 'enum', of: 'TraceMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'memory', slot: 13, type: 'enum', of: 'MemoryMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Inspect: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'what', slot: 1, type: 'enum', of: 'InspectKind', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'input', slot: 2, type: 'table', of: 'InputRef', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'connection', slot: 3, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'jobKey', slot: 4, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'start', slot: 5, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'end', slot: 6, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'record', slot: 7, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'parts', slot: 8, type: 'uint', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'spec', slot: 9, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StorePut: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scope', slot: 1, type: 'table', of: 'Scope', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'key', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'mode', slot: 3, type: 'enum', of: 'PutMode', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'ifMatch', slot: 4, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'sha256', slot: 5, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
    ],
  },
  StoreGet: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scope', slot: 1, type: 'table', of: 'Scope', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'key', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'range', slot: 3, type: 'table', of: 'Span', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'ifMatch', slot: 4, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreList: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scope', slot: 1, type: 'table', of: 'Scope', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'prefix', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'startAfter', slot: 3, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'limit', slot: 4, type: 'ushort', of: null, vector: false, optional: false, exactly: null, atLeast: 1, atMost: 1000, digest: false, filled: false },
      { name: 'delimiter', slot: 5, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreDelete: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scope', slot: 1, type: 'table', of: 'Scope', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'keys', slot: 2, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: 1, atMost: 1000, digest: false, filled: false },
      { name: 'purge', slot: 3, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreStat: {
    message: true,
    fields: [
      { name: 'call', slot: 0, type: 'table', of: 'Call', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'scope', slot: 1, type: 'table', of: 'Scope', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'key', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
    ],
  },
  Cancel: {
    message: true,
    fields: [
      { name: 'target', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'reason', slot: 1, type: 'enum', of: 'CancelReason', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Ping: {
    message: true,
    fields: [
      { name: 'leaseLeftMs', slot: 0, type: 'uint', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Progress: {
    message: true,
    fields: [
      { name: 'phase', slot: 0, type: 'enum', of: 'Phase', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'recordsIn', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'emitted', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'filtered', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'rejected', slot: 4, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytesIn', slot: 5, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytesTotal', slot: 6, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'byte', slot: 7, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'record', slot: 8, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'line', slot: 9, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'rssBytes', slot: 10, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'spillBytes', slot: 11, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  PlanSegment: {
    message: true,
    fields: [
      { name: 'segment', slot: 0, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'key', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'digest', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'stage', slot: 3, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'firstChunk', slot: 4, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'chunkCount', slot: 5, type: 'ushort', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytes', slot: 6, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Log: {
    message: true,
    fields: [
      { name: 'level', slot: 0, type: 'enum', of: 'LogLevel', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'message', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'fieldsJson', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
    ],
  },
  ProbeDone: {
    message: true,
    fields: [
      { name: 'bytesRead', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Unplannable: {
    message: false,
    fields: [
      { name: 'file', slot: 0, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'code', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'message', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  PlanDone: {
    message: true,
    fields: [
      { name: 'segments', slot: 0, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'chunks', slot: 1, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytes', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'records', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'lines', slot: 4, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'damaged', slot: 5, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'unplannable', slot: 6, type: 'table', of: 'Unplannable', vector: true, optional: false, exactly: null, atLeast: null, atMost: 1000, digest: false, filled: false },
      { name: 'cancelled', slot: 7, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Counts: {
    message: false,
    fields: [
      { name: 'recordsIn', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'emitted', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'filtered', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'deduplicated', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'rejected', slot: 4, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'rowsOut', slot: 5, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'repaired', slot: 6, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytesIn', slot: 7, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'blankLines', slot: 8, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'commentLines', slot: 9, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'suspectRecords', slot: 10, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'damagedBytes', slot: 11, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'damagedLines', slot: 12, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  CodeCount: {
    message: false,
    fields: [
      { name: 'code', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'count', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Phases: {
    message: false,
    fields: [
      { name: 'readUs', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'decodeUs', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'transformUs', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'encodeUs', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'writeUs', slot: 4, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'commitUs', slot: 5, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  ChunkDone: {
    message: true,
    fields: [
      { name: 'outcome', slot: 0, type: 'enum', of: 'ChunkOutcome', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'verdictDigest', slot: 1, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: true, filled: false },
      { name: 'counts', slot: 2, type: 'table', of: 'Counts', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'byCode', slot: 3, type: 'table', of: 'CodeCount', vector: true, optional: false, exactly: null, atLeast: null, atMost: 1000, digest: false, filled: false },
      { name: 'phases', slot: 4, type: 'table', of: 'Phases', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'peakRssBytes', slot: 5, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  InspectDone: {
    message: true,
    fields: [
      { name: 'truncated', slot: 0, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StorePutDone: {
    message: true,
    fields: [
      { name: 'outcome', slot: 0, type: 'enum', of: 'PutOutcome', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'etag', slot: 1, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoredObject: {
    message: false,
    fields: [
      { name: 'etag', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'size', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'modifiedAtMs', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreGetDone: {
    message: true,
    fields: [
      { name: 'object', slot: 0, type: 'table', of: 'StoredObject', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreEntry: {
    message: false,
    fields: [
      { name: 'key', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'size', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'etag', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'modifiedAtMs', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreListDone: {
    message: true,
    fields: [
      { name: 'entries', slot: 0, type: 'table', of: 'StoreEntry', vector: true, optional: false, exactly: null, atLeast: null, atMost: 1000, digest: false, filled: false },
      { name: 'more', slot: 1, type: 'bool', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  DeleteResult: {
    message: false,
    fields: [
      { name: 'key', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'outcome', slot: 1, type: 'enum', of: 'DeleteOutcome', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  StoreDeleteDone: {
    message: true,
    fields: [
      { name: 'results', slot: 0, type: 'table', of: 'DeleteResult', vector: true, optional: false, exactly: null, atLeast: null, atMost: 1000, digest: false, filled: false },
    ],
  },
  StoreStatDone: {
    message: true,
    fields: [
      { name: 'object', slot: 0, type: 'table', of: 'StoredObject', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  CancelDone: {
    message: true,
    fields: [
    ],
  },
  PingDone: {
    message: true,
    fields: [
      { name: 'rssBytes', slot: 0, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'budgetBytes', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'recordsIn', slot: 2, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytesIn', slot: 3, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Done: {
    message: true,
    fields: [
      { name: 'body', slot: 1, type: 'union', of: 'DoneBody', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Position: {
    message: false,
    fields: [
      { name: 'file', slot: 0, type: 'uint', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'record', slot: 1, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'line', slot: 2, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'byte', slot: 3, type: 'ulong', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Failed: {
    message: true,
    fields: [
      { name: 'code', slot: 0, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'class', slot: 1, type: 'enum', of: 'FailureClass', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'message', slot: 2, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'details', slot: 3, type: 'string', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: true },
      { name: 'causes', slot: 4, type: 'string', of: null, vector: true, optional: false, exactly: null, atLeast: null, atMost: 32, digest: false, filled: false },
      { name: 'position', slot: 5, type: 'table', of: 'Position', vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'bytesDone', slot: 6, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'recordsDone', slot: 7, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'peakRssBytes', slot: 8, type: 'ulong', of: null, vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'retryAfterMs', slot: 9, type: 'uint', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'backtrace', slot: 10, type: 'string', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
  Header: {
    message: false,
    fields: [
      { name: 'payloadCrc', slot: 0, type: 'uint', of: null, vector: false, optional: true, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
      { name: 'body', slot: 2, type: 'union', of: 'Body', vector: false, optional: false, exactly: null, atLeast: null, atMost: null, digest: false, filled: false },
    ],
  },
};
