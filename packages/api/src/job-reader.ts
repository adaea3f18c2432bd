/** One job as callers may see it: from the ledger where Redis has it, else from the journal. A job of a tenant that the caller cannot reach is none. */
import { type JobView, type Journal, type KeptJobs, newestGeneration, specOfGeneration } from '@millrace/journal';
import { isTerminalJobState, type JobId, type JobRecord, type JobStatus, type ResolvedJobSpec } from '@millrace/protocol';
import { EpochUnknownError, isCountedInPart, isRedisFault, type LedgerJobView, noSpeed, type Queues, statusFromLedger } from '@millrace/queues';
import { type Caller, mayReach } from './auth/caller.ts';
import { ApiProblem } from './problem.ts';
import type { RedisDoor } from './redis-door.ts';

const keptJobs = 5_000;

/** `ledger`: as of now. */
export interface FoundStatus {
  readonly status: JobStatus;
  readonly source: 'ledger' | 'journal';
}

export class JobReader {
  readonly #journal: Journal;
  readonly #redis: Pick<RedisDoor, 'found'>;
  /** Plans, pins, manifests and outcomes as they were read: for pages of jobs that may be very large. */
  readonly kept: KeptJobs;
  /** job.json never changes. */
  readonly #records = new Map<JobId, JobRecord>();

  constructor(journal: Journal, redis: Pick<RedisDoor, 'found'>) {
    this.#journal = journal;
    this.#redis = redis;
    this.kept = journal.keptJobs();
  }

  /** Throws `NOT_FOUND`, in the same words whether there is no such job or the caller may not know of it. The one place where this is decided. */
  async require(jobId: JobId, caller: Caller): Promise<JobRecord> {
    const record = await this.record(jobId);
    if (record === null || !mayReach(caller, record.tenant)) throw new ApiProblem('NOT_FOUND', `cannot find job ${jobId}`);
    return record;
  }

  /** For what is not asked in somebody's name. */
  async record(jobId: JobId): Promise<JobRecord | null> {
    const known = this.#records.get(jobId);
    if (known !== undefined) return known;
    const stored = await this.#journal.readJobRecord(jobId);
    if (stored === null) return null;
    this.#records.set(jobId, stored.record);
    const oldest = this.#records.keys().next();
    if (this.#records.size > keptJobs && !oldest.done) this.#records.delete(oldest.value);
    return stored.record;
  }

  /** The job's records, all of them: for what only the journal knows. Throws `NOT_FOUND` as `require` does. */
  async view(jobId: JobId, caller: Caller): Promise<JobView> {
    await this.require(jobId, caller);
    const view = await this.#journal.readJob(jobId);
    if (view === null) throw new ApiProblem('NOT_FOUND', `cannot find job ${jobId}`);
    return view;
  }

  /** The spec that the newest generation runs with, as commands changed it. */
  async spec(record: JobRecord): Promise<{ readonly spec: ResolvedJobSpec; readonly specDigest: string; readonly generation: number }> {
    const commands = await this.#journal.readCommands(record.jobId);
    const generation = newestGeneration(commands);
    return { ...specOfGeneration({ job: { record }, commands }, generation), generation };
  }

  /** Null: Redis is away, or its ledger does not have the job (it ended more than a day ago, or the ledger is being rebuilt). */
  async ledgerJob(jobId: JobId): Promise<LedgerJobView | null> {
    return this.fromRedis((queues) => queues.ledger.job(jobId));
  }

  /** The status now. Throws `NOT_FOUND` when the journal has lost the job in the meantime. */
  async status(record: JobRecord): Promise<FoundStatus> {
    const { jobId, tenant } = record;
    const job = await this.ledgerJob(jobId);
    if (job === null || job.rebuilding || isCountedInPart(job)) return { status: await this.#statusFromJournal(jobId), source: 'journal' };
    const status = statusFromLedger(job, noSpeed);
    if (isTerminalJobState(status.state)) return { status, source: 'ledger' };
    // The leading scheduler measures speed and knows what a job waits for; it writes both beside the status.
    const written = await this.fromRedis((queues) => queues.events.status(tenant, jobId));
    if (written === null || written.state !== status.state || written.generation !== status.generation) return { status, source: 'ledger' };
    const { waitingFor, bytesPerSecond, etaSeconds } = written;
    return { status: { ...status, waitingFor, bytesPerSecond, etaSeconds }, source: 'ledger' };
  }

  async #statusFromJournal(jobId: JobId): Promise<JobStatus> {
    const status = await this.#journal.readStatus(jobId);
    if (status === null) throw new ApiProblem('NOT_FOUND', `cannot find job ${jobId}`);
    return status;
  }

  /** What Redis says; null while it is away or its ledger is not there: then the journal is asked. */
  async fromRedis<T>(read: (queues: Queues) => Promise<T | null>): Promise<T | null> {
    const queues = this.#redis.found;
    if (queues === null) return null;
    try {
      return await read(queues);
    } catch (error) {
      if (isRedisFault(error) || error instanceof EpochUnknownError) return null;
      throw error;
    }
  }
}
