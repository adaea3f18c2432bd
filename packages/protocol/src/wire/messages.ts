/** The messages as plain objects, and the unions that the sides of the wire work with. Absent is always `null`; a payload travels beside its message. */

import type {
  Call,
  Cancel,
  CancelDone,
  ChunkDone,
  CoreHello,
  Done,
  Failed,
  HostHello,
  Inspect,
  InspectDone,
  Log,
  Ping,
  PingDone,
  Plan,
  PlanDone,
  PlanSegment,
  Probe,
  ProbeDone,
  Process,
  Progress,
  Reduce,
  StoreDelete,
  StoreDeleteDone,
  StoreGet,
  StoreGetDone,
  StoreList,
  StoreListDone,
  StorePut,
  StorePutDone,
  StoreStat,
  StoreStatDone,
} from './generated/tables.ts';
import { schemaHash } from './generated/tables.ts';

export type {
  AccessMode,
  AuthKind,
  Call,
  Cancel,
  CancelDone,
  CancelReason,
  ChunkDone,
  ChunkOutcome,
  CodeCount,
  Connection,
  ConnectionKind,
  CoreHello,
  Counts,
  Credential,
  DeleteOutcome,
  DeleteResult,
  Done,
  DoneBody,
  ExcludedRange,
  Failed,
  FailureClass,
  HostHello,
  InputRef,
  Inspect,
  InspectDone,
  InspectKind,
  Kernel,
  Log,
  LogLevel,
  MemoryMode,
  NamedValue,
  Phase,
  Phases,
  Ping,
  PingDone,
  Plan,
  PlanDone,
  PlanMode,
  PlanSegment,
  Position,
  Probe,
  ProbeDone,
  Process,
  ProcessMode,
  Progress,
  PutMode,
  PutOutcome,
  RecordRange,
  Reduce,
  SandboxState,
  SandboxWish,
  Scope,
  ScopeKind,
  Secret,
  Span,
  StoreDelete,
  StoreDeleteDone,
  StoredObject,
  StoreEntry,
  StoreGet,
  StoreGetDone,
  StoreList,
  StoreListDone,
  StorePut,
  StorePutDone,
  StoreStat,
  StoreStatDone,
  TraceMode,
  Unplannable,
} from './generated/tables.ts';

/** What a host asks. Each gets exactly one `Response`. */
export type Request = Probe | Plan | Process | Reduce | Inspect | StorePut | StoreGet | StoreList | StoreDelete | StoreStat | Cancel | Ping;
export type RequestType = Request['type'];

/** What the core tells while a request runs. Never an answer. */
export type Event = Progress | PlanSegment | Log;

/** The one answer to a request. */
export type Response = Done | Failed;

export type Message = HostHello | CoreHello | Request | Event | Response;

/** What the `Done` of each request carries. */
export interface DoneOf {
  readonly Probe: ProbeDone;
  readonly Plan: PlanDone;
  readonly Process: ChunkDone;
  readonly Reduce: ChunkDone;
  readonly Inspect: InspectDone;
  readonly StorePut: StorePutDone;
  readonly StoreGet: StoreGetDone;
  readonly StoreList: StoreListDone;
  readonly StoreDelete: StoreDeleteDone;
  readonly StoreStat: StoreStatDone;
  readonly Cancel: CancelDone;
  readonly Ping: PingDone;
}

/** The same for checks at run time: another body in a `Done` is a violation. */
export const doneOf = {
  Probe: 'ProbeDone',
  Plan: 'PlanDone',
  Process: 'ChunkDone',
  Reduce: 'ChunkDone',
  Inspect: 'InspectDone',
  StorePut: 'StorePutDone',
  StoreGet: 'StoreGetDone',
  StoreList: 'StoreListDone',
  StoreDelete: 'StoreDeleteDone',
  StoreStat: 'StoreStatDone',
  Cancel: 'CancelDone',
  Ping: 'PingDone',
} as const satisfies { [Type in RequestType]: DoneOf[Type]['type'] };

/** How many of a kind of request may run at once: one of `work`, `maxStoreRequests` of `store`, any number of `control`. */
export const requestClass = {
  Probe: 'work',
  Plan: 'work',
  Process: 'work',
  Reduce: 'work',
  Inspect: 'work',
  StorePut: 'store',
  StoreGet: 'store',
  StoreList: 'store',
  StoreDelete: 'store',
  StoreStat: 'store',
  Cancel: 'control',
  Ping: 'control',
} as const satisfies { [Type in RequestType]: 'work' | 'store' | 'control' };

/** A call without deadline, lease, trace, credentials and secrets. */
export const emptyCall: Call = Object.freeze({ deadlineMs: 0, leaseLeftMs: 0, traceparent: null, credentials: [], secrets: [] });

export { schemaHash };

/** SHA-256 of schemas/core.fbs as `Hello` carries it. */
export function schemaHashBytes(): Uint8Array {
  return Uint8Array.from(Buffer.from(schemaHash, 'hex'));
}
