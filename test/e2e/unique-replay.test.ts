/**
 * Rejects of jobs whose keys are unique, corrected and replayed: what is committed keeps its keys, of replayed records the first one has a key that is free,
 * and each record is counted once. A plain model in this file says what must come of it, also when hosts die, Redis forgets, and dead chunks are redriven.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gatherCorrections, type RejectRow } from '@millrace/journal';
import type { JobHandle } from '@millrace/producer';
import type { JobId, Manifest } from '@millrace/protocol';
import { ApiError } from '../../packages/api-contract/src/client.ts';
import { openDirectoryAt } from '../../packages/cli/src/directory.ts';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { parseCsv } from '../../packages/journal/src/rejects/edited-export.ts';
import { flushRedis, killRole } from './support/accidents.ts';
import { startApiStack } from './support/api-stack.ts';
import { cli, documents } from './support/cli.ts';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { isSealed, jobIds, manifest, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('unique-replay');
});
after(() => bench.close());

const url = (path: string): string => pathToFileURL(path).href;
const shownReplays = ({ replays }: Manifest): unknown =>
  replays?.map(({ generation, records, emitted, filtered, rejected, unread }) => [generation, records, emitted, filtered, rejected, unread]);
const shownBalance = ({ balance }: Manifest): number[] => [balance.recordsIn, balance.emitted, balance.rejected];

/** As a person would: corrects some rows of the export, throws others away, and saves. `correct` gets the number of a record; null: it is not replayed. */
function editExport(path: string, saved: string, correct: (seq: string) => Readonly<Record<string, string>> | null): void {
  const [header, ...rows] = parseCsv(readFileSync(path, 'utf8').replace(/^\u{feff}/u, ''), ',').map(({ cells }) => [...cells]);
  assert.ok(header);
  const kept = rows.flatMap((row) => {
    const changes = correct(row[header.indexOf('seq')] ?? '');
    if (changes === null) return [];
    for (const [column, value] of Object.entries(changes)) row[header.indexOf(column)] = value;
    return [row];
  });
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  writeFileSync(saved, [header, ...kept].map((row) => row.map(cell).join(',')).join('\r\n'));
}

