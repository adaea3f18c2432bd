/** F58: bombs of full size beside work that is fine. Each must be refused with class `input`, in bounded memory, and the others must not wait for it. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Cluster } from '../support/cluster.ts';
import { manifestOf, readJob } from '../support/journal-reader.ts';
import { coresOf } from '../support/nemesis.ts';
import { SeededRandom } from '../support/random.ts';
import { nestedZip, parquetThatDeclares, repeatedAsGzip, wideCsv } from './bomb-files.ts';
import { type Experiment, Findings } from './experiment.ts';

/** A core may have 1 GiB; what its process takes besides is little. */
const mostMiB = 1_280;
const withinMs = 300_000;

export const bombs: Experiment = {
  fault: 'F58',
  what: 'up to 10 GiB of zeros and of rows, nested zip, Parquet that declares petabytes, a million columns',
  async run({ bench, seed }) {
    // At the scale of an installation: at a smaller one a core that reads a line of 14 MB would be silent for too long.
    const findings = new Findings();
    const { directory } = bench.generate('data', { records: 4_000, seed });
    // What comes first, and how large it is, differs from seed to seed; the first is as the design has it.
    const random = new SeededRandom(seed);
    const gibibytes = (): number => (seed === 1 ? 10 : random.between(2, 10));
    const files = ['zeros.csv.gz', 'rows.csv.gz', 'nested.csv.zip', 'petabytes.parquet', 'wide.csv'].sort(() => random.next() - 0.5);
    const pathOf = (name: string): string => `${directory}/${name}`;
    await repeatedAsGzip(pathOf('zeros.csv.gz'), '\0', gibibytes());
    await repeatedAsGzip(pathOf('rows.csv.gz'), '1,2\n', gibibytes());
    await nestedZip(pathOf('nested.csv.zip'), random.between(2, 6));
    await parquetThatDeclares(pathOf('petabytes.parquet'), 10n ** BigInt(random.between(9, 15)));
    await wideCsv(pathOf('wide.csv'), random.between(200_000, 1_000_000));
    const cluster = await Cluster.start({ bench, name: 'bombs', data: directory, timeScale: 1 });
    try {
      await cluster.ready(cluster.scheduler(), cluster.host(), cluster.host());
      const watch = new MemoryWatch(cluster);
      const jobs = new Map<string, string>();
      for (const name of files) {
        const spec = { name: 'bomb', inputs: { uri: pathToFileURL(pathOf(name)).href }, output: { uri: `${cluster.outUri}${name}/` } };
        jobs.set(name, (await cluster.submit(name, spec, 120_000)).jobId);
      }
      const fine = (await cluster.submit('fine', cluster.spec({}, 'fine/'), 120_000)).jobId;
      const beganMs = performance.now();
      await findings.during('work that is fine', () => cluster.untilEnded(fine, 1, withinMs));
      findings.figures['othersDoneMs'] = Math.round(performance.now() - beganMs);
      findings.expect(manifestOf(cluster.out, fine, 1)?.state === 'completed', 'the job beside the bombs did not complete');
      for (const [name, jobId] of jobs) {
        await findings.during(name, () => cluster.untilEnded(jobId, 1, withinMs));
        const manifest = manifestOf(cluster.out, jobId, 1);
        const letters = readJob(cluster.out, jobId).failures.map(({ class: kind, code }) => `${kind} ${code}`);
        findings.figures[name] = `${manifest?.state ?? 'no end'}: ${manifest?.failure?.code ?? ''} ${[...new Set(letters)].join(', ')}`.trim();
        findings.expect(manifest?.state === 'failed', `${name} ended as ${manifest?.state ?? 'nothing'}`);
        findings.expect(!letters.some((letter) => /^(crash|bug|lost)/.test(letter)), `${name} killed something: ${letters.join(', ')}`);
      }
      Object.assign(findings.figures, watch.stop());
      for (const [who, mib] of Object.entries(watch.peakMiB)) findings.expect(mib < mostMiB, `a ${who} took ${mib} MiB`);
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
    }
    return findings;
  },
};

/** The most that hosts and cores had resident. */
export class MemoryWatch {
  readonly peakMiB: Record<string, number> = {};
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster) {
    this.#timer = setInterval(() => {
      for (const { role, pid } of cluster.living) {
        this.#note(role, pid);
        if (role === 'worker-host') for (const core of coresOf(pid)) this.#note('core', core);
      }
    }, 200);
  }

  #note(who: string, pid: number): void {
    try {
      const kib = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
      this.peakMiB[who] = Math.max(this.peakMiB[who] ?? 0, Math.round(kib / 1024));
    } catch {
      // It is gone.
    }
  }

  stop(): Record<string, number> {
    clearInterval(this.#timer);
    return Object.fromEntries(Object.entries(this.peakMiB).map(([who, mib]) => [`${who}MiB`, mib]));
  }
}
