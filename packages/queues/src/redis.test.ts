import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectRedis, isRedisFault } from './redis.ts';
import { quietLog, testTimes } from './testing/fixture.ts';
import { startTestRedis, type TestRedis } from './testing/redis.ts';

let redis: TestRedis;
const directory = mkdtempSync(join(tmpdir(), 'millrace-redis-'));
const passwordFile = join(directory, 'password');
before(async () => {
  redis = await startTestRedis();
});
after(async () => {
  await redis.stop();
  rmSync(directory, { recursive: true });
});

describe('a password in a file', () => {
  it('is read before every connection: it can be rotated under a running process', async () => {
    const open = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
    await open.config('SET', 'requirepass', 'first');
    writeFileSync(passwordFile, 'first\n');
    const client = await connectRedis({ address: redis.url, passwordFile }, 'service', testTimes, quietLog);
    assert.equal(await client.ping(), 'PONG');
    await open.auth('first');
    await open.config('SET', 'requirepass', 'second');
    writeFileSync(passwordFile, 'second\n');
    const again = new Promise((resolve) => client.once('ready', resolve));
    await open.client('KILL', 'ID', String(await client.client('ID')));
    await again;
    assert.equal(await client.ping(), 'PONG');
    await open.config('SET', 'requirepass', '');
    client.disconnect();
    open.disconnect();
  });
});

describe('a Redis that takes connections and answers nothing', () => {
  it('is told as away by each command of who would rather hear so than wait', async () => {
    const open = await connectRedis({ address: redis.url, passwordFile: null }, 'service', testTimes, quietLog);
    const pid = Number(/process_id:(\d+)/.exec(await open.info('server'))?.[1]);
    const client = await connectRedis({ address: redis.url, passwordFile: null }, 'failFast', testTimes, quietLog);
    process.kill(pid, 'SIGSTOP');
    try {
      for (const command of [() => client.get('a'), () => client.multi().get('a').get('b').exec(), () => client.get('c')]) {
        await assert.rejects(
          command().then((answers) => {
            // A pipeline resolves with the errors of its commands.
            throw Array.isArray(answers) && answers[0]?.[0] instanceof Error ? answers[0][0] : new Error(`answered ${JSON.stringify(answers)}`);
          }),
          isRedisFault,
        );
      }
    } finally {
      process.kill(pid, 'SIGCONT');
      client.disconnect();
      open.disconnect();
    }
  });
});
