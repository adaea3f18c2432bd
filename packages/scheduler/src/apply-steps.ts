/** The one thin doer of `next-steps.ts`. Each step is conditional in the ledger or a put-if-absent, so two schedulers may take it. */
import { allSegments } from '@millrace/journal';
import { type JobId, parseChunkId, stagePlanNumber } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import type { Control } from './control.ts';
import { buryUnplannable } from './dead-letter.ts';
import type { Step } from './next-steps.ts';
import { rebuildJob } from './rebuild.ts';
import { segmentRef } from './segment-ref.ts';
import { flushLateRecords } from './sweepers/late-records.ts';

const openStates = ['accepted', 'planning', 'running', 'paused'] as const;

export async function applyStep(step: Step, job: LedgerJobView, control: Control): Promise<void> {
  const { ledger } = control.queues;
  const { jobId, generation } = job;
  switch (step.step) {
    case 'rebuild':
      await ledger.dropJob(jobId);
      await rebuildJob(jobId, control);
      return;
    case 'readPlan':
      return readPlan(job, control);
    case 'buryUnplannable': {
      const sealed = await control.facts.sealed(jobId, generation);
      if (sealed !== null) await buryUnplannable(jobId, sealed, control);
      return;
    }
    case 'addPlanWork':
      await ledger.addWork(jobId, generation, { kind: 'plan', first: await firstFileToPlan(jobId, control) });
      return;
    case 'addStageWork':
      await ledger.addWork(jobId, generation, { kind: 'plan', first: stagePlanNumber(job.inputFiles, step.laterIndex) });
      return;
    case 'end':
      await ledger.setEnd(jobId, generation, step.end);
      control.log.warn({ jobId, generation, code: step.end.code }, 'job is ended early');
      return;
    case 'finish':
      await flushLateRecords(jobId, control);
      if (await ledger.setState(jobId, generation, openStates, 'finishing')) await ledger.addWork(jobId, generation, { kind: 'finish' });
      return;
    case 'addFinishWork':
      await ledger.addWork(jobId, generation, { kind: 'finish' });
      return;
    default:
      return step satisfies never;
  }
}

/** Behind the last file at which planning was given up; what was planned before is found there by the planner. */
async function firstFileToPlan(jobId: JobId, control: Control): Promise<number> {
  const letters = await control.queues.ledger.letters(jobId);
  const files = letters.map((letter) => parseChunkId(letter.chunkId)).flatMap(({ stage, chunk }) => (stage === 'plan' ? [chunk] : []));
  return Math.max(-1, ...files) + 1;
}

/** Segments of a sealed plan whose events were lost. */
async function readPlan(job: LedgerJobView, control: Control): Promise<void> {
  const known = new Set((await control.queues.ledger.segments(job.jobId)).map((segment) => segment.segment));
  const facts = await control.facts.spec(job.jobId, job.generation);
  if (facts === null) return;
  for (const stored of allSegments(await control.journal.readPlan(facts.job, job.generation))) {
    const isSealed = stored.record.segment < (job.sealedSegments ?? 0);
    if (isSealed && !known.has(stored.record.segment)) await control.queues.ledger.recordSegment(job.jobId, job.generation, segmentRef(stored));
  }
}
