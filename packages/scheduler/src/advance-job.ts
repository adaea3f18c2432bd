/** One look at one open job: load what is known, ask what it needs, do it. The same for a nudge, a tick and after a restart. */
import { Waivers } from '@millrace/journal';
import { type BudgetDecision, type BudgetMoment, decideBudget, isTerminalJobState, type JobId, nearestBudget } from '@millrace/protocol';
import { type LedgerJobView, nextLater } from '@millrace/queues';
import { activeMs } from './active-time.ts';
import { applyStep } from './apply-steps.ts';
import { oweCallbacks } from './callbacks/owe-callbacks.ts';
import type { Control } from './control.ts';
import { hasAllOutcomes, type JobSituation, nextSteps } from './next-steps.ts';

/** Answers the job as it stands afterwards; null when the ledger does not have it. */
export async function advanceJob(jobId: JobId, control: Control): Promise<LedgerJobView | null> {
  const job = await control.queues.ledger.job(jobId);
  if (job === null) return null;
  const steps = nextSteps(await situationOf(job, control));
  for (const step of steps) await applyStep(step, job, control);
  return steps.length === 0 ? job : control.queues.ledger.job(jobId);
}

async function situationOf(job: LedgerJobView, control: Control): Promise<JobSituation> {
  return {
    job,
    unburiedFiles: await unburiedFiles(job, control),
    budget: await budgetOf(job, 'running', control),
    stageBudget: hasAllOutcomes(job) && nextLater(job) !== null ? await budgetOf(job, 'finish', control) : notExceeded,
    overTime: await isOverTime(job, control),
    abandoned: await isAbandoned(job, control),
  };
}

async function unburiedFiles(job: LedgerJobView, control: Control): Promise<number> {
  if (!job.sealed) return 0;
  const sealed = await control.facts.sealed(job.jobId, job.generation);
  if (sealed === null || sealed.unplannable.length === 0) return 0;
  const letters = new Set((await control.queues.ledger.letters(job.jobId)).map((letter) => letter.chunkId));
  const unburied = sealed.unplannable.filter(({ file }) => !letters.has(`${job.jobId}.plan.${file}`));
  if (unburied.length === 0 || job.generation === 1) return unburied.length;
  const waivers = new Waivers(await control.journal.readCommands(job.jobId));
  return unburied.filter(({ file }) => waivers.of('plan', file, job.generation) === null).length;
}

const notExceeded: BudgetDecision = { exceeded: null };

/** While the job runs only what may stop it early counts; the finisher judges the final sums. */
async function budgetOf(job: LedgerJobView, moment: BudgetMoment, control: Control): Promise<BudgetDecision> {
  // Of a part of the receipts nobody can say how much of the whole is rejected.
  if (job.uncounted > 0) return notExceeded;
  const isOpen = job.state === 'planning' || job.state === 'running';
  if (!isOpen || job.end !== null || (job.allRejected === 0 && job.deadLetters.count === 0)) return notExceeded;
  const facts = await control.facts.spec(job.jobId, job.generation);
  if (facts === null) return notExceeded;
  const rejects = await control.queues.ledger.rejects(job.jobId);
  const files = await control.facts.files(job.jobId);
  const sums = {
    recordsIn: job.sums.recordsIn,
    rejected: job.allRejected,
    byCode: rejects.byCode,
    byColumn: rejects.byColumn,
    files: Object.entries(rejects.byFile).map(([file, counts]) => ({ uri: files.get(Number(file))?.uri ?? file, ...counts })),
    inferred: await control.facts.inferredColumns(job.jobId),
    deadChunks: job.deadLetters.count,
    deadBytes: job.deadLetters.bytes,
    plannedBytes: job.sealed ? job.bytesPlanned : null,
  };
  const near = moment === 'running' && facts.spec.callbacks.some(({ events }) => events.includes('budget.warning')) ? nearestBudget(sums, facts.spec) : null;
  if (near !== null && control.facts.isNew(job.jobId, job.generation, 'budget.warning'))
    await oweCallbacks(job.jobId, job.generation, 'budget.warning', { budget: near }, control);
  return decideBudget(sums, facts.spec, moment);
}

async function isAbandoned(job: LedgerJobView, control: Control): Promise<boolean> {
  if (job.stream === null || job.sealed || job.sealTimeLimitMs === null || isTerminalJobState(job.state)) return false;
  return (await control.queues.ledger.streamIdleMs(job.jobId)) > job.sealTimeLimitMs;
}

async function isOverTime(job: LedgerJobView, control: Control): Promise<boolean> {
  const facts = await control.facts.spec(job.jobId, job.generation);
  const limitMs = facts?.spec.execution.jobTimeLimit ?? null;
  if (limitMs === null) return false;
  const nowMs = control.clock.nowMs();
  // The log is read only when it could matter: no job is at work for longer than it is old.
  if (nowMs - Date.parse(job.acceptedAt) <= limitMs) return false;
  return activeMs(job, await control.journal.readCommands(job.jobId), nowMs) > limitMs;
}
