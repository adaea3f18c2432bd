/** Worker hosts as people see them, with the attempts that the ledger says they have in hand. */
import type { WorkerSummary } from '@millrace/api-contract';
import type { LedgerChunkView, Queues } from '@millrace/queues';

/** Of one host at most so many attempts are shown; it has at most as many slots. */
const shownAttempts = 256;
const jobsAtOnce = 16;

/** `reaches`: whose jobs the caller may know of; a host's other attempts are left out. */
export async function workerViews(queues: Queues, nowMs: number, reaches: (tenant: string) => boolean): Promise<WorkerSummary[]> {
  const hosts = await queues.workers.alive();
  const inHand = hosts.length === 0 ? new Map<string, LedgerChunkView[]>() : await attemptsByWorker(queues, reaches);
  return hosts.map((host) => ({
    workerId: host.worker,
    pool: host.pool,
    pod: host.pod,
    node: host.node,
    coreVersion: host.coreVersion,
    resultVersion: host.resultVersion,
    slots: host.slots,
    busy: host.busy,
    draining: host.draining,
    drainAsked: host.drainAsked,
    heartbeatAt: new Date(nowMs - host.ageMs).toISOString(),
    heartbeatAgeMs: host.ageMs,
    memoryBytes: host.memoryBytes ?? null,
    attempts: (inHand.get(host.worker) ?? [])
      .flatMap(({ attempt, jobId, chunkId, bytes }) =>
        attempt === null
          ? []
          : [
              {
                attemptId: attempt.attemptId,
                jobId,
                chunkId,
                startedAt: attempt.startedAt,
                bytes,
                bytesDone: attempt.bytesDone,
                recordsDone: attempt.recordsDone,
              },
            ],
      )
      .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
      .slice(0, shownAttempts),
  }));
}

/** Open attempts of jobs that have some, by host. */
async function attemptsByWorker(queues: Queues, reaches: (tenant: string) => boolean): Promise<Map<string, LedgerChunkView[]>> {
  const ids = await queues.ledger.openJobs();
  const found = new Map<string, LedgerChunkView[]>();
  for (let at = 0; at < ids.length; at += jobsAtOnce) {
    const some = await Promise.all(
      ids.slice(at, at + jobsAtOnce).map(async (jobId) => {
        const job = await queues.ledger.job(jobId);
        const isRunning = job !== null && reaches(job.tenant) && (job.chunks.running > 0 || job.openWork > 0);
        return isRunning ? queues.ledger.liveChunks(jobId) : [];
      }),
    );
    for (const view of some.flat()) {
      if (view.attempt === null) continue;
      const known = found.get(view.attempt.worker);
      if (known === undefined) found.set(view.attempt.worker, [view]);
      else known.push(view);
    }
  }
  return found;
}
