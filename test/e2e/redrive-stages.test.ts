/** Redrives across reduce stages: what comes back changes some partitions and no others, and of dead partitions those run again that are named. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobHandle } from '@millrace/producer';
import { expectSameRows, partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { deadLetters, isSealed, manifest, verdictDigests } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

const KEYS = 40;
const PARTITIONS = 8;

let bench: Workbench;
let data: string;
const fileOf = (name: string): string => join(data, `${name}.csv`);
const url = (path: string): string => pathToFileURL(path).href;

/** Of the file that goes away every record has one of two keys. */
before(() => {
  bench = new Workbench('redrive-stages');
  data = bench.path('data');
  mkdirSync(data);
  const lines = (count: number, key: (at: number) => number): string =>
    Array.from({ length: count }, (_, at) => `k${key(at)},${at % 100},some more text`).join('\n');
  writeFileSync(fileOf('many'), `key,amount,note\n${lines(16_000, (at) => at % KEYS)}\n`);
  // A key of more than 256 bytes names no folder, and what a reduce stage makes of many records has no place to be rejected at.
  const long = ['a', 'b', 'c'].map((letter) => letter.repeat(300));
  writeFileSync(fileOf('long'), `key,amount,note\n${lines(3_000, (at) => at % KEYS)}\n${long.map((key) => `${key},1,x`).join('\n')}\n`);
  writeFileSync(fileOf('few'), `key,amount,note\n${lines(8_000, (at) => at % 2)}\n`);
});
after(() => bench.close());

const schema = { fields: [{ name: 'key' }, { name: 'amount', type: 'integer' }, { name: 'note' }] };

/** `planned`: what happens once every chunk is planned and none has begun. */
async function withJob(name: string, changes: object, planned: () => void, act: (handle: JobHandle, out: string) => Promise<void>): Promise<void> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
  try {
    const pipeline = [
      { name: 'sums', exchange: { keys: ['key'], partitions: PARTITIONS }, sql: 'SELECT key, count(*) AS n, sum(amount) AS total FROM input GROUP BY key' },
    ];
    const spec = { name, inputs: ['many', 'few'].map((input) => ({ name: input, uri: url(fileOf(input)), format: 'csv' })), schema, pipeline };
    const written = { ...spec, output: { uri: `${url(out)}/` }, execution: { chunkSize: '64KiB', maxAttempts: 1 }, ...changes };
    const handle = await whileChunksWait(local.redisUrl, async () => {
      const submitted = await local.producer.submit(written as never, { idempotencyKey: name });
      await until('the plan', () => isSealed(out, submitted.jobId));
      planned();
      return submitted;
    });
    await act(handle, out);
  } finally {
    await local.stop();
  }
}

const truth = (): string =>
  `SELECT key, count(*) AS n, CAST(sum(amount) AS BIGINT) AS total FROM read_csv(['${fileOf('many')}', '${fileOf('few')}'], header = true) GROUP BY key`;

/** Names of the verdicts of the reduce stage that a generation has put. */
const ofGeneration = (names: Iterable<string>, generation: number): string[] =>
  [...names].filter((name) => name.includes(`.${String(generation).padStart(6, '0')}.`));

describe('a redrive across a reduce stage', () => {
  it('runs only the partitions again whose inputs changed', () =>
    withJob(
      'comes-back',
      { deadLetters: { maxChunks: 100 } },
      () => renameSync(fileOf('few'), join(data, 'away')),
      async (handle, out) => {
        const first = await followToEnd(handle);
        renameSync(join(data, 'away'), fileOf('few'));
        assert.equal(first.state, 'completed', first.failure?.message);
        const before = manifest(out, handle.jobId);
        assert.ok(before.gaps.length > 0);
        const stood = verdictDigests(out, handle.jobId, 'sums');
        assert.equal(stood.size, PARTITIONS);
        await handle.redrive('the file is back');
        const status = await followToEnd(handle, 2);
        assert.equal(status.state, 'completed', status.failure?.message);
        const after = expectTidy(out, handle.jobId, 2);
        await expectSameRows('groups', `SELECT * FROM (${partsOf(after)})`, truth());
        const verdicts = verdictDigests(out, handle.jobId, 'sums');
        const again = ofGeneration(verdicts.keys(), 2);
        assert.ok(again.length >= 1 && again.length <= 2, `${again.length} of ${PARTITIONS} partitions ran again`);
        for (const [name, digest] of stood) assert.equal(verdicts.get(name), digest);
        assert.deepEqual([after.balance.recordsIn, after.gaps.length], [24_000, 0]);
        const [[rows]] = (await query(`SELECT sum(n) FROM (${partsOf(after)})`)) as [[bigint]];
        assert.equal(Number(rows), 24_000);
      },
    ));

  it('takes of two dead partitions the one that is named', () =>
    withJob(
      'named',
      { inputs: [{ uri: url(fileOf('long')), format: 'csv' }], output: { uri: `${url(bench.path('named'))}/`, partitionBy: ['key'] } },
      () => undefined,
      async (handle, out) => {
        const first = await followToEnd(handle);
        assert.deepEqual([first.state, first.failure?.code], ['failed', 'BUDGET_DEAD_LETTERS']);
        const letters = deadLetters(out, handle.jobId);
        assert.ok(letters.length >= 2 && letters.every(({ stage, code }) => stage === 'sums' && code === 'TRANSFORM_PARTITION_VALUE'));
        const named = letters[0]?.chunk ?? -1;
        const opened = await handle.redrive('only one', { select: [`sums.${named}`] });
        assert.equal(opened.chunks, 1);
        const ended = await followToEnd(handle, 2);
        assert.equal(ended.state, 'failed');
        const again = deadLetters(out, handle.jobId).filter(({ generation }) => generation === 2);
        assert.deepEqual(
          again.map(({ stage, chunk }) => [stage, chunk]),
          [['sums', named]],
        );
      },
    ));
});
