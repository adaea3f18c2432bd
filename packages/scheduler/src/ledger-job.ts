/** Pure: a job of the journal as the ledger is told it. */
import { jobKey } from '@millrace/journal';
import { type JobRecord, type JobState, jobStages, type ResolvedJobSpec } from '@millrace/protocol';
import type { LedgerJob } from '@millrace/queues';

export interface GenerationSpec {
  readonly generation: number;
  readonly spec: ResolvedJobSpec;
  readonly specDigest: string;
}

export function ledgerJobOf(job: JobRecord, of: GenerationSpec, pool: string, state: JobState = 'accepted', resultVersion = job.resultVersion): LedgerJob {
  return {
    jobId: job.jobId,
    tenant: job.tenant,
    name: job.name,
    generation: of.generation,
    state,
    jobKey: jobKey(job.jobId),
    specDigest: of.specDigest,
    resultVersion,
    pool,
    stages: jobStages(job),
    priority: of.spec.execution.priority,
    weight: of.spec.execution.weight,
    maxConcurrency: of.spec.execution.maxConcurrency,
    inputFiles: job.inputFiles,
    inputBytes: job.inputBytes,
    acceptedAt: job.acceptedAt,
    sealTimeLimitMs: job.stream?.sealTimeLimitMs ?? null,
  };
}
