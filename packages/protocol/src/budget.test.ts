import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type BudgetMoment, type BudgetSums, budgetEvidence, decideBudget, nearestBudget } from './budget.ts';
import { resolveJobSpec } from './job-spec.ts';

const calm: BudgetSums = {
  recordsIn: 100_000,
  rejected: 0,
  byCode: {},
  byColumn: {},
  files: [],
  inferred: [],
  deadChunks: 0,
  deadBytes: 0,
  plannedBytes: 1_000,
};

function check(written: object, sums: Partial<BudgetSums>, moment: BudgetMoment, expected: string | null, message?: RegExp): void {
  const spec = resolveJobSpec({ name: 'x', inputs: 'file:///i.csv', output: { uri: 'file:///o/' }, ...written });
  const { exceeded } = decideBudget({ ...calm, ...sums }, spec, moment);
  assert.equal(exceeded?.code ?? null, expected, exceeded?.message);
  if (message) assert.match(exceeded?.message ?? '', message);
}

test('rejects within every budget are tolerated', () => {
  check({}, {}, 'finish', null);
  check({}, { rejected: 10_000, byCode: { TYPE_NUMBER: 10_000 } }, 'finish', null);
});

test('the job budget is a tenth of the records by default', () => {
  const sums = { rejected: 10_001, byCode: { TYPE_NUMBER: 9_000, CSV_LONG_ROW: 1_001 } };
  check(
    {},
    sums,
    'finish',
    'BUDGET_REJECTS',
    /rejects: expected at most 0.1 of all records \(maxRatio\), got 10001 rejects among 100000 records; most often TYPE_NUMBER \(9000\), CSV_LONG_ROW \(1001\)/,
  );
});

test('a ratio counts only above 100 rejects, so that toy files pass', () => {
  check({}, { recordsIn: 100, rejected: 100 }, 'finish', null);
  check({}, { recordsIn: 101, rejected: 101 }, 'finish', 'BUDGET_REJECTS');
});

test('a ratio stops a running job only after minRecords', () => {
  check({}, { recordsIn: 9_999, rejected: 9_000 }, 'running', null);
  check({}, { recordsIn: 10_000, rejected: 9_000 }, 'running', 'BUDGET_REJECTS');
  check({ rejects: { onExceeded: 'finish' } }, { recordsIn: 10_000, rejected: 9_000 }, 'running', null);
  check({ rejects: { onExceeded: 'finish' } }, { recordsIn: 10_000, rejected: 9_000 }, 'finish', 'BUDGET_REJECTS');
});

test('mode fail is a budget of nothing', () => {
  check({ rejects: { mode: 'fail' } }, {}, 'finish', null);
  check(
    { rejects: { mode: 'fail' } },
    { recordsIn: 5, rejected: 1, byCode: { TYPE_DATE: 1 } },
    'running',
    'BUDGET_REJECTS',
    /mode: fail.*at most 0.*TYPE_DATE \(1\)/,
  );
});

test('files, columns and codes have budgets of their own, which name the one that is over', () => {
  const files = [{ uri: 'file:///a', recordsIn: 10, rejected: 3 }];
  check({ rejects: { perFile: { maxRows: 2 } } }, { rejected: 3, files }, 'running', 'BUDGET_FILE', /file:\/\/\/a/);
  check(
    { rejects: { perColumn: { id: { maxRows: 0 } } } },
    { rejected: 1, byColumn: { id: { TYPE_INTEGER: 1 } } },
    'running',
    'BUDGET_COLUMN',
    /perColumn of id/,
  );
  check({ rejects: { perColumn: { id: { maxRows: 0 } } } }, { rejected: 1, byColumn: { name: { TYPE_FORMAT: 1 } } }, 'finish', null);
  check(
    { rejects: { perCode: { 'ENCODING_*': { maxRows: 1 } } } },
    { rejected: 2, byCode: { ENCODING_INVALID_BYTES: 2 } },
    'running',
    'BUDGET_CODE',
    /ENCODING_\*/,
  );
  check({ rejects: { perCode: { CSV_LONG_ROW: { maxRows: 1 } } } }, { rejected: 2, byCode: { CSV_SHORT_ROW: 2 } }, 'finish', null);
});

