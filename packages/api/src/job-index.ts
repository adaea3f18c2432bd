/**
 * All jobs of the installation, for lists: what the journal has, kept in memory, with open ones as the ledger sees them now. Brought up to date when it is
 * asked, at most once a second: jobs that events name are read again, open ones are asked of Redis; a whole look through the journal's folder of jobs comes
 * again after twenty times as long as the last one took, so that it costs at most a twentieth of the store's time. While Redis is away the journal alone is
 * asked. Nothing here is the truth, and nothing is lost with it.
 */
import { type Journal, newestGeneration, specOfGeneration, statusFromJournal, statusOfManifest } from '@millrace/journal';
import { isTerminalJobState, type JobId, type JobRecord, type JobStatus, type ResolvedJobSpec } from '@millrace/protocol';
import { noSpeed, statusFromLedger } from '@millrace/queues';
import type { Clock, Log } from '@millrace/service-kit';
import type { JobReader } from './job-reader.ts';

/** A job as lists show it. */
export interface IndexedJob {
  readonly record: JobRecord;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: JobStatus;
  /** Of the newest generation; null while it runs. */
  readonly endedAt: string | null;
  readonly durationMs: number | null;
}

const freshMs = 1_000;
const lookShare = 20;
const leastLookMs = 1_000;
const atOnce = 16;

export class JobIndex {
  readonly #journal: Journal;
  readonly #reader: JobReader;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #jobs = new Map<JobId, IndexedJob>();
  /** Newest first; null: to be sorted anew. */
  #sorted: readonly IndexedJob[] | null = null;
  #stopped = false;
  /** Not known, or changed since they were read. */
  readonly #stale = new Set<JobId>();
  #lastEvent: string | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #lookMs = 0;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | null = null;

  constructor(parts: { readonly journal: Journal; readonly reader: JobReader; readonly clock: Clock; readonly log: Log }) {
    this.#journal = parts.journal;
    this.#reader = parts.reader;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Every job, newest first, as of at most a second ago. */
  async all(): Promise<readonly IndexedJob[]> {
    await this.#refresh();
    this.#sorted ??= [...this.#jobs.values()].sort(newestFirst);
    return this.#sorted;
  }

  /** Reads what is there in the background, so that the first list does not wait for all of it. */
  warm(): void {
    this.all().catch((err: unknown) => {
      if (!this.#stopped) this.#log.warn({ err }, 'list of jobs not read');
    });
  }

  /** What is under way ends early; nobody asks any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** A job that this process has submitted or steered: the next list shows it. */
  note(jobId: JobId): void {
    this.#stale.add(jobId);
    this.#refreshedAtMs = Number.NEGATIVE_INFINITY;
  }

  async #refresh(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#refreshedAtMs < freshMs) return;
    this.#refreshing ??= this.#refreshNow().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  async #refreshNow(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    await this.#hearOfChanges();
    if (startMs - this.#lookedAtMs >= Math.max(leastLookMs, this.#lookMs * lookShare)) await this.#lookThrough(startMs);
    const open = [...this.#jobs.values()].filter(({ status }) => !isTerminalJobState(status.state)).map(({ record }) => record.jobId);
    const wanted = [...new Set([...this.#stale, ...open])];
    this.#stale.clear();
    await inTurns(wanted, atOnce, (jobId) => this.#read(jobId));
    this.#sorted = null;
    this.#refreshedAtMs = this.#clock.monotonicMs();
  }

  /** What schedulers have told of jobs since the last time: also of those that ended and were opened again in between. */
  async #hearOfChanges(): Promise<void> {
    const heard = await this.#reader.fromRedis((queues) => queues.events.jobsChanged(this.#lastEvent));
    if (heard === null) {
      this.#lastEvent = null;
      return;
    }
    for (const jobId of heard.missed ? this.#jobs.keys() : heard.jobIds) this.#stale.add(jobId);
    this.#lastEvent = heard.last;
  }

  async #lookThrough(startMs: number): Promise<void> {
    const seen = new Set<JobId>();
    for await (const jobId of this.#journal.listJobIds()) {
      seen.add(jobId);
      if (!this.#jobs.has(jobId)) this.#stale.add(jobId);
    }
    // Their history was kept for as long as it is kept, or was erased.
    for (const jobId of this.#jobs.keys()) if (!seen.has(jobId)) this.#jobs.delete(jobId);
    this.#lookedAtMs = startMs;
    this.#lookMs = this.#clock.monotonicMs() - startMs;
  }

  async #read(jobId: JobId): Promise<void> {
    if (this.#stopped) return;
    try {
      const record = await this.#reader.record(jobId);
      // A folder without job.json: one that was begun and never accepted.
      if (record !== null) this.#jobs.set(jobId, await this.#indexed(record));
    } catch (err) {
      this.#stale.add(jobId);
      if (!this.#stopped) this.#log.warn({ err, jobId }, 'job not read for the list');
    }
  }

  async #indexed(record: JobRecord): Promise<IndexedJob> {
    const { jobId } = record;
    const ledger = await this.#reader.ledgerJob(jobId);
    if (ledger !== null && !ledger.rebuilding && !isTerminalJobState(ledger.state)) {
      const written = await this.#reader.fromRedis((queues) => queues.events.status(record.tenant, jobId));
      const status = statusFromLedger(ledger, noSpeed);
      const isCurrent = written !== null && written.state === status.state && written.generation === status.generation;
      const live = isCurrent ? { waitingFor: written.waitingFor, bytesPerSecond: written.bytesPerSecond, etaSeconds: written.etaSeconds } : {};
      return { record, labels: labelsOf(record.spec), status: { ...status, ...live }, endedAt: null, durationMs: null };
    }
    return this.#fromJournal(record);
  }

  /** Of a job that ended its manifest says all; one that is open and that Redis does not have is counted by its verdicts. */
  async #fromJournal(record: JobRecord): Promise<IndexedJob> {
    const { jobId } = record;
    const commands = await this.#journal.readCommands(jobId);
    const generation = newestGeneration(commands);
    const { spec } = specOfGeneration({ job: { record }, commands }, generation);
    const manifest = await this.#journal.readManifest(jobId, generation);
    if (manifest === null) {
      const view = await this.#journal.readJob(jobId);
      if (view === null) throw new Error(`cannot read job ${jobId}: its records are gone`);
      return { record, labels: labelsOf(spec), status: statusFromJournal(view), endedAt: null, durationMs: null };
    }
    const { endedAt, durationMs } = manifest.record;
    return { record, labels: labelsOf(spec), status: statusOfManifest(record, manifest.record), endedAt, durationMs };
  }
}

/** Ids break ties, so that pages have one order. */
export function newestFirst(one: IndexedJob, other: IndexedJob): number {
  const [a, b] = [one.record, other.record];
  if (a.acceptedAt !== b.acceptedAt) return a.acceptedAt < b.acceptedAt ? 1 : -1;
  return a.jobId < b.jobId ? 1 : a.jobId > b.jobId ? -1 : 0;
}

/** Where a job stands in the list: later is greater. */
export const positionOf = ({ record }: Pick<IndexedJob, 'record'>): string => `${record.acceptedAt} ${record.jobId}`;

const labelsOf = (spec: ResolvedJobSpec): Readonly<Record<string, string>> => spec.labels;

/** Does one after another in so many rows at once. */
async function inTurns<T>(items: readonly T[], rows: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: Math.min(rows, items.length) }, async () => {
      for (const item of left) await act(item);
    }),
  );
}
