/** F37: a host that is asked to end finishes what it can or hands it back, costs no attempt, and is gone in time. Item 4: one that cannot be trusted drains itself. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { chunkWrittenBy, isWriting } from '../e2e/support/accidents.ts';
import { until } from '../e2e/support/until.ts';
import type { Cluster, Role } from './support/cluster.ts';
import { readJob } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';
import { coresOf } from './support/nemesis.ts';

let lab: Lab;
before(() => {
  lab = new Lab('drain');
});
after(() => lab.close());

const busyOn = (host: Role): Promise<void> => until(`${host.name} to be busy`, () => host.has('attempt opened'), { every: 2 });
const exitOf = async (host: Role): Promise<number | null> => (await host.ended).code;
const jobOf = (cluster: Cluster, jobId: string) => readJob(cluster.out, jobId);

describe('F37: a host is asked to end', () => {
  it('with time: what runs is finished, nothing is released, the next host goes on', async () => {
    await lab.run({ name: 'long' }, async (cluster) => {
      const host = cluster.host({ drainMs: 30_000 });
      await cluster.ready(cluster.scheduler(), host);
      const { jobId } = await cluster.submit('long');
      await busyOn(host);
      host.signal('SIGTERM');
      cluster.host();
      assert.equal(await exitOf(host), 0, host.tail());
      await cluster.untilEnded(jobId);
      assert.deepEqual(jobOf(cluster, jobId).failures, [], 'no attempt ended without commit');
    });
  });

  for (const [name, drainMs, signals] of [
    ['without time: what runs is released and costs nothing', 0, 1],
    ['in a hurry: the second signal cuts a long drain short', 60_000, 2],
  ] as const) {
    it(name, async () => {
      await lab.run({ name: `short-${signals}` }, async (cluster) => {
        const host = cluster.host({ drainMs });
        await cluster.ready(cluster.scheduler(), host);
        const { jobId } = await cluster.submit('hang');
        // A core that stands still in the middle of a chunk keeps its attempt in hand.
        await until('a core to stand still', () => stopsWritingCore(host, cluster.out), { every: 1 });
        const askedAt = performance.now();
        for (let turn = 0; turn < signals; turn += 1) {
          host.signal('SIGTERM');
          await host.says(turn === 0 ? 'service stopping' : 'service stopping at once');
        }
        assert.equal(await exitOf(host), 0, host.tail());
        assert.ok(performance.now() - askedAt < 15_000, 'it ended soon');
        // A host in a hurry may leave the record with the ledger, from where the next sweep puts it.
        await until('the attempt in hand to be on record', () => jobOf(cluster, jobId).failures.length > 0, { describe: () => host.tail() });
        for (const record of jobOf(cluster, jobId).failures)
          assert.deepEqual([record.outcome, record.code, record.worker], ['released', 'ATTEMPT_RELEASED', host.name], JSON.stringify(record));
        assert.equal(jobOf(cluster, jobId).failures.length, 1, 'the attempt in hand was released');
        cluster.host();
        await cluster.untilEnded(jobId);
        assert.equal(jobOf(cluster, jobId).failures.length, 1, 'and nothing else was');
      });
    });
  }
});

describe('a host whose cores die on three different chunks', () => {
  it('drains itself when another can take its work, and every crash is on record', async () => {
    // Chunks that take long enough to be met in the middle.
    const { directory: data } = lab.bench.generate('large', { records: 300_000, files: 2 });
    await lab.run({ name: 'unsound', data }, async (cluster) => {
      const broken = cluster.host({ slots: 1 });
      await cluster.ready(cluster.scheduler(), broken, cluster.host());
      const { jobId } = await cluster.submit('unsound', cluster.spec({ execution: { chunkSize: '512KiB' } }));
      const met = new Map<number, Set<number>>();
      await until(
        'the broken host to drain itself',
        () => {
          killWritingCores(broken, cluster.out, met);
          return broken.isGone;
        },
        { every: 1, describe: () => broken.tail() },
      );
      assert.equal((await broken.ended).code, 1);
      assert.ok(broken.has('cores died on different chunks in a row; this host drains'), broken.tail());
      await cluster.untilEnded(jobId);
      const crashes = jobOf(cluster, jobId).failures.filter(({ worker, class: kind }) => worker === broken.name && kind === 'crash');
      assert.ok(new Set(crashes.map(({ chunk }) => chunk)).size >= 3);
    });
  });
});

/**
 * As a broken computer would: SEGV is a crash, where KILL would be taken for too little memory. Only a core in the middle of a chunk has a part open. `met`:
 * which cores died on a chunk, and no more than two may: behind two crashes a chunk is bisected, and one that dies of that too is dead, as any poison is.
 */
function killWritingCores(host: Role, out: string, met: Map<number, Set<number>>): void {
  for (const pid of coresOf(host.pid)) {
    const chunk = chunkWrittenBy(pid, out);
    if (chunk === null) continue;
    const cores = met.get(chunk) ?? new Set();
    if (cores.size >= 2 && !cores.has(pid)) continue;
    met.set(chunk, cores.add(pid));
    process.kill(pid, 'SIGSEGV');
  }
}

function stopsWritingCore(host: Role, out: string): boolean {
  const core = coresOf(host.pid).find((pid) => isWriting(pid, out));
  if (core === undefined) return false;
  process.kill(core, 'SIGSTOP');
  if (isStopped(core) && isWriting(core, out)) return true;
  // It was faster, and may stand behind its commit.
  process.kill(core, 'SIGCONT');
  return false;
}

/** The signal takes effect when the kernel next looks at the process. */
function isStopped(pid: number): boolean {
  for (let looks = 0; looks < 10_000; looks += 1) if (/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return true;
  return false;
}
