/** Jobs with something to see: one with rejects, one with dead chunks, names and texts that would be code if a page were careless. */
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isSealed } from '../../e2e/support/journal-files.ts';
import { patiently, steerChunks } from '../../e2e/support/steer-chunks.ts';
import { until } from '../../e2e/support/until.ts';
import { generatedSpec, type WrittenSpec } from '../../e2e/support/workbench.ts';
import type { BrowserBench } from './pages.ts';

export const hostile = '<img src=x onerror=alert(1)>"\'&amp;{{7*7}}</script>';

export async function submit({ api: { client } }: BrowserBench, spec: WrittenSpec): Promise<string> {
  const { jobId } = await patiently('the job to be accepted', () => client.call('POST /jobs', { body: { spec } }));
  return jobId;
}

export async function untilEnded({ api: { client } }: BrowserBench, jobId: string, within = 120_000): Promise<string> {
  let state = '';
  await until(
    `the end of ${jobId}`,
    async () => {
      ({ state } = await client.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } }));
      return ['completed', 'failed', 'cancelled'].includes(state);
    },
    { within, every: 100, describe: () => state },
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

/** A file goes away once its chunks are planned and before one of them is read: they are dead at once, and the job fails for its budget. */
export async function brokenJob(pages: BrowserBench, name = 'broken'): Promise<BrokenJob> {
  const { bench } = pages;
  const { directory } = bench.generate(name, { records: 40_000, files: 2, seed: 5 });
  const gone = join(directory, 'orders-02.csv');
  const away = join(directory, `away-${basename(gone)}`);
  await steerChunks(pages, true);
  const jobId = await submit(pages, generatedSpec(directory, bench.path('out', name), '64KiB'));
  await until('the plan', () => isSealed(bench.path('out'), jobId), { every: 20 });
  renameSync(gone, away);
  await steerChunks(pages, false);
  await untilEnded(pages, jobId);
  return { jobId, repair: () => renameSync(away, gone) };
}

export interface NightJob extends BrokenJob {
  readonly dead: number;
  readonly rejects: number;
  readonly records: number;
}

const nightChunks = 2_000;
const chunkBytes = 64 * 1024;
const rowBytes = 4_096;
const header = 'order_id,amount,note\n';

/** An order of exactly `rowBytes`, so that a chunk holds 16 of them. */
function orderRow(number: number, amount: string): string {
  const start = `O-${String(number).padStart(8, '0')},${amount},`;
  return `${start}${'n'.repeat(rowBytes - start.length - 1)}\n`;
}

/**
 * What an operator finds at night: two files of orders, 37 of them with an amount that is none, and the second file gone before the first chunk of it was
 * read. Chunks are held back by their queue until the file is away, so that exactly its 2,000 die.
 */
export async function nightJob(pages: BrowserBench): Promise<NightJob> {
  const { bench, api } = pages;
  const directory = bench.path('night');
  mkdirSync(directory);
  const [rejects, first, second] = [37, 1_000, (nightChunks * chunkBytes) / rowBytes];
  const isBad = (row: number): boolean => row % 27 === 5 && row < rejects * 27;
  const rows = Array.from({ length: first }, (_, row) => orderRow(row, isBad(row) ? `12.50 EUR${row}` : '12.50'));
  writeFileSync(join(directory, 'monday.csv'), header + rows.join(''));
  const gone = join(directory, 'tuesday.csv');
  const block = Array.from({ length: 1_000 }, (_, row) => orderRow(first + row, '7.25')).join('');
  const file = openSync(gone, 'w');
  writeSync(file, header);
  for (let row = 0; row < second; row += 1_000) writeSync(file, block);
  closeSync(file);

  await steerChunks(pages, true);
  const uri = pathToFileURL(directory).href;
  const jobId = await submit(pages, {
    name: 'orders-import',
    inputs: { uri: [`${uri}/monday.csv`, `${uri}/tuesday.csv`], format: 'csv' },
    schema: {
      fields: [
        { name: 'order_id', type: 'string' },
        { name: 'amount', type: 'number', precision: 12, scale: 2 },
        { name: 'note', type: 'string' },
      ],
    },
    output: { uri: `${pathToFileURL(bench.path('out', 'night')).href}/`, compression: 'snappy' },
    execution: { chunkSize: chunkBytes },
  });
  await until('the plan', () => isSealed(bench.path('out'), jobId), { every: 20 });
  const away = `${gone}.away`;
  renameSync(gone, away);
  await steerChunks(pages, false);
  await untilEnded(pages, jobId, 180_000);
  const { chunks } = await api.client.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } });
  return { jobId, repair: () => renameSync(away, gone), dead: chunks.dead, rejects, records: first + second };
}
