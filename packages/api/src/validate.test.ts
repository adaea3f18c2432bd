import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineRoute } from '@millrace/api-contract';
import { z } from 'zod';
import { ApiProblem } from './problem.ts';
import { checkRequest } from './validate.ts';

const route = defineRoute({
  method: 'POST',
  path: '/things/{id}',
  operationId: 'makeThing',
  summary: 'Makes a thing',
  role: 'operator',
  params: z.strictObject({ id: z.string().regex(/^t\d+$/, { error: 'expected a thing id' }) }),
  query: z.strictObject({ state: z.enum(['open', 'closed']).optional() }),
  body: z.strictObject({ name: z.string().max(5), count: z.int().min(0).optional(), at: z.strictObject({ line: z.int() }).optional() }),
  answers: { 201: null },
  errors: [],
  act: 'thing.make',
});
const good = { params: { id: 't1' }, query: {}, body: { name: 'ada' } };

function issuesOf(changes: object): { pointer: string; message: string; suggestion?: string | undefined }[] {
  try {
    checkRequest(route, { ...good, ...changes });
  } catch (error) {
    assert.ok(error instanceof ApiProblem && error.code === 'REQUEST_INVALID');
    return error.issues.map(({ pointer, message, suggestion }) => ({ pointer, message, ...(suggestion === undefined ? {} : { suggestion }) }));
  }
  return [];
}

describe('a request that does not fit', () => {
  const table: readonly (readonly [string, object, string, RegExp])[] = [
    ['lacks a field', { body: {} }, '/name', /required field is missing, expected string/],
    ['has a field of another type', { body: { name: 7 } }, '/name', /expected string/],
    ['has too much in a field', { body: { name: 'ada lovelace' } }, '/name', /too big|at most|<=5/i],
    ['has an unknown field deeper down', { body: { name: 'ada', at: { line: 1, row: 2 } } }, '/at/row', /there is no such field/],
    ['has a body that is no object', { body: 'name' }, '', /expected object/],
    ['has none', { body: undefined }, '', /missing|expected object/],
    ['names another word', { query: { state: 'opened' } }, '/query/state', /expected one of open, closed, got "opened"/],
    ['says a thing twice', { query: { state: ['open', 'closed'] } }, '/query/state', /expected one of open, closed/],
    ['has a path that is none', { params: { id: '../t1' } }, '/params/id', /expected a thing id, got "\.\.\/t1"/],
  ];
  for (const [name, changes, pointer, message] of table) {
    test(name, () => {
      const issues = issuesOf(changes);
      assert.deepEqual(
        issues.map((issue) => issue.pointer),
        [pointer],
      );
      assert.match(issues[0]?.message ?? '', message);
    });
  }

  test('is told everything at once, with the name that was probably meant', () => {
    const issues = issuesOf({ params: { id: 'x' }, query: { stat: 'open' }, body: { nam: 'ada', '~/': 1 } });
    assert.deepEqual(
      issues.map(({ pointer, suggestion }) => [pointer, suggestion]),
      [
        ['/params/id', undefined],
        ['/query/stat', 'state'],
        ['/name', undefined],
        ['/nam', 'name'],
        ['/~0~1', undefined],
      ],
    );
  });
});