describe('rejects of a job with a unique field', () => {
  it('are corrected and replayed: to a new key, to one that is taken, to the same one twice; and what is left is replayed once more', async () => {
    const file = bench.path('keys.csv');
    const lines = ['1,a,1', '2,a,2', '3,b,free', '4,b,4', '5,c,5', '6,c,6', '7,c,7', '8,d,free'];
    writeFileSync(file, `seq,email,amount\n${lines.join('\n')}\n`);
    const out = bench.path('small');
    const specFile = bench.path('small.json');
    const fields = [
      { name: 'seq', type: 'integer' },
      { name: 'email', constraints: { unique: true } },
      { name: 'amount', type: 'integer' },
    ];
    const inputs = { uri: url(file), format: 'csv' };
    writeFileSync(specFile, JSON.stringify({ name: 'small', inputs, schema: { fields }, output: { uri: `${url(out)}/` }, rejects: { maxRatio: null } }));
    const run = await cli(['run', specFile, '--workers', '1']);
    assert.equal(run.code, 0, run.stderr);
    const [jobId = ''] = jobIds(out);
    const rows = async (done: Manifest): Promise<string[]> => (await query(`SELECT seq, email, amount FROM (${partsOf(done)}) ORDER BY seq`)).map(String);
    const first = expectTidy(out, jobId);
    assert.deepEqual([shownBalance(first), first.replays], [[8, 2, 6], undefined]);
    assert.deepEqual(await rows(first), ['1,a,1', '5,c,5']);

    const [exported, saved] = [bench.path('rejects.csv'), bench.path('saved.csv')];
    const replay = async (correct: Parameters<typeof editExport>[2]): Promise<void> => {
      assert.equal((await cli(['rejects', 'export', out, '-o', exported])).code, 0);
      editExport(exported, saved, correct);
      const replayed = await cli(['rejects', 'replay', out, '--corrections', saved, '--workers', '1']);
      assert.equal(replayed.code, 0, `${replayed.stdout}${replayed.stderr}`);
    };
    const left = async (): Promise<unknown> =>
      (documents(await cli(['rejects', 'ls', out, '--json'])) as unknown as RejectRow[])
        .map(({ record, code, message }) => [record, code, /record (\d+) of/.exec(message)?.[1]])
        .sort();

    // 3 keeps the key that it had as a reject; 6 and 7 ask for the same; 8 asks for one that is committed. 4 stays where it is.
    await replay(
      (seq) => ({ '2': { email: 'new' }, '3': { amount: '3' }, '6': { email: 'e' }, '7': { email: 'e' }, '8': { email: 'a', amount: '8' } })[seq] ?? null,
    );
    const second = expectTidy(out, jobId, 2);
    assert.deepEqual([shownBalance(second), second.byCode, second.byColumn], [[8, 5, 3], { CONSTRAINT_UNIQUE: 3 }, { email: { CONSTRAINT_UNIQUE: 3 } }]);
    assert.deepEqual([shownReplays(second), second.files[0]?.balance.rejected], [[[2, 5, 3, 0, 2, 0]], 3]);
    assert.deepEqual(await rows(second), ['1,a,1', '2,new,2', '3,b,3', '5,c,5', '6,e,6']);
    assert.deepEqual(await left(), [
      [4, 'CONSTRAINT_UNIQUE', '3'],
      [7, 'CONSTRAINT_UNIQUE', '6'],
      [8, 'CONSTRAINT_UNIQUE', '1'],
    ]);
    const twice = await cli(['rejects', 'replay', out, '--corrections', saved, '--workers', '1']);
    assert.deepEqual([twice.code, /replayed already/.test(twice.stderr)], [5, true], twice.stderr);

    // A reject of a replay once more; the others as they were, which helps them nothing.
    await replay((seq) => (seq === '7' ? { email: 'f' } : {}));
    const third = expectTidy(out, jobId, 3);
    const replays = [
      [2, 5, 3, 0, 2, 0],
      [3, 3, 1, 0, 2, 0],
    ];
    assert.deepEqual([shownBalance(third), shownReplays(third), third.byCode], [[8, 6, 2], replays, { CONSTRAINT_UNIQUE: 2 }]);
    assert.deepEqual(await rows(third), ['1,a,1', '2,new,2', '3,b,3', '5,c,5', '6,e,6', '7,f,7']);
    assert.deepEqual(await left(), [
      [4, 'CONSTRAINT_UNIQUE', '3'],
      [8, 'CONSTRAINT_UNIQUE', '1'],
    ]);
    await bench.expectNothingRuns();
  });

  it('come back into the stage that rejected each of them, where several read inputs with the same keys and one reads an input without', async () => {
    const lines = { left: '1,r,k1,1\n2,r,k2,free\n', right: '3,r,k1,3\n4,r,k4,free\n', plain: '5,r,k1,5\n6,r,k1,free\n' };
    for (const [name, text] of Object.entries(lines)) writeFileSync(bench.path(`${name}.csv`), `seq,region,id,amount\n${text}`);
    const out = bench.path('several');
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const fields = [{ name: 'seq', type: 'integer' }, { name: 'region' }, { name: 'id' }, { name: 'amount', type: 'integer' }];
      const keyed = fields.map((field) => (field.name === 'id' ? { ...field, constraints: { unique: true } } : field));
      const input = (name: string) => ({ name, uri: url(bench.path(`${name}.csv`)), format: 'csv', schema: { fields: name === 'plain' ? fields : keyed } });
      const names = Object.keys(lines);
      const all = names.map((name) => `SELECT '${name}' AS stage, seq, id, amount FROM of${name}`).join(' UNION ALL ');
      const spec = {
        name: 'several',
        inputs: names.map(input),
        pipeline: [
          ...names.map((name) => ({ name: `of${name}`, from: name, sql: 'SELECT seq, id, amount FROM input' })),
          { name: 'together', from: names.map((name) => `of${name}`), exchange: { keys: ['id'], partitions: 2 }, sql: all },
        ],
        output: { uri: `${url(out)}/` },
        rejects: { maxRatio: null },
      };
      const handle = await local.producer.submit(spec as never, { idempotencyKey: 'several' });
      const { jobId } = handle;
      const first = await followToEnd(handle);
      assert.equal(first.state, 'completed', first.failure?.message);
      const rows = async (generation: number): Promise<string[]> =>
        (await query(`SELECT stage, seq, id FROM (${partsOf(expectTidy(out, jobId, generation))}) ORDER BY seq`)).map(String);
      assert.deepEqual([await rows(1), first.balance.recordsIn, first.balance.rejected], [['left,1,k1', 'plain,5,k1'], 6, 4]);
      // 2 and 4 of two inputs ask for the same key; 3 gets one of its own; the input without keys has none to lose.
      const correct = (seq: number, order: Order): Order => ({ ...order, amount: String(seq), id: { 2: 'k2', 3: 'k3', 4: 'k2' }[seq] ?? order.id });
      const [correction] = await correctAll(out, jobId, correct);
      assert.deepEqual(await handle.replay(correction, 'corrected'), { generation: 2, records: 4 });
      const second = await followToEnd(handle, 2);
      assert.equal(second.state, 'completed', second.failure?.message);
      assert.deepEqual(await rows(2), ['left,1,k1', 'left,2,k2', 'right,3,k3', 'plain,5,k1', 'plain,6,k1']);
      const done = manifest(out, jobId, 2);
      assert.deepEqual([done.balance.recordsIn, done.balance.rejected, shownReplays(done)], [6, 1, [[2, 4, 3, 0, 1, 0]]]);
      assert.deepEqual(
        done.stages?.map(({ name, chunks }) => [name, chunks.total]).filter(([name]) => name !== 'owners' && name !== 'together'),
        [
          ['unique', 4],
          ['ofplain', 2],
          ['ofleft', 2],
          ['ofright', 2],
        ],
      );
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });

  it('are read by the redrive of a replay that was cancelled, and by no other replay before', async () => {
    const file = bench.path('cancelled.csv');
    writeFileSync(file, 'seq,region,id,amount\n1,r,1,free\n2,r,1,2\n3,r,3,3\n4,r,3,4\n');
    const out = bench.path('cancelled');
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const fields = [{ name: 'seq', type: 'integer' }, { name: 'region' }, { name: 'id', constraints: { unique: true } }, { name: 'amount', type: 'integer' }];
      const spec = {
        name: 'cancelled',
        inputs: { uri: url(file), format: 'csv' },
        schema: { fields },
        output: { uri: `${url(out)}/` },
        rejects: { maxRatio: null },
      };
      const handle = await local.producer.submit(spec as never, { idempotencyKey: 'cancelled' });
      const { jobId } = handle;
      assert.equal((await followToEnd(handle)).state, 'completed');
      assert.deepEqual(shownBalance(expectTidy(out, jobId)), [4, 1, 3]);
      const [correction] = await correctAll(out, jobId, (seq, order) => (seq === 1 ? { ...order, amount: '1' } : { ...order, id: 'four' }));
      await whileChunksWait(local.redisUrl, async () => {
        assert.deepEqual(await handle.replay(correction, 'corrected'), { generation: 2, records: 3 });
        await handle.cancel('not now');
        assert.equal((await followToEnd(handle, 2)).state, 'cancelled');
      });
      assert.deepEqual(shownReplays(manifest(out, jobId, 2)), [[2, 3, 0, 0, 0, 3]]);
      await assert.rejects(handle.replay(correction, 'once more'), /chunk unique\.\d+ of an earlier replay names .*; redrive that chunk/);
      await handle.redrive('now');
      const status = await followToEnd(handle, 3);
      assert.equal(status.state, 'completed', status.failure?.message);
      const done = expectTidy(out, jobId, 3);
      assert.deepEqual([shownBalance(done), shownReplays(done), done.byCode], [[4, 3, 1], [[2, 3, 2, 0, 1, 0]], { CONSTRAINT_UNIQUE: 1 }]);
      const rows = await query(`SELECT seq, id FROM (${partsOf(done)}) ORDER BY seq`);
      assert.deepEqual(rows.map(String), ['1,1', '2,four', '3,3'], '4 asks for the key that 2 has by now');
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });

  it('are replayed as they were under another query; which keys are unique stays as it is', async () => {
    const file = bench.path('notes.csv');
    writeFileSync(file, 'id,note\n1,5\n2,none\n2,7\n3,nothing\n');
    const out = bench.path('override');
    const api = await startApiStack({ out, readRoots: [bench.home] });
    try {
      const fields = [{ name: 'id', type: 'integer' }, { name: 'note' }];
      const pipeline = [{ name: 'clean', sql: 'SELECT id, CAST(note AS BIGINT) AS n FROM input' }];
      const schema = { fields, primaryKey: 'id' };
      const spec = { name: 'notes', inputs: { uri: url(file), format: 'csv' }, schema, pipeline, output: { uri: `${url(out)}/` }, rejects: { maxRatio: null } };
      const handle = await api.stack.producer.submit(spec as never, { idempotencyKey: 'notes' });
      assert.equal((await followToEnd(handle)).state, 'completed');
      const first = expectTidy(out, handle.jobId);
      assert.deepEqual([shownBalance(first), first.byCode['CONSTRAINT_UNIQUE']], [[4, 1, 3], 1]);
      const plan = (overrides: Record<string, unknown>) =>
        api.client.call('POST /redrives/plans', { body: { target: 'rejects', jobId: handle.jobId, filter: 'code:*', overrides } });
      for (const overrides of [{ 'schema.primaryKey': [] }, { 'schema.fields.1.constraints.unique': true }]) {
        const refused: unknown = await plan(overrides).catch((error: unknown) => error);
        assert.ok(refused instanceof ApiError && /which keys are unique/.test(JSON.stringify(refused.problem)), String(refused));
      }
      const { planId, confirm } = await plan({ 'pipeline.0.sql': 'SELECT id, CAST(length(note) AS BIGINT) AS n FROM input' });
      assert.equal(confirm, 3);
      await api.client.call('POST /redrives', { body: { planId, confirm, reason: 'lengths will do' } });
      const status = await followToEnd(handle, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      const second = expectTidy(out, handle.jobId, 2);
      assert.deepEqual([shownBalance(second), second.byCode, shownReplays(second)], [[4, 3, 1], { CONSTRAINT_UNIQUE: 1 }, [[2, 3, 2, 0, 1, 0]]]);
      const rows = await query(`SELECT id, n FROM (${partsOf(second)}) ORDER BY id`);
      assert.deepEqual(rows.map(String), ['1,5', '2,4', '3,7'], 'the record that owns the key has it still');
    } finally {
      await api.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('rejects of a schema that was too strict', () => {
  it('are replayed under another one, without a correction; a schema of other columns is refused', async () => {
    const file = bench.path('strict.csv');
    writeFileSync(file, 'id,amount,day\n1,5,2026-01-02\n2,n/a,2026-01-03\n3,700,2026-01-04\n4,8,05.01.2026\n2,9,2026-01-06\n');
    const out = bench.path('strict');
    const api = await startApiStack({ out, readRoots: [bench.home] });
    try {
      const fields = [
        { name: 'id', type: 'integer' },
        { name: 'amount', type: 'integer', constraints: { maximum: 100 } },
        { name: 'day', type: 'date' },
      ];
      const schema = { fields, primaryKey: 'id' };
      const spec = { name: 'strict', inputs: { uri: url(file), format: 'csv' }, schema, output: { uri: `${url(out)}/` }, rejects: { maxRatio: null } };
      const handle = await api.stack.producer.submit(spec as never, { idempotencyKey: 'strict' });
      assert.equal((await followToEnd(handle)).state, 'completed');
      assert.deepEqual(shownBalance(expectTidy(out, handle.jobId)), [5, 1, 4]);
      const replay = async (overrides: Record<string, unknown>) => {
        const body = { target: 'rejects', jobId: handle.jobId, filter: 'code:*', overrides } as const;
        const { planId, confirm } = await api.client.call('POST /redrives/plans', { body });
        await api.client.call('POST /redrives', { body: { planId, confirm, reason: 'the schema was too strict' } });
      };
      for (const [overrides, said] of [
        [{ 'schema.fields.1.type': 'number' }, /other columns or types/],
        [{ 'schema.fields.2.format': '%Q' }, /cannot use field/],
      ] as const) {
        const refused: unknown = await replay(overrides).catch((error: unknown) => error);
        assert.ok(refused instanceof ApiError && said.test(JSON.stringify(refused.problem)), String(refused));
      }
      await replay({ 'schema.missingValues': ['', 'n/a'], 'schema.fields.1.constraints.maximum': 1000 });
      const status = await followToEnd(handle, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      const second = expectTidy(out, handle.jobId, 2);
      assert.deepEqual([shownBalance(second), second.byCode], [[5, 3, 2], { TYPE_DATE: 1, CONSTRAINT_UNIQUE: 1 }]);
      await replay({ 'schema.missingValues': ['', 'n/a'], 'schema.fields.1.constraints.maximum': 1000, 'schema.fields.2.format': '%d.%m.%Y' });
      const last = await followToEnd(handle, 3);
      assert.equal(last.state, 'completed', last.failure?.message);
      const third = expectTidy(out, handle.jobId, 3);
      assert.deepEqual(shownBalance(third).slice(0, 1), [5]);
      const rows = await query(`SELECT id, coalesce(CAST(amount AS VARCHAR), 'none'), CAST(day AS VARCHAR) FROM (${partsOf(third)}) ORDER BY id`);
      assert.deepEqual(rows.map(String), ['1,5,2026-01-02', '2,none,2026-01-03', '3,700,2026-01-04', '4,8,2026-01-05']);
    } finally {
      await api.stop();
    }
    await bench.expectNothingRuns();
  });
});

const FILES = 3;
const PER_FILE = 5_000;
const RECORDS = FILES * PER_FILE;

interface Order {
  readonly region: string;
  readonly id: string;
  readonly amount: string;
}

const orders: readonly Order[] = Array.from({ length: RECORDS }, (_, seq) => ({
  region: `r${seq % 3}`,
  id: seq % 997 === 5 ? 'n/a' : String((seq * 7) % 2_003),
  amount: seq % 401 === 7 ? 'free' : `${seq % 90}.${10 + (seq % 90)}`,
}));
const fileOf = (seq: number): number => Math.floor(seq / PER_FILE);

/** Who has which key, by one record after another, and what became of each. */
class Model {
  readonly #owners = new Map<string, number>();
  readonly good = new Map<number, Order>();
  readonly rejected = new Map<number, string>();

  /** Records that one generation reads. */
  read(readings: ReadonlyMap<number, Order>): void {
    for (const [key, owner] of this.#owners) if (readings.has(owner)) this.#owners.delete(key);
    for (const [seq, order] of [...readings].sort(([a], [b]) => a - b)) {
      const code = this.#codeOf(seq, order);
      if (code === null) this.good.set(seq, order);
      if (code === null) this.rejected.delete(seq);
      else this.rejected.set(seq, code);
    }
  }

  #codeOf(seq: number, { region, id, amount }: Order): string | null {
    const isKey = id !== 'n/a';
    const key = `${region} ${id}`;
    if (isKey && !this.#owners.has(key)) this.#owners.set(key, seq);
    if (!isKey) return 'TYPE_INTEGER';
    if (amount === 'free') return 'TYPE_NUMBER';
    return this.#owners.get(key) === seq ? null : 'CONSTRAINT_UNIQUE';
  }

  /** Of each amount the first record, which is what `dedupe` keeps. */
  get kept(): number[] {
    const first = new Map<string, number>();
    for (const [seq, { amount }] of [...this.good].sort(([a], [b]) => a - b)) if (!first.has(amount)) first.set(amount, seq);
    return [...first.values()].sort((a, b) => a - b);
  }

  get codes(): Record<string, number> {
    return Object.fromEntries([...Map.groupBy(this.rejected.values(), (code) => code)].map(([code, all]) => [code, all.length]));
  }
}

async function expectModel(out: string, jobId: string, generation: number, model: Model, unread = 0): Promise<Manifest> {
  const done = expectTidy(out, jobId, generation);
  const { recordsIn, emitted, deduplicated, rejected } = done.balance;
  const kept = model.kept;
  const expected = [RECORDS - unread, kept.length, model.good.size - kept.length, model.rejected.size];
  assert.deepEqual([recordsIn, emitted, deduplicated, rejected], expected);
  assert.equal(model.good.size + model.rejected.size + unread, RECORDS);
  assert.deepEqual({ ...done.byCode }, model.codes);
  const rows = await query(`SELECT seq FROM (${partsOf(done)}) ORDER BY seq`);
  assert.deepEqual(rows.map(Number), kept);
  return done;
}

/** Puts the corrections of every reject that stands; `correct` says what becomes of a record. */
async function correctAll(out: string, jobId: JobId, correct: (seq: number, order: Order) => Order): Promise<[id: string, readings: Map<number, Order>]> {
  const directory = openDirectoryAt(out, [bench.home]);
  try {
    const view = await directory.journal.readJob(jobId);
    const done = view?.manifests.at(-1);
    assert.ok(view && done);
    const replayed = await directory.journal.replayedRejects(view);
    const edited = new Map<string, { cells: Map<string, string>; extra: string; raw: string }>();
    const readings = new Map<number, Order>();
    const all = await gatherCorrections(view, done.rejects, replayed, directory.core, { edited: null, matches: () => true });
    for (const { rejectId, bytes } of all.rejects) {
      const [seq = '', region = '', id = '', amount = ''] = Buffer.from(bytes).toString().trim().split(',');
      const corrected = correct(Number(seq), { region, id, amount });
      readings.set(Number(seq), corrected);
      edited.set(rejectId, { cells: new Map(Object.entries({ seq, ...corrected })), extra: '', raw: '' });
    }
    const gathered = await gatherCorrections(view, done.rejects, replayed, directory.core, { edited, matches: () => true });
    assert.deepEqual([all.cannot, gathered.cannot, gathered.unknown], [[], [], []]);
    const set = await directory.journal.putCorrection(jobId, gathered.rejects, { at: new Date().toISOString(), by: 'test' });
    return [set.record.correctionId, readings];
  } finally {
    await directory.close();
  }
}

/** Everything dies while the replay is asked for; then a host and Redis in the middle of it. */
async function replayThroughAccidents(local: LocalStack, out: string, handle: JobHandle, correction: string): Promise<void> {
  const before = verdictCount(out, handle.jobId, 'owners');
  const asked = handle.replay(correction, 'corrected').catch(() => null);
  for (const role of local.stack.roles) role.kill('SIGKILL');
  local.stack.start('scheduler');
  local.stack.start('worker-host', 1);
  local.stack.start('worker-host', 1);
  await asked;
  // Perhaps the command was never written: then it is asked again, and else it stands.
  const again = await handle.replay(correction, 'corrected').catch((error: { code: string }) => error.code);
  assert.ok(typeof again !== 'string' || ['STATE_CONFLICT', 'REJECT_REPLAYED'].includes(again), String(again));
  await until('owners to be found once more', () => verdictCount(out, handle.jobId, 'owners') > before, { every: 2 });
  await killRole(local, 'worker-host');
  await flushRedis(local);
}

describe('rejects of a job with a primary key and a reduce stage behind it', () => {
  it('are replayed through kills, beside a gap that is redriven afterwards, and once more', async () => {
    const data = bench.path('data');
    mkdirSync(data);
    const path = (file: number): string => join(data, `orders-${file}.csv`);
    for (let file = 0; file < FILES; file += 1) {
      const lines = orders.flatMap(({ region, id, amount }, seq) => (fileOf(seq) === file ? [`${seq},${region},${id},${amount}`] : []));
      writeFileSync(path(file), `seq,region,id,amount\n${lines.join('\n')}\n`);
    }
    const fields = [
      { name: 'seq', type: 'integer' },
      { name: 'region' },
      { name: 'id', type: 'integer' },
      { name: 'amount', type: 'number', precision: 12, scale: 2 },
    ];
    const out = bench.path('large');
    const spec = {
      name: 'large',
      inputs: { uri: url(join(data, 'orders-*.csv')), format: 'csv' },
      schema: { fields, primaryKey: ['region', 'id'] },
      pipeline: [{ name: 'once', exchange: { keys: ['amount'], partitions: 3 }, dedupe: {} }],
      output: { uri: `${url(out)}/` },
      execution: { chunkSize: '64KiB' },
      rejects: { maxRatio: null },
      deadLetters: { maxChunks: null, maxRatio: null },
    };
    const [here, away] = [path(1), join(data, 'away')];
    const model = new Model();
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
    try {
      const handle = await whileChunksWait(local.redisUrl, async () => {
        const submitted = await local.producer.submit(spec as never, { idempotencyKey: 'large' });
        await until('the plan', () => isSealed(out, submitted.jobId));
        renameSync(here, away);
        return submitted;
      });
      const { jobId } = handle;
      const ended = async (generation: number): Promise<void> => {
        const status = await followToEnd(handle, generation);
        assert.equal(status.state, 'completed', status.failure?.message);
      };
      await ended(1);
      const read = (file: boolean): Map<number, Order> => new Map([...orders.entries()].filter(([seq]) => (fileOf(seq) === 1) === file));
      model.read(read(false));
      const first = await expectModel(out, jobId, 1, model, PER_FILE);
      assert.ok(first.gaps.length > 0 && first.gaps.every(({ chunk }) => chunk.startsWith('unique.')));
      assert.ok((model.codes['CONSTRAINT_UNIQUE'] ?? 0) > 300 && (model.codes['TYPE_NUMBER'] ?? 0) > 5);

      // Some to keys that are new, some to the same ones, some as they were.
      const [correction, replayed] = await correctAll(out, jobId, (seq, order) => {
        if (order.id === 'n/a') return { ...order, id: String(100_000 + (seq % 4)) };
        if (order.amount === 'free') return { ...order, amount: '1.00' };
        return [{ ...order, id: String(200_000 + seq) }, order, { ...order, id: String(300_000 + (seq % 40)) }][seq % 3] ?? order;
      });
      const before = model.rejected.size;
      await replayThroughAccidents(local, out, handle, correction);
      await ended(2);
      model.read(replayed);
      const second = await expectModel(out, jobId, 2, model, PER_FILE);
      assert.ok(model.rejected.size > 20 && model.rejected.size < before);
      assert.deepEqual(shownReplays(second), [[2, before, before - model.rejected.size, 0, model.rejected.size, 0]]);

      renameSync(away, here);
      await handle.redrive('the file is back');
      await ended(3);
      model.read(read(true));
      const third = await expectModel(out, jobId, 3, model);
      assert.deepEqual([third.gaps, third.replays], [[], second.replays]);
      await assert.rejects(handle.replay(correction, 'twice'), /replayed already/);

      const [last] = await correctAll(out, jobId, (seq, order) => ({ ...order, id: String(500_000 + seq), amount: '2.00' }));
      assert.deepEqual(await handle.replay(last, 'the rest'), { generation: 4, records: model.rejected.size });
      await ended(4);
      model.read(new Map([...model.rejected.keys()].map((seq) => [seq, { region: `r${seq % 3}`, id: String(500_000 + seq), amount: '2.00' }])));
      assert.equal(model.rejected.size, 0);
      await expectModel(out, jobId, 4, model);
      const { stages } = manifest(out, jobId, 4);
      assert.deepEqual(
        stages?.map(({ name, chunks }) => [name, chunks.total === chunks.committed]),
        ['unique', 'owners', 'read', 'once'].map((name) => [name, true]),
      );
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});
