import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { attemptClassOf, classOf, codeInfo, failureClasses, failureCodes, isFailureCode } from './failure.ts';

const crates = join(import.meta.dirname, '../../../native/rust-core/crates');

test('every code that the core can say is in the closed list', () => {
  const families = new Set(Object.keys(failureCodes).map((code) => code.split('_', 1)[0]));
  const files = globSync('*/src/**/*.rs', { cwd: crates });
  assert.ok(files.length > 0, 'the sources of the core are there');
  const said = files.flatMap((file) =>
    [...readFileSync(join(crates, file), 'utf8').matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g)].map((match) => ({ file, code: match[1] ?? '' })),
  );
  const unknown = said.filter(({ code }) => families.has(code.split('_', 1)[0]) && !isFailureCode(code));
  assert.deepEqual(unknown, []);
});

test('each code has a class or none, a title, and no trailing full stop', () => {
  for (const [code, info] of Object.entries(failureCodes)) {
    assert.match(code, /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    assert.ok(info.class === null || failureClasses.includes(info.class), code);
    assert.ok(info.title !== '' && !info.title.endsWith('.') && !info.hint.endsWith('.'), code);
  }
});

test('a code that should not end an attempt, or that nobody knows, is a bug', () => {
  assert.equal(classOf('CSV_LONG_ROW'), 'data');
  assert.equal(attemptClassOf('CSV_LONG_ROW'), 'bug');
  assert.equal(attemptClassOf('BUDGET_REJECTS'), 'bug');
  assert.equal(attemptClassOf('INPUT_CHANGED'), 'input');
  assert.equal(attemptClassOf('CORE_CRASH'), 'crash');
  assert.equal(codeInfo('SOMETHING_NEW').class, 'bug');
  assert.equal(isFailureCode('toString'), false);
});
