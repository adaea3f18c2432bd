/**
 * Queries made to use up memory or time: they end their attempts with a code of the class `resource`, and the core that ran them lives on. An endless
 * query also shows that the partitions of one stage run at once, on every slot of every host.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobStatus } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters, failures } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const rows = 300_000;
/** In each of four partitions 5.6 × 10⁹ pairs of which none is a row: nobody waits for that. */
const endless = 'SELECT a.id FROM input a JOIN input b ON a.id + b.id < 0';

let bench: Workbench;
let data: string;

before(() => {
  bench = new Workbench('hostile-sql');
  data = bench.path('data');
  mkdirSync(data);
  const lines = Array.from({ length: rows }, (_, id) => `${id},text ${id}`);
  writeFileSync(join(data, 'rows.csv'), `id,text\n${lines.join('\n')}\n`);
});
after(() => bench.close());

/** A stack of its own for a job with one reduce stage. */
async function withJob(
  name: string,
  sql: string,
  { partitions = 1, hostSlots = [1], execution = {} }: { partitions?: number; hostSlots?: readonly number[]; execution?: object },
  act: (handle: Awaited<ReturnType<LocalStack['producer']['submit']>>, out: string) => Promise<void>,
): Promise<void> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [data], hostSlots });
  try {
    const spec = {
      name,
      inputs: { uri: pathToFileURL(join(data, 'rows.csv')).href, schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'text' }] } },
      pipeline: [{ name: 'total', exchange: { keys: partitions === 1 ? [] : ['id'], partitions }, sql }],
      output: { uri: `${pathToFileURL(out).href}/` },
      execution: { maxAttempts: 2, ...execution },
    };
    await act(await local.producer.submit(spec as never, { idempotencyKey: name }), out);
  } finally {
    await local.stop();
  }
  await bench.expectNothingRuns();
}

/** All failed attempts at the partition, and its dead letter, are for want of `resource`. */
function expectResource(out: string, jobId: string, status: JobStatus, code: string): void {
  assert.equal(status.state, 'failed');
  const found = failures(out, jobId).map((failure) => [failure.class, failure.code]);
  assert.ok(found.length > 0 && found.every(([failureClass, found]) => failureClass === 'resource' && found === code), JSON.stringify(found));
  assert.deepEqual(
    deadLetters(out, jobId).map((letter) => [letter.class, letter.code]),
    [['resource', code]],
  );
}

describe('a query that outgrows coreMemory', () => {
  const grown = `SELECT string_agg(repeat(text, 100), ',') AS x FROM input`;
  it('ends for want of memory, and says so', async () => {
    await withJob('memory', grown, { execution: { coreMemory: '256MiB' } }, async (handle, out) => {
      const status = await followToEnd(handle);
      expectResource(out, handle.jobId, status, 'CORE_MEMORY');
    });
  });
});

describe('a query that never ends', () => {
  it('is over its time limit', async () => {
    await withJob('time', endless, { execution: { attemptTimeLimit: '1s' } }, async (handle, out) => {
      const status = await followToEnd(handle);
      expectResource(out, handle.jobId, status, 'CORE_TIME_LIMIT');
    });
  });

  it('keeps every slot of every host busy with partitions of one stage, until it is cancelled', async () => {
    await withJob('slots', endless, { partitions: 4, hostSlots: [2, 2] }, async (handle) => {
      let running = 0;
      const all = async (): Promise<boolean> => {
        running = (await handle.status()).chunks.running;
        return running === 4;
      };
      await until('four partitions to run at once', all, { every: 50, describe: () => `${running} run` });
      await handle.cancel('seen enough');
      assert.equal((await followToEnd(handle)).state, 'cancelled');
    });
  });
});
