/** The thin doer of `retry-policy.ts`: failed attempts that nobody has decided get their next try, or die. */
import { jobStages, type TaskKindLabel } from '@millrace/protocol';
import type { LedgerChunkView } from '@millrace/queues';
import type { Circuits } from './circuits.ts';
import type { Control } from './control.ts';
import { bury, buryWork } from './dead-letter.ts';
import { inSteps } from './in-steps.ts';
import { decideNextTry } from './retry-policy.ts';

const atOnce = 200;

/** Answers how many were decided. */
export async function decideRetries(circuits: Circuits, control: Control): Promise<number> {
  const undecided = await control.queues.ledger.undecidedRetries(atOnce);
  await inSteps(undecided, (view) => decideRetry(view, circuits, control));
  return undecided.length;
}

async function decideRetry(view: LedgerChunkView, circuits: Circuits, control: Control): Promise<void> {
  const { ledger } = control.queues;
  const waitMs = await circuits.failed(view);
  if (waitMs !== null) {
    // The store is away or throttles: nothing is wrong with the chunk, so this attempt does not count.
    const delayMs = waitMs + control.random.next() * control.times.retryBaseMs;
    await ledger.setNextTry(view, { mode: view.mode, delayMs, forgiven: 'transient' });
    control.metrics.recordRetry(await kindOf(view, control), 'transient');
    return;
  }
  if (view.last !== null && isOfTheSpec(view.last.code)) return endBySpec(view, view.last, control);
  const facts = await control.facts.spec(view.jobId, view.generation);
  const bisects = facts === null || !jobStages(facts.job).some(({ name, kind }) => name === view.stage && kind === 'reduce');
  const { retryBaseMs: baseMs, retryMaxMs: maxMs } = control.times;
  const policy = { maxAttempts: facts?.spec.execution.maxAttempts ?? 5, baseMs, maxMs, bisects };
  const next = decideNextTry(view.last?.class ?? 'lost', view.past, policy, control.random);
  if (next.next === 'retry') {
    await ledger.setNextTry(view, { mode: next.mode === 'same' ? view.mode : next.mode, delayMs: next.delayMs });
    control.metrics.recordRetry(await kindOf(view, control), view.last?.class ?? 'lost');
    return;
  }
  await ledger.flagDying(view, next.reason);
  await buryAny({ ...view, dying: next.reason }, control);
}

async function kindOf({ stage, jobId, generation }: LedgerChunkView, control: Control): Promise<TaskKindLabel> {
  if (stage === 'plan' || stage === 'finish') return stage;
  const facts = await control.facts.spec(jobId, generation);
  return facts === null ? 'map' : (jobStages(facts.job).find(({ name }) => name === stage)?.kind ?? 'map');
}

/** No chunk of the job can do better: neither a wrong query nor a lookup that cannot be used. */
function isOfTheSpec(code: string): boolean {
  return code.startsWith('SPEC_') || code === 'INPUT_LOOKUP';
}

/** What no chunk can do, such as SQL over a column that the probed schema lacks: one dead letter says it all, and the job ends with its message. */
async function endBySpec(view: LedgerChunkView, last: { code: string; message: string }, control: Control): Promise<void> {
  const reason = 'the spec cannot be carried out';
  await control.queues.ledger.flagDying(view, reason);
  await buryAny({ ...view, dying: reason }, control);
  await control.queues.ledger.setEnd(view.jobId, view.generation, { state: 'failed', code: last.code, message: last.message });
}

/** Chunks that were flagged and not buried: their scheduler stopped between the steps, or storage was away. */
export async function buryDying(control: Control): Promise<void> {
  for (const view of await control.queues.ledger.dyingChunks(atOnce)) {
    control.metrics.recordRepair('dying_chunk');
    await buryAny(view, control);
  }
}

async function buryAny(view: LedgerChunkView, control: Control): Promise<void> {
  try {
    await (view.stage === 'plan' || view.stage === 'finish' ? buryWork(view, control) : bury(view, control));
  } catch (err) {
    control.log.warn({ err, chunkId: view.chunkId }, 'dead letter not put');
  }
}
