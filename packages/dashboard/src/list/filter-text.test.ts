import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FilterField, fieldOf, quoted, suggestionsAt, termsOf, withField, withoutTerm } from './filter-text.ts';

const fields: readonly FilterField[] = [
  { name: 'state', about: 'state of the job', values: ['running', 'failed', 'completed'] },
  { name: 'stage', about: 'name of a stage' },
  { name: 'label.*', about: 'a label' },
];

const textsAt = (filter: string, caret = filter.length): readonly string[] => suggestionsAt(filter, caret, fields).suggestions.map(({ text }) => text);

test('terms keep their quotes, and blanks inside them', () => {
  assert.deepEqual(
    termsOf('state:dead  -class:lost "no space" file:"a \\" b"').map(({ text }) => text),
    ['state:dead', '-class:lost', '"no space"', 'file:"a \\" b"'],
  );
  assert.deepEqual(
    termsOf('"open to the end').map(({ text }) => text),
    ['"open to the end'],
  );
  assert.equal(withoutTerm('state:dead "no space" age:<1h', 1), 'state:dead age:<1h');
});

test('a field is read, replaced and taken out', () => {
  assert.equal(fieldOf('state:dead code:A,B', 'code'), 'A,B');
  assert.equal(fieldOf('state:dead', 'code'), null);
  assert.equal(withField('state:dead "no space"', 'state', 'running'), '"no space" state:running');
  assert.equal(withField('state:dead x', 'state', null), 'x');
  assert.equal(withField('', 'file', 'a "b" c'), 'file:"a \\"b\\" c"');
  assert.equal(quoted('s3://a/b-1.csv'), 's3://a/b-1.csv');
});

test('suggestions are of the term at the caret: fields first, then values that are not there yet', () => {
  assert.deepEqual(textsAt('st'), ['state:', 'stage:']);
  assert.deepEqual(textsAt('-lab'), ['-label.']);
  assert.deepEqual(textsAt('state:'), ['state:running', 'state:failed', 'state:completed']);
  assert.deepEqual(textsAt('state:running,'), ['state:running,failed', 'state:running,completed']);
  assert.deepEqual(textsAt('-state:f'), ['-state:failed']);
  assert.deepEqual(textsAt('nonsense:'), []);
  assert.deepEqual(textsAt('st age:<1h', 2), ['state:', 'stage:']);
  assert.deepEqual(suggestionsAt('a st b', 4, fields).from, 2);
});