test('a wrongly inferred column is over its budget by types alone', () => {
  const byColumn = { amount: { TYPE_NUMBER: 1_001 } };
  check({}, { rejected: 1_001, byColumn, inferred: ['amount'] }, 'finish', 'BUDGET_COLUMN', /whose type was inferred/);
  check({}, { rejected: 1_001, byColumn, inferred: [] }, 'finish', null);
  check({}, { rejected: 1_001, byColumn: { amount: { CONSTRAINT_ENUM: 1_001 } }, inferred: ['amount'] }, 'finish', null);
});

test('dead letters: none by default, judged at the finish unless asked to stop', () => {
  check({}, { deadChunks: 1, deadBytes: 5 }, 'running', null);
  check({}, { deadChunks: 1, deadBytes: 5 }, 'finish', 'BUDGET_DEAD_LETTERS', /at most 0 chunks/);
  check({ deadLetters: { onExceeded: 'stop' } }, { deadChunks: 1 }, 'running', 'BUDGET_DEAD_LETTERS');
  check({ deadLetters: { maxChunks: null, maxRatio: 0.01 } }, { deadChunks: 3, deadBytes: 10 }, 'finish', null);
  check({ deadLetters: { maxChunks: null, maxRatio: 0.01 } }, { deadChunks: 3, deadBytes: 11 }, 'finish', 'BUDGET_DEAD_LETTERS');
  check({ deadLetters: { maxChunks: null, maxRatio: 0.01, onExceeded: 'stop' } }, { deadChunks: 3, deadBytes: 11, plannedBytes: null }, 'running', null);
});

const specOf = (written: object) => resolveJobSpec({ name: 'x', inputs: 'file:///i.csv', output: { uri: 'file:///o/' }, ...written });

test('the evidence names the budget by its place in the spec, what was counted and the codes', () => {
  const spec = specOf({ rejects: { perColumn: { id: { maxRows: 4 } } } });
  const sums = { ...calm, rejected: 9, byColumn: { id: { TYPE_INTEGER: 5, CONSTRAINT_REQUIRED: 4 } } };
  const expected = { budget: 'rejects.perColumn.id.maxRows', subject: 'id', value: 9, of: null, limit: 4, codes: { TYPE_INTEGER: 5, CONSTRAINT_REQUIRED: 4 } };
  assert.deepEqual(decideBudget(sums, spec, 'running').exceeded?.evidence, expected);
  assert.deepEqual(budgetEvidence(sums, spec, 'BUDGET_COLUMN'), expected);
  assert.equal(budgetEvidence(sums, spec, 'JOB_CANCELLED'), null);
  const file = { uri: 'file:///a', recordsIn: 1_000, rejected: 200 };
  assert.deepEqual(decideBudget({ ...calm, rejected: 200, files: [file] }, specOf({ rejects: { perFile: { maxRatio: 0.1 } } }), 'finish').exceeded?.evidence, {
    budget: 'rejects.perFile.maxRatio',
    subject: 'file:///a',
    value: 200,
    of: 1_000,
    limit: 0.1,
    codes: {},
  });
  const dead = { ...calm, deadChunks: 2, deadBytes: 600 };
  assert.deepEqual(decideBudget(dead, specOf({ deadLetters: { maxChunks: null, maxRatio: 0.5 } }), 'finish').exceeded?.evidence, {
    budget: 'deadLetters.maxRatio',
    subject: null,
    value: 600,
    of: 1_000,
    limit: 0.5,
    codes: {},
  });
});

test('a budget is near from four fifths on, and the nearest is named', () => {
  const spec = specOf({ rejects: { maxRows: 1_000, maxRatio: null, perCode: { CSV_LONG_ROW: { maxRows: 500 } } } });
  assert.equal(nearestBudget({ ...calm, rejected: 799 }, spec), null);
  assert.equal(nearestBudget({ ...calm, rejected: 800 }, spec)?.budget, 'rejects.maxRows');
  assert.equal(nearestBudget({ ...calm, rejected: 800, byCode: { CSV_LONG_ROW: 450 } }, spec)?.budget, 'rejects.perCode.CSV_LONG_ROW.maxRows');
  assert.equal(nearestBudget({ ...calm, recordsIn: 100, rejected: 9 }, specOf({})), null, 'nine of a hundred say nothing yet');
  assert.equal(nearestBudget({ ...calm, deadChunks: 8 }, specOf({ deadLetters: { maxChunks: 10 } }))?.value, 8);
  assert.equal(nearestBudget({ ...calm, deadChunks: 1 }, specOf({})), null, 'of a budget of nothing there is no four fifths');
});
