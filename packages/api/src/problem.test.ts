import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemShape, statusOf } from '@millrace/api-contract';
import { type FailureCode, FilterError, failureCodes, SpecError } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import { ApiProblem, problemOf, refused } from './problem.ts';

const context = { requestId: 'r1', traceId: null };

test('every code becomes a problem of its own shape, with a page', () => {
  for (const code of Object.keys(failureCodes) as FailureCode[]) {
    const { problem, status } = problemOf(new ApiProblem(code, 'so it is'), context);
    problemShape.parse(problem);
    assert.deepEqual([problem.code, problem.type, problem.status], [code, `/docs/errors/${code}`, status]);
    assert.ok(status >= 400 && status < 600);
  }
});

test('a fault of ours tells nothing of itself', () => {
  const secret = new AppError('JOURNAL_UNSAFE', 'cannot read /var/lib/secret/place', { details: { password: 'hunter2' } });
  const store = new AppError('INPUT_NOT_FOUND', 'cannot put audit/secret: not a directory');
  for (const thrown of [secret, store, new Error('ENOENT /etc/passwd'), new TypeError('x is not a function'), 'text', null]) {
    const { status, problem, isFault } = problemOf(thrown, context);
    assert.deepEqual([status, problem.code, isFault], [500, 'INTERNAL', true]);
    assert.doesNotMatch(JSON.stringify(problem), /secret|hunter2|passwd|function|at \//);
  }
});

test('a store that is away is told by its title alone', () => {
  const { status, problem } = problemOf(new AppError('STORAGE_CONNECTION', 'cannot reach 10.1.2.3:9000'), context);
  assert.deepEqual([status, problem.retryable, problem.detail], [503, true, failureCodes.STORAGE_CONNECTION.title]);
});

test('what may succeed later says when', () => {
  const busy = problemOf(new ApiProblem('BUSY', 'no'), context);
  assert.deepEqual([busy.status, busy.problem.retryable, busy.headers['retry-after'], busy.isFault], [503, true, '2', false]);
  const limited = problemOf(new ApiProblem('RATE_LIMITED', 'no', { headers: { 'retry-after': '7' } }), context);
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '7']);
  assert.equal(problemOf(new ApiProblem('NOT_FOUND', 'no'), context).headers['retry-after'], undefined);
});

test('issues of a spec and of a filter point into the request', () => {
  const spec = problemOf(new SpecError([{ pointer: '/output/format', code: 'SPEC_BAD_VALUE', message: 'expected parquet', suggestion: 'parquet' }]), context);
  assert.deepEqual(
    [spec.status, spec.problem.errors],
    [422, [{ pointer: '/spec/output/format', code: 'SPEC_BAD_VALUE', message: 'expected parquet', suggestion: 'parquet' }]],
  );
  const filter = problemOf(new FilterError('unknown field', 'state'), context);
  assert.deepEqual([filter.status, filter.problem.errors?.[0]?.pointer, filter.problem.errors?.[0]?.suggestion], [400, '/query/q', 'state']);
});

test('a refusal of the scheduler keeps what a caller can use', () => {
  const conflict = refused({ ok: false, code: 'STATE_CONFLICT', message: 'it ended', retryable: false, state: 'completed' });
  assert.deepEqual([statusOf(conflict.code), conflict.details], [409, { state: 'completed' }]);
  assert.equal(refused({ ok: false, code: 'LEDGER_REBUILDING', message: '', retryable: true }).code, 'REBUILDING');
  assert.equal(refused({ ok: false, code: 'MADE_UP', message: '', retryable: false }).code, 'INTERNAL');
  const places = (retryable: boolean) => statusOf(refused({ ok: false, code: 'STORAGE_FORBIDDEN', message: '', retryable }).code);
  assert.deepEqual([places(false), places(true)], [422, 503], 'a place that may not be named, and a journal that is shut out');
});
