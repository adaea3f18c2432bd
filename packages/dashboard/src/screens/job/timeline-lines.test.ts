import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimelineEntry } from '@millrace/api-contract';
import { timelineLines } from './timeline-lines.ts';

const moment = { at: '2026-11-23T14:00:00Z', generation: 1 };
const dead = (chunk: number, fingerprint: string): TimelineEntry => ({ kind: 'dead', ...moment, chunk: `j.clean.${chunk}`, code: 'X', fingerprint });

test('a run of deaths of one error is one line, and an end is told once', () => {
  const lines = timelineLines([
    { kind: 'state', ...moment, state: 'failed' },
    { kind: 'ended', ...moment, state: 'failed', failure: null, rejected: 0, gaps: 0 },
    dead(3, 'fp1-a'),
    dead(2, 'fp1-a'),
    dead(1, 'fp1-b'),
    { kind: 'state', ...moment, state: 'running' },
  ]);
  assert.deepEqual(
    lines.map(({ entry, alike }) => [entry.kind, alike]),
    [
      ['ended', 0],
      ['dead', 1],
      ['dead', 0],
      ['state', 0],
    ],
  );
});
