/**
 * Rejects that a person corrects in a spreadsheet and replays: the output becomes what the corrected file would have given, the balance says where each record
 * went, and nothing is counted twice, also when everything is killed in the middle.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { exportShape, gatherCorrections, type RejectRow } from '@millrace/journal';
import { validate } from '@millrace/producer';
import type { JobId, JobSpec, Manifest } from '@millrace/protocol';
import { openDirectoryAt } from '../../packages/cli/src/directory.ts';
import { parseCsv } from '../../packages/journal/src/rejects/edited-export.ts';
import { cli, documents } from './support/cli.ts';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { jobIds, manifest } from './support/journal-files.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('replay');
});
after(() => bench.close());

const records = 4_000;
const schema = {
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
    { name: 'amount', type: 'number', precision: 12, scale: 2 },
  ],
} as const;

/** What is wrong with record `id`, as it stands in the file; null: nothing. */
function damaged(id: number): string | null {
  if (id % 110 !== 5) return null;
  switch (((id - 5) / 110) % 4) {
    case 0:
      return `${id};name ${id};none\n`;
    case 1:
      return `${id};name ${id};${id},25;surplus\n`;
    case 2:
      return `${id};"name ${id};${id},25\n`;
    default:
      return `${id};name ${id}\n`;
  }
}
const good = (id: number): string => `${id};name ${id};${id},25\n`;
const ids = Array.from({ length: records }, (_, at) => at + 1);
const bad = ids.filter((id) => damaged(id) !== null);

function writeInputs(): string {
  const directory = bench.path('in');
  const text = (from: number, to: number): string =>
    `id;name;amount\n${ids
      .slice(from, to)
      .map((id) => damaged(id) ?? good(id))
      .join('')}`;
  writeFileSync(bench.path('in-1.csv'), text(0, 2_000));
  writeFileSync(bench.path('in-2.csv'), text(2_000, records));
  return directory;
}

function specOf(out: string, pipeline: JobSpec['pipeline'] = []): JobSpec {
  return {
    name: 'replay',
    inputs: { uri: [1, 2].map((file) => pathToFileURL(bench.path(`in-${file}.csv`)).href), format: 'csv' },
    schema: { fields: schema.fields.map((field) => (field.name === 'amount' ? { ...field, decimalChar: ',' } : field)) },
    pipeline,
    output: { uri: `${pathToFileURL(out).href}/` },
    execution: { chunkSize: '64KiB' },
    rejects: { maxRatio: null, perInferred: { maxRatio: null } },
  } as JobSpec;
}

