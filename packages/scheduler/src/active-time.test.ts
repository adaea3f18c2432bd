import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '@millrace/protocol';
import { activeMs } from './active-time.ts';

const at = (second: number): string => new Date(second * 1_000).toISOString();
const command = (word: Command['command'], second: number, changes: Partial<Command> = {}): Command => ({
  record: 'command',
  retires: null,
  version: 1,
  jobId: 'j00000000000000000000000000' as Command['jobId'],
  number: 0,
  command: word,
  generation: 1,
  opens: null,
  select: [],
  resultVersion: null,
  spec: null,
  specDigest: null,
  requestId: null,
  correction: null,
  reason: '',
  by: 'test',
  at: at(second),
  ...changes,
});
const job = { acceptedAt: at(100), generation: 1 };

test('a job that was never paused is as old as its acceptance', () => {
  assert.equal(activeMs(job, [], 130_000), 30_000);
});

test('time spent paused does not count, also while the pause lasts', () => {
  const log = [command('pause', 110), command('resume', 115), command('pause', 120)];
  assert.equal(activeMs(job, log.slice(0, 2), 130_000), 25_000);
  assert.equal(activeMs(job, log, 130_000), 15_000);
});

test('a redriven job counts from the command that opened its generation', () => {
  const log = [command('pause', 110), command('redrive', 1_000, { opens: 2 })];
  assert.equal(activeMs({ ...job, generation: 2 }, log, 1_007_000), 7_000);
});

test('a clock set back never gives a negative time', () => {
  assert.equal(activeMs(job, [command('pause', 120), command('resume', 110)], 90_000), 0);
});
