/** F1: facts about Redis 7 and ioredis 6 that the code rests on (numbers as in the design, `failures.md` 1.1 and 1.5). */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import { Redis } from 'ioredis';
import { until } from '../e2e/support/until.ts';

let redis: TestRedis;
const opened: Redis[] = [];
before(async () => {
  redis = await startTestRedis();
});
after(async () => {
  for (const one of opened) one.disconnect();
  await redis.stop();
});

function client(options: { maxRetriesPerRequest?: null; retryStrategy?: () => number } = {}, of: TestRedis = redis): Redis {
  const one = new Redis(of.url.slice('unix://'.length), options);
  one.on('error', () => {});
  opened.push(one);
  return one;
}

describe('ioredis', () => {
  it('Q4: a command without an answer breaks the connection after socketTimeout, and is sent again on the next one', async () => {
    let connections = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      connections += 1;
      sockets.add(socket);
      socket.on('error', () => {});
      // The first connection never answers; the second one does.
      if (connections > 1) socket.on('data', (bytes) => socket.write('+OK\r\n'.repeat(bytes.toString().match(/^\*/gm)?.length ?? 0)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const one = new Redis(port, '127.0.0.1', { socketTimeout: 150, enableReadyCheck: false, maxRetriesPerRequest: null, retryStrategy: () => 20 });
    one.on('error', () => {});
    opened.push(one);
    assert.equal(await one.set('a', '1'), 'OK');
    assert.ok(connections >= 2);
    one.disconnect();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('Q22: a connection gives up a command after its retries, whether it ran or not', async () => {
    const one = new Redis(1, '127.0.0.1', { maxRetriesPerRequest: 1, retryStrategy: () => 10 });
    one.on('error', () => {});
    opened.push(one);
    await assert.rejects(one.get('a'), { name: 'MaxRetriesPerRequestError' });
  });

  it('R9: without the offline queue a command fails at once while Redis is away', async () => {
    const one = new Redis(1, '127.0.0.1', { enableOfflineQueue: false, maxRetriesPerRequest: 1, retryStrategy: () => 1_000 });
    one.on('error', () => {});
    opened.push(one);
    await assert.rejects(one.get('a'), /isn't writeable/);
  });

  it('R9: a pipeline resolves although entries failed', async () => {
    const one = client();
    await one.set('text', 'x');
    const results = await one.pipeline().lpush('text', 'y').get('text').exec();
    assert.match(String(results?.[0]?.[0]), /WRONGTYPE/);
    assert.deepEqual(results?.[1], [null, 'x']);
  });

  it('a script that Redis does not have is refused by NOSCRIPT, and an error of a script keeps its words', async () => {
    const one = client();
    await assert.rejects(one.evalsha('0'.repeat(40), 0), /^ReplyError: NOSCRIPT/);
    await assert.rejects(one.eval("return redis.error_reply('EPOCH is another one')", 0), /EPOCH is another one/);
  });
});

describe('Redis', () => {
  it('R1: without persistence a kill loses everything; with an append-only file synced each second it loses nothing', async () => {
    for (const [settings, left] of [
      [[], 0],
      [['--appendonly', 'yes', '--appendfsync', 'everysec'], 200],
    ] as const) {
      const own = await startTestRedis(settings);
      const one = client({ retryStrategy: () => 50, maxRetriesPerRequest: null }, own);
      for (let index = 0; index < 200; index += 1) await one.rpush('list', String(index));
      await own.restart();
      assert.equal(await one.llen('list'), left);
      one.disconnect();
      await own.stop();
    }
  });

  it('R2: the eviction policy can be read by everybody, in INFO', async () => {
    assert.match(await client().info('memory'), /^maxmemory_policy:noeviction\r$/m);
  });

  it('R3: a full Redis refuses writes and serves reads, and a script that writes is refused as a whole', async () => {
    const own = await startTestRedis();
    const one = client({}, own);
    await one.set('a', '1');
    await one.config('SET', 'maxmemory', '1');
    await assert.rejects(one.set('b', '2'), /OOM/);
    await assert.rejects(one.eval("redis.call('SET', KEYS[1], '1') return 1", 1, 'c'), /OOM/);
    assert.deepEqual([await one.get('a'), await one.exists('b', 'c')], ['1', 0]);
    await own.stop();
  });

  it('R8: keys with one hash tag lie in one slot', async () => {
    const one = client();
    const slots = await Promise.all(['millrace:{m}:a', 'millrace:{m}:b:c'].map((key) => one.call('CLUSTER', 'KEYSLOT', key).catch(() => 'no cluster')));
    assert.equal(slots[0], slots[1]);
  });

  it('R10: a server that was started anew has another run_id', async () => {
    const own = await startTestRedis(['--appendonly', 'yes']);
    const one = client({ retryStrategy: () => 50, maxRetriesPerRequest: null }, own);
    const runId = async (): Promise<string> => /^run_id:(\w+)/m.exec(await one.info('server'))?.[1] ?? '';
    const first = await runId();
    await own.restart();
    let second = '';
    await until('an answer', async () => {
      second = await runId().catch(() => '');
      return second !== '';
    });
    assert.notEqual(second, first);
    await own.stop();
  });

  it('due times and expiry go by the clock of Redis, inside of scripts that write', async () => {
    const one = client();
    const [seconds] = (await one.eval("local t = redis.call('TIME') redis.call('SET', KEYS[1], t[1]) return t", 1, 'now')) as [string];
    assert.equal(await one.get('now'), seconds);
  });

  it('a script does not roll back what it wrote before its error', async () => {
    const one = client();
    await assert.rejects(one.eval("redis.call('SET', KEYS[1], '1') redis.call('LPUSH', KEYS[1], 'x') return 1", 1, 'half'));
    assert.equal(await one.get('half'), '1');
  });
});
