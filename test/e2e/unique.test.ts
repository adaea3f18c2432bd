/**
 * `unique` and `primaryKey` through the whole: the keys of all records are read first, their owners found, and who does not own its key is a reject. DuckDB
 * says which records those are. Cuts, hosts that die and a Redis that forgets change nothing of it.
 */
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

const FILES = 3;
const PER_FILE = 5_000;
const RECORDS = FILES * PER_FILE;

let bench: Workbench;
let data: string;
const fileOf = (number: number): string => join(data, `orders-${number}.csv`);
const url = (path: string): string => pathToFileURL(path).href;

/**
 * `seq` counts through all files. Keys come again within a file and in others; some are empty, some are no numbers, and some first records of a key are
 * bad in another column.
 */
function writeData(): void {
  for (let file = 0; file < FILES; file += 1) {
    const lines = ['seq,region,id,email,amount'];
    for (let seq = file * PER_FILE; seq < (file + 1) * PER_FILE; seq += 1) {
      const id = seq % 997 === 5 ? 'n/a' : (seq * 7) % 4_003;
      const email = seq % 5 === 0 ? '' : `p${(seq * 31) % 11_003}@example.org`;
      lines.push(`${seq},r${seq % 3},${id},${email},${seq % 401 === 7 ? 'free' : `${seq % 90}.${10 + (seq % 90)}`}`);
    }
    writeFileSync(fileOf(file), `${lines.join('\n')}\n`);
  }
}

before(() => {
  bench = new Workbench('unique', { hooks: true });
  data = bench.path('data');
  mkdirSync(data);
  writeData();
});
after(() => bench.close());

const fields = (changes: Record<string, object> = {}): object[] =>
  [
    { name: 'seq', type: 'integer' },
    { name: 'region' },
    { name: 'id', type: 'integer' },
    { name: 'email' },
    { name: 'amount', type: 'number', precision: 12, scale: 2 },
  ].map((field) => ({ ...field, ...changes[field.name] }));

const unique = { constraints: { unique: true } };
const orders = (schema: object): WrittenSpec => ({ inputs: { uri: url(join(data, 'orders-*.csv')), format: 'csv' }, schema, rejects: { maxRatio: null } });
const byEmail = (): WrittenSpec => orders({ fields: fields({ email: unique }) });
const byRegionAndId = (): WrittenSpec => orders({ fields: fields(), primaryKey: ['region', 'id'] });

type Accident = (local: LocalStack, out: string, handle: JobHandle) => Promise<void>;
const undisturbed: Accident = async () => {};

interface Run {
  readonly chunkSize?: string;
  readonly hostSlots?: readonly number[];
  /** Happens once the files are planned, before any chunk begins. */
  readonly planned?: () => void;
  readonly accident?: Accident;
  readonly generation?: number;
}

async function run(
  name: string,
  spec: WrittenSpec,
  { chunkSize = '64KiB', hostSlots = [1], planned, accident = undisturbed, generation = 1 }: Run = {},
): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [bench.home], hostSlots });
  try {
    const written = { name: 'keyed', ...spec, output: { uri: `${url(out)}/` }, execution: { chunkSize } };
    const submit = () => local.producer.submit(written as never, { idempotencyKey: name });
    const submitPlanned = async (): Promise<JobHandle> => {
      const submitted = await submit();
      await until('the plan', () => isSealed(out, submitted.jobId));
      planned?.();
      return submitted;
    };
    const handle = planned === undefined ? await submit() : await whileChunksWait(local.redisUrl, submitPlanned);
    const following = generation === 1 ? followToEnd(handle) : Promise.resolve(null);
    following.catch(() => {});
    await accident(local, out, handle);
    const status = (await following) ?? (await followToEnd(handle, generation));
    assert.equal(status.state, 'completed', `${status.failure?.message} ${deadLetters(out, handle.jobId).map(({ message }) => message)}`);
    return expectTidy(out, handle.jobId, generation);
  } finally {
    await local.stop();
  }
}

const places = (): string => Array.from({ length: FILES }, (_, file) => `'${fileOf(file)}'`).join(', ');
/** All records, typed; what does not fit is null. */
const typed = (): string => `typed AS (
  SELECT CAST(seq AS BIGINT) AS seq, region, TRY_CAST(id AS BIGINT) AS id, email, TRY_CAST(amount AS DECIMAL(12, 2)) AS amount,
    id <> 'n/a' AND amount <> 'free' AS fits
  FROM read_csv([${places()}], header = true, all_varchar = true))`;
/** The same, each with the first record that has its key. */
const owned = (keys: readonly string[], source = 'typed'): string => `owned AS (
  SELECT *, CASE WHEN ${keys.map((key) => `${key} IS NOT NULL`).join(' AND ')} THEN min(seq) OVER (PARTITION BY ${keys.join(', ')}) ELSE seq END AS owner
  FROM ${source})`;
