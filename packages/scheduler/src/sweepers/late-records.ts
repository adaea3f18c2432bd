/** Failure records that the journal could not take at the time, and attempts that a rescue replaced before anybody recorded them. Keeps I6. */
import { type ChunkRange, type FailureRecord, fingerprintOf, type JobId, parseChunkId, parseRecord } from '@millrace/protocol';
import type { LateRecord, OpenAttempt } from '@millrace/queues';
import { rangeOfLive } from '../chunk-range.ts';
import type { Control } from '../control.ts';

/** Puts what is missing. What the journal still refuses stays for the next time. */
export async function flushLateRecords(jobId: JobId, control: Control): Promise<void> {
  for (const late of await control.queues.ledger.lateRecords(jobId)) {
    try {
      // Its host died between receipt and mark: nothing was lost.
      if (!(await hasCommitted(late, control))) await control.journal.putFailure(await recordOf(late, control));
      await control.queues.ledger.forgetLate(jobId, late);
      control.metrics.recordRepair('late_record');
    } catch (err) {
      control.log.warn({ err, jobId }, 'late failure record not put');
    }
  }
}

async function recordOf(late: LateRecord, control: Control): Promise<FailureRecord> {
  if (late.kind === 'record') return parseRecord('failure', Buffer.from(late.record));
  const { attempt } = late;
  const view = await control.queues.ledger.chunk(attempt.chunkId);
  return lostRecord(attempt, attempt, view === null ? null : await rangeOfLive(view, control), control);
}

async function hasCommitted(late: LateRecord, control: Control): Promise<boolean> {
  if (late.kind !== 'lost') return false;
  const { jobId, stage, chunk } = parseChunkId(late.attempt.chunkId);
  if (stage === 'plan' || stage === 'finish') return false;
  const verdict = await control.journal.readVerdict(jobId, stage, chunk, late.attempt.generation);
  return verdict?.record.outcome === 'committed' && verdict.record.attemptId === late.attempt.attemptId;
}

/** What is known of an attempt whose host is gone. If its host or the next claimant put a record first, that one stands. */
export async function lostRecord(
  attempt: OpenAttempt,
  of: { readonly chunkId: string; readonly generation: number },
  range: ChunkRange | null,
  control: Control,
): Promise<FailureRecord> {
  const { jobId, stage, chunk } = parseChunkId(of.chunkId);
  const { generation } = of;
  const facts = await control.facts.spec(jobId, generation);
  const { attemptId, worker, pod, node, startedAt, bytesDone, recordsDone, mode } = attempt;
  const code = 'LEASE_EXPIRED';
  return {
    record: 'failure',
    version: 1,
    jobId,
    stage,
    chunk,
    generation,
    attemptId,
    outcome: 'lost',
    class: 'lost',
    code,
    message: `the host ${worker} stopped renewing its lease`,
    details: {},
    causes: [],
    fingerprint: fingerprintOf(code, 'lost', { jobName: facts?.job.name ?? '-', stage, reason: 'expired' }),
    worker,
    pod,
    node,
    coreVersion: null,
    startedAt,
    endedAt: control.clock.nowIso(),
    range,
    bytesDone,
    recordsDone,
    position: null,
    exitCode: null,
    signal: null,
    peakRssBytes: null,
    stderrTail: null,
    backtrace: null,
    mode,
  };
}