/** As a person would: opens the export, corrects what is wrong, and saves it with commas, as their spreadsheet does. */
function correctExport(path: string, saved: string, but: readonly number[] = []): void {
  const lines = parseCsv(readFileSync(path, 'utf8').replace(/^\u{feff}/u, ''), ';');
  const [header, ...rows] = lines.map(({ cells }) => [...cells]);
  assert.ok(header);
  const at = (name: string): number => header.indexOf(name);
  for (const row of rows) {
    const id = Number(/(\d+);|^(\d+)$/.exec(row[at('id')] || row[at('_raw')] || '')?.[1] ?? row[at('id')]);
    row[at('id')] = String(id);
    row[at('name')] = `name ${id}`;
    row[at('amount')] = but.includes(id) ? 'still none' : `${id},25`;
    row[at('_extra')] = '';
    row[at('_raw')] = '';
  }
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  writeFileSync(saved, [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n'));
}

async function expectRows(done: Manifest, without: readonly number[] = []): Promise<void> {
  const rows = await query(`SELECT id, name, CAST(amount AS VARCHAR) FROM (${partsOf(done)}) ORDER BY id`);
  const expected = ids.filter((id) => !without.includes(id)).map((id) => `${id},name ${id},${id}.25`);
  assert.deepEqual(rows.map(String), expected);
}

describe('37 rejects corrected in a spreadsheet', () => {
  it('are replayed into the same output, and what is wrong again stays a reject at its place', async () => {
    writeInputs();
    assert.equal(bad.length, 37);
    const out = bench.path('out');
    const specFile = bench.path('spec.json');
    writeFileSync(specFile, JSON.stringify(specOf(out)));
    const run = await cli(['run', specFile, '--workers', '1']);
    assert.equal(run.code, 0, run.stderr);
    const [jobId = ''] = jobIds(out);
    const first = manifest(out, jobId, 1);
    assert.deepEqual([first.balance.recordsIn, first.balance.rejected], [records, 37]);

    const [exported, saved] = [bench.path('rejects.csv'), bench.path('saved.csv')];
    assert.equal((await cli(['rejects', 'export', out, '-o', exported])).code, 0);
    const wrongAgain = bad[20] ?? 0;
    correctExport(exported, saved, [wrongAgain]);

    const dry = await cli(['rejects', 'replay', out, '--corrections', saved, '--dry-run', '--json']);
    assert.equal(dry.code, 0, dry.stderr);
    const plan = documents(dry)[0] as { records: number; changedCells: Record<string, number>; cannot: unknown[] };
    assert.deepEqual([plan.records, plan.cannot], [37, []]);
    assert.ok((plan.changedCells['amount'] ?? 0) > 0);

    const replayed = await cli(['rejects', 'replay', out, '--corrections', saved, '--workers', '1', '--json']);
    assert.equal(replayed.code, 0, replayed.stderr);
    const second = expectTidy(out, jobId, 2);
    assert.deepEqual(
      second.replays?.map(({ generation, records: taken, emitted, rejected, unread }) => [generation, taken, emitted, rejected, unread]),
      [[2, 37, 36, 1, 0]],
    );
    assert.deepEqual([second.balance.recordsIn, second.balance.emitted, second.balance.rejected], [records, records - 1, 1]);
    assert.deepEqual([second.byCode, second.byColumn], [{ TYPE_NUMBER: 1 }, { amount: { TYPE_NUMBER: 1 } }]);
    assert.deepEqual(
      second.files.map(({ balance }) => [balance.recordsIn, balance.rejected]),
      [
        [2_000, wrongAgain <= 2_000 ? 1 : 0],
        [2_000, wrongAgain > 2_000 ? 1 : 0],
      ],
    );
    await expectRows(second, [wrongAgain]);

    const left = documents(await cli(['rejects', 'ls', out, '--json'])) as unknown as RejectRow[];
    const inFile = wrongAgain > 2_000 ? wrongAgain - 2_000 : wrongAgain;
    assert.deepEqual(
      left.map(({ file, record, line, code, value }) => [file.replace(/.*\//, ''), record, line, code, value]),
      [[`in-${wrongAgain > 2_000 ? 2 : 1}.csv`, inFile, inFile + 1, 'TYPE_NUMBER', 'still none']],
    );
    const twice = await cli(['rejects', 'replay', out, '--corrections', saved, '--workers', '1']);
    assert.deepEqual([twice.code, /replayed already/.test(twice.stderr)], [5, true], twice.stderr);

    assert.equal((await cli(['rejects', 'export', out, '-o', exported])).code, 0);
    correctExport(exported, saved);
    const third = await cli(['rejects', 'replay', out, '--corrections', saved, '--workers', '1']);
    assert.equal(third.code, 0, third.stderr);
    const last = expectTidy(out, jobId, 3);
    assert.deepEqual([last.balance.recordsIn, last.balance.emitted, last.balance.rejected, last.byCode], [records, records, 0, {}]);
    await expectRows(last);
    const none = await cli(['rejects', 'replay', out]);
    assert.deepEqual([none.code, /no reject to replay/.test(none.stderr)], [5, true]);
    await bench.expectNothingRuns();
  });
});

/** The corrections of every reject of a job, made without a command line. */
async function correctAll(out: string, jobId: string): Promise<string> {
  const directory = openDirectoryAt(out, [bench.home]);
  try {
    const view = await directory.journal.readJob(jobId as JobId);
    assert.ok(view);
    const done = view.manifests.at(-1);
    assert.ok(done);
    assert.ok(exportShape(view).columns.includes('amount'));
    const replayed = await directory.journal.replayedRejects(view);
    const edited = new Map<string, { cells: Map<string, string>; extra: string; raw: string }>();
    const all = await gatherCorrections(view, done.rejects, replayed, directory.core, { edited: null, matches: () => true });
    for (const { rejectId, bytes } of all.rejects) {
      const id = Number(/^\d+/.exec(Buffer.from(bytes).toString())?.[0]);
      edited.set(rejectId, {
        cells: new Map([
          ['id', String(id)],
          ['name', `name ${id}`],
          ['amount', `${id},25`],
        ]),
        extra: '',
        raw: '',
      });
    }
    const gathered = await gatherCorrections(view, done.rejects, replayed, directory.core, { edited, matches: () => true });
    assert.deepEqual([gathered.cannot, gathered.unknown], [[], []]);
    return (await directory.journal.putCorrection(jobId as JobId, gathered.rejects, { at: new Date().toISOString(), by: 'test' })).record.correctionId;
  } finally {
    await directory.close();
  }
}

describe('a replay under a reduce stage', () => {
  it('runs the partitions again whose rows changed, and a replayed record wins where its place is first', async () => {
    writeInputs();
    const out = bench.path('reduced');
    // Of each group of ten neighbours the first in input order stays: a rejected one lets another in, until it is replayed.
    const pipeline = [
      { name: 'clean', sql: 'SELECT id, name, amount, id / 10 AS bucket FROM input' },
      { name: 'first', exchange: { keys: ['bucket'], partitions: 4 }, dedupe: {} },
    ];
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const handle = await local.producer.submit(validate(specOf(out, pipeline)) as never, { idempotencyKey: 'reduced' });
      const done = await followToEnd(handle);
      assert.equal(done.state, 'completed', done.failure?.message);
      const before = manifest(out, handle.jobId, 1);
      const correction = await correctAll(out, handle.jobId);
      assert.deepEqual(await handle.replay(correction, 'corrected'), { generation: 2, records: 37 });
      // While it runs the job has not ended; afterwards its rejects are replayed.
      await assert.rejects(handle.replay(correction, 'twice'), /has not ended|replayed already/);
      const status = await followToEnd(handle, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      const after = expectTidy(out, handle.jobId, 2);
      assert.deepEqual([after.balance.recordsIn, after.balance.rejected, after.balance.deduplicated], [records, 0, records - 401]);
      assert.ok(after.parts.some(({ uri }) => /\.000002-/.test(uri)) && before.parts.length > 0);
      const rows = await query(`SELECT id FROM (${partsOf(after)}) ORDER BY id`);
      const expected = ids.filter((id) => id === 1 || id % 10 === 0);
      assert.deepEqual(rows.map(Number), expected, 'as if nothing had ever been wrong');
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('a replay that is killed in the middle', () => {
  it('is gone on with by the next scheduler and host, with nothing lost and nothing twice', async () => {
    writeInputs();
    const out = bench.path('killed');
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const handle = await local.producer.submit(validate(specOf(out)) as never, { idempotencyKey: 'killed' });
      assert.equal((await followToEnd(handle)).state, 'completed');
      const correction = await correctAll(out, handle.jobId);
      const asked = handle.replay(correction, 'corrected').catch(() => null);
      for (const role of local.stack.roles) role.kill('SIGKILL');
      local.stack.start('scheduler');
      local.stack.start('worker-host', 1);
      await asked;
      // Perhaps the command was never written: then it is asked again, and else it stands.
      const again = await handle.replay(correction, 'corrected').catch((error: { code: string }) => error.code);
      assert.ok(typeof again !== 'string' || ['STATE_CONFLICT', 'REJECT_REPLAYED'].includes(again), String(again));
      for (const role of local.stack.roles.filter(({ isKilled }) => !isKilled)) role.kill('SIGKILL');
      local.stack.start('scheduler');
      local.stack.start('worker-host', 1);
      const status = await followToEnd(handle, 2);
      assert.equal(status.state, 'completed', status.failure?.message);
      const done = manifest(out, handle.jobId, 2);
      assert.deepEqual([done.balance.recordsIn, done.balance.emitted, done.balance.rejected], [records, records, 0]);
      await expectRows(done);
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('rejects of other formats', () => {
  const formats = {
    ndjson: { text: '{"id":1,"name":"a"}\n{"id":"x","name":"b"}\n{"id":3,"name":"c"}\n', input: { format: 'ndjson' }, right: '{"id":2,"name":"b"}' },
    lines: { text: '1 a\nx b\n3 c\n', input: { format: 'lines', lines: { regex: '(?<id>\\S+) (?<name>.+)' } }, right: '2 b' },
  } as const;
  for (const [format, { text, input, right }] of Object.entries(formats)) {
    it(`are corrected as a whole: ${format}`, async () => {
      const file = bench.path(`in.${format}`);
      writeFileSync(file, text);
      const out = bench.path(`out-${format}`);
      const specFile = bench.path(`${format}.json`);
      const fields = [{ name: 'id', type: 'integer' }, { name: 'name' }];
      const spec = { name: 'other', inputs: { uri: pathToFileURL(file).href, ...input }, schema: { fields }, output: { uri: `${pathToFileURL(out).href}/` } };
      writeFileSync(specFile, JSON.stringify(spec));
      const run = await cli(['run', specFile, '--workers', '1']);
      assert.equal(run.code, 0, run.stderr);
      const exported = bench.path(`${format}.ndjson`);
      assert.equal((await cli(['rejects', 'export', out, '-o', exported])).code, 0);
      const [row] = readFileSync(exported, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.ok(row);
      writeFileSync(exported, `${JSON.stringify({ ...row, _raw: right })}\n`);
      const replayed = await cli(['rejects', 'replay', out, '--corrections', exported, '--workers', '1']);
      assert.equal(replayed.code, 0, replayed.stderr);
      const done = expectTidy(out, jobIds(out)[0] ?? '', 2);
      assert.deepEqual([done.balance.recordsIn, done.balance.emitted, done.balance.rejected], [3, 3, 0]);
      const rows = await query(`SELECT id, name FROM (${partsOf(done)}) ORDER BY id`);
      assert.deepEqual(rows.map(String), ['1,a', '2,b', '3,c']);
    });
  }

  it('of a JSON array are refused by name', async () => {
    const file = bench.path('array.json');
    writeFileSync(file, '[{"id":1},{"id":"x"}]');
    const out = bench.path('out-array');
    const specFile = bench.path('array-spec.json');
    const output = { uri: `${pathToFileURL(out).href}/` };
    const schema = { fields: [{ name: 'id', type: 'integer' }] };
    writeFileSync(specFile, JSON.stringify({ name: 'array', inputs: { uri: pathToFileURL(file).href, format: 'json' }, schema, output }));
    assert.equal((await cli(['run', specFile, '--workers', '1'])).code, 0);
    const refused = await cli(['rejects', 'replay', out]);
    assert.deepEqual([refused.code, /elements of a JSON array/.test(refused.stderr)], [5, true], refused.stderr);
  });
});
