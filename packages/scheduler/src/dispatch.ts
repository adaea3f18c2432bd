/**
 * Fills the window: a bounded number of chunk tasks in the queue, so that Redis grows with the hosts and not with the files. Work (plan, finish) is
 * not counted: there is little of it and everything waits for it. The ledger's number first, then the task with that number as its id; a crash
 * between the two is found by the sweeper of lost tasks.
 */
import { chunkTaskId, type QueueName, shareOfTenant, signTask, workQueueName } from '@millrace/protocol';
import type { ChunkToDispatch, LedgerJobView, TaskEntry } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import type { Circuits } from './circuits.ts';
import type { Control } from './control.ts';
import { noShares, type ShareJob, type Shares, type ShareTenant, shareOut } from './fair-share.ts';
import { Pace, windowSize } from './window.ts';

const dueAtOnce = 500;
/** Asked for of each job at least, whatever its part of the window: shares are by bytes, and one may be due many small ones. */
const leastAsked = 16;
/** Ledger calls and tasks that go out together. */
const sentAtOnce = 100;
const jobsAtOnce = 16;

/** Remembered between rounds by the leader: who was given how much, and how fast chunks end. Losing it costs nothing but a round of even shares. */
export class Dispatching {
  shares: Shares = noShares;
  readonly pace = new Pace();
}

/** A chunk whose stored bytes are known: shares are by bytes. */
type Candidate = ChunkToDispatch & { readonly bytes: number };

/** Dispatches what may run of these open jobs; answers how many tasks were added. */
export async function fillWindow(jobs: readonly LedgerJobView[], dispatching: Dispatching, circuits: Circuits, control: Control): Promise<number> {
  dispatching.pace.note(jobs, control.clock.monotonicMs());
  const slots = await control.queues.workers.slots(control.pool, control.resultVersion);
  const inFlight = jobs.reduce((sum, job) => sum + job.chunks.queued + job.chunks.running, 0);
  const rooms = await roomOfQueues(jobs, control);
  const ownRoom = rooms.get(workQueueName('chunk', control.pool, control.resultVersion)) ?? Number.POSITIVE_INFINITY;
  const size = windowSize(slots, dispatching.pace.perSecond);
  control.metrics.recordWindow(inFlight, size);
  const free = Math.min(ownRoom, Math.max(0, size - inFlight));
  const { work, shareJobs } = await candidates(jobs, free, circuits, control);
  const { order, shares } = shareOut(shareJobs, roomOfTenants(jobs, control), free, dispatching.shares);
  dispatching.shares = shares;
  const byId = new Map(jobs.map((job) => [job.jobId, job]));
  const fitting = order.filter((chunk) => takeRoom(rooms, byId.get(chunk.jobId)));
  return dispatchAll([...work, ...fitting], byId, circuits, control);
}

/** What people's settings leave of chunk queues beside what is in flight; a queue without such a setting is not in it. */
async function roomOfQueues(jobs: readonly LedgerJobView[], control: Control): Promise<Map<string, number>> {
  const rooms = new Map<string, number>();
  for (const [queue, { paused, maxConcurrency }] of await control.queues.settings.all()) {
    if (!paused && maxConcurrency === null) continue;
    const own = jobs.filter((job) => workQueueName('chunk', job.pool, job.resultVersion) === queue);
    const inFlight = own.reduce((sum, { chunks }) => sum + chunks.queued + chunks.running, 0);
    rooms.set(queue, paused ? 0 : Math.max(0, (maxConcurrency ?? 0) - inFlight));
  }
  return rooms;
}

/** False: the queue of this job takes no more. */
function takeRoom(rooms: Map<string, number>, job: Pick<LedgerJobView, 'pool' | 'resultVersion'> | undefined): boolean {
  if (job === undefined) return false;
  const queue = workQueueName('chunk', job.pool, job.resultVersion);
  const room = rooms.get(queue);
  if (room === undefined) return true;
  rooms.set(queue, room - 1);
  return room > 0;
}

async function candidates(
  jobs: readonly LedgerJobView[],
  free: number,
  circuits: Circuits,
  control: Control,
): Promise<{ work: ChunkToDispatch[]; shareJobs: ShareJob<Candidate>[] }> {
  const due = await dueByJob(control);
  const isFull = await control.queues.isFull();
  const waiting = jobs.filter((job) => job.openWork > 0 || job.chunks.pending > 0 || due.has(job.jobId));
  const asked = Math.min(free, Math.max(leastAsked, Math.ceil((2 * free) / Math.max(1, waiting.length))));
  const work: ChunkToDispatch[] = [];
  const shareJobs: ShareJob<Candidate>[] = jobs.filter((job) => !waiting.includes(job)).map((job) => shareJob(job, []));
  for (let at = 0; at < waiting.length; at += jobsAtOnce) {
    const some = waiting.slice(at, at + jobsAtOnce);
    const found = await Promise.all(some.map((job) => ofJob(job, due.get(job.jobId) ?? [], { asked, isFull }, circuits, control)));
    for (const [index, job] of some.entries()) {
      work.push(...(found[index]?.work ?? []));
      shareJobs.push(shareJob(job, found[index]?.chunks ?? []));
    }
  }
  return { work, shareJobs };
}