const truth = (keys: readonly string[], sql: string): string => `(WITH ${typed()}, ${owned(keys)} ${sql})`;

const columns = 'seq, region, id, email, amount';

async function expectOwners(manifest: Manifest, keys: readonly string[], from = 'owned'): Promise<void> {
  await expectSameRows('rows', partsOf(manifest), `SELECT * FROM ${truth(keys, `SELECT ${columns} FROM ${from} WHERE fits AND owner = seq`)}`);
  // A record that is wrong in itself says that, whoever owns its key.
  const lost = `SELECT seq, owner FROM ${truth(keys, 'SELECT seq, owner FROM owned WHERE fits AND owner <> seq')}`;
  await expectSameRows('lost keys', lostKeys(manifest), lost);
}

const pathsOf = (parts: Manifest['rejects']): string => parts.map(({ uri }) => `'${new URL(uri).pathname}'`).join(', ');
const seqOfFile = (column: string): string => `CAST(regexp_extract(${column}, 'orders-(\\d)', 1) AS BIGINT)`;

/** Of each reject for a lost key the record and the owner that its message names, as numbers through all files. */
function lostKeys(manifest: Manifest): string {
  const owner = (group: string): string => `CAST(regexp_extract(message, 'record (\\d+) of file (\\d+)', ${group}) AS BIGINT)`;
  return `SELECT ${seqOfFile('file')} * ${PER_FILE} + CAST(record AS BIGINT) - 1 AS seq, ${owner('2')} * ${PER_FILE} + ${owner('1')} - 1 AS owner
    FROM read_parquet([${pathsOf(manifest.rejects)}]) WHERE code = 'CONSTRAINT_UNIQUE'`;
}

const rejectedSeqs = ({ rejects }: Manifest): string =>
  `SELECT ${seqOfFile('file')} * ${PER_FILE} + CAST(record AS BIGINT) - 1 AS seq FROM read_parquet([${pathsOf(rejects)}])`;

async function countOf(keys: readonly string[], condition: string): Promise<number> {
  const [[count]] = (await query(`SELECT count(*) FROM ${truth(keys, `SELECT seq FROM owned WHERE ${condition}`)}`)) as [[bigint]];
  return Number(count);
}

describe('a unique field', () => {
  it('belongs to the first record of the job that has the value, wherever files are cut', async () => {
    for (const chunkSize of ['64KiB', '4MiB']) {
      const manifest = await run(`cut-${chunkSize}`, byEmail(), { chunkSize });
      await expectOwners(manifest, ['email']);
      const [emitted, lost] = [await countOf(['email'], 'fits AND owner = seq'), await countOf(['email'], 'fits AND owner <> seq')];
      assert.ok(lost > 1_000, `${lost} records lose their key`);
      const { balance } = manifest;
      assert.deepEqual([balance.recordsIn, balance.emitted, balance.rejected, balance.rowsOut], [RECORDS, emitted, RECORDS - emitted, emitted]);
      assert.equal(manifest.byCode['CONSTRAINT_UNIQUE'], lost);
      assert.equal(manifest.byColumn['email']?.['CONSTRAINT_UNIQUE'], lost);
      assert.deepEqual(
        manifest.stages?.map(({ name, kind, balance: { recordsIn } }) => [name, kind, name === 'owners' ? 0 : recordsIn]),
        [
          ['unique', 'map', RECORDS],
          ['owners', 'reduce', 0],
          ['read', 'map', RECORDS],
        ],
      );
      assert.deepEqual(
        manifest.files.map(({ balance: { recordsIn } }) => recordsIn),
        Array.from({ length: FILES }, () => PER_FILE),
      );
    }
  });

  it('is judged before the query, and a reduce stage sees owners alone', async () => {
    const pipeline = [
      { name: 'cheap', sql: 'SELECT region, amount FROM input WHERE amount < 50' },
      { name: 'sums', exchange: { keys: ['region'], partitions: 2 }, sql: 'SELECT region, count(*) AS n FROM input GROUP BY region' },
    ];
    const manifest = await run('reduced', { ...byEmail(), pipeline });
    const expected = 'SELECT region, count(*) AS n FROM owned WHERE fits AND owner = seq AND amount < 50 GROUP BY region';
    await expectSameRows('groups', partsOf(manifest), `SELECT * FROM ${truth(['email'], expected)}`);
    assert.equal(manifest.balance.recordsIn, RECORDS);
    assert.equal(manifest.balance.filtered, await countOf(['email'], 'fits AND owner = seq AND amount >= 50'));
  });
});

