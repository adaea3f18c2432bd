import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplaySums } from './replays.ts';
import type { ChunkRecord } from './summarise-generation.ts';

const origin = { file: 0, record: 1, line: 2, byte: 9, errors: [{ code: 'TYPE_NUMBER', column: null }] };
const payloads = [1, 2, 3].map((at) => ({ key: `r${at}`, offset: at, length: 1, origin }));

/** A chunk of three replayed records whose bytes lie under `key`; committed where it says what became of them. */
function record(stage: string, chunk: number, key: string, fates?: readonly [emitted: number, filtered: number, rejected: number]): ChunkRecord {
  const [emitted = 0, filtered = 0, rejected = 0] = fates ?? [];
  const verdict = fates === undefined ? null : ({ outcome: 'committed', counts: { emitted, filtered, rejected } } as ChunkRecord['verdict']);
  return { stage, chunk: { chunk, kind: 'inline', key, offset: 0, length: 3, sha256: '', payloads }, generation: 2, verdict };
}

function totals(records: readonly ChunkRecord[], replayedIn: Readonly<Record<number, number>>) {
  const sums = new ReplaySums({ replayedIn: (chunk) => replayedIn[chunk] ?? null }, [{ opens: 2, correction: 'c2' } as never]);
  for (const one of records) sums.add(one);
  return sums.total();
}

const none = { correction: 'c2', emitted: 0, filtered: 0, rejected: 0, unread: 0 };

test('what became of replayed records is added up by the generation that took them up', () => {
  const records = [record('read', 7, 'a', [1, 1, 1]), record('read', 8, 'b')];
  assert.deepEqual(totals(records, { 7: 2, 8: 2 }), [{ ...none, generation: 2, records: 6, emitted: 1, filtered: 1, rejected: 1, unread: 3 }]);
});

test('where keys are unique the chunk behind the pass over them decides, also one of a later generation, whatever comes first', () => {
  const both = [record('unique', 7, 'a', [3, 0, 0]), record('read', 9, 'a', [2, 0, 1])];
  for (const records of [both, both.toReversed()]) {
    assert.deepEqual(totals(records, { 7: 2, 9: 3 }), [{ ...none, generation: 2, records: 3, emitted: 2, rejected: 1 }]);
  }
  assert.deepEqual(totals(both.slice(0, 1), { 7: 2 }), [{ ...none, generation: 2, records: 3, unread: 3 }], 'not planned behind it');
});
