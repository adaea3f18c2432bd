/** Schemas by URI through the real intake, Redis and journal. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileUri, type JobSpec } from '@millrace/protocol';
import type { RunningScheduler } from './start-scheduler.ts';
import { Bench, submit } from './testing/fixture.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
});
after(() => bench.clear());

async function schemaFile(name: string, content: unknown): Promise<{ path: string; uri: string; sha256: string }> {
  const path = join(bench.directory, 'in', name);
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return { path, uri: fileUri(path), sha256: createHash('sha256').update(text).digest('hex') };
}

async function specWith(name: string, changes: Partial<JobSpec>): Promise<JobSpec> {
  return bench.spec(await bench.file(`${name}.txt`, 1), changes, name);
}

async function refusals(name: string, changes: Partial<JobSpec>): Promise<string[]> {
  const answer = await submit(scheduler, name, await specWith(name, changes));
  assert.ok(!answer.ok);
  return (answer.issues ?? []).map(({ pointer, code, message }) => `${pointer} ${code} ${message}`);
}

describe('a schema by URI', () => {
  test('stands in the spec of the job with its digest, and the job stays the same when the file changes or goes', async () => {
    const table = { $schema: 'https://x/', title: 'orders', fields: [{ name: 'id', type: 'integer', rdfType: 'x' }], primaryKey: 'id' };
    const file = await schemaFile('orders.schema.json', table);
    const spec = await specWith('by-uri', { schema: file.uri });
    const answer = await submit(scheduler, 'by-uri', spec);
    assert.ok(answer.ok, answer.ok ? '' : answer.message);
    const job = await scheduler.control.journal.readJobRecord(answer.jobId);
    const { schema } = job?.record.spec ?? assert.fail('no job');
    assert.ok(typeof schema === 'object');
    assert.deepEqual(schema.source, { uri: file.uri, sha256: file.sha256 });
    assert.deepEqual([schema.fields[0]?.name, schema.fields[0]?.type, schema.primaryKey], ['id', 'integer', ['id']]);
    assert.deepEqual(
      job?.record.stages.map(({ name }) => name),
      ['unique', 'owners', 'read'],
    );
    await writeFile(file.path, JSON.stringify({ fields: [{ name: 'other' }] }));
    const changed = await submit(scheduler, 'by-uri', spec);
    assert.ok(changed.ok && changed.replayed, changed.ok ? '' : changed.message);
    await rm(file.path);
    const gone = await submit(scheduler, 'by-uri', spec);
    assert.ok(gone.ok && gone.replayed);
    const other = await submit(scheduler, 'by-uri', { ...spec, schema: 'text' });
    assert.ok(!other.ok && other.code === 'KEY_CONFLICT');
  });

  test('of an input is read too, and what is wrong in it is shown with its place and its file', async () => {
    const file = await schemaFile('wrong.schema.json', { fields: [{ name: 'id', typ: 'integer' }, { name: 'id' }], foreignKeys: [] });
    const found = await refusals('wrong', { inputs: { uri: await bench.file('wrong.txt', 1), schema: file.uri } });
    found.sort();
    assert.equal(found.length, 2);
    assert.match(found[1] ?? '', /^\/inputs\/0\/schema\/foreignKeys SPEC_UNKNOWN_FIELD .*wrong\.schema\.json\)$/);
    assert.match(found[0] ?? '', /^\/inputs\/0\/schema\/fields\/0\/typ SPEC_UNKNOWN_FIELD /);
  });

  test('that is not there, no JSON, too large or out of reach is refused', async () => {
    const missing = await refusals('missing', { schema: fileUri(join(bench.directory, 'in', 'nowhere.json')) });
    assert.match(missing.join(), /^\/schema SPEC_URI cannot use the schema file:.*is not there/);
    const broken = await schemaFile('broken.json', '{"fields": [');
    assert.match((await refusals('broken', { schema: broken.uri })).join(), /^\/schema SPEC_SCHEMA_FIELD .*expected JSON/);
    const list = await schemaFile('list.json', '[]');
    assert.match((await refusals('list', { schema: list.uri })).join(), /^\/schema SPEC_SCHEMA_FIELD .*got a list/);
    const large = await schemaFile('large.json', `{"title":"${'x'.repeat(300_000)}"}`);
    assert.match((await refusals('large', { schema: large.uri })).join(), /^\/schema SPEC_OUT_OF_RANGE .*expected at most \d+ bytes/);
    assert.match((await refusals('outside', { schema: 'file:///etc/hostname' })).join(), /^\/schema SPEC_URI /);
  });
});
