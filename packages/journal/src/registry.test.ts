import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Triage } from '@millrace/protocol';
import { startTestJournal, type TestJournal } from './testing/index.ts';

const at = '2026-11-23T10:00:00.000Z';
let shared: TestJournal;
before(async () => {
  shared = await startTestJournal();
});
after(() => shared[Symbol.asyncDispose]());

const triage = (note: string): Triage => ({
  tenant: 'default',
  fingerprint: 'fp1-0',
  state: 'open',
  at,
  until: null,
  note,
  by: 'test',
  owner: null,
  notes: [],
});
const change = (note: string) => ({ at, by: 'test', reason: '', body: triage(note) });

async function all(names: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const name of names) found.push(name);
  return found;
}

test('the highest version of a document counts, and each stays readable', async () => {
  const { journal } = shared;
  for (const number of [1, 2, 3]) await journal.putRegistered('triage', 'default.a', number, change(`v${number}`));
  assert.equal((await journal.readRegistered('triage', 'default.a'))?.body.note, 'v3');
  assert.equal((await journal.readRegistered('triage', 'default.a', 2))?.number, 3);
  assert.equal((await journal.readRegisteredVersion('triage', 'default.a', 1))?.body.note, 'v1');
  assert.equal(await journal.readRegistered('triage', 'default.none'), null);
});

test('of changes at once each sees the one before it', async () => {
  const { journal } = shared;
  const append = (letter: string) => journal.changeRegistered('triage', 'default.b', (current) => ({ put: change(`${current?.body.note ?? ''}${letter}`) }));
  await Promise.all([...'abcdefgh'].map(append));
  const newest = await journal.readRegistered('triage', 'default.b');
  assert.equal(newest?.number, 8);
  assert.deepEqual([...(newest?.body.note ?? '')].sort().join(''), 'abcdefgh');
});

test('a version that stands is not overwritten, and the same bytes count as won', async () => {
  const { journal } = shared;
  const put = (note: string) => journal.putRegistered('triage', 'default.c', 1, change(note));
  assert.equal((await put('first')).outcome, 'won');
  assert.equal((await put('first')).outcome, 'won');
  const lost = await put('second');
  assert.deepEqual([lost.outcome, lost.stored.body.note], ['lost', 'first']);
});

test('names are listed in order, from a name on, and a name is one step of a path', async () => {
  const { journal } = shared;
  for (const name of ['list.b', 'list.a', 'list.c']) await journal.putRegistered('triage', name, 1, change(name));
  const names = (await all(journal.listRegistered('triage'))).filter((name) => name.startsWith('list.'));
  assert.deepEqual(names, ['list.a', 'list.b', 'list.c']);
  assert.deepEqual(await all(journal.listRegistered('triage', 'list.a')), ['list.b', 'list.c']);
  await assert.rejects(journal.putRegistered('triage', '../x', 1, change('x')), /expected letters, digits, dots and dashes/);
  await assert.rejects(journal.putRegistered('triage', 'x', 1, { ...change('x'), body: { ...triage('x'), state: 'gone' as 'open' } }), /\/state/);
});
