/** F86: what the kernel takes away and gives back: memory of a core, the time of a whole host, the space and the writing of a file system. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../e2e/support/until.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { readJob, receiptsOf } from '../support/journal-reader.ts';
import { coresOf } from '../support/nemesis.ts';
import { type Experiment, type ExperimentOptions, Findings } from './experiment.ts';
import { cannotMount, controlGroups, run } from './kernel.ts';

const withinMs = 240_000;

export const kernelLimits: Experiment = {
  fault: 'F86',
  what: 'control groups for memory and freezing, a file system that is full and then read-only',
  async run(options) {
    const [memory, freezer] = [controlGroups('memory'), controlGroups('freezer')];
    if (memory === null || freezer === null) return { skipped: 'control groups of version 1 are not there' };
    const cannot = await cannotMount();
    if (cannot !== null) return { skipped: cannot };
    const findings = new Findings();
    await findings.during('memory', () => memoryOfACore(memory, options, findings));
    await findings.during('freezer', () => frozenHost(freezer, options, findings));
    await findings.during('file system', () => fullAndReadOnly(options, findings));
    return findings;
  },
};

type Act = (cluster: Cluster, jobId: string) => Promise<void>;

async function onCluster(
  name: string,
  { bench, seed }: ExperimentOptions,
  findings: Findings,
  prepare: (cluster: Cluster) => Promise<void>,
  act: Act,
): Promise<void> {
  const data = bench.path(`${name}-data`);
  if (!existsSync(data)) bench.generate(`${name}-data`, { records: 20_000, files: 2, seed });
  const cluster = await Cluster.start({ bench, name, data, timeScale: 0.1 });
  try {
    await prepare(cluster);
    await cluster.ready(cluster.scheduler(), cluster.host());
    const { jobId } = await cluster.submit(name, cluster.spec({}, `${name}/`), 120_000);
    await until('a receipt', () => receiptsOf(readJob(cluster.out, jobId)).length >= 1, { within: withinMs, every: 2 });
    await act(cluster, jobId);
    await cluster.untilEnded(jobId, 1, withinMs);
  } finally {
    await cluster.stop();
  }
  findings.breaches.push(...(await findBreaches(cluster)).map((breach) => `${name}: ${breach}`));
}

/** The kernel kills a core that passes the limit of its group, silently: 137, which is no crash of the core's own. */
async function memoryOfACore(memory: string, options: ExperimentOptions, findings: Findings): Promise<void> {
  const group = join(memory, `millrace-chaos-${process.pid}`);
  mkdirSync(group);
  try {
    await onCluster(
      'memory',
      options,
      findings,
      async () => {},
      async (cluster, jobId) => {
        const host = cluster.living.find(({ role }) => role === 'worker-host');
        writeFileSync(join(group, 'memory.limit_in_bytes'), String(128 << 10));
        const killed = (): boolean => readJob(cluster.out, jobId).failures.some(({ exitCode, signal }) => signal === 'SIGKILL' || exitCode === 137);
        await until(
          'a core to be killed for its memory',
          () => {
            for (const core of coresOf(host?.pid ?? 0)) moveQuietly(core, group);
            return killed() || receiptsOf(readJob(cluster.out, jobId)).length === readJob(cluster.out, jobId).listed.length;
          },
          { within: withinMs, every: 20 },
        );
        writeFileSync(join(group, 'memory.limit_in_bytes'), '-1');
        const records = readJob(cluster.out, jobId).failures;
        findings.figures['memory'] = [...new Set(records.map(({ class: kind, code, signal }) => `${kind} ${code} ${signal ?? ''}`.trim()))].join(', ');
        findings.expect(
          records.some(({ class: kind }) => kind === 'resource'),
          `memory: no record of class resource, but ${findings.figures['memory']}`,
        );
      },
    );
  } finally {
    await until('the group to be empty', () => removed(group), { within: 30_000 });
  }
}

/** Three leases long nothing of a host runs, its cores included; then it goes on as if nothing had been. */
async function frozenHost(freezer: string, options: ExperimentOptions, findings: Findings): Promise<void> {
  const group = join(freezer, `millrace-chaos-${process.pid}`);
  mkdirSync(group);
  try {
    await onCluster(
      'freezer',
      options,
      findings,
      async () => {},
      async (cluster) => {
        const host = cluster.living.find(({ role }) => role === 'worker-host');
        for (const pid of [host?.pid ?? 0, ...coresOf(host?.pid ?? 0)]) moveQuietly(pid, group);
        writeFileSync(join(group, 'freezer.state'), 'FROZEN');
        cluster.host();
        await delay(18_000);
        writeFileSync(join(group, 'freezer.state'), 'THAWED');
      },
    );
  } finally {
    writeFileSync(join(group, 'freezer.state'), 'THAWED');
    await until('the group to be empty', () => removed(group), { within: 30_000 });
  }
}

/** Journal and output in a file system that is filled to its last byte, then read-only, then as it was. */
async function fullAndReadOnly(options: ExperimentOptions, findings: Findings): Promise<void> {
  let place = '';
  const mounted = async (cluster: Cluster): Promise<void> => {
    place = cluster.out;
    await run('mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', place);
    mkdirSync(join(place, '_journal'), { recursive: true });
  };
  const refused = (cluster: Cluster): number =>
    cluster.lines.filter((line) => /STORAGE_FULL|ENOSPC|No space|Read-only|read-only/i.test(JSON.stringify(line))).length;
  try {
    await onCluster('space', options, findings, mounted, async (cluster) => {
      await run('sh', '-c', `dd if=/dev/zero of='${place}/filler' bs=64k 2>/dev/null || true`);
      await until('writes to be refused', () => refused(cluster) > 0, { within: withinMs });
      await run('rm', `${place}/filler`);
      const before = refused(cluster);
      await run('mount', '-o', 'remount,ro', place);
      await until('writes to be refused again', () => refused(cluster) > before, { within: withinMs });
      await run('mount', '-o', 'remount,rw,size=64m', place);
      findings.figures['refusedWrites'] = refused(cluster);
    });
  } finally {
    await run('umount', '-l', place).catch(() => '');
  }
}

function moveQuietly(pid: number, group: string): void {
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  } catch {
    // It is gone.
  }
}

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
