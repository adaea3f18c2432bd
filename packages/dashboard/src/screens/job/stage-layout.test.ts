import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobStageView } from '@millrace/api-contract';
import { layOutStages } from './stage-layout.ts';

const fates = (recordsIn: number, rowsOut: number) => ({
  recordsIn,
  emitted: rowsOut,
  filtered: 0,
  deduplicated: 0,
  rejected: 0,
  rowsOut,
  repaired: 0,
  unreadBytes: 0,
});
const stage = (name: string, kind: 'map' | 'reduce', from: readonly string[], rowsOut: number | null = null): JobStageView => ({
  name,
  kind,
  from: [...from],
  chunks: { total: 1, committed: 0, dead: 0 },
  balance: rowsOut === null ? null : fates(10, rowsOut),
  sealed: true,
});

test('each stage stands right of what it reads, and the last leads to the output', () => {
  const graph = layOutStages([
    stage('purchases', 'map', ['events'], 9),
    stage('known', 'map', ['customers'], 8),
    stage('once', 'reduce', ['purchases'], 7),
    stage('revenue', 'reduce', ['once', 'known']),
  ]);
  const column = (key: string): number => graph.boxes.find((box) => box.key === key)?.x ?? -1;
  assert.ok(column('input events') < column('stage purchases'));
  assert.ok(column('stage purchases') < column('stage once'));
  assert.ok(column('stage once') < column('stage revenue'));
  assert.ok(column('stage known') < column('stage revenue'));
  assert.ok(column('stage revenue') < column('output'));
  assert.deepEqual(
    graph.edges.map(({ key, count }) => `${key} ${count}`),
    [
      'input events stage purchases 10',
      'input customers stage known 10',
      'stage purchases stage once 9',
      'stage once stage revenue 7',
      'stage known stage revenue 8',
      'stage revenue output null',
    ],
  );
});

test('boxes of a column do not overlap', () => {
  const graph = layOutStages(Array.from({ length: 8 }, (_, at) => stage(`s${at}`, 'map', [`input${at}`])));
  const seen = new Set(graph.boxes.map(({ x, y }) => `${x} ${y}`));
  assert.equal(seen.size, graph.boxes.length);
});
