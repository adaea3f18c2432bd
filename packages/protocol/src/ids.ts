/**
 * Identities: how each is made and read. An id is one letter and 26 lower-case Crockford base32 characters (130 bits); ids of chunks and tasks
 * are built from it with dots. All keep to the alphabet `[0-9A-Za-z.-]`, which task ids in Redis may use.
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type JobId = Branded<'JobId'>;
export type AttemptId = Branded<'AttemptId'>;
export type RequestId = Branded<'RequestId'>;
/** `<jobId>.<stage>.<chunk>` */
export type ChunkId = Branded<'ChunkId'>;
export type TaskId = Branded<'TaskId'>;

/** Where new ids take time and randomness from; `service-kit` has the real one. */
export interface IdSource {
  /** Milliseconds since 1970. */
  nowMs(): number;
  randomBytes(count: number): Uint8Array;
}

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const body = '[0-9a-hjkmnp-tv-z]{26}';
const idPattern = new RegExp(`^[a-z]${body}$`);
const jobIdPattern = new RegExp(`^j${body}$`);
const attemptIdPattern = new RegExp(`^a${body}$`);
const requestIdPattern = new RegExp(`^q${body}$`);
const stageName = '[a-z][a-z0-9]{0,31}';
const chunkIdPattern = new RegExp(`^(j${body})\\.(${stageName})\\.(0|[1-9][0-9]{0,9})$`);
const workTaskPattern = new RegExp(`^(j${body})\\.(${stageName})\\.(0|[1-9][0-9]{0,9})\\.([1-9][0-9]{0,5})\\.([0-9A-Za-z]{1,32})-([0-9]{1,12})$`);
const intakeTaskPattern = new RegExp(`^([a-z]${body})\\.intake\\.([0-9A-Za-z-]{1,64})$`);

/** A job without idempotency key. Ids made later sort later. */
export function newJobId(source: IdSource): JobId {
  return `j${newBody(source)}` as JobId;
}

export function newAttemptId(source: IdSource): AttemptId {
  return `a${newBody(source)}` as AttemptId;
}

