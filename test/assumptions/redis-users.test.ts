/**
 * The users of Redis that k8s/components/redis/users.acl gives each role: enough for all we do, and no more; and a plain BullMQ viewer with the user that may
 * only read shows our queues (docs/bullmq-viewers.md tells how).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { leaseTimes, parseTaskId, workQueueName } from '@millrace/protocol';
import { openQueues, type Queues } from '@millrace/queues';
import { Queue } from 'bullmq';
import fastify from 'fastify';
import { Redis } from 'ioredis';
import { defaultPrefix } from '../../packages/queues/src/keys.ts';
import { dispatchOne, opening, plannedJob, quietLog } from '../../packages/queues/src/testing/fixture.ts';
import { until } from '../e2e/support/until.ts';

const times = leaseTimes(1 / 30);
const directory = mkdtempSync(join(tmpdir(), 'millrace-users-'));
const passwordOf = (user: string): string => `pass-of-${user}`;
/** For the producers of a tenant: the commands of a service on its own questions and answers alone. Installations add one line of this kind a tenant. */
const tenantUser =
  `user acme on #${createHash('sha256').update(passwordOf('acme')).digest('hex')} resetchannels &millrace:* ` +
  '~millrace:{m}:intake:* ~millrace:{m}:request:acme:* %R~millrace:{m}:answer:acme:* %R~millrace:{m}:status:acme:* %R~millrace:{m}:events:acme:* ' +
  '-@all +@read +@write +@connection +@pubsub +@transaction +eval +evalsha +time -@dangerous -@admin +info +client|setname +client|id -function';
let server: ChildProcess;
let port = 0;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

