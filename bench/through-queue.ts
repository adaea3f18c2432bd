/** The bench file from CSV to Parquet (snappy) as a job through the queue, with rejects on, by hosts of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startLocalStack } from '../packages/cli/src/local-stack.ts';
import { home } from './keep.ts';

const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer', constraints: { required: true } },
    { name: 'ts', type: 'datetime' },
    { name: 'user_id', type: 'integer' },
    { name: 'method', type: 'string' },
    { name: 'path', type: 'string' },
    { name: 'status', type: 'integer' },
    { name: 'latency', type: 'number' },
    { name: 'ip', type: 'string' },
    { name: 'agent', type: 'string' },
    { name: 'md5', type: 'string' },
  ],
};

export interface QueueRun {
  /** From submit to the end of the job. */
  seconds: number;
  /** Until Redis and the services had done a job of one record. */
  startSeconds: number;
  bytesOut: number;
}

/** Converts `file`, which has `rows` rows, with `hosts` hosts of one slot each; everything that is written lies below `place` and is removed. */
export async function throughQueue(file: string, rows: number, hosts: number, place = tmpdir()): Promise<QueueRun> {
  const warmUp = join(home, 'warm-up.csv');
  writeFileSync(warmUp, 'id,name\n1,anna\n');
  const out = mkdtempSync(join(place, 'millrace-bench-'));
  const startedAt = performance.now();
  const local = await startLocalStack({ directory: out, readRoots: [home], writeRoots: [out], hostSlots: Array.from({ length: hosts }, () => 1) });
  try {
    // The first job waits for the services to be up; that is reported as the start and not as the job.
    await (
      await local.producer.submit({ name: 'warm-up', inputs: pathToFileURL(warmUp).href, output: { uri: `${pathToFileURL(out).href}/warm-up/` } })
    ).result();
    const submittedAt = performance.now();
    const job = await local.producer.submit({
      name: 'bench',
      inputs: { uri: pathToFileURL(file).href, format: 'csv' },
      schema: SCHEMA,
      output: { uri: `${pathToFileURL(out).href}/bench/`, compression: 'snappy' },
    } as never);
    const result = await job.result();
    const seconds = (performance.now() - submittedAt) / 1000;
    if (result.rows !== rows || result.balance.rejected !== 0)
      throw new Error(`expected ${rows} rows and no reject, got ${result.rows} and ${result.balance.rejected}`);
    return { seconds, startSeconds: (submittedAt - startedAt) / 1000, bytesOut: result.bytes };
  } finally {
    await local.stop();
    rmSync(out, { recursive: true, force: true });
  }
}
