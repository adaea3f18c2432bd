/**
 * After a loss of Redis: error groups of all jobs and dead letters of those that ended come back into the ledger, from the journal, beside everything else.
 * Until that is through, lists say so instead of showing a part. Each failure and each letter counts once, however often it is told.
 */
import { type FailureName, Waivers } from '@millrace/journal';
import { countsAgainstChunk, type JobId, type JobRecord, jobStages } from '@millrace/protocol';
import type { FailureNote, LetterView } from '@millrace/queues';
import { EpochUnknownError } from '@millrace/queues';
import type { Control } from '../control.ts';
import { letterView } from '../dead-letter.ts';
import { inSteps } from '../in-steps.ts';

export class TroubleIndexer {
  readonly #control: Control;
  #indexing: Promise<void> | null = null;
  #stopped = false;

  constructor(control: Control) {
    this.#control = control;
  }

  /** Begins when the ledger of this epoch is not complete; answers at once. */
  async tick(): Promise<void> {
    if (this.#indexing !== null || (await this.#control.queues.ledger.isIndexed())) return;
    this.#indexing = this.#index()
      .catch((err: unknown) => {
        if (!(err instanceof EpochUnknownError) && !this.#stopped) this.#control.log.warn({ err }, 'dead letters not indexed');
      })
      .finally(() => {
        this.#indexing = null;
      });
  }

  async settle(): Promise<void> {
    this.#stopped = true;
    await this.#indexing;
  }

  async #index(): Promise<void> {
    const { journal, queues, log } = this.#control;
    const epoch = await queues.ledger.epoch();
    let jobs = 0;
    for await (const jobId of journal.listJobIds()) {
      if (this.#stopped) return;
      await indexJob(jobId, this.#control);
      jobs++;
    }
    if ((await queues.ledger.epoch()) !== epoch) return;
    await queues.ledger.setIndexed();
    log.info({ jobs }, 'dead letters and error groups indexed');
  }
}

async function indexJob(jobId: JobId, control: Control): Promise<void> {
  const stored = await control.journal.readJobRecord(jobId);
  if (stored === null) return;
  const { record } = stored;
  const failures = await failuresOf(record, control);
  const letters = await openLettersOf(record, control);
  if (failures.length === 0 && letters.length === 0) return;
  const who = { jobId, tenant: record.tenant, name: record.name };
  await control.queues.ledger.indexTrouble(who, failures, letters);
}

const stagesWithRecords = (job: JobRecord): string[] => [...jobStages(job).map(({ name }) => name), 'plan', 'finish'];

async function failuresOf(job: JobRecord, control: Control): Promise<FailureNote[]> {
  const notes: FailureNote[] = [];
  for (const stage of stagesWithRecords(job)) {
    const names: FailureName[] = [];
    for await (const name of control.journal.listFailures(job.jobId, stage)) names.push(name);
    const stored = await inSteps(names, ({ chunk, attemptId }) => control.journal.readFailure(job.jobId, stage, chunk, attemptId));
    for (const one of stored) {
      if (one === null || !countsAgainstChunk(one.record)) continue;
      const { attemptId, fingerprint, code, class: failureClass, message, endedAt: at, range } = one.record;
      const place = range === null ? null : { uri: range.uri, start: range.start, end: range.end };
      notes.push({ attemptId, fingerprint, code, class: failureClass, message, at, sample: one.key, place });
    }
  }
  return notes;
}

/** Of a job with dead letters only: their plans say which of them count still. */
export async function openLettersOf(job: JobRecord, control: Pick<Control, 'journal'>): Promise<LetterView[]> {
  const { jobId } = job;
  const names: { stage: string; chunk: number; generation: number }[] = [];
  for (const stage of stagesWithRecords(job)) {
    for await (const { chunk, generation } of control.journal.listDeadLetters(jobId, stage)) names.push({ stage, chunk, generation });
  }
  const view = names.length === 0 ? null : await control.journal.readJob(jobId);
  if (view === null) return [];
  const newest = new Map(view.chunks.map(({ chunk, generation }) => [chunk.chunk, generation]));
  // Of a chunk the letter of the newest generation that lists it counts; of a file that of the newest generation.
  const counts = names.filter(({ stage, chunk, generation }) => generation === (stage === 'plan' ? view.generation : newest.get(chunk)));
  const waivers = new Waivers(view.commands);
  const open = counts.filter(({ stage, chunk, generation }) => waivers.of(stage, chunk, generation) === null);
  const letters = await inSteps(open, async ({ stage, chunk, generation }) => {
    const verdict = await control.journal.readVerdict(jobId, stage, chunk, generation);
    const letter = verdict?.record.outcome === 'dead' ? await control.journal.readDeadLetter(jobId, stage, chunk, generation) : null;
    return letter === null ? null : letterView(letter.record, letter.key);
  });
  return letters.filter((letter) => letter !== null);
}
