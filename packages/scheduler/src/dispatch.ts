/**
 * Fills the window: a bounded number of chunk tasks in the queue, so that Redis grows with the hosts and not with the files. Work (plan, finish) is
 * not counted: there is little of it and everything waits for it. The ledger's number first, then the task with that number as its id; a crash
 * between the two is found by the sweeper of lost tasks.
 */
import { chunkTaskId, type QueueName, signTask, workQueueName } from '@millrace/protocol';
import type { ChunkToDispatch, LedgerJobView } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import type { Control } from './control.ts';
import { type Candidate, fairOrder } from './fair-order.ts';

const leastWindow = 4;
const dueAtOnce = 500;

/** Remembered between rounds by the leader: whose turn was last. */
export interface Turns {
  lastServed: string | null;
}

/** Dispatches what may run of these open jobs; answers how many tasks were added. */
export async function fillWindow(jobs: readonly LedgerJobView[], turns: Turns, control: Control): Promise<number> {
  const slots = await control.queues.workers.slots(control.pool, control.resultVersion);
  const inFlight = jobs.reduce((sum, job) => sum + job.chunks.queued + job.chunks.running, 0);
  const free = Math.max(0, Math.max(leastWindow, 2 * slots) - inFlight);
  const due = await dueByJob(control);
  const candidates: Candidate<ChunkToDispatch>[] = [];
  const work: ChunkToDispatch[] = [];
  for (const job of jobs) {
    const found = [...(due.get(job.jobId) ?? []), ...(await control.queues.ledger.dispatchable(job.jobId, Math.max(free, leastWindow)))];
    work.push(...found.filter(isWork));
    candidates.push({ jobId: job.jobId, priority: job.priority, items: found.filter((chunk) => !isWork(chunk)) });
  }
  const chosen = fairOrder(candidates, free, turns.lastServed);
  turns.lastServed = chosen.at(-1)?.jobId ?? turns.lastServed;
  return dispatchAll([...work, ...chosen], new Map(jobs.map((job) => [job.jobId, job])), control);
}

async function dueByJob(control: Control): Promise<Map<string, ChunkToDispatch[]>> {
  const due = new Map<string, ChunkToDispatch[]>();
  for (const view of await control.queues.ledger.dueRetries(dueAtOnce)) due.set(view.jobId, [...(due.get(view.jobId) ?? []), view]);
  return due;
}

async function dispatchAll(chunks: readonly ChunkToDispatch[], jobs: ReadonlyMap<string, LedgerJobView>, control: Control): Promise<number> {
  let count = 0;
  for (const chunk of chunks) {
    const job = jobs.get(chunk.jobId);
    if (job && (await dispatchChunk(chunk, job, control))) count++;
  }
  return count;
}

/** False when the ledger says that the chunk may not run now. `requeue`: its entry was lost. */
export async function dispatchChunk(
  chunk: ChunkToDispatch,
  job: Pick<LedgerJobView, 'pool' | 'resultVersion'>,
  control: Control,
  requeue = false,
): Promise<boolean> {
  const bytes = chunk.bytes ?? (await control.facts.bytesOfChunk(chunk.segmentKey, chunk.segmentDigest, chunk.chunk));
  await failpoint('chunk.1-2', chunk.chunkId);
  const number = await control.queues.ledger.dispatch({ ...chunk, bytes }, { requeue });
  if (number === null) return false;
  await failpoint('chunk.2-3', chunk.chunkId);
  const taskId = chunkTaskId(chunk.chunkId, { generation: chunk.generation, epoch: await control.queues.ledger.epoch(), number });
  const queue = queueOf(chunk, job);
  await control.queues.tasks.enqueue(queue, [{ taskId, signature: signTask(queue, taskId, control.taskKeys) }]);
  await failpoint('chunk.3-4', chunk.chunkId);
  return true;
}

export function queueOf(chunk: Pick<ChunkToDispatch, 'stage'>, job: Pick<LedgerJobView, 'pool' | 'resultVersion'>): QueueName {
  return workQueueName(isWork(chunk) ? chunk.stage : 'chunk', job.pool, job.resultVersion);
}

function isWork<Chunk extends Pick<ChunkToDispatch, 'stage'>>(chunk: Chunk): chunk is Chunk & { stage: 'plan' | 'finish' } {
  return chunk.stage === 'plan' || chunk.stage === 'finish';
}