before(async () => {
  const rules = readFileSync(new URL('../../k8s/components/redis/users.acl', import.meta.url), 'utf8').replaceAll(
    /#HASH_([A-Z]+)/g,
    (_, user: string) => `#${createHash('sha256').update(passwordOf(user.toLowerCase())).digest('hex')}`,
  );
  writeFileSync(join(directory, 'users.acl'), `${rules.trimEnd()}\n${tenantUser}\n`);
  port = await freePort();
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', 'noeviction', '--aclfile', join(directory, 'users.acl')];
  server = spawn('redis-server', ['--dir', directory, ...settings], { stdio: 'ignore' });
  const probe = connect('probe', '-');
  await until('Redis to answer', async () => (await probe.ping().catch(() => '')) === 'PONG');
  probe.disconnect();
});
after(() => {
  server.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const connect = (user: string, password = passwordOf(user)): Redis => {
  // Its ready check asks INFO, which two of the users may not.
  const client = new Redis({ host: '127.0.0.1', port, username: user, password, maxRetriesPerRequest: null, enableReadyCheck: false });
  client.on('error', () => {});
  return client;
};

async function queuesOf(user: string): Promise<Queues> {
  writeFileSync(join(directory, user), passwordOf(user));
  return openQueues({ redis: `redis://${user}@127.0.0.1:${port}`, passwordFile: join(directory, user), times, log: quietLog });
}

describe('users of Redis', () => {
  it('scheduler and worker do all their work with their own users', async () => {
    const [scheduler, worker] = [await queuesOf('scheduler'), await queuesOf('worker')];
    try {
      await scheduler.check();
      await scheduler.sentinel.begin();
      const queue = workQueueName('chunk', 'default', 1);
      const jobId = await plannedJob(scheduler, 'with-users', 2);
      const { taskId } = await dispatchOne(scheduler, jobId);
      await scheduler.tasks.enqueue(queue, [{ taskId, signature: 'k1.x' }]);
      const claimed = Promise.withResolvers<string>();
      const consumer = worker.tasks.consume(queue, { concurrency: 1 }, async (task) => {
        const opened = await worker.ledger.openAttempt(opening(task.taskId));
        claimed.resolve('go' in opened ? opened.go.chunkId : JSON.stringify(opened));
        return 'acknowledge';
      });
      consumer.start();
      assert.equal(await claimed.promise, parseTaskId(taskId)?.kind === 'chunk' ? `${jobId}.read.0` : '', 'the chunk was claimed and opened');
      await worker.workers.beat({
        worker: 'w-1',
        pod: null,
        node: 'n',
        pool: 'default',
        coreVersion: '0',
        resultVersion: 1,
        slots: 1,
        busy: 0,
        draining: false,
        pid: 1,
      });
      assert.equal((await scheduler.workers.list()).length, 1);
      await consumer.stop();
    } finally {
      await Promise.all([scheduler.close(), worker.close()]);
    }
  });

  for (const user of ['scheduler', 'worker', 'api', 'reader']) {
    it(`${user} may not read other keys, nor steer the server`, async () => {
      const client = connect(user);
      for (const command of ['GET elsewhere', 'FLUSHALL', 'KEYS *', 'CONFIG GET *', 'ACL LIST', 'SCRIPT FLUSH', 'SHUTDOWN', 'MONITOR']) {
        const [name = '', ...args] = command.split(' ');
        await assert.rejects(client.call(name, ...args), /NOPERM/, command);
      }
      client.disconnect();
    });
  }

  it('keda sees the lengths of two lists and nothing else', async () => {
    const client = connect('keda');
    const list = `${defaultPrefix}:${workQueueName('chunk', 'default', 1)}:wait`;
    assert.equal(typeof (await client.llen(list)), 'number');
    await assert.rejects(client.lrange(list, 0, -1), /NOPERM/);
    await assert.rejects(client.llen(`${defaultPrefix}:other`), /NOPERM/);
    client.disconnect();
  });
});

/** F30: what may be run is asked of Redis itself, for each command that it has and each user. */
describe('F30: every command for every user', () => {
  const services = ['scheduler', 'worker', 'api', 'acme'];
  const users = [...services, 'reader', 'keda', 'probe'];
  let admin: ChildProcess;
  let client: Redis;
  /** The same rules on a second Redis, whose default user may ask what others may do. */
  before(async () => {
    const home = mkdtempSync(join(directory, 'admin-'));
    const rules = readFileSync(join(directory, 'users.acl'), 'utf8').replace(/^user default .*$/m, 'user default on nopass ~* &* +@all');
    writeFileSync(join(home, 'users.acl'), rules);
    const path = join(home, 'redis.sock');
    admin = spawn('redis-server', ['--dir', home, '--port', '0', '--unixsocket', path, '--save', '', '--aclfile', join(home, 'users.acl')], {
      stdio: 'ignore',
    });
    client = new Redis({ path, maxRetriesPerRequest: null });
    client.on('error', () => {});
    await until('the second Redis to answer', async () => (await client.ping().catch(() => '')) === 'PONG');
  });
  after(() => {
    client.disconnect();
    admin.kill('SIGKILL');
  });

  const list = async (category?: string): Promise<string[]> =>
    (await client.call('COMMAND', 'LIST', ...(category === undefined ? [] : ['FILTERBY', 'ACLCAT', category]))) as string[];

  /** Commands that the user may run on keys of its own; subcommands as `container|name`. */
  async function allowed(user: string): Promise<Set<string>> {
    const found = new Set<string>();
    const names = await list();
    // A container is nothing that can be run: its subcommands are.
    const containers = new Set(names.flatMap((name) => (name.includes('|') ? [name.split('|')[0]] : [])));
    for (const name of names.filter((one) => !containers.has(one))) if (!/no permissions to run/.test(await tried(user, name))) found.add(name);
    return found;
  }

  async function tried(user: string, name: string): Promise<string> {
    const [info] = (await client.call('COMMAND', 'INFO', name)) as [[string, number] | null];
    // Some commands are parsed before they are judged: `1` serves as a number, as a count of keys and as anything else.
    const args = Array.from({ length: Math.max(0, Math.abs(info?.[1] ?? 1) - name.split('|').length) }, () => '1');
    return String(await client.call('ACL', 'DRYRUN', user, ...name.split('|'), ...args).catch((error: Error) => error.message));
  }

  it('Redis knows more than two hundred commands, and default none of them in an installation', async () => {
    assert.ok((await list()).length > 200);
    const rules = readFileSync(new URL('../../k8s/components/redis/users.acl', import.meta.url), 'utf8');
    assert.match(rules, /^user default off$/m);
  });

  for (const user of users) {
    it(`${user}: nothing that is dangerous or for administrators but INFO`, async () => {
      const may = await allowed(user);
      assert.ok(may.has('ping'), 'the question reaches Redis');
      const dangerous = new Set([...(await list('dangerous')), ...(await list('admin'))]);
      assert.deepEqual(
        [...may].filter((name) => dangerous.has(name)),
        user === 'keda' || user === 'probe' ? [] : ['info'],
      );
      for (const name of [
        'flushall',
        'keys',
        'script|flush',
        'function|load',
        'config|set',
        'acl|setuser',
        'debug',
        'monitor',
        'shutdown',
        'replicaof',
        'client|list',
      ]) {
        assert.ok(!may.has(name), name);
      }
    });
  }

  it('services may run the same and all that we use; who only reads may write nothing', async () => {
    const [first, ...others] = await Promise.all(services.map(allowed));
    assert.ok(first !== undefined);
    for (const other of others) assert.deepEqual([...other].sort(), [...first].sort());
    for (const name of ['eval', 'evalsha', 'hset', 'zadd', 'xadd', 'publish', 'subscribe', 'multi', 'exec', 'bzpopmin', 'brpoplpush', 'time', 'info']) {
      assert.ok(first.has(name), name);
    }
    const writes = new Set(await list('write'));
    for (const user of ['reader', 'keda', 'probe']) {
      assert.deepEqual(
        [...(await allowed(user))].filter((name) => writes.has(name)),
        [],
        user,
      );
    }
    const [keda, probe] = [await allowed('keda'), await allowed('probe')];
    assert.deepEqual([...keda].sort(), ['client|setname', 'eval', 'hello', 'hlen', 'llen', 'ping', 'scard', 'type', 'zcard', ...unavoidable(keda)].sort());
    assert.deepEqual([...probe].sort(), ['hello', 'ping', ...unavoidable(probe)].sort());
  });

  it('no user reaches keys of others, also inside scripts', async () => {
    for (const user of services) {
      const own = user === 'acme' ? 'millrace:{m}:request:acme:1' : 'millrace:{m}:leader';
      const foreign =
        user === 'acme' ? ['elsewhere', 'millrace:{m}:leader', 'millrace:{m}:request:other:1', 'millrace:{m}:answer:other:1'] : ['elsewhere', 'bull:x:id'];
      const connection = connect(user);
      try {
        assert.equal(await connection.set(own, 'x'), 'OK');
        for (const key of foreign) {
          await assert.rejects(connection.get(key), /NOPERM/, `${user} ${key}`);
          await assert.rejects(connection.eval("return redis.call('GET', KEYS[1])", 1, key), /NOPERM|permissions|can't access/, `${user} ${key}`);
          await assert.rejects(connection.eval("return redis.call('GET', ARGV[1])", 0, key), /NOPERM|permissions|can't access/, `${user} ${key} not named`);
        }
        if (user !== 'acme') continue;
        assert.equal(await connection.get('millrace:{m}:answer:acme:1'), null);
        await assert.rejects(connection.set('millrace:{m}:answer:acme:1', 'forged'), /NOPERM/);
      } finally {
        connection.disconnect();
      }
    }
  });
});

/** What Redis lets anybody run. */
const unavoidable = (may: ReadonlySet<string>): string[] => ['auth', 'quit', 'reset'].filter((name) => may.has(name));

describe('a plain BullMQ viewer', () => {
  it('mounts on our queues with the user that may only read: tasks are shown without error, and nothing is changed', async () => {
    const scheduler = await queuesOf('scheduler');
    const queueName = workQueueName('chunk', 'default', 1);
    const jobId = await plannedJob(scheduler, 'viewed', 1);
    const { taskId } = await dispatchOne(scheduler, jobId);
    await scheduler.tasks.enqueue(queueName, [{ taskId, signature: 'k1.x' }]);
    const connection = connect('reader');
    const queue = new Queue(queueName, { connection, prefix: defaultPrefix, skipMetasUpdate: true });
    queue.on('error', () => {});
    const adapter = new FastifyAdapter();
    createBullBoard({ queues: [new BullMQAdapter(queue, { readOnlyMode: true })], serverAdapter: adapter });
    const app = fastify();
    await app.register(adapter.registerPlugin(), { prefix: '/' });
    try {
      const listed = await app.inject({ url: `/api/queues?activeQueue=${queueName}&status=latest&page=1&jobsPerPage=10` });
      assert.equal(listed.statusCode, 200, listed.body);
      const [board] = (listed.json() as { queues: { name: string; counts: Record<string, number>; jobs: { id: string }[] }[] }).queues;
      assert.equal(board?.name, queueName);
      assert.ok(
        board?.jobs.some(({ id }) => id === taskId),
        listed.body,
      );
      assert.equal(board?.counts['waiting'], 1);
      const one = await app.inject({ url: `/api/queues/${queueName}/${encodeURIComponent(taskId)}` });
      assert.equal(one.statusCode, 200, one.body);
      await assert.rejects(queue.add('task', {}), /NOPERM|can't (?:be )?(?:run|executed)|Write commands/);
    } finally {
      await app.close();
      await queue.close().catch(() => {});
      connection.disconnect();
      await scheduler.close();
    }
  });
});
