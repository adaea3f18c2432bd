/** The open dead letters of a tenant, from the ledger's index: what lists show and plans freeze. No record of the journal is read for one. */
import { type Filter, type FilterableLetter, type JobId, letterItem, matchesFilter, parseChunkId } from '@millrace/protocol';
import type { LetterView, TroubledJob } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import type { Control } from '../control.ts';

/** A letter with the job it is of. */
export interface FoundLetter {
  readonly jobId: JobId;
  readonly jobName: string;
  readonly id: string;
  readonly stage: string;
  readonly chunk: number;
  readonly letter: LetterView;
}

/** Throws `REBUILDING` while the index is being made after a loss of Redis: a list of a part would be taken for the whole. */
export async function assertIndexed(control: Control): Promise<void> {
  if (await control.queues.ledger.isIndexed()) return;
  throw new AppError('REBUILDING', 'cannot list dead letters: they are being read from the journal after a loss of Redis; ask again');
}

/** Those that the filter holds for, in order of jobs, stages and chunks. */
export async function findLetters(tenant: string, filter: Filter, control: Control): Promise<FoundLetter[]> {
  await assertIndexed(control);
  const nowMs = control.clock.nowMs();
  const found: FoundLetter[] = [];
  for (const job of await troubledJobs(tenant, control)) {
    const labels = await labelsOf(job, filter, control);
    for await (const letters of control.queues.ledger.scanLetters(job.jobId)) {
      for (const letter of letters) {
        const one = foundLetter(job, letter);
        if (matchesFilter(filter, letterItem(filterable(one, labels)), nowMs)) found.push(one);
      }
    }
  }
  return sorted(found);
}

/** Letters by id: those that are open, and ids for which there is none. */
export async function lettersById(tenant: string, ids: readonly string[], control: Control): Promise<{ found: FoundLetter[]; missing: string[] }> {
  await assertIndexed(control);
  const jobs = new Map((await troubledJobs(tenant, control)).map((job) => [job.jobId as string, job]));
  const found: FoundLetter[] = [];
  const missing: string[] = [];
  const byJob = Map.groupBy(new Set(ids), (id) => id.slice(0, id.indexOf('.')));
  for (const [jobId, some] of byJob) {
    const job = jobs.get(jobId);
    if (job === undefined) {
      missing.push(...some);
      continue;
    }
    const letters = await control.queues.ledger.lettersOf(job.jobId, some.map(chunkOf));
    for (const id of some) {
      const letter = letters.get(chunkOf(id));
      if (letter !== undefined && letterId(letter) === id) found.push(foundLetter(job, letter));
      else missing.push(id);
    }
  }
  return { found: sorted(found), missing };
}

export async function troubledJobs(tenant: string, control: Control): Promise<TroubledJob[]> {
  const jobs = await control.queues.ledger.troubledJobs();
  return jobs.filter((job) => job.tenant === tenant).sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
}

export const letterId = ({ chunkId, generation }: Pick<LetterView, 'chunkId' | 'generation'>): string => `${chunkId}.${generation}`;

/** The id of the chunk in front of the generation. */
const chunkOf = (id: string): string => id.slice(0, id.lastIndexOf('.'));

function foundLetter(job: TroubledJob, letter: LetterView): FoundLetter {
  const { stage, chunk } = parseChunkId(letter.chunkId);
  return { jobId: job.jobId, jobName: job.name, id: letterId(letter), stage, chunk, letter };
}

function filterable({ jobId, jobName, stage, chunk, letter }: FoundLetter, labels: Readonly<Record<string, string>>): FilterableLetter {
  return { ...letter, jobId, jobName, labels, state: 'open', stage, chunk };
}

/** Labels stand in the spec; it is read only for a filter that asks for one. */
async function labelsOf(job: TroubledJob, filter: Filter, control: Control): Promise<Readonly<Record<string, string>>> {
  if (!filter.terms.some(({ field }) => field?.startsWith('label.'))) return {};
  return (await control.facts.spec(job.jobId, 1))?.spec.labels ?? {};
}

/** By number: as text 10 would come before 9. Letters of one job and stage are compared by their numbers alone. */
function sorted(letters: readonly FoundLetter[]): FoundLetter[] {
  const stages = [...Map.groupBy(letters, ({ jobId, stage }) => `${jobId}.${stage}`)].sort(([a], [b]) => (a < b ? -1 : 1));
  return stages.flatMap(([, some]) => some.sort((a, b) => a.chunk - b.chunk));
}