async function ofJob(
  job: LedgerJobView,
  due: readonly ChunkToDispatch[],
  { asked, isFull }: { readonly asked: number; readonly isFull: boolean },
  circuits: Circuits,
  control: Control,
): Promise<{ work: ChunkToDispatch[]; chunks: Candidate[] }> {
  const room = await circuits.roomOf(job);
  if (room === 0) return { work: [], chunks: [] };
  // What ran before has its key already; while Redis is full nothing new gets one.
  const found = [...due, ...(await control.queues.ledger.dispatchableOf(job, Math.max(asked, 1)))].filter((chunk) => !isFull || chunk.bytes !== null);
  const work = found.filter(isWork).slice(0, room);
  const chunks = found.filter((chunk) => !isWork(chunk)).slice(0, Math.min(room - work.length, found.length));
  return { work, chunks: await Promise.all(chunks.map((chunk) => withBytes(chunk, control))) };
}

function shareJob({ jobId, tenant, priority, weight }: LedgerJobView, items: readonly Candidate[]): ShareJob<Candidate> {
  return { jobId, tenant, priority, weight, items };
}

async function withBytes(chunk: ChunkToDispatch, control: Control): Promise<Candidate> {
  return { ...chunk, bytes: chunk.bytes ?? (await control.facts.bytesOfChunk(chunk.segmentKey, chunk.segmentDigest, chunk.chunk)) };
}

/** What each tenant's settings leave beside what it has in flight. */
function roomOfTenants(jobs: readonly LedgerJobView[], control: Control): Map<string, ShareTenant> {
  const rooms = new Map<string, ShareTenant>();
  for (const [tenant, own] of Map.groupBy(jobs, (job) => job.tenant)) {
    const share = shareOfTenant(control.tenants, tenant);
    const chunks = own.reduce((sum, job) => sum + job.chunks.queued + job.chunks.running, 0);
    const bytes = own.reduce((sum, job) => sum + job.flightBytes, 0);
    rooms.set(tenant, { weight: share.weight, freeChunks: (share.maxChunks ?? Infinity) - chunks, freeBytes: (share.maxBytes ?? Infinity) - bytes });
  }
  return rooms;
}

async function dueByJob(control: Control): Promise<Map<string, ChunkToDispatch[]>> {
  return Map.groupBy<string, ChunkToDispatch>(await control.queues.ledger.dueRetries(dueAtOnce), ({ jobId }) => jobId);
}

async function dispatchAll(
  chunks: readonly ChunkToDispatch[],
  jobs: ReadonlyMap<string, LedgerJobView>,
  circuits: Circuits,
  control: Control,
): Promise<number> {
  let count = 0;
  for (let at = 0; at < chunks.length; at += sentAtOnce) {
    const some = chunks.slice(at, at + sentAtOnce).filter(({ jobId }) => jobs.has(jobId));
    const sent = await dispatchSome(some, (chunk) => jobs.get(chunk.jobId) as LedgerJobView, control);
    for (const { jobId } of sent) await circuits.sent(jobs.get(jobId) as LedgerJobView);
    count += sent.length;
  }
  return count;
}

/** The ledger's numbers, then the tasks. Answers what went: the ledger may say of any that it may not run now. */
async function dispatchSome(
  chunks: readonly ChunkToDispatch[],
  jobOf: (chunk: ChunkToDispatch) => Pick<LedgerJobView, 'pool' | 'resultVersion'>,
  control: Control,
  requeue = false,
): Promise<ChunkToDispatch[]> {
  const sized = await Promise.all(chunks.map((chunk) => withBytes(chunk, control)));
  for (const { chunkId } of sized) await failpoint('chunk.1-2', chunkId);
  const numbers = await control.queues.ledger.dispatchAll(sized, { requeue });
  const epoch = await control.queues.ledger.epoch();
  const tasks = sized.flatMap((chunk, index) => {
    const number = numbers[index];
    return number === null || number === undefined ? [] : [signedTask(chunk, jobOf(chunk), { epoch, number }, control)];
  });
  for (const { chunk } of tasks) await failpoint('chunk.2-3', chunk.chunkId);
  for (const [queue, entries] of Map.groupBy(tasks, (task) => task.queue)) await control.queues.tasks.enqueue(queue, entries);
  for (const { chunk } of tasks) await failpoint('chunk.3-4', chunk.chunkId);
  return tasks.map(({ chunk }) => chunk);
}

interface SignedTask extends TaskEntry {
  readonly queue: QueueName;
  readonly chunk: ChunkToDispatch;
}

function signedTask(
  chunk: ChunkToDispatch,
  job: Pick<LedgerJobView, 'pool' | 'resultVersion'>,
  { epoch, number }: { readonly epoch: string; readonly number: number },
  control: Control,
): SignedTask {
  const taskId = chunkTaskId(chunk.chunkId, { generation: chunk.generation, epoch, number });
  const queue = queueOf(chunk, job);
  return { queue, taskId, signature: signTask(queue, taskId, control.taskKeys), chunk };
}

/** False when the ledger says that the chunk may not run now. `requeue`: its entry was lost. */
export async function dispatchChunk(
  chunk: ChunkToDispatch,
  job: Pick<LedgerJobView, 'pool' | 'resultVersion'>,
  control: Control,
  requeue = false,
): Promise<boolean> {
  return (await dispatchSome([chunk], () => job, control, requeue)).length > 0;
}

export function queueOf(chunk: Pick<ChunkToDispatch, 'stage'>, job: Pick<LedgerJobView, 'pool' | 'resultVersion'>): QueueName {
  return workQueueName(isWork(chunk) ? chunk.stage : 'chunk', job.pool, job.resultVersion);
}

function isWork<Chunk extends Pick<ChunkToDispatch, 'stage'>>(chunk: Chunk): chunk is Chunk & { stage: 'plan' | 'finish' } {
  return chunk.stage === 'plan' || chunk.stage === 'finish';
}
