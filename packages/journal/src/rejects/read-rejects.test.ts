import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobView } from '../read-job.ts';
import { replayedRejects } from './read-rejects.ts';

const origin = { file: 0, record: 1, line: 2, byte: 9, errors: [{ code: 'TYPE_NUMBER', column: null }] };

/** A chunk that replays these rejects. */
const chunk = (stage: string, number: number, ids: readonly string[]) =>
  ({ stage, chunk: { chunk: number, kind: 'inline', payloads: ids.map((key) => ({ key, origin })) } }) as unknown as JobView['chunks'][number];

async function standing(chunks: readonly JobView['chunks'][number][], committed: readonly number[]) {
  const { replaced, pending } = await replayedRejects({ chunks } as JobView, async (one) => committed.includes(one.chunk.chunk));
  return [[...replaced], Object.fromEntries(pending)];
}

test('a reject is replaced once its chunk has committed, and until then named by it', async () => {
  assert.deepEqual(await standing([chunk('read', 3, ['a']), chunk('read', 4, ['b'])], [3]), [['a'], { b: 'read.4' }]);
});

test('a pass over unique keys replaces nothing: the chunk behind it does', async () => {
  const [pass, behind] = [chunk('unique', 3, ['a']), chunk('read', 5, ['a'])];
  assert.deepEqual(await standing([pass], [3]), [[], { a: 'unique.3' }]);
  for (const chunks of [
    [pass, behind],
    [behind, pass],
  ]) {
    assert.deepEqual(await standing(chunks, [3]), [[], { a: 'read.5' }]);
    assert.deepEqual(await standing(chunks, [3, 5]), [['a'], {}]);
  }
});
