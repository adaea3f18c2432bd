/** F4, F5, F6, F11, F13, F14, F21, F33, F34: lost answers, half-open sockets, stopped and killed processes, forged tasks, a Redis that forgets or evicts. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../e2e/support/until.ts';
import type { Cluster } from './support/cluster.ts';
import { readJob, receiptsOf } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';
import { Link } from './support/link.ts';
import { coresOf } from './support/nemesis.ts';
import { SeededRandom } from './support/random.ts';

let lab: Lab;
before(() => {
  lab = new Lab('links', { records: 12_000 });
});
after(() => lab.close());

const someReceipts = (cluster: Cluster, jobId: string, count = 3): Promise<void> =>
  until(`${count} receipts`, () => receiptsOf(readJob(cluster.out, jobId)).length >= count, { every: 5, describe: () => cluster.describe() });

async function linked(cluster: Cluster, act: (link: Link) => Promise<void>): Promise<void> {
  const link = await Link.start(cluster.redis.port);
  try {
    await act(link);
  } finally {
    link.heal();
    await cluster.stop();
    await link.stop();
  }
}

describe('links to Redis', () => {
  it('F4: answers that do not arrive, of whatever command: everything is done once', () =>
    lab
      .run({ name: 'answers' }, (cluster) =>
        linked(cluster, async (link) => {
          await cluster.ready(
            cluster.scheduler({ redisUrl: link.redisUrl }),
            cluster.host({ redisUrl: link.redisUrl }),
            cluster.host({ redisUrl: link.redisUrl }),
          );
          // By chance and not by count: what asks again in turns of as many answers would lose the same one each time.
          const random = new SeededRandom(29);
          link.swallow(() => random.next() < 1 / 29);
          const { jobId } = await cluster.submit('answers');
          await until('enough answers to be lost', () => link.swallowed >= 12);
          await cluster.untilEnded(jobId, 1, 90_000);
          const { failures } = readJob(cluster.out, jobId);
          assert.ok(
            failures.every((record) => record.class === 'lost' || record.class === 'transient'),
            JSON.stringify(failures.map(({ code }) => code)),
          );
        }),
      )
      .then(() => {}));

  it('F5: a half-open socket: the host fences its core or proves its lease, and comes back by itself', () =>
    lab
      .run({ name: 'half-open' }, (cluster) =>
        linked(cluster, async (link) => {
          const cut = cluster.host({ redisUrl: link.redisUrl });
          await cluster.ready(cluster.scheduler(), cut);
          const { jobId } = await cluster.submit('half-open');
          await someReceipts(cluster, jobId, 1);
          link.isHalfOpen = true;
          const other = cluster.host();
          await cluster.untilEnded(jobId);
          assert.ok(other.has('attempt committed'), 'the other host did the rest');
          assert.equal(cut.isGone, false, 'and this one waits');
          link.heal();
          const before = cut.lines.length;
          await other.kill();
          const second = await cluster.submit('behind', cluster.spec({}, 'behind/'));
          await cluster.untilEnded(second.jobId);
          assert.ok(
            cut.lines.slice(before).some(({ msg }) => msg === 'attempt committed'),
            'it works again without being started anew',
          );
        }),
      )
      .then(() => {}));
});

describe('processes', () => {
  it('F6: a host that stood still for three leases wakes up and harms nobody', () =>
    lab
      .run({ name: 'stopped' }, async (cluster) => {
        const host = cluster.host();
        await cluster.ready(cluster.scheduler(), host);
        const { jobId } = await cluster.submit('stopped');
        await until('the host to be in the middle of a chunk', () => host.has('attempt opened') && receiptsOf(readJob(cluster.out, jobId)).length >= 1, {
          every: 1,
        });
        host.signal('SIGSTOP');
        const cores = coresOf(host.pid);
        for (const pid of cores) process.kill(pid, 'SIGSTOP');
        cluster.host();
        await cluster.untilEnded(jobId);
        for (const pid of cores) process.kill(pid, 'SIGCONT');
        host.signal('SIGCONT');
        await until('it to serve again', () =>
          host.lines.some(({ msg }) => msg === 'attempt superseded' || msg === 'attempt committed' || msg === 'attempt failed' || msg === 'task refused'),
        );
      })
      .then(() => {}));

  it('F33: a host whose event loop stands still for three leases: its core may not commit behind its lease, or was first', () =>
    lab
      .run({ name: 'blocked' }, async (cluster) => {
        const host = cluster.host({ failpoints: 'chunk.8-9=block-6300' });
        await cluster.ready(cluster.scheduler(), host);
        const { jobId } = await cluster.submit('blocked');
        await until('the event loop to stand still', () => host.fired('chunk.8-9'));
        cluster.host();
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));

  it('F6: parts that an attempt left behind the finish of its job go with the late sweep', () =>
    lab
      .run({ name: 'late-parts' }, async (cluster) => {
        await cluster.ready(cluster.scheduler(), cluster.host());
        const { jobId } = await cluster.submit('late-parts', cluster.spec({ execution: { chunkSize: '64KiB', attemptTimeLimit: '3s' } }));
        await cluster.untilEnded(jobId);
        const [part = ''] = readdirSync(cluster.out).filter((name) => name.startsWith('part-'));
        const orphan = join(cluster.out, part.replace(/-a[0-9a-z]{26}\./, `-a${'0'.repeat(26)}.`));
        assert.notEqual(orphan, join(cluster.out, part));
        // As a core that is killed between its parts and its receipt leaves them.
        for (const name of [orphan, join(cluster.out, `.tmp-${part}-7`)]) copyFileSync(join(cluster.out, part), name);
        await until('the late sweep', () => cluster.lines.some(({ msg }) => msg === 'late sweep done'));
        assert.equal(existsSync(orphan), false);
      })
      .then(() => {}));

  it('F21: cores end with their host, however busy they are', async () => {
    await lab.run({ name: 'orphans' }, async (cluster) => {
      await cluster.ready(cluster.scheduler());
      const { jobId } = await cluster.submit('orphans');
      for (let turn = 0; turn < 4; turn += 1) {
        const host = cluster.host({ slots: 2 });
        await until('cores to be busy', () => host.has('attempt opened') || host.isGone, { every: 1 });
        const cores = coresOf(host.pid);
        assert.ok(cores.length >= 2);
        await host.kill();
        await until('its cores to end', () => cores.every((pid) => !isAlive(pid)), { describe: () => cores.join(' ') });
      }
      cluster.host();
      await cluster.untilEnded(jobId);
    });
  });

  it('F34: two schedulers from the start, one of them stands still and wakes up: one plan, one window', () =>
    lab
      .run({ name: 'two' }, async (cluster) => {
        const schedulers = [cluster.scheduler(), cluster.scheduler()] as const;
        await cluster.ready(...schedulers, cluster.host());
        const { jobId } = await cluster.submit('two');
        for (const scheduler of schedulers) {
          await someReceipts(cluster, jobId, 1);
          scheduler.signal('SIGSTOP');
          // Longer than the leader's lease: the other one leads by the time that this one goes on as if nothing had been.
          const before = receiptsOf(readJob(cluster.out, jobId)).length;
          await until(
            'the other to dispatch',
            () => receiptsOf(readJob(cluster.out, jobId)).length > before || (cluster.lines.some(({ msg }) => msg === 'work done') && isEnded(cluster, jobId)),
            {},
          );
          scheduler.signal('SIGCONT');
        }
        await cluster.untilEnded(jobId);
        assert.equal(readJob(cluster.out, jobId).manifests.size, 1);
      })
      .then(() => {}));
});

const isEnded = (cluster: Cluster, jobId: string): boolean => readJob(cluster.out, jobId).manifests.size > 0;

describe('Redis', () => {
  it('F11: a task that was forged, altered, swapped or emptied is set aside, and its chunk is dispatched anew', () =>
    lab
      .run({ name: 'forged' }, async (cluster) => {
        await cluster.ready(cluster.scheduler());
        const { jobId } = await cluster.submit('forged');
        const waiting = async (queue: string): Promise<string[]> =>
          (await cluster.redis.command('LRANGE', `millrace:{m}:${queue}:wait`, '0', '-1')).split('\n').filter((line) => line !== '');
        await until('the plan task to wait', async () => (await waiting('plan-default-r1')).length > 0);
        const [taskId = ''] = await waiting('plan-default-r1');
        const key = `millrace:{m}:plan-default-r1:${taskId}`;
        await cluster.redis.command('HSET', key, 'data', JSON.stringify({ s: 'chaos.00000000000000000000000000000000' }));
        const first = cluster.host();
        await first.says('task refused: its signature does not hold');
        await until('the window to be filled', async () => receiptsOf(readJob(cluster.out, jobId)).length >= 1, {
          describe: () => cluster.describe(),
        });
        await first.kill();
        await until('chunks to wait', async () => (await waiting('chunk-default-r1')).length >= 2);
        const [ghost = '', one = ''] = await waiting('chunk-default-r1');
        // A ghost: its hash is gone, its id waits on. BullMQ runs it with nothing in it.
        await cluster.redis.command('DEL', `millrace:{m}:chunk-default-r1:${ghost}`);
        await cluster.redis.command('HSET', `millrace:{m}:chunk-default-r1:${one}`, 'data', '{}');
        const second = cluster.host();
        await until('both to be set aside', () => second.lines.filter(({ msg }) => msg === 'task refused: its signature does not hold').length >= 2, {});
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));

  it('F13: an older copy of its data, and nothing at all: time is lost and nothing else', () =>
    lab
      .run({ name: 'older', redis: { appendOnly: true }, check: { redisForgot: true } }, async (cluster) => {
        await cluster.ready(cluster.scheduler(), cluster.host());
        const { jobId } = await cluster.submit('older');
        await someReceipts(cluster, jobId, 2);
        await cluster.redis.snapshot(lab.bench.path('older-snapshot'));
        const second = await cluster.submit('younger', cluster.spec({}, 'younger/'));
        await someReceipts(cluster, second.jobId, 1);
        await cluster.redis.goBackTo(lab.bench.path('older-snapshot'));
        await someReceipts(cluster, second.jobId, 2);
        await cluster.redis.command('FLUSHALL');
        await cluster.untilEnded(jobId);
        await cluster.untilEnded(second.jobId);
      })
      .then(() => {}));

  it('F14: one that evicts is refused at the start', () =>
    lab
      .run({ name: 'evicting', check: { ending: 'any' } }, async (cluster) => {
        await cluster.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
        for (const role of [cluster.scheduler(), cluster.host()]) {
          assert.equal((await role.ended).code, 1, role.tail());
          assert.match(role.tail(), /expected maxmemory-policy noeviction, got allkeys-lru/);
        }
      })
      .then(() => {}));
});

describe('Redis in the middle of a job', () => {
  it('F14: one that begins to evict is left alone until that is put right; no work is lost', () =>
    lab
      .run({ name: 'begins-to-evict' }, async (cluster) => {
        const [scheduler, host] = [cluster.scheduler(), cluster.host()];
        await cluster.ready(scheduler, host);
        const { jobId } = await cluster.submit('evicting');
        await someReceipts(cluster, jobId, 1);
        await cluster.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
        assert.equal((await host.ended).code, 1, 'the host drains itself');
        await until('the scheduler to stop its rounds', () => /it would drop waiting work/.test(scheduler.tail()));
        await cluster.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
        cluster.host();
        await cluster.untilEnded(jobId);
      })
      .then(() => {}));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
