/**
 * One claimed task, one attempt, from claim to acknowledgement. Decides nothing about retries (the scheduler does) and never sees file bytes.
 * Keeps: a host that cannot prove its lease stops its core before the lease ends; a commit outranks every error (I2); what did not commit has its
 * full record in the journal before the ledger closes the attempt (I6).
 */
import { parseTaskId, verifyTask } from '@millrace/protocol';
import type { ClaimedTask, TaskOutcome } from '@millrace/queues';
import { describeError } from '@millrace/service-kit';
import { failpoint } from '@millrace/service-kit/failpoints';
import { executeChunk } from './execute-chunk.ts';
import { executeWork } from './execute-work.ts';
import type { Host } from './host.ts';
import { FenceError, keepLease, type Lease } from './lease-keeper.ts';

/** What the queue is told. Its result decides nothing: journal and ledger were told before. */
export async function executeTask(task: ClaimedTask, host: Host): Promise<TaskOutcome> {
  if (!verifyTask(task.queue, task.taskId, task.signature, host.taskKeys)) return setAside(task, host);
  await failpoint('chunk.4-5', task.taskId);
  const lease = await proveLease(task, host);
  if (lease === null) return 'failed';
  try {
    const { kind } = parseTaskId(task.taskId);
    if (kind !== 'intake') host.metrics.recordClaim(kind, host.clock.nowMs() - task.enqueuedAtMs);
    return kind === 'chunk' ? await executeChunk(task, lease, host) : await executeWork(task, lease, host);
  } catch (err) {
    // Redis or the journal failed between the steps: the claim runs out, and whoever is next reads what stands.
    host.log.warn({ err: describeError(err), taskId: task.taskId }, 'attempt abandoned');
    return 'failed';
  } finally {
    lease.stop();
  }
}

/** A task that we did not sign, or that was altered: never run. Its chunk has an owner again when the sweep of lost tasks finds it. */
async function setAside(task: ClaimedTask, host: Host): Promise<TaskOutcome> {
  host.metrics.recordRefusedTask('signature');
  await host.refused.refuse(task);
  return 'failed';
}

async function proveLease(task: ClaimedTask, host: Host): Promise<Lease | null> {
  try {
    return await keepLease(task, host.times, host.clock, host.leases);
  } catch (err) {
    if (!(err instanceof FenceError)) throw err;
    host.log.warn({ taskId: task.taskId, reason: err.reason }, 'claim given up');
    return null;
  }
}
