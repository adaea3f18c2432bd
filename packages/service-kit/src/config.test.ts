import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConfigError, loadConfig, redactedConfig, setting } from './config.ts';

const shape = {
  MILLRACE_REDIS: setting.text(),
  MILLRACE_SLOTS: setting.integer(1, 64).prefault('2'),
  MILLRACE_TIME_SCALE: setting.number(0.01, 100).prefault('1'),
  MILLRACE_LOG_LEVEL: setting.choice('debug', 'info').default('info'),
  MILLRACE_READ_ROOTS: setting.directories().default([]),
  MILLRACE_TASK_KEY: setting.text(10).optional(),
};
const redis = { MILLRACE_REDIS: 'redis://h:1' };

function problemsOf(env: Record<string, string>, ...rest: [((config: unknown) => string[])?]): readonly string[] {
  try {
    loadConfig(shape, env, ...rest);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

test('what is not set gets its default, and the result is frozen', () => {
  const config = loadConfig(shape, { ...redis, HOME: '/x', MILLRACE_SLOTS: '', MILLRACE_READ_ROOTS: '/a:/b' });
  assert.deepEqual(
    { ...config },
    {
      MILLRACE_REDIS: 'redis://h:1',
      MILLRACE_SLOTS: 2,
      MILLRACE_TIME_SCALE: 1,
      MILLRACE_LOG_LEVEL: 'info',
      MILLRACE_READ_ROOTS: ['/a', '/b'],
      MILLRACE_TASK_KEY: undefined,
    },
  );
  assert.ok(Object.isFrozen(config));
});

test('all problems are told at once, with expected and got', () => {
  assert.deepEqual(
    problemsOf({
      MILLRACE_SLOTS: '5s',
      MILLRACE_TIME_SCALE: '0',
      MILLRACE_LOG_LEVEL: 'loud',
      MILLRACE_READ_ROOTS: '/a:b',
      MILLRACE_SLOT: '1',
      MILLRACE_COLOUR: 'x',
    }),
    [
      'unknown variable MILLRACE_SLOT, did you mean MILLRACE_SLOTS?',
      'unknown variable MILLRACE_COLOUR',
      'MILLRACE_REDIS is required',
      'MILLRACE_SLOTS: expected an integer from 1 to 64, got "5s"',
      'MILLRACE_TIME_SCALE: expected a number from 0.01 to 100, got "0"',
      'MILLRACE_LOG_LEVEL: expected one of debug, info, got "loud"',
      'MILLRACE_READ_ROOTS: expected absolute directories separated by ":", got "b"',
    ],
  );
});

test('variables of other processes in the tree are named and then fine', () => {
  assert.equal(loadConfig(shape, { ...redis, MILLRACE_POOL: 'x' }, undefined, { alsoKnown: ['MILLRACE_POOL'] }).MILLRACE_SLOTS, 2);
});

test('rules that tie variables together run when each by itself is right', () => {
  assert.deepEqual(
    problemsOf(redis, () => ['too slow']),
    ['too slow'],
  );
  assert.deepEqual(
    problemsOf({}, () => ['too slow']),
    ['MILLRACE_REDIS is required'],
  );
});

test('a secret appears neither in problems nor in logs', () => {
  const env = { ...redis, MILLRACE_TASK_KEY: 'hunter2-hunter2' };
  assert.ok(problemsOf(env).length === 1 && !problemsOf(env).join().includes('hunter2'));
  assert.equal(redactedConfig(loadConfig(shape, { ...redis, MILLRACE_TASK_KEY: 'hunter2' }))['MILLRACE_TASK_KEY'], '[redacted]');
});
