import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startProblem, waiverProblem } from './start-choices.ts';

const good = { rate: '', canaryCount: '', minResolved: '80', reason: '', typed: '', confirm: 2_301, mustType: false, needsReason: false };

test('a plan starts only as it was understood', () => {
  const cases: readonly (readonly [Partial<typeof good>, RegExp | null])[] = [
    [{}, null],
    [{ rate: '20', canaryCount: '20' }, null],
    [{ rate: '0' }, /above 0/],
    [{ rate: 'fast' }, /above 0/],
    [{ canaryCount: '1.5' }, /whole number/],
    [{ canaryCount: '5', minResolved: '101' }, /0 to 100/],
    [{ canaryCount: '5', minResolved: '' }, /0 to 100/],
    [{ needsReason: true }, /reason/],
    [{ mustType: true, typed: '2300' }, /Type 2301/],
    [{ mustType: true, typed: ' 2,301 ' }, null],
  ];
  for (const [change, expected] of cases) {
    const problem = startProblem({ ...good, ...change });
    if (expected === null) assert.equal(problem, null, JSON.stringify(change));
    else assert.match(problem ?? '', expected, JSON.stringify(change));
  }
});

test('a waiver asks for a reason everywhere, and for the number when it is large', () => {
  const waiver = { reason: 'the shop has closed', typed: '', confirm: 2_301, mustType: false };
  assert.equal(waiverProblem(waiver), null);
  assert.match(waiverProblem({ ...waiver, reason: ' ' }) ?? '', /reason/);
  assert.match(waiverProblem({ ...waiver, mustType: true }) ?? '', /Type 2301/);
});
