/** A fault that a repeat can cure is told as such: a client that hears "refused" of a job that is durable already would submit it under another key. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jobIdFromKey, leaseTimes } from '@millrace/protocol';
import { EpochUnknownError, openQueues } from '@millrace/queues';
import { startTestRedis } from '@millrace/queues/testing';
import { AppError, silentLog } from '@millrace/service-kit';
import { refusalOf } from './refusal.ts';

const caught = (act: () => Promise<unknown>): Promise<unknown> =>
  act().then(
    () => assert.fail('it worked'),
    (error: unknown) => error,
  );

describe('refusalOf', () => {
  it('F54: a Redis without memory is no refusal for good, and says nothing of our scripts', async () => {
    const redis = await startTestRedis(['--maxmemory', '1', '--maxmemory-policy', 'noeviction']);
    const queues = await openQueues({ redis: redis.url, times: leaseTimes(0.1), log: silentLog });
    try {
      const full = await caught(() => queues.requests.answer('default', 'r1', { ok: false, code: 'BUSY', message: '', retryable: true }));
      const answer = refusalOf(full);
      assert.deepEqual([answer.code, answer.retryable], ['REDIS_MEMORY', true]);
      assert.doesNotMatch(answer.message, /script/);
    } finally {
      await queues.close();
      await redis.stop();
    }
  });

  it('a Redis that went away is unavailable, and a ledger without epoch is being rebuilt', async () => {
    const redis = await startTestRedis();
    try {
      const queues = await openQueues({ redis: redis.url, times: leaseTimes(0.1), log: silentLog });
      const unknown = await caught(() => queues.ledger.job(jobIdFromKey('default', 'none')));
      assert.ok(unknown instanceof EpochUnknownError);
      assert.deepEqual(refusalOf(unknown).retryable, true);
      await queues.close();
      const away = refusalOf(await caught(() => queues.time()));
      assert.deepEqual([away.code, away.retryable], ['REDIS_UNAVAILABLE', true]);
      const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' });
      assert.deepEqual([refusalOf(refused).code, refusalOf(refused).retryable], ['REDIS_UNAVAILABLE', true]);
    } finally {
      await redis.stop();
    }
  });

  it('F62: a journal that is shut out is to be asked again, a place outside of those allowed is not', () => {
    const shut = (details: Readonly<Record<string, unknown>>) => new AppError('STORAGE_FORBIDDEN', 'the store answered 403', { details });
    assert.deepEqual([refusalOf(shut({ place: 'journal' })).retryable, refusalOf(shut({})).retryable], [true, false]);
  });

  it('what a repeat cannot cure is said as it is', () => {
    const refused = refusalOf(new AppError('INPUT_NOT_FOUND', 'there is no file'));
    assert.deepEqual([refused.code, refused.message, refused.retryable], ['INPUT_NOT_FOUND', 'there is no file', false]);
    assert.deepEqual([refusalOf(new TypeError('a bug')).code, refusalOf(new TypeError('a bug')).retryable], ['INTERNAL', false]);
  });
});
