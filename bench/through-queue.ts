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

export interface Services {
  /** Until Redis and the services had done a job of one record. */
  startSeconds: number;
  /** Converts the files that `uri` names, which hold `rows` rows. */
  convert(uri: string, rows: number): Promise<{ seconds: number; bytesOut: number }>;
  /** Removes what was written, too. */
  stop(): Promise<void>;
}

/** `hosts` hosts of one slot each, ready for jobs; everything that is written lies below `place`. */
export async function startServices(hosts: number, place = tmpdir()): Promise<Services> {
  const warmUp = join(home, 'warm-up.csv');
  writeFileSync(warmUp, 'id,name\n1,anna\n');
  const out = mkdtempSync(join(place, 'millrace-bench-'));
  const startedAt = performance.now();
  const local = await startLocalStack({ directory: out, readRoots: [home], writeRoots: [out], hostSlots: Array.from({ length: hosts }, () => 1) });
  const stop = async () => {
    await local.stop();
    rmSync(out, { recursive: true, force: true });
  };
  let jobs = 0;
  const outputUri = () => `${pathToFileURL(out).href}/job-${jobs++}/`;
  const convert = async (uri: string, rows: number) => {
    const submittedAt = performance.now();
    const job = await local.producer.submit({
      name: 'bench',
      inputs: { uri, format: 'csv' },
      schema: SCHEMA,
      output: { uri: outputUri(), compression: 'snappy' },
    } as never);
    const result = await job.result();
    const seconds = (performance.now() - submittedAt) / 1000;
    if (result.rows !== rows || result.balance.rejected !== 0)
      throw new Error(`expected ${rows} rows and no reject, got ${result.rows} and ${result.balance.rejected}`);
    return { seconds, bytesOut: result.bytes };
  };
  try {
    // The first job waits for the services to be up; that is reported as the start and not as the job.
    await (await local.producer.submit({ name: 'warm-up', inputs: pathToFileURL(warmUp).href, output: { uri: outputUri() } })).result();
    return { startSeconds: (performance.now() - startedAt) / 1000, convert, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Converts `file`, which has `rows` rows, as the first job but one of fresh services. */
export async function throughQueue(file: string, rows: number, hosts: number, place = tmpdir()): Promise<QueueRun> {
  const { startSeconds, convert, stop } = await startServices(hosts, place);
  try {
    return { startSeconds, ...(await convert(pathToFileURL(file).href, rows)) };
  } finally {
    await stop();
  }
}
