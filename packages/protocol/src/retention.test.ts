import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Command } from './command.ts';
import { retirementsOf } from './retention.ts';

const day = 86_400_000;
const endedAt = '2026-11-01T00:00:00.000Z';
const part = { uri: 'file:///r', rows: 1, bytes: 1, sha256: '0'.repeat(64) };
const manifest = (rejected: number, files: number) => ({
  endedAt,
  rejects: Array.from({ length: files }, () => ({ ...part, chunk: 'read.0' })),
  balance: { recordsIn: 10, emitted: 10 - rejected, filtered: 0, deduplicated: 0, rejected, rowsOut: 10, repaired: 0, unreadBytes: 0 },
});
const retired = (what: 'rejects' | 'history') => ({ command: 'retire', retires: what }) as Command;
const afterDays = (of: ReturnType<typeof retirementsOf>) => of.map(({ what, dueMs }) => [what, (dueMs - Date.parse(endedAt)) / day]);

describe('retention', () => {
  const retention = { history: 30 * day, rejects: 90 * day };

  it('history goes after its time, rejects after theirs', () => {
    assert.deepEqual(afterDays(retirementsOf(manifest(0, 0), retention, [])), [['history', 30]]);
  });

  it('open rejects keep the history that a replay of them needs', () => {
    assert.deepEqual(afterDays(retirementsOf(manifest(3, 1), retention, [])), [
      ['rejects', 90],
      ['history', 90],
    ]);
    assert.deepEqual(afterDays(retirementsOf(manifest(3, 1), { history: 30 * day, rejects: day }, [])), [
      ['rejects', 1],
      ['history', 30],
    ]);
  });

  it('rejects that were all replayed keep nothing but themselves', () => {
    assert.deepEqual(afterDays(retirementsOf(manifest(0, 1), retention, [])), [
      ['rejects', 90],
      ['history', 30],
    ]);
  });

  it('what was retired is not retired again', () => {
    assert.deepEqual(afterDays(retirementsOf(manifest(3, 1), retention, [retired('rejects')])), [['history', 90]]);
    assert.deepEqual(retirementsOf(manifest(0, 0), retention, [retired('history')]), []);
  });
});