/** When an attempt was opened, by the clock of its host: an id begins with that. ISO 8601; null for a text that is no id of an attempt. */
export function openedAtOf(attemptId: string): string | null {
  if (!attemptIdPattern.test(attemptId)) return null;
  let ms = 0;
  for (const digit of attemptId.slice(1, 11)) ms = ms * 32 + alphabet.indexOf(digit);
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

export function newRequestId(source: IdSource): RequestId {
  return `q${newBody(source)}` as RequestId;
}

/** A record of the audit. Ids made later sort later. */
export function newAuditId(source: IdSource): string {
  return `e${newBody(source)}`;
}

/** A frozen redrive plan. The operation that carries it out has the same letters behind an `o`: a plan is started once. */
export function newPlanId(source: IdSource): string {
  return `p${newBody(source)}`;
}

const planIdPattern = new RegExp(`^p${body}$`);
const operationIdPattern = new RegExp(`^o${body}$`);

/** Throws when the text is no plan id. */
export function operationIdOf(planId: string): string {
  return `o${checked(planId, planIdPattern, 'a plan id').slice(1)}`;
}

export function isPlanId(text: string): boolean {
  return planIdPattern.test(text);
}

export function isOperationId(text: string): boolean {
  return operationIdPattern.test(text);
}

export function isId(text: string): boolean {
  return idPattern.test(text);
}

export function isJobId(text: string): text is JobId {
  return jobIdPattern.test(text);
}

export function isAttemptId(text: string): text is AttemptId {
  return attemptIdPattern.test(text);
}

export function isRequestId(text: string): text is RequestId {
  return requestIdPattern.test(text);
}

export function isChunkId(text: string): text is ChunkId {
  return chunkIdPattern.test(text);
}

export function chunkId(jobId: JobId, stage: string, chunk: number): ChunkId {
  return checked(`${jobId}.${stage}.${chunk}`, chunkIdPattern, 'a chunk id') as ChunkId;
}

export interface ChunkIdParts {
  readonly jobId: JobId;
  readonly stage: string;
  readonly chunk: number;
}

/** Throws when the text is no chunk id. */
export function parseChunkId(text: string): ChunkIdParts {
  const match = chunkIdPattern.exec(text);
  if (!match) throw new TypeError(`cannot read a chunk id: expected <jobId>.<stage>.<chunk>, got ${JSON.stringify(text)}`);
  return { jobId: match[1] as JobId, stage: match[2] ?? '', chunk: Number(match[3]) };
}

/** The dead letter of a chunk in a generation: `<chunkId>.<generation>`. */
export function deadLetterId(chunk: ChunkId, generation: number): string {
  return `${chunk}.${generation}`;
}

/** What a task works on. `intake` is input from outside, so it carries no generation and no signature. */
export type TaskIdParts =
  | {
      readonly kind: 'plan' | 'chunk' | 'finish';
      readonly jobId: JobId;
      /** The stage of a chunk task; `plan` or `finish` of the others. */
      readonly stage: string;
      /** Index of the chunk in its stage; of a plan task the first file it still has to plan; of a finish task 0. */
      readonly chunk: number;
      readonly generation: number;
      /** Of the ledger that dispatched it; letters and digits. */
      readonly epoch: string;
      /** Dispatch number: a chunk dispatched again gets the next one. */
      readonly number: number;
    }
  | { readonly kind: 'intake'; readonly owner: JobId | RequestId; readonly id: string };

export interface Dispatch {
  readonly generation: number;
  readonly epoch: string | number;
  readonly number: number;
}

/** `<jobId>.<stage>.<chunk>.<generation>.<epoch>-<number>` */
export function chunkTaskId(chunk: ChunkId, dispatch: Dispatch): TaskId {
  return checked(`${chunk}.${dispatch.generation}.${dispatch.epoch}-${dispatch.number}`, workTaskPattern, 'a task id') as TaskId;
}

/** The task that plans a job's files from `firstFile` on. */
export function planTaskId(jobId: JobId, firstFile: number, dispatch: Dispatch): TaskId {
  return chunkTaskId(`${jobId}.plan.${firstFile}` as ChunkId, dispatch);
}

export function finishTaskId(jobId: JobId, dispatch: Dispatch): TaskId {
  return chunkTaskId(`${jobId}.finish.0` as ChunkId, dispatch);
}

export function intakeTaskId(owner: JobId | RequestId, id: string): TaskId {
  return checked(`${owner}.intake.${id}`, intakeTaskPattern, 'a task id') as TaskId;
}

/** Writes any task id from its parts: the inverse of `parseTaskId`. */
export function taskId(parts: TaskIdParts): TaskId {
  if (parts.kind === 'intake') return intakeTaskId(parts.owner, parts.id);
  return chunkTaskId(`${parts.jobId}.${parts.stage}.${parts.chunk}` as ChunkId, parts);
}

/** Throws when the text is no task id. */
export function parseTaskId(text: string): TaskIdParts {
  const intake = intakeTaskPattern.exec(text);
  if (intake) return { kind: 'intake', owner: intake[1] as JobId | RequestId, id: intake[2] ?? '' };
  const work = workTaskPattern.exec(text);
  if (!work) throw new TypeError(`cannot read a task id: expected <jobId>.<stage>.<chunk>.<generation>.<epoch>-<number>, got ${JSON.stringify(text)}`);
  const stage = work[2] ?? '';
  const kind = stage === 'plan' || stage === 'finish' ? stage : 'chunk';
  return { kind, jobId: work[1] as JobId, stage, chunk: Number(work[3]), generation: Number(work[4]), epoch: work[5] ?? '', number: Number(work[6]) };
}

/** A ULID in lower case: 48 bits of time, 80 of randomness. */
function newBody(source: IdSource): string {
  let time = '';
  for (let left = source.nowMs(), i = 0; i < 10; i++, left = Math.floor(left / 32)) time = alphabet.charAt(left % 32) + time;
  return time + toBase32(source.randomBytes(10)).slice(0, 16);
}

/** The first 130 bits as 26 characters; of fewer bytes as many characters as they fill. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5 && text.length < 26; bits -= 5) text += alphabet.charAt((held >> (bits - 5)) & 31);
    held &= (1 << bits) - 1;
    if (text.length === 26) break;
  }
  return text;
}

function checked(text: string, pattern: RegExp, what: string): string {
  if (!pattern.test(text)) throw new TypeError(`cannot write ${what}: got ${JSON.stringify(text)}`);
  return text;
}
