import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overrideGroups, overridesOf } from './override-fields.ts';

const spec = {
  rejects: { maxRows: 1, maxRatio: null },
  deadLetters: { maxChunks: 0, maxRatio: null },
  execution: { maxAttempts: 5, attemptTimeLimit: 'auto', coreMemory: 1024 ** 3, maxConcurrency: null, priority: 5 },
  pipeline: [
    { name: 'clean', sql: 'SELECT 1' },
    { name: 'once', dedupe: {} },
  ],
};
const groups = overrideGroups(spec);
const now = (path: string) => groups.flatMap(({ fields }) => fields).find((field) => field.path === path)?.now;

test('what stands is shown as people write it; stages without SQL have no field', () => {
  assert.deepEqual([now('rejects.maxRows'), now('rejects.maxRatio'), now('execution.coreMemory')], ['1', '', '1GiB']);
  assert.equal(now('pipeline.0.sql'), 'SELECT 1');
  assert.equal(now('pipeline.1.sql'), undefined);
  assert.deepEqual(
    overrideGroups({}).map(({ title }) => title),
    ['Budgets', 'Limits'],
  );
});

test('only what differs becomes an override, and an empty limit is none', () => {
  const written = {
    'rejects.maxRows': ' 100 ',
    'rejects.maxRatio': '',
    'deadLetters.maxChunks': '',
    'execution.coreMemory': '2GiB',
    'pipeline.0.sql': 'SELECT 2',
  };
  const { overrides, problems } = overridesOf(groups, written, '');
  assert.deepEqual(problems, {});
  assert.deepEqual(overrides, { 'rejects.maxRows': 100, 'deadLetters.maxChunks': null, 'execution.coreMemory': '2GiB', 'pipeline.0.sql': 'SELECT 2' });
  assert.deepEqual(overridesOf(groups, {}, '\n').overrides, {});
});

test('what cannot be is told at its field', () => {
  const written = {
    'rejects.maxRows': 'many',
    'rejects.maxRatio': '2',
    'execution.maxAttempts': '',
    'execution.coreMemory': '2 gigs',
    'execution.attemptTimeLimit': 'soon',
  };
  const { overrides, problems } = overridesOf(groups, written, 'no value');
  assert.deepEqual(overrides, {});
  assert.deepEqual(Object.keys(problems).toSorted(), [
    'execution.attemptTimeLimit',
    'execution.coreMemory',
    'execution.maxAttempts',
    'others',
    'rejects.maxRatio',
    'rejects.maxRows',
  ]);
});

test('other places are read as the command line reads them', () => {
  const { overrides } = overridesOf(groups, {}, 'inputs.0.dialect.delimiter=;\nexecution.canary=false\nrejects.perFile = {"maxRows": 5}');
  assert.deepEqual(overrides, { 'inputs.0.dialect.delimiter': ';', 'execution.canary': false, 'rejects.perFile': { maxRows: 5 } });
});
