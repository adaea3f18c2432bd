/** `output.compact`: the rows of the last stage in few parts, the same for any order of attempts, and none lost on the way. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobHandle } from '@millrace/producer';
import type { Manifest } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { flushRedis, killRole } from './support/accidents.ts';
import { expectSameRows, partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { deadLetters, isSealed, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench, type WrittenSpec } from './support/workbench.ts';

const RECORDS = 24_000;
const DAYS = 5;

let bench: Workbench;
let data: string;
const url = (path: string): string => pathToFileURL(path).href;
const fileOf = (number: number): string => join(data, `events-${number}.csv`);

before(() => {
  bench = new Workbench('compact');
  data = bench.path('data');
  mkdirSync(data);
  for (const file of [0, 1, 2]) {
    const lines = ['seq,day,note'];
    for (let seq = (file * RECORDS) / 3; seq < ((file + 1) * RECORDS) / 3; seq += 1) lines.push(`${seq},d${seq % DAYS},note number ${(seq * 7919) % 100_003}`);
    writeFileSync(fileOf(file), `${lines.join('\n')}\n`);
  }
});
after(() => bench.close());

const schema = { fields: [{ name: 'seq', type: 'integer' }, { name: 'day' }, { name: 'note' }] };
const truth = (): string =>
  `SELECT * FROM read_csv([${[0, 1, 2].map((file) => `'${fileOf(file)}'`).join(', ')}], columns = {seq: 'BIGINT', day: 'VARCHAR', note: 'VARCHAR'}, header = true)`;

type Accident = (local: LocalStack, out: string, handle: JobHandle) => Promise<void>;

/** `planned`: what happens once the files are planned, before any chunk begins. */
async function run(
  name: string,
  output: WrittenSpec,
  changes: WrittenSpec = {},
  accident: Accident = async () => {},
  { generation = 1, planned = () => {} }: { readonly generation?: number; readonly planned?: () => void } = {},
): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
  try {
    const input = { uri: url(join(data, 'events-*.csv')), format: 'csv' };
    const written = { name: 'compacted', inputs: input, schema, output: { uri: `${url(out)}/`, ...output }, execution: { chunkSize: '64KiB' }, ...changes };
    const handle = await whileChunksWait(local.redisUrl, async () => {
      const submitted = await local.producer.submit(written as never, { idempotencyKey: name });
      await until('the plan', () => isSealed(out, submitted.jobId));
      planned();
      return submitted;
    });
    await accident(local, out, handle);
    const status = await followToEnd(handle, generation);
    assert.equal(status.state, 'completed', `${status.failure?.message} ${deadLetters(out, handle.jobId).map(({ message }) => message)}`);
    return expectTidy(out, handle.jobId, generation);
  } finally {
    await local.stop();
  }
}

const digests = (manifest: Manifest): string[] => manifest.parts.map(({ sha256, rows }) => `${sha256} ${rows}`).toSorted();

describe('output.compact', () => {
  it('makes one part of many, in the order of the files, the same after any accident', async () => {
    const plain = await run('plain', { format: 'csv' });
    const manifest = await run('merged', { format: 'csv', compact: true });
    assert.ok(plain.parts.length > 8, `${plain.parts.length} parts without compact`);
    assert.equal(manifest.parts.length, 1);
    const [part] = manifest.parts;
    assert.match(part?.chunk ?? '', /^compact\.\d+$/);
    const rows = await query(`SELECT seq FROM read_csv('${new URL(part?.uri ?? '').pathname}')`);
    assert.deepEqual(
      rows.map(([seq]) => Number(seq)),
      Array.from({ length: RECORDS }, (_, seq) => seq),
    );
    const { recordsIn, emitted, rowsOut } = manifest.balance;
    assert.deepEqual([recordsIn, emitted, rowsOut], [RECORDS, RECORDS, RECORDS]);
    const disturbed = await run('disturbed', { format: 'csv', compact: true }, {}, async (local, out, { jobId }) => {
      await until('some chunks to commit', () => verdictCount(out, jobId, 'read') >= 2, { every: 2 });
      await killRole(local, 'worker-host');
      await flushRedis(local);
    });
    assert.deepEqual(digests(disturbed), digests(manifest));
  });

  it('keeps each folder in one part, also behind a query that filters', async () => {
    const pipeline = [{ name: 'few', sql: 'SELECT seq, day FROM input WHERE seq % 3 = 0' }];
    const manifest = await run('folders', { partitionBy: ['day'], compact: true }, { pipeline });
    assert.equal(manifest.parts.length, DAYS);
    assert.deepEqual(new Set(manifest.parts.map(({ partition }) => partition)).size, DAYS);
    const parts = manifest.parts.map(({ uri }) => `'${new URL(uri).pathname}'`).join(', ');
    await expectSameRows(
      'rows',
      `SELECT seq, CAST(day AS VARCHAR) AS day FROM read_parquet([${parts}], hive_partitioning = true)`,
      `SELECT seq, day FROM (${truth()}) WHERE seq % 3 = 0`,
    );
  });

  it('merges the groups of a reduce stage', async () => {
    const pipeline = [{ name: 'groups', exchange: { keys: ['note'], partitions: 7 }, sql: 'SELECT note, count(*) AS n FROM input GROUP BY note' }];
    const manifest = await run('groups', { compact: true }, { pipeline });
    assert.equal(manifest.parts.length, 1);
    await expectSameRows('groups', partsOf(manifest), `SELECT note, count(*) AS n FROM (${truth()}) GROUP BY note`);
  });

  it('merges again what a redrive has brought back', async () => {
    const accident: Accident = async (_, out, handle) => {
      const first = await followToEnd(handle);
      renameSync(join(data, 'away'), fileOf(2));
      assert.equal(first.state, 'completed', first.failure?.message);
      const before = expectTidy(out, handle.jobId);
      assert.ok(before.gaps.length > 0 && before.parts.length === 1 && before.balance.recordsIn < RECORDS);
      await handle.redrive('the file is back');
    };
    const manifest = await run('redriven', { compact: true }, { deadLetters: { maxChunks: 100 } }, accident, {
      generation: 2,
      planned: () => renameSync(fileOf(2), join(data, 'away')),
    });
    assert.equal(manifest.parts.length, 1);
    await expectSameRows('rows', partsOf(manifest), truth());
  });
});
