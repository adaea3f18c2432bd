import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSpec } from './spec-text.ts';

const text = `millrace: 1
name: orders-import
inputs:
  - uri: s3://acme-in/*.csv
    dialect:
      delimiter: ";"
output:
  uri: s3://acme-lake/
`;

test('an issue is found on the line of its field, or of the nearest field around it', () => {
  const { spec, faults, lineOf } = readSpec(text);
  assert.deepEqual(faults, []);
  assert.equal(spec?.['name'], 'orders-import');
  const cases: readonly (readonly [string, number])[] = [
    ['/spec/name', 2],
    ['/spec/inputs/0/dialect/delimiter', 6],
    ['/spec/inputs/0/encoding', 4],
    ['/spec/output/format', 7],
    ['/output/uri', 8],
    ['/spec/nothing', 1],
    ['', 1],
  ];
  for (const [pointer, line] of cases) assert.equal(lineOf(pointer), line, pointer);
});

test('JSON is read as well, and an input that is written alone answers for its list', () => {
  assert.equal(readSpec('{"name": "x", "inputs": "a.csv"}').lineOf('/spec/inputs/0/uri'), 1);
});

test('what is no spec says why, on its line', () => {
  assert.deepEqual(readSpec('name: "open\nuri: x').spec, null);
  assert.ok((readSpec('a: 1\nb: [').faults[0]?.line ?? 0) >= 2);
  assert.match(readSpec('- 1').faults[0]?.message ?? '', /expected a map/);
  assert.match(readSpec('  ').faults[0]?.message ?? '', /a spec is needed/);
  const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefgh'
    .split('')
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`).join(',')}]`)
    .join('\n')}`;
  assert.equal(readSpec(bomb).spec, null, 'aliases of aliases are refused');
});
