import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveJobSpec } from './job-spec.ts';
import { overriddenSpec, overrideIssues } from './spec-overrides.ts';

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
  ['schema', { fields: [{ name: 'id' }], primaryKey: 'id' }, 'SPEC_NOT_AVAILABLE', '/schema'],
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

test('what a schema asks of values may change, which columns there are and their types may not', () => {
  const written = resolveJobSpec({
    name: 'typed',
    inputs: {
      uri: 'file:///in/a.csv',
      schema: {
        fields: [
          { name: 'id', type: 'integer', constraints: { maximum: 9 } },
          { name: 'day', type: 'date' },
        ],
      },
    },
    output: { uri: 'file:///out/' },
  });
  const changed = overriddenSpec(written, {
    'inputs.0.schema.missingValues': ['', 'n/a'],
    'inputs.0.schema.fields.0.constraints.maximum': 99,
    'inputs.0.schema.fields.1.format': '%d.%m.%Y',
  });
  assert.ok('spec' in changed, JSON.stringify(changed));
  assert.equal(changed.changes.length, 3);
  for (const overrides of [
    { 'inputs.0.schema.fields.0.type': 'number' },
    { 'inputs.0.schema.fields.0.name': 'key' },
    { 'inputs.0.schema.match': 'position' },
  ]) {
    const answer = overriddenSpec(written, overrides);
    assert.ok('issues' in answer);
    assert.equal(answer.issues[0]?.code, 'SPEC_NOT_AVAILABLE');
  }
});

test('which keys are unique is said to be another job', () => {
  const keyed = resolveJobSpec({
    name: 'keyed',
    inputs: 'file:///in/a.csv',
    schema: { fields: [{ name: 'id' }, { name: 'email', constraints: { unique: true } }], primaryKey: 'id' },
    output: { uri: 'file:///out/' },
  });
  for (const overrides of [{ 'schema.primaryKey': [] }, { 'schema.primaryKey': ['id', 'email'] }, { 'schema.fields.1.constraints.unique': false }]) {
    const answer = overriddenSpec(keyed, overrides);
    assert.ok('issues' in answer);
    for (const { code, message } of answer.issues) assert.deepEqual([code, /which keys are unique/.test(message)], ['SPEC_CONFLICT', true]);
  }
});

/** JSON Pointers of everything below a value that is none itself. */
function leaves(value: unknown, pointer: string): string[] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return [pointer];
  return Object.entries(value).flatMap(([name, below]) => leaves(below, `${pointer}/${name}`));
}

test('nothing that the pins of the first generation were taken from may change: their word would stand against the spec', () => {
  const { inputs, schema, pipeline } = resolveJobSpec({
    name: 'pinned',
    inputs: { uri: 'file:///in/a.csv', format: 'csv', dialect: { delimiter: ';' }, pin: 'file' },
    schema: { fields: [{ name: 'id', type: 'integer' }] },
    pipeline: [{ name: 'clean', sql: 'SELECT * FROM input', lookups: [{ name: 'l', uri: 'file:///in/l.csv' }] }],
    output: { uri: 'file:///out/' },
  });
  // What each generation reads from its own spec, over the pins.
  const ofGeneration =
    /^\/pipeline\/0\/sql$|^\/schema\/(missingValues|fields\/0\/(format|missingValues|trim|onError|decimalChar|groupChar|bareNumber|trueValues|falseValues|timezone|constraints\/(?!unique)))/;
  const places = [...leaves(inputs, '/inputs'), ...leaves(schema, '/schema'), ...leaves(pipeline, '/pipeline')].filter((place) => !ofGeneration.test(place));
  assert.ok(
    places.includes('/inputs/0/dialect/delimiter') &&
      places.includes('/schema/fields/0/type') &&
      places.includes('/schema/fields/0/path') &&
      places.includes('/schema/match') &&
      places.includes('/pipeline/0/lookups/0/uri'),
  );
  for (const pointer of places) assert.equal(overrideIssues([{ pointer, first: 1, now: 2 }]).length, 1, pointer);
});
