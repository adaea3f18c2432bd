/** Jobs with something to see: one with rejects, one with dead chunks, names and texts that would be code if a page were careless. */
import { renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ApiError } from '../../../packages/api-contract/src/client.ts';
import { isSealed } from '../../e2e/support/journal-files.ts';
import { until } from '../../e2e/support/until.ts';
import { generatedSpec, type WrittenSpec } from '../../e2e/support/workbench.ts';
import type { BrowserBench } from './pages.ts';

export const hostile = '<img src=x onerror=alert(1)>"\'&amp;{{7*7}}</script>';

/** Asks again while the server asks for patience: making data blocks this process, and with it the API for a moment. */
export async function submit({ api: { client } }: BrowserBench, spec: WrittenSpec): Promise<string> {
  let jobId = '';
  const accepted = async (): Promise<boolean> => {
    try {
      ({ jobId } = await client.call('POST /jobs', { body: { spec } }));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.retryable) return false;
      throw error;
    }
  };
  await until('the job to be accepted', accepted, { within: 20_000, every: 200 });
  return jobId;
}

export async function untilEnded({ api: { client } }: BrowserBench, jobId: string): Promise<string> {
  let state = '';
  await until(
    `the end of ${jobId}`,
    async () => {
      ({ state } = await client.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } }));
      return ['completed', 'failed', 'cancelled'].includes(state);
    },
    { within: 60_000, every: 100, describe: () => state },
  );
  return state;
}

/** Dirty orders: rejects of several codes. */
export async function dirtyJob(pages: BrowserBench, name = 'dirty'): Promise<string> {
  const { bench } = pages;
  const { directory } = bench.generate(name, { records: 12_000, files: 3 });
  return submit(pages, generatedSpec(directory, bench.path('out', name), '64KiB', { description: hostile, labels: { team: hostile } }));
}

export interface BrokenJob {
  readonly jobId: string;
  /** Puts the file back that went away while the job ran. */
  readonly repair: () => void;
}

/** A file goes away once its chunks are planned: they are dead at once, and the job fails for its budget. */
export async function brokenJob(pages: BrowserBench, name = 'broken'): Promise<BrokenJob> {
  const { bench } = pages;
  const { directory } = bench.generate(name, { records: 40_000, files: 2, seed: 5 });
  const gone = join(directory, 'orders-02.csv');
  const away = join(directory, `away-${basename(gone)}`);
  const jobId = await submit(pages, generatedSpec(directory, bench.path('out', name), '64KiB'));
  await until('the plan', () => isSealed(bench.path('out'), jobId), { every: 2 });
  renameSync(gone, away);
  await untilEnded(pages, jobId);
  return { jobId, repair: () => renameSync(away, gone) };
}
