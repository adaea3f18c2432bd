import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectRedis } from './redis.ts';
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
