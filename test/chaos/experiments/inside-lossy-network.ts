/** The inside of F83: `unshare -n node inside-lossy-network.ts <seed> <seconds>`. Says what it found as one line of JSON. */
import { setTimeout as delay } from 'node:timers/promises';
import { Workbench } from '../../e2e/support/workbench.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { readJob } from '../support/journal-reader.ts';
import { Findings } from './experiment.ts';
import { run } from './kernel.ts';

const [seed = 1, seconds = 30] = process.argv.slice(2).map(Number);
const withinMs = 240_000;
const findings = new Findings();
const bench = new Workbench('lossy');
await run('ip', 'link', 'set', 'lo', 'up');
const { directory } = bench.generate('data', { records: 8_000, files: 2, seed });
// A packet that is lost is sent again after 200 ms at least: leases of twelve seconds, sockets that wait for three.
const cluster = await Cluster.start({ bench, name: 'lossy', data: directory, timeScale: 0.2 });
const rule = (...args: readonly string[]): Promise<string> => run('iptables', '-A', 'INPUT', '-p', 'tcp', ...args);
const port = String(cluster.redis.port);

try {
  await cluster.ready(cluster.scheduler(), cluster.host(), cluster.host());
  const jobs: string[] = [];
  const submit = async (): Promise<void> => {
    jobs.push((await cluster.submit(`job-${jobs.length}`, cluster.spec({}, `j${jobs.length}/`), 240_000)).jobId);
  };
  await submit();
  for (const side of ['--dport', '--sport']) await rule(side, port, '-m', 'statistic', '--mode', 'random', '--probability', '0.3', '-j', 'DROP');
  await submit();
  await delay(seconds * 400);
  await run('iptables', '-F');
  await rule('--dport', port, '-m', 'statistic', '--mode', 'nth', '--every', '150', '--packet', '0', '-j', 'REJECT', '--reject-with', 'tcp-reset');
  await submit();
  await delay(seconds * 300);
  await run('iptables', '-F');
  await run('tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'tbf', 'rate', '4mbit', 'burst', '64kb', 'latency', '400ms');
  await submit();
  await delay(seconds * 300);
  await run('tc', 'qdisc', 'del', 'dev', 'lo', 'root');
  const healedMs = performance.now();
  for (const jobId of jobs) await findings.during(jobId, () => cluster.untilEnded(jobId, 1, withinMs));
  const records = jobs.flatMap((jobId) => readJob(cluster.out, jobId).failures);
  const broken = cluster.lines.filter(({ msg }) => msg === 'redis connection failed').length;
  Object.assign(findings.figures, { jobs: jobs.length, healMs: Math.round(performance.now() - healedMs), connectionsBroken: broken });
  findings.figures['lost'] = records.filter(({ outcome }) => outcome === 'lost').length;
} catch (error) {
  findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await run('iptables', '-F').catch(() => '');
  await cluster.stop();
}
findings.breaches.push(...(await findBreaches(cluster)));
await bench.close();
console.log(JSON.stringify(findings));