describe('a primary key', () => {
  it('of two columns is compared as a whole and required', async () => {
    const manifest = await run('composite', byRegionAndId());
    await expectOwners(manifest, ['region', 'id']);
  });

  it('and a unique field are judged each for itself', async () => {
    const manifest = await run('both', orders({ fields: fields({ email: unique }), primaryKey: ['region', 'id'] }));
    const both = `(WITH ${typed()}, first AS (SELECT *, min(seq) OVER (PARTITION BY region, id) AS of_id, min(seq) OVER (PARTITION BY email) AS of_email FROM typed)
      SELECT ${columns} FROM first WHERE fits AND of_id = seq AND (email IS NULL OR of_email = seq))`;
    await expectSameRows('rows', partsOf(manifest), `SELECT * FROM ${both}`);
  });
});

const underWay = (out: string, { jobId }: JobHandle, stage: string): Promise<void> =>
  until(`some chunks of ${stage} to commit`, () => verdictCount(out, jobId, stage) >= 2, { every: 2 });

describe('a file that was moved away', () => {
  const [here, away] = [(): string => fileOf(1), (): string => join(data, 'away')];

  it('while its keys were read leaves a gap; once it is back its records come after all that were read before', async () => {
    let early = '';
    const accident: Accident = async (_, out, handle) => {
      const status = await followToEnd(handle);
      renameSync(away(), here());
      assert.equal(status.state, 'completed', status.failure?.message);
      const first = expectTidy(out, handle.jobId);
      assert.ok(first.gaps.length > 0 && first.gaps.every(({ chunk, file }) => chunk.startsWith('unique.') && file === 1));
      assert.ok(first.balance.recordsIn < RECORDS && first.balance.unreadBytes > 0);
      early = `SELECT seq FROM (${partsOf(first)}) UNION ALL SELECT seq FROM (${rejectedSeqs(first)})`;
      await handle.redrive('the file is back');
    };
    const manifest = await run(
      'moved-keys',
      { ...byEmail(), deadLetters: { maxChunks: 100 } },
      { planned: () => renameSync(here(), away()), accident, generation: 2 },
    );
    assert.deepEqual([manifest.balance.recordsIn, manifest.gaps.length], [RECORDS, 0]);
    const expected = `(WITH ${typed()}, early AS (${early}), ranked AS (SELECT *, CASE WHEN seq IN (SELECT seq FROM early) THEN seq ELSE seq + ${RECORDS} END AS rank FROM typed),
      owned AS (SELECT *, email IS NULL OR rank = min(rank) OVER (PARTITION BY email) AS owns FROM ranked) SELECT ${columns} FROM owned WHERE fits AND owns)`;
    await expectSameRows('rows', partsOf(manifest), `SELECT * FROM ${expected}`);
  });

  it('while its records were read is redriven with the records that lost their keys', async () => {
    const accident: Accident = async (_, out, handle) => {
      await underWay(out, handle, 'owners');
      renameSync(here(), away());
      const status = await followToEnd(handle);
      renameSync(away(), here());
      assert.deepEqual([status.state, status.failure?.code], ['failed', 'BUDGET_DEAD_LETTERS'], status.failure?.message);
      assert.ok(deadLetters(out, handle.jobId).every(({ stage }) => stage === 'read'));
      await handle.redrive('the file is back');
    };
    const manifest = await run('moved-records', byRegionAndId(), { accident, generation: 2 });
    await expectOwners(manifest, ['region', 'id']);
    assert.equal(manifest.balance.recordsIn, RECORDS);
  });
});

describe('a record that kills its core', () => {
  it('owns the key that it cannot show no more than any other bad one: the next record has it', async () => {
    const file = bench.path('poison.csv');
    // Of the key k7 the first record is the one that kills.
    const lines = Array.from({ length: 400 }, (_, at) => `${at},k${at % 100},${at === 7 ? 'MILLRACE_CORE_CRASH' : 'plain'}`);
    writeFileSync(file, `seq,key,note\n${lines.join('\n')}\n`);
    const schema = { fields: [{ name: 'seq', type: 'integer' }, { name: 'key' }, { name: 'note' }], primaryKey: 'key' };
    const manifest = await run('poison', { inputs: { uri: url(file), format: 'csv' }, schema, rejects: { maxRatio: null } });
    assert.deepEqual({ ...manifest.byCode }, { CONSTRAINT_UNIQUE: 299, CORE_CRASH: 1 });
    const kept = await query(`SELECT seq FROM (${partsOf(manifest)}) WHERE key = 'k7'`);
    assert.deepEqual(kept.map(String), ['107']);
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted], [400, 100]);
  });
});

describe('in the middle of', () => {
  for (const stage of ['unique', 'owners', 'read']) {
    it(`stage ${stage} a host may die and Redis may forget everything`, async () => {
      const accident: Accident = async (local, out, handle) => {
        await underWay(out, handle, stage);
        await killRole(local, 'worker-host');
        await flushRedis(local);
      };
      const manifest = await run(`accident-${stage}`, byRegionAndId(), { hostSlots: [1, 1], accident });
      await expectOwners(manifest, ['region', 'id']);
      assert.equal(manifest.chunks.committed, manifest.chunks.total);
    });
  }
});
