/**
 * `npm run test:chaos -- [--fault F52] [--seed 7] [--seeds 5] [--seconds 30 | --minutes 2] [--schedule file]`: tier 2 of the campaign. Each run prints its
 * seed and is kept as one line of `test/chaos/results/<day>.ndjson`; a run that finds something keeps journal, logs and schedule in a folder.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, Workbench } from '../e2e/support/workbench.ts';
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
const wanted = campaigns.filter(({ fault }) => values.fault === undefined || values.fault.includes(fault));
const unknown = values.fault?.filter((name) => !campaigns.some(({ fault }) => fault === name)) ?? [];
if (unknown.length > 0 || wanted.length === 0 || !(seconds > 0)) {
  console.error(`expected --fault of ${campaigns.map(({ fault }) => fault).join(' ')} and a time above 0`);
  process.exit(2);
}
const schedule = values.schedule === undefined ? undefined : readSchedule(readFileSync(values.schedule, 'utf8'));

let found = 0;
for (const campaign of wanted) {
  for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.seeds); seed += 1) {
    const outcome = await runOne(campaign, seed);
    found += outcome.breaches.length;
  }
}
process.exit(found === 0 ? 0 : 1);

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
  const folder = join(root, 'test/chaos/results');
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const machine = { cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release(), node: process.version };
  appendFileSync(join(folder, `${at.slice(0, 10)}.ndjson`), `${JSON.stringify({ at, machine, replayed: schedule !== undefined, ...outcome })}\n`);
}
