/**
 * F66, scaled: small chunks without end, hosts that leave and come, cores that are replaced. What lives through all of it, the scheduler and Redis, must not
 * grow: their memory in the last third of the time is held against that in the second, when everything is warm.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { readJob, receiptsOf } from '../support/journal-reader.ts';
import { coresOf } from '../support/nemesis.ts';
import { SeededRandom } from '../support/random.ts';
import { type Experiment, Findings } from './experiment.ts';

const jobsAtOnce = 2;
/** A host leaves each so many milliseconds, a core is killed each so many. */
const hostEveryMs = 20_000;
const coreEveryMs = 7_000;
/** What the collector of V8 and Redis's allocator may differ by, whatever was done: a leak of a kilobyte a chunk is more within minutes. */
const slackMiB = 24;

export const soak: Experiment = {
  fault: 'F66',
  what: 'many small chunks, with hosts and cores that come and go: memory is flat',
  async run({ bench, seed, seconds }) {
    const findings = new Findings();
    const random = new SeededRandom(seed);
    const { directory: data } = bench.generate('data', { records: 60_000, files: 4, seed });
    const cluster = await Cluster.start({ bench, name: 'soak', data, timeScale: 0.1 });
    const samples: Sample[] = [];
    const over = new AbortController();
    let [hosts, cores] = [0, 0];
    try {
      const start = () => cluster.host({ drainMs: 3_000 });
      await cluster.ready(cluster.scheduler(), start(), start());
      const beganMs = performance.now();
      const ends = (): boolean => performance.now() - beganMs > seconds * 1_000;
      const jobs = Array.from({ length: jobsAtOnce }, async (_, lane) => {
        for (let number = 0; !ends(); number += 1) {
          const { jobId } = await cluster.submit(`soak-${lane}-${number}`, cluster.spec({}, `l${lane}-${number}/`), 120_000);
          await cluster.untilEnded(jobId, 1, 180_000);
        }
      });
      const again = async (everyMs: number, act: () => Promise<void>): Promise<void> => {
        while (!over.signal.aborted) {
          await act();
          await delay(everyMs, undefined, { signal: over.signal }).catch(() => {});
        }
      };
      const beside = [
        again(1_000, async () => void samples.push(await sampleOf(cluster, (performance.now() - beganMs) / (seconds * 1_000)))),
        again(hostEveryMs, async () => {
          const old = random.pick(cluster.living.filter(({ role }) => role === 'worker-host'));
          await cluster.ready(start());
          old.signal('SIGTERM');
          await old.ended;
          hosts += 1;
        }),
        again(coreEveryMs, async () => {
          const all = cluster.living.filter(({ role }) => role === 'worker-host').flatMap(({ pid }) => coresOf(pid));
          if (all.length === 0) return;
          try {
            process.kill(random.pick(all), 'SIGKILL');
            cores += 1;
          } catch {
            // It ended by itself meanwhile.
          }
        }),
      ].map((one) => one.catch((error: Error) => void findings.breaches.push(`beside the work: ${error.message}`)));
      for (const job of jobs) job.catch(() => {});
      await findings.during('a job', () => Promise.all(jobs));
      over.abort();
      await Promise.all(beside);
      judge(samples, findings);
      findings.figures['redisKeysAtTheEnd'] = await cluster.redis.command('DBSIZE');
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      over.abort();
      await cluster.stop();
    }
    const jobIds = [...new Set(cluster.client.entries.map(({ jobId }) => jobId))];
    const chunks = jobIds.reduce((sum, jobId) => sum + receiptsOf(readJob(cluster.out, jobId)).length, 0);
    Object.assign(findings.figures, { seconds, jobs: jobIds.length, chunks, hostsReplaced: hosts, coresKilled: cores });
    await findings.during('I7', () => bench.expectNothingRuns());
    findings.breaches.push(...(await findBreaches(cluster)));
    return findings;
  },
};

interface Sample {
  /** Share of the whole time; above 1 while the last jobs end. */
  readonly at: number;
  readonly mebibytes: Readonly<Record<'scheduler' | 'host' | 'redis', number>>;
}

async function sampleOf(cluster: Cluster, at: number): Promise<Sample> {
  const resident = (name: string): number => Math.max(0, ...cluster.living.filter(({ role }) => role === name).map(({ pid }) => residentMiB(pid)));
  const used = /used_memory:(\d+)/.exec(await cluster.redis.command('INFO', 'memory'))?.[1] ?? '0';
  return { at, mebibytes: { scheduler: resident('scheduler'), host: resident('worker-host'), redis: Number(used) / 2 ** 20 } };
}

function residentMiB(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function judge(samples: readonly Sample[], findings: Findings): void {
  for (const name of ['scheduler', 'host', 'redis'] as const) {
    const median = (from: number, to: number): number => {
      const found = samples.filter(({ at }) => at >= from && at < to).map(({ mebibytes }) => mebibytes[name]);
      return found.sort((one, other) => one - other)[Math.floor(found.length / 2)] ?? 0;
    };
    const [first, second, last] = [median(0, 1 / 3), median(1 / 3, 2 / 3), median(2 / 3, 1)];
    findings.figures[`${name}MiBOfEachThird`] = [first, second, last].map((mib) => mib.toFixed(1)).join(' ');
    findings.expect(last <= second + slackMiB, `I8 the memory of ${name} grew from ${second.toFixed(1)} to ${last.toFixed(1)} MiB`);
  }
}
