/**
 * Records that kill their core, hang it, or get lost in it: run with the core that has such records (`millrace-core-hooks`). One record costs one
 * record, a hang is noticed, and what does not add up fails loudly.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters, failures, manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('poison', { hooks: true });
});
after(() => bench.close());

/** A stack over a CSV file with one record in the middle that holds `marker`. */
async function withMarked(name: string, marker: string, act: (local: LocalStack, spec: never, out: string) => Promise<void>): Promise<void> {
  const lines = Array.from({ length: 500 }, (_, index) => `${index + 1},${index === 250 ? marker : 'plain'}`);
  const file = bench.path(`${name}.csv`);
  writeFileSync(file, `id,name\n${lines.join('\n')}\n`);
  const out = bench.path(`${name}-out`);
  const local = await bench.stack({ out, readRoots: [bench.home] });
  try {
    const spec = { name, inputs: { uri: pathToFileURL(file).href, format: 'csv' }, output: { uri: `${pathToFileURL(out).href}/` } };
    await act(local, spec as never, out);
  } finally {
    await local.stop();
  }
  await bench.expectNothingRuns();
}

describe('a record that kills its core', () => {
  it('is found and becomes one reject; everything else commits', async () => {
    const { directory: data, expected } = bench.generate('data', { records: 3_000, faults: 'coreCrash=0.0006,badNumber=0.001' });
    const crashes = readFileSync(join(data, 'truth.ndjson'), 'utf8').match(/"CORE_CRASH"/g)?.length ?? 0;
    assert.ok(crashes >= 2, `${crashes} records that crash were planted`);
    const out = bench.path('out');
    const local = await bench.stack({ out, readRoots: [data] });
    try {
      const handle = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: 'poison' });
      const status = await followToEnd(handle);
      assert.equal(status.state, 'completed', status.failure?.message);
      const ended = expectTidy(out, handle.jobId);
      assert.deepEqual([ended.byCode['CORE_CRASH'], ended.balance.rejected], [crashes, expected.balance.rejected]);
      await expectTruth(data, out);
      const records = failures(out, handle.jobId);
      assert.ok(
        records.length >= 2 &&
          records.every(({ code, signal, class: failureClass }) => code === 'CORE_CRASH' && signal === 'SIGABRT' && failureClass === 'crash'),
      );
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('records that kill their core, in chunks that a producer sent', () => {
  const schema = {
    fields: [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'string' },
    ],
  } as const;
  const POISON = 'MILLRACE_CORE_CRASH';
  const recordOf = (id: number): string => (id % 40 === 7 ? `${id},"${POISON}\nof ${id}"` : id % 17 === 3 ? `x${id},no number` : `${id},plain`);
  const recordsOf = (first: number, count: number): string => Array.from({ length: count }, (_, index) => `${recordOf(first + index)}\n`).join('');

  it('are found in payloads and in ranges; everything else commits', async () => {
    const text = `id,name\n${recordsOf(1_000, 200)}`;
    writeFileSync(bench.path('sent.csv'), text);
    const uri = pathToFileURL(bench.path('sent.csv')).href;
    const middle = text.indexOf('\n1100,') + 1;
    const out = bench.path('sent-out');
    const local = await bench.stack({ out, readRoots: [bench.home] });
    try {
      const spec = { name: 'sent', inputs: { format: 'csv' }, schema, output: { uri: `${pathToFileURL(out).href}/` }, rejects: { maxRatio: 1 } };
      const job = await local.producer.open(spec as never, { idempotencyKey: 'sent' });
      // A range may end inside of its last record, here one that kills its core.
      const inside = text.indexOf(`1087,"${POISON}`) + 9;
      await job.enqueueChunks([
        { key: 'payload', inline: `id,name\n${recordsOf(0, 150)}`, records: 150 },
        { key: 'clean', inline: 'id,name\n500,plain\n' },
        { key: 'poison-alone', inline: `id,name\n${recordOf(567)}\n` },
        { key: 'head', uri, range: [0, inside] },
        { key: 'middle', uri, range: [text.indexOf('\n1088,') + 1, middle] },
        { key: 'tail', uri, range: [middle, text.length] },
      ]);
      await job.seal({ chunks: 6 });
      const status = await followToEnd(job);
      assert.equal(status.state, 'completed', status.failure?.message);
      const ended = expectTidy(out, job.jobId);
      const ids = [...Array.from({ length: 150 }, (_, id) => id), 500, 567, ...Array.from({ length: 200 }, (_, index) => 1_000 + index)];
      const poison = ids.filter((id) => id % 40 === 7);
      const dirty = ids.filter((id) => id % 40 !== 7 && id % 17 === 3);
      assert.deepEqual(
        [ended.balance.recordsIn, ended.balance.rejected, ended.byCode['CORE_CRASH'], ended.byCode['TYPE_INTEGER']],
        [ids.length, poison.length + dirty.length, poison.length, dirty.length],
      );
      const rows = await query(`SELECT id FROM (${partsOf(ended)}) ORDER BY id`);
      assert.deepEqual(
        rows.map(Number),
        ids.filter((id) => !poison.includes(id) && !dirty.includes(id)),
      );
      const rejects = `[${ended.rejects.map((file) => `'${file.uri.replace('file://', '')}'`).join(',')}]`;
      const found = await query(`SELECT decode(raw), byte, file FROM read_parquet(${rejects}) WHERE code = 'CORE_CRASH' ORDER BY file, byte`);
      const raws = found.map(([raw]) => String(raw)).toSorted();
      assert.deepEqual(raws, poison.map((id) => `${recordOf(id)}\n`).toSorted());
      const inFile = found.filter(([, , file]) => file === uri);
      assert.deepEqual(
        inFile.map(([raw, byte]) => text.indexOf(String(raw)) === Number(byte)),
        inFile.map(() => true),
      );
      assert.equal(inFile.length, 5);
    } finally {
      await local.stop();
    }
    await bench.expectNothingRuns();
  });
});

describe('a record that hangs its core', () => {
  it('is noticed although the core says that it lives, and the core is killed', async () => {
    await withMarked('hang', 'MILLRACE_CORE_HANG', async (local, spec, out) => {
      const handle = await local.producer.submit(spec, { idempotencyKey: 'hang' });
      await until('the hang to be on record', () => failures(out, handle.jobId).length > 0, { every: 50 });
      const [record] = failures(out, handle.jobId);
      assert.deepEqual([record?.code, record?.class, record?.signal], ['CORE_HUNG', 'crash', 'SIGKILL']);
      await handle.cancel('seen enough');
      const status = await followToEnd(handle);
      assert.equal(status.state, 'cancelled');
    });
  });
});

describe('a record that is lost inside the core', () => {
  it('fails the job loudly', async () => {
    await withMarked('lost', 'MILLRACE_DROP_RECORD', async (local, spec, out) => {
      const handle = await local.producer.submit(spec, { idempotencyKey: 'lost' });
      const status = await followToEnd(handle);
      assert.equal(status.state, 'failed');
      const [letter] = deadLetters(out, handle.jobId);
      assert.equal(letter?.class, 'bug');
      assert.match(letter?.code ?? '', /^(BALANCE_MISMATCH|PLAN_CONFLICT)$/);
      assert.equal(manifest(out, handle.jobId).balance.recordsIn, 0);
    });
  });
});
