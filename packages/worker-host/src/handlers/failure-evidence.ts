/**
 * What a failed generation leaves beside its code: which budget it was, and where to look first. Places and codes alone: what stood there is in the
 * rejects, whose readers are fewer. Samples that cannot be read are left out: evidence must not keep a job from ending.
 */
import type { CoreLike, ManifestWriter } from '@millrace/journal';
import {
  budgetEvidence,
  chunkId,
  codeMatches,
  deadLetterId,
  type FailureEvidence,
  type JobId,
  type ManifestPart,
  type ResolvedJobSpec,
} from '@millrace/protocol';
import { describeError } from '@millrace/service-kit';
import { z } from 'zod';
import type { Host } from '../host.ts';
import type { GenerationSummary } from './summarise-generation.ts';

/** The budget's sums, and lists of the manifest that is being made. */
export type EndedGeneration = Pick<GenerationSummary, 'budget'> & { readonly lists: Pick<ManifestWriter, 'list'> };

const MAX_SAMPLES = 10;
/** Of each file of rejects; a column's own may stand behind others. */
const ROWS_LOOKED_AT = 200;
const FILES_LOOKED_AT = 5;
const DEADLINE_MS = 30_000;

const rowShape = z.object({
  rejectId: z.string(),
  file: z.string(),
  record: z.int().min(0),
  line: z.int().min(0).nullable(),
  column: z.string().nullable(),
  code: z.string(),
});
type Sample = z.output<typeof rowShape>;

/** Undefined for ends that are not a budget's. */
export async function evidenceOfEnd(
  code: string,
  summary: EndedGeneration,
  spec: ResolvedJobSpec,
  job: { readonly jobId: JobId; readonly generation: number },
  host: Pick<Host, 'store' | 'journal' | 'log'>,
): Promise<FailureEvidence | undefined> {
  const evidence = budgetEvidence(summary.budget, spec, code);
  if (evidence === null) return undefined;
  try {
    const samples =
      code === 'BUDGET_DEAD_LETTERS'
        ? await letterSamples(summary, job, host)
        : await rejectSamples(evidence, code, await first(summary.lists.list('rejects'), FILES_LOOKED_AT), host.store);
    return { ...evidence, samples };
  } catch (err) {
    host.log.warn({ err: describeError(err), jobId: job.jobId }, 'samples of rejects not read');
    return { ...evidence, samples: [] };
  }
}

async function letterSamples(
  { lists }: EndedGeneration,
  { jobId, generation }: { jobId: JobId; generation: number },
  { journal }: Pick<Host, 'journal'>,
): Promise<FailureEvidence['samples']> {
  const samples: FailureEvidence['samples'] = [];
  for (const gap of await first(lists.list('gaps'), MAX_SAMPLES)) {
    const [stage = '', chunk = '0'] = gap.chunk.split('.');
    let letter = null;
    // It may have died in an earlier generation and not have been taken up since.
    for (let died = generation; letter === null && died > 0; died -= 1) letter = await journal.readDeadLetter(jobId, stage, Number(chunk), died);
    samples.push({
      deadLetterId: letter?.record.deadLetterId ?? deadLetterId(chunkId(jobId, stage, Number(chunk)), generation),
      code: gap.code,
      message: letter?.record.message ?? '',
    });
  }
  return samples;
}

async function rejectSamples(
  { subject }: { readonly subject: string | null },
  code: string,
  files: readonly ManifestPart[],
  core: CoreLike,
): Promise<FailureEvidence['samples']> {
  const counts = (row: Sample): boolean => {
    if (subject === null) return true;
    if (code === 'BUDGET_FILE') return row.file === subject;
    return code === 'BUDGET_COLUMN' ? row.column === subject : codeMatches(subject, row.code);
  };
  const samples: Sample[] = [];
  for (const { uri } of files) {
    samples.push(...(await firstRows(uri, core)).filter(counts));
    if (samples.length >= MAX_SAMPLES) break;
  }
  return samples.slice(0, MAX_SAMPLES);
}

async function first<Item>(items: AsyncIterable<Item>, most: number): Promise<Item[]> {
  const some: Item[] = [];
  for await (const item of items) if (some.push(item) >= most) break;
  return some;
}

async function firstRows(uri: string, core: CoreLike): Promise<Sample[]> {
  const input = { uri, connection: null, etag: '', size: 0 };
  const rest = { connection: null, jobKey: null, record: null, parts: null, spec: null };
  const answer = await core.request({ type: 'Inspect', what: 'rows', input, start: 0, end: ROWS_LOOKED_AT, ...rest }, { deadlineMs: DEADLINE_MS });
  if (answer.failed !== null) throw new Error(`cannot read ${uri}: ${answer.failed.message}`);
  const lines = new TextDecoder().decode(answer.payload).split('\n');
  return lines.filter((line) => line !== '').map((line) => rowShape.parse(JSON.parse(line)));
}
