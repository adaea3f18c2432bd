/** F85: the wall clocks of unmodified programs jump, each on its own; their monotonic clocks go on. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { findBreaches } from '../support/checker.ts';
import { Cluster, type RoleOptions } from '../support/cluster.ts';
import { readJob } from '../support/journal-reader.ts';
import { SeededRandom } from '../support/random.ts';
import { type Experiment, Findings } from './experiment.ts';
import { cannotFaketime, faketimeLibrary } from './kernel.ts';

const jumps = ['-120s', '+3600s', '-1s', '+0s', '+90s', '-3600s'] as const;
const withinMs = 240_000;

export const clocks: Experiment = {
  fault: 'F85',
  what: 'wall clocks that jump, each process by itself',
  async run({ bench, seed, seconds }) {
    const skipped = cannotFaketime();
    if (skipped !== null || faketimeLibrary === undefined) return { skipped: skipped ?? '' };
    const findings = new Findings();
    const random = new SeededRandom(seed);
    const { directory } = bench.generate('data', { records: 8_000, files: 2, seed });
    const cluster = await Cluster.start({ bench, name: 'clocks', data: directory, timeScale: 0.1 });
    const files: string[] = [];
    const faked = (): RoleOptions => {
      const file = bench.path(`clock-${files.length}`);
      writeFileSync(file, '+0s\n');
      files.push(file);
      const library = faketimeLibrary ?? '';
      return { environment: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' } };
    };
    try {
      await cluster.ready(cluster.scheduler(faked()), cluster.scheduler(faked()), cluster.host(faked()), cluster.host(faked()));
      const jobs: string[] = [];
      let jumped = 0;
      for (const until = performance.now() + seconds * 1_000; performance.now() < until; ) {
        jobs.push((await cluster.submit(`job-${jobs.length}`, cluster.spec({}, `j${jobs.length}/`), 120_000)).jobId);
        for (let turn = 0; turn < 6; turn += 1, jumped += 1) {
          writeFileSync(random.pick(files), `${random.pick(jumps)}\n`);
          await delay(random.between(100, 600));
        }
      }
      for (const jobId of jobs) await findings.during(jobId, () => cluster.untilEnded(jobId, 1, withinMs));
      const records = jobs.flatMap((jobId) => readJob(cluster.out, jobId).failures);
      Object.assign(findings.figures, { jobs: jobs.length, jumps: jumped, lost: records.filter(({ outcome }) => outcome === 'lost').length });
      const days = new Set(cluster.lines.map(({ time }) => String(time).slice(0, 13)));
      findings.expect(days.size > 1, 'no clock was seen to jump');
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
    }
    // Instants of records are of clocks that jumped: an end before its beginning is no lie of ours.
    findings.breaches.push(...(await findBreaches(cluster)).filter((breach) => !/lacks endedAt$/.test(breach)));
    return findings;
  },
};
