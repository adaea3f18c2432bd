/** The failure record goes to the journal before the ledger closes the attempt. Where storage is what failed, the ledger keeps it until a sweep. */
import { failureKey } from '@millrace/journal';
import { type ChunkId, encodeRecord, type FailureRecord, type TaskKindLabel } from '@millrace/protocol';
import type { OpenAttempt } from '@millrace/queues';
import { describeError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import { type AttemptPlace, failureRecord, lostFailure } from './failure-record.ts';
import type { Host } from './host.ts';

export async function recordFailure(id: ChunkId, record: FailureRecord, host: Host): Promise<void> {
  const recordKey = failureKey(record.jobId, record.stage, record.chunk, record.attemptId);
  await failpoint('fail.2-3', id);
  const unflushed = await putRecord(record, host);
  await failpoint('fail.3-4', id);
  await host.queues.ledger.failAttempt(id, record.generation, record.attemptId, {
    class: record.class === 'data' ? 'bug' : record.class,
    code: record.code,
    message: record.message,
    fingerprint: record.fingerprint,
    outcome: record.outcome === 'lost' ? 'lost' : 'failed',
    endedAt: record.endedAt,
    range: record.range,
    recordKey,
    ...(unflushed === null ? {} : { record: unflushed }),
  });
  await failpoint('fail.4-5', id);
  await host.queues.events.nudgeLeader(record.jobId);
}

/** The record of an attempt that ended without commit and without anybody's fault, then its release: it costs the chunk nothing. */
export async function recordRelease(id: ChunkId, record: FailureRecord, host: Host): Promise<void> {
  const unflushed = await putRecord(record, host);
  const key = failureKey(record.jobId, record.stage, record.chunk, record.attemptId);
  await host.queues.ledger.releaseAttempt(id, record.generation, record.attemptId, unflushed === null ? null : { key, record: unflushed });
}

/** Null when the record is durable, else the record as text for the ledger to keep. */
async function putRecord(record: FailureRecord, host: Host): Promise<string | null> {
  try {
    await host.journal.putFailure(record);
    return null;
  } catch (err) {
    host.log.warn({ err: describeError(err), attemptId: record.attemptId }, 'failure record kept in the ledger');
    return new TextDecoder().decode(encodeRecord('failure', record));
  }
}

/** The attempt that a rescue replaced: its host cannot say any more what happened, so the next claimant does. */
export async function recordLost(previous: OpenAttempt, id: ChunkId, taskKind: TaskKindLabel, place: AttemptPlace, host: Host): Promise<void> {
  const times = { attemptId: previous.attemptId, startedAt: previous.startedAt, endedAt: host.clock.nowIso() };
  const identity = { worker: previous.worker, pod: previous.pod, node: previous.node, coreVersion: host.coreVersion };
  const failure = lostFailure(previous);
  const record = failureRecord(failure, { ...place, mode: previous.mode }, times, identity, previous, 'lost');
  await recordFailure(id, record, host);
  host.metrics.recordAttemptEnded(taskKind, 'lost', null, failure);
  host.metrics.recordWasted('lost', previous.bytesDone);
  host.log.warn({ chunkId: id, attemptId: previous.attemptId, worker: previous.worker }, 'attempt lost');
}
