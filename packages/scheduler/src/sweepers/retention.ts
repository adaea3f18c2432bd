/**
 * Retention: when the time of a job's rejects or history is over, that becomes a command in its journal, and a host removes them. The command comes first:
 * from then on a redrive is refused, so nothing is removed under one. Every job of the journal is looked at once after the lead is taken and then when
 * something of it is due, a few in each round of the leader.
 */
import { jobKey, newestGeneration } from '@millrace/journal';
import { type Command, type JobId, type JobRecord, type Manifest, type Retirable, retirementsOf } from '@millrace/protocol';
import type { Control } from '../control.ts';

/** Jobs that are looked at beside one round. */
const jobsAtOnce = 8;
/** Distance of two passes over all jobs; scaled with the other times. */
const passMs = 3_600_000;

export class RetentionSweeper {
  readonly #control: Control;
  /** When a job must be looked at again, by the wall clock; absent: not looked at yet. Those of which nothing is left are never due. */
  readonly #dueMs = new Map<JobId, number>();
  #jobs: AsyncGenerator<JobId> | null = null;
  #passedAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(control: Control) {
    this.#control = control;
  }

  /** Looks at a few more jobs unless it is at that still, or was through with all of them a short while ago. */
  tick(): void {
    const { clock, times, log } = this.#control;
    if (this.#underWay !== null) return;
    if (this.#jobs === null && clock.monotonicMs() - this.#passedAtMs < passMs * times.timeScale) return;
    this.#underWay = this.#lookAtSome()
      .catch((err: unknown) => {
        // The pass begins anew: what was looked at is remembered.
        this.#jobs = null;
        log.warn({ err }, 'retention not looked at');
      })
      .finally(() => {
        this.#underWay = null;
      });
  }

  /** What is under way has ended. */
  async settle(): Promise<void> {
    await this.#underWay;
  }

  async #lookAtSome(): Promise<void> {
    const { journal, clock } = this.#control;
    this.#jobs ??= journal.listJobIds();
    for (let looked = 0; looked < jobsAtOnce; ) {
      const next = await this.#jobs.next();
      if (next.done) {
        this.#jobs = null;
        this.#passedAtMs = clock.monotonicMs();
        return;
      }
      if ((this.#dueMs.get(next.value) ?? 0) > clock.nowMs()) continue;
      this.#dueMs.set(next.value, await this.#lookAt(next.value));
      looked += 1;
    }
  }

  /** When to look again. */
  async #lookAt(jobId: JobId): Promise<number> {
    const { journal, clock } = this.#control;
    const [job, manifest, commands] = await Promise.all([journal.readJobRecord(jobId), journal.readNewestManifest(jobId), journal.readCommands(jobId)]);
    // A job that is under way, or that has no job.json yet, is looked at in the next pass.
    if (job === null || manifest === null || newestGeneration(commands) !== manifest.record.generation) return 0;
    await this.#carryOn(job.record, manifest.record, commands);
    const left = retirementsOf(manifest.record, job.record.spec.retention, commands);
    for (const { what, dueMs } of left) if (dueMs <= clock.nowMs()) await this.#retire(job.record, manifest.record, what);
    const later = left.filter(({ dueMs }) => dueMs > clock.nowMs()).map(({ dueMs }) => dueMs);
    return later.length > 0 ? Math.min(...later) : left.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  /** What a command says and no host has done, for Redis may have forgotten to tell one. */
  async #carryOn(job: JobRecord, manifest: Manifest, commands: readonly Command[]): Promise<void> {
    for (const { retires } of commands) if (retires !== null) await this.#tellHosts(job, manifest, retires);
  }

  async #retire(job: JobRecord, manifest: Manifest, what: Retirable): Promise<void> {
    const { journal, clock, log } = this.#control;
    const { jobId } = job;
    const { generation } = manifest;
    const result = await journal.appendCommand<'another was first'>(jobId, (sofar) =>
      newestGeneration(sofar) !== generation || sofar.some(({ retires }) => retires === what)
        ? { refuse: 'another was first' }
        : {
            append: {
              jobId,
              command: 'retire',
              retires: what,
              generation,
              opens: null,
              select: [],
              resultVersion: null,
              spec: null,
              specDigest: null,
              reason: `retention.${what}`,
              by: 'scheduler',
              at: clock.nowIso(),
            },
          },
    );
    if ('refused' in result) return;
    log.info({ jobId, generation, what }, 'retention ended');
    await this.#tellHosts(job, manifest, what);
  }

  async #tellHosts({ jobId, tenant, specDigest }: JobRecord, { generation }: Manifest, retires: Retirable): Promise<void> {
    const isLeft = retires === 'rejects' || (await this.#control.journal.hasHistory(jobId));
    if (isLeft) await this.#control.queues.sweeps.add({ jobId, generation, tenant, jobKey: jobKey(jobId), specDigest, retires }, 0);
  }
}
