import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveJobSpec } from './job-spec.ts';
import { overriddenSpec } from './spec-overrides.ts';

const spec = resolveJobSpec({
  name: 'tidy',
  inputs: 'file:///in/a.csv',
  pipeline: [{ name: 'clean', sql: 'SELECT * FROM input' }],
  output: { uri: 'file:///out/' },
});

test('limits, budgets and queries may change, and the difference says what did', () => {
  const overrides = {
    'execution.maxAttempts': 9,
    'rejects.maxRows': 5,
    'deadLetters.maxChunks': null,
    'pipeline.0.sql': 'SELECT 1 AS a FROM input',

    resultVersion: 'current',
  };
  const changed = overriddenSpec(spec, overrides);
  assert.ok('spec' in changed);
  assert.deepEqual(
    changed.changes.map(({ pointer }) => pointer),
    ['/deadLetters/maxChunks', '/execution/maxAttempts', '/pipeline/0/sql', '/rejects/maxRows'],
  );
  assert.equal(changed.spec.execution.maxAttempts, 9);
  assert.equal(spec.execution.maxAttempts, 5, 'what was stays as it was');
});

const refused: readonly (readonly [string, unknown, string, string])[] = [
  ['name', 'other', 'SPEC_CONFLICT', '/name'],
  ['execution.tenant', 'other', 'SPEC_CONFLICT', '/execution/tenant'],
  ['rejects.uri', 'file:///elsewhere/', 'SPEC_CONFLICT', '/rejects/uri'],
  ['inputs.0.uri', ['file:///in/b.csv'], 'SPEC_CONFLICT', '/inputs/0/uri/0'],
  ['inputs.0.encoding', 'utf-8', 'SPEC_NOT_AVAILABLE', '/inputs/0/encoding'],
  ['pipeline.0.name', 'other', 'SPEC_NOT_AVAILABLE', '/pipeline/0/name'],
  ['inputs.7.encoding', 'utf-8', 'SPEC_UNKNOWN_FIELD', '/inputs/7/encoding'],
  ['inputs.__proto__.x', 1, 'SPEC_UNKNOWN_FIELD', '/inputs/__proto__/x'],
  ['execution.maxAttempts', -1, 'SPEC_OUT_OF_RANGE', '/execution/maxAttempts'],
];
for (const [path, value, code, pointer] of refused) {
  test(`${path} = ${JSON.stringify(value)} is refused as ${code}`, () => {
    const answer = overriddenSpec(spec, { [path]: value });
    assert.ok('issues' in answer);
    assert.deepEqual([answer.issues[0]?.code, answer.issues[0]?.pointer], [code, pointer]);
  });
}
