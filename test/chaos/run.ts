/**
 * `npm run test:chaos -- [--fault F52] [--seed 7] [--seeds 5] [--seconds 30 | --minutes 2] [--schedule file]`: tier 2 of the campaign. Each run prints its
 * seed and is kept as one line of `test/chaos/results/<day>.ndjson`; a run that finds something keeps journal, logs and schedule in a folder. What this
 * computer cannot do is skipped, with its reason printed and kept; `MILLRACE_REQUIRE=F82,F83` turns that into a failure.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, Workbench } from '../e2e/support/workbench.ts';
import type { Experiment } from './experiments/experiment.ts';
import { experiments } from './experiments/index.ts';
import { type Campaign, campaigns, type Outcome, runCampaign, scheduleFor } from './support/campaign.ts';
import { type FaultEvent, readSchedule, writeSchedule } from './support/nemesis.ts';

const { values } = parseArgs({
  options: {
    fault: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
    seeds: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    schedule: { type: 'string' },
    keep: { type: 'string', default: join(tmpdir(), 'millrace-chaos') },
  },
});
const seconds = values.minutes === undefined ? Number(values.seconds ?? 30) : Number(values.minutes) * 60;
const isWanted = ({ fault }: { fault: string }): boolean => values.fault === undefined || values.fault.includes(fault);
const names = [...campaigns, ...experiments].map(({ fault }) => fault);
const unknown = values.fault?.filter((name) => !names.includes(name)) ?? [];
if (unknown.length > 0 || !(seconds > 0)) {
  console.error(`expected --fault of ${names.join(' ')} and a time above 0`);
  process.exit(2);
}
const required = (process.env['MILLRACE_REQUIRE'] ?? '').split(',');
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => Number(values.seed) + index);
const schedule = values.schedule === undefined ? undefined : readSchedule(readFileSync(values.schedule, 'utf8'));

let found = 0;
for (const campaign of campaigns.filter(isWanted)) for (const seed of seeds) found += (await runOne(campaign, seed)).breaches.length;
for (const experiment of experiments.filter(isWanted)) for (const seed of seeds) found += await runExperiment(experiment, seed);
process.exit(found === 0 ? 0 : 1);

/** Answers how much was found. */
async function runExperiment({ fault, what, run }: Experiment, seed: number): Promise<number> {
  console.log(`${fault} ${what}: seed ${seed}, ${seconds} s`);
  const bench = new Workbench('campaign');
  const beganMs = performance.now();
  try {
    const found = await run({ bench, seed, seconds });
    const tookSeconds = Math.round((performance.now() - beganMs) / 100) / 10;
    keepResult({ fault, seed, tookSeconds, ...('skipped' in found ? found : { figures: found.figures, breaches: found.breaches }) });
    if ('skipped' in found) {
      console.log(`  skipped: ${found.skipped}`);
      return required.includes(fault) ? 1 : 0;
    }
    console.log(`  ${tookSeconds} s, ${JSON.stringify(found.figures)}, ${found.breaches.length} breaches`);
    for (const breach of found.breaches) console.log(`  ${breach}`);
    return found.breaches.length;
  } finally {
    await bench.close();
  }
}

async function runOne(campaign: Campaign, seed: number): Promise<Outcome> {
  console.log(`${campaign.fault} ${campaign.what}: seed ${seed}, ${seconds} s`);
  const bench = new Workbench('campaign');
  const events = schedule ?? scheduleFor(campaign, seed, seconds);
  try {
    const data = bench.generate('data', { records: 8_000, files: 2, seed }).directory;
    const outcome = await runCampaign(campaign, { bench, data, seed, seconds, schedule: events });
    if (outcome.breaches.length > 0) keepEvidence(bench, outcome, events);
    record(outcome);
    console.log(`  ${outcome.jobs} jobs, ${outcome.chunks} chunks, healed in ${outcome.healMs} ms, ${outcome.breaches.length} breaches`);
    for (const breach of outcome.breaches) console.log(`  ${breach}`);
    return outcome;
  } finally {
    await bench.close();
  }
}

function keepEvidence(bench: Workbench, outcome: Outcome, events: readonly FaultEvent[]): void {
  const folder = join(values.keep, `${outcome.fault}-${outcome.seed}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'schedule.ndjson'), writeSchedule(events));
  cpSync(outcome.logFile, join(folder, 'roles.log'));
  const journal = bench.path(`${outcome.fault}-${outcome.seed}-out`, '_journal');
  if (existsSync(journal)) cpSync(journal, join(folder, 'journal'), { recursive: true, force: true });
  console.log(`  kept in ${folder}; again with --schedule ${join(folder, 'schedule.ndjson')}`);
}

function record({ logFile: _, ...outcome }: Outcome): void {
  keepResult({ replayed: schedule !== undefined, ...outcome });
}

function keepResult(result: Readonly<Record<string, unknown>>): void {
  const folder = join(root, 'test/chaos/results');
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const machine = { cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release(), node: process.version };
  appendFileSync(join(folder, `${at.slice(0, 10)}.ndjson`), `${JSON.stringify({ at, machine, ...result })}\n`);
}
