/**
 * Sums of receipts that the ledger knows by name alone: after a rebuild, and where a host marked a commit whose chunk it could not read. Their bodies are
 * read beside the rounds, a job at a time; until that is through, budgets wait for the sums.
 */
import { Waivers } from '@millrace/journal';
import { isTerminalJobState, type JobId } from '@millrace/protocol';
import { EpochUnknownError, type LedgerJobView } from '@millrace/queues';
import type { Control } from './control.ts';
import { filledChunks, tellOutcome } from './rebuild.ts';
import { hasBit } from './redrives/observe-job.ts';

const atOnce = 16;

export class ReceiptCounter {
  readonly #control: Control;
  /** Jobs that were looked through, and when they may be again: one with a receipt that cannot be read must not keep the journal busy. */
  readonly #notBefore = new Map<JobId, number>();
  #counting: Promise<void> | null = null;
  #stopped = false;

  constructor(control: Control) {
    this.#control = control;
  }

  /** Begins with jobs that have such receipts, unless it is at work; answers at once. */
  tick(jobs: readonly LedgerJobView[]): void {
    if (this.#counting !== null || this.#stopped) return;
    const nowMs = this.#control.clock.monotonicMs();
    for (const [jobId, atMs] of this.#notBefore) if (atMs <= nowMs) this.#notBefore.delete(jobId);
    const wanted = jobs.filter((job) => job.uncounted > 0 && !job.rebuilding && !isTerminalJobState(job.state) && !this.#notBefore.has(job.jobId));
    if (wanted.length === 0) return;
    this.#counting = this.#countAll(wanted.map(({ jobId }) => jobId)).finally(() => {
      this.#counting = null;
    });
  }

  async settle(): Promise<void> {
    this.#stopped = true;
    await this.#counting;
  }

  async #countAll(jobIds: readonly JobId[]): Promise<void> {
    const { clock, times, log } = this.#control;
    for (const jobId of jobIds) {
      if (this.#stopped) return;
      try {
        await this.#count(jobId);
      } catch (err) {
        if (err instanceof EpochUnknownError) return;
        if (!this.#stopped) log.warn({ err, jobId }, 'receipts not counted');
      }
      this.#notBefore.set(jobId, clock.monotonicMs() + times.sweepMs);
    }
  }

  async #count(jobId: JobId): Promise<void> {
    const { journal, queues, log } = this.#control;
    const view = await journal.readJob(jobId);
    if (view === null) return;
    const waivers = new Waivers(view.commands);
    const { committed } = await queues.ledger.outcomeBits(jobId);
    const counted = await queues.ledger.countedBits(jobId);
    const open = filledChunks(view).filter(({ chunk }) => hasBit(committed, chunk.chunk) && !hasBit(counted, chunk.chunk));
    for (let at = 0; at < open.length && !this.#stopped; at += atOnce)
      await Promise.all(open.slice(at, at + atOnce).map((chunk) => tellOutcome(chunk, view, waivers, this.#control)));
    log.info({ jobId, receipts: open.length }, 'receipts counted');
  }
}
