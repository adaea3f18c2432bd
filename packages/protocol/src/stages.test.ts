import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { resolveJobSpec } from './job-spec.ts';
import { entryStageOf, fileStages, inputsBehind, laterStages, partitionsOf, readerOf, type Stage, type StagedSpec, stagesOf, uniqueKeysOf } from './stages.ts';

interface Vector {
  readonly name: string;
  readonly spec: StagedSpec;
  readonly stages: readonly Stage[];
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../../../schemas/vectors/stages.json'), 'utf8')) as Vector[];

describe('stages of a spec, as both languages must answer', () => {
  for (const { name, spec, stages } of vectors) test(name, () => assert.deepEqual(stagesOf(spec), stages));
  test('there are vectors', () => assert.ok(vectors.length >= 9));
});

const spec = resolveJobSpec({
  name: 'daily',
  inputs: [
    { name: 'events', uri: 'file:///e' },
    { name: 'customers', uri: 'file:///c' },
  ],
  pipeline: [
    { name: 'purchases', from: 'events', sql: 'SELECT 1' },
    { name: 'known', from: 'customers', sql: 'SELECT 1' },
    { name: 'once', from: 'purchases', exchange: { keys: ['id'] }, dedupe: {} },
    { name: 'revenue', from: ['once', 'known'], exchange: { keys: ['c'], partitions: 64 }, sql: 'SELECT 1' },
    { name: 'total', exchange: { keys: [] }, sql: 'SELECT 1' },
  ],
  output: { uri: 'file:///o/' },
  execution: { chunkSize: '1MiB' },
});

test('readers and inputs behind a stage', () => {
  const stages = stagesOf(spec);
  assert.deepEqual(
    stages.map(({ name }) => readerOf(stages, name)?.name ?? null),
    ['once', 'revenue', 'revenue', 'total', null],
  );
  assert.deepEqual(inputsBehind(stages, 'once'), ['events']);
  assert.deepEqual(inputsBehind(stages, 'total'), ['events', 'customers']);
});

test('stages over inputs with unique keys wait for the owners of these', () => {
  const keys = { fields: [{ name: 'id', constraints: { unique: true } }] };
  const keyed = resolveJobSpec({
    name: 'daily',
    inputs: [
      { name: 'plain', uri: 'file:///p', schema: 'text' },
      { name: 'keyed', uri: 'file:///k' },
    ],
    schema: keys,
    pipeline: [
      { name: 'a', from: 'keyed', sql: 'SELECT 1' },
      { name: 'b', from: 'plain', sql: 'SELECT 1' },
      { name: 'c', from: ['a', 'b'], exchange: { keys: ['id'] }, sql: 'SELECT 1' },
    ],
    output: { uri: 'file:///o/' },
  });
  const stages = stagesOf(keyed);
  assert.deepEqual(
    stages.map(({ name, kind, from }) => `${name} ${kind} ${from}`),
    ['unique map keyed', 'b map plain', 'owners reduce unique', 'a map keyed', 'c reduce a,b'],
  );
  assert.deepEqual(
    [fileStages(stages), laterStages(stages)].map((some) => some.map(({ name }) => name).join()),
    ['unique,b', 'owners,a,c'],
  );
  assert.deepEqual(
    ['a', 'b', 'c', 'unique'].map((name) => entryStageOf(stages, name)),
    ['unique', 'b', 'c', 'unique'],
    'a replayed record of a waiting stage comes in with its key',
  );
  assert.equal(partitionsOf(keyed, new Map([['keyed', 10 * (256 << 20)]]))['owners'], 10);
});

test('a primary key of one column that is unique too is one key', () => {
  const key = (names: string[], ...unique: string[]) =>
    uniqueKeysOf({ primaryKey: names, fields: ['a', 'b'].map((name) => ({ name, constraints: { unique: unique.includes(name) } })) as never });
  assert.deepEqual(key(['a'], 'a'), [['a']]);
  assert.deepEqual(key(['a', 'b'], 'a'), [['a', 'b'], ['a']]);
  assert.deepEqual(key([], 'b'), [['b']]);
  assert.deepEqual(uniqueKeysOf('auto'), []);
});

test('partitions: as written, by bytes of the inputs behind, one without keys, and never above 1,024', () => {
  const MiB = 1 << 20;
  const of = (events: number) => partitionsOf(spec, new Map(Object.entries({ events, customers: 900 * MiB })));
  assert.deepEqual(of(10 * MiB), { once: 3, revenue: 64, total: 1 });
  assert.equal(of(0)['once'], 1);
  assert.equal(of(1e12)['once'], 1_024);
});
