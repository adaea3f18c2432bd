/**
 * F59: queries, patterns and partitions that want more memory or time than there is, all at once, beside work that is fine. Each ends with a code that says
 * so, or is refused; what is merely large and lopsided is finished by spilling; no core dies of any, and none takes more than its share.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { findBreaches } from '../support/checker.ts';
import { Cluster } from '../support/cluster.ts';
import { manifestOf, readJob, receiptsOf } from '../support/journal-reader.ts';
import { SeededRandom } from '../support/random.ts';
import { MemoryWatch } from './bombs.ts';
import { type Experiment, Findings } from './experiment.ts';

const rows = 300_000;
const withinMs = 300_000;
const coreMemoryMiB = 256;
/** What the process of a core takes beside what it accounts for: program, buffers of files, allocator. */
const besidesMiB = 512;

interface Hostile {
  readonly sql: string;
  readonly partitions?: number;
  /** What its rows are when it completes, which it then must; else it must not complete. */
  readonly rowsOut?: number;
  /** Completing is as good as failing, as long as nothing dies. */
  readonly isHarmless?: boolean;
}

const pipelines: Readonly<Record<string, Hostile>> = {
  'one value of gigabytes': { sql: `SELECT string_agg(repeat(text, 100), ',') AS x FROM input` },
  'a join without end': { sql: 'SELECT a.id FROM input a JOIN input b ON a.id + b.id < 0', partitions: 2 },
  'numbers without end': { sql: 'WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) AS n FROM t' },
  'a series of 10^12': { sql: 'SELECT count(*) AS n FROM generate_series(1, 1000000000000) AS s(n), input' },
  'a pattern that backtracks': { sql: `SELECT id FROM input WHERE regexp_like(repeat(text, 50), '^(([a-z ])+.)+[A-Z]([a-z])+$')`, isHarmless: true },
  'a pattern that unfolds': { sql: `SELECT id FROM input WHERE regexp_like(text, '(((a{1,1000}){1,1000}){1,1000}){1,1000}')` },
  'parentheses in thousands': { sql: `SELECT ${'('.repeat(5_000)}id${')'.repeat(5_000)} AS id FROM input` },
  'all rows in one partition': {
    sql: 'SELECT id, text, row_number() OVER (PARTITION BY same ORDER BY text, id) AS n FROM input',
    partitions: 4,
    rowsOut: rows,
  },
};

export const hostilePipelines: Experiment = {
  fault: 'F59',
  what: 'queries and patterns that are bombs, partitions that are lopsided',
  async run({ bench, seed }) {
    const findings = new Findings();
    const random = new SeededRandom(seed);
    const { directory: data } = bench.generate('data', { records: 4_000, seed });
    const input = hostileInput(data, random);
    const cluster = await Cluster.start({ bench, name: 'pipelines', data, timeScale: 1 });
    try {
      await cluster.ready(cluster.scheduler(), cluster.host(), cluster.host());
      const watch = new MemoryWatch(cluster);
      const jobs = new Map<string, string>();
      for (const name of Object.keys(pipelines).sort(() => random.next() - 0.5)) {
        const jobId = await submitted(name, input, cluster, findings);
        if (jobId !== null) jobs.set(name, jobId);
      }
      const beganMs = performance.now();
      const fine = await cluster.submit('fine', cluster.spec({}, 'fine/'), withinMs);
      await findings.during('work that is fine', () => cluster.untilEnded(fine.jobId, 1, withinMs));
      findings.figures['othersDoneMs'] = Math.round(performance.now() - beganMs);
      findings.expect(manifestOf(cluster.out, fine.jobId, 1)?.state === 'completed', 'the job beside them did not complete');
      for (const [name, jobId] of jobs) {
        await findings.during(name, () => cluster.untilEnded(jobId, 1, withinMs));
        judge(name, jobId, cluster, findings);
      }
      Object.assign(findings.figures, watch.stop());
      const most = coreMemoryMiB + besidesMiB;
      findings.expect((watch.peakMiB['core'] ?? 0) < most, `I8 a core took ${watch.peakMiB['core']} MiB, where ${most} are its bound`);
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
    }
    await findings.during('I7', () => bench.expectNothingRuns());
    findings.breaches.push(...(await findBreaches(cluster, { ending: 'any' })));
    return findings;
  },
};

/** Rows of three columns, of which the last is the same everywhere. */
function hostileInput(data: string, random: SeededRandom): string {
  mkdirSync(`${data}/hostile`);
  const path = `${data}/hostile/rows.csv`;
  const lines = Array.from({ length: rows }, (_, id) => `${id},text ${'abcdefghij'.repeat(random.between(1, 12))} ${id},one`);
  writeFileSync(path, `id,text,same\n${lines.join('\n')}\n`);
  return pathToFileURL(path).href;
}

/** Null when it is refused, which a query may be. */
async function submitted(name: string, input: string, cluster: Cluster, findings: Findings): Promise<string | null> {
  const { sql, partitions = 1, rowsOut } = pipelines[name] as Hostile;
  const spec = {
    name: 'hostile',
    inputs: { uri: input, schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'text' }, { name: 'same' }] } },
    pipeline: [{ name: 'total', exchange: { keys: partitions === 1 ? [] : ['same'], partitions }, sql }],
    output: { uri: `${cluster.outUri}${name.replaceAll(/[^a-z0-9]/g, '-')}/` },
    execution: { maxAttempts: 2, coreMemory: `${coreMemoryMiB}MiB`, attemptTimeLimit: rowsOut === undefined ? '5s' : '120s' },
  };
  try {
    return (await cluster.submit(name, spec, withinMs)).jobId;
  } catch (error) {
    const { code } = error as { code?: string };
    findings.figures[name] = `refused: ${code ?? String(error)}`;
    findings.expect(code !== undefined && code !== 'INTERNAL' && rowsOut === undefined, `${name} was refused: ${String(error)}`);
    return null;
  }
}

function judge(name: string, jobId: string, cluster: Cluster, findings: Findings): void {
  const { rowsOut, isHarmless = false } = pipelines[name] as Hostile;
  const manifest = manifestOf(cluster.out, jobId, 1);
  const job = readJob(cluster.out, jobId);
  const records = [...new Set(job.failures.map(({ class: kind, code }) => `${kind} ${code}`))];
  const state = manifest?.state ?? 'no end';
  findings.figures[name] = `${state}: ${manifest?.failure?.code ?? ''} ${records.join(', ')}`.trim();
  findings.expect(!records.some((record) => /^(crash|bug|lost)/.test(record)), `${name} killed something: ${records.join(', ')}`);
  if (rowsOut !== undefined) {
    const found = receiptsOf(job).reduce((sum, { stage, verdict }) => sum + (stage === 'total' ? verdict.counts.rowsOut : 0), 0);
    findings.expect(state === 'completed' && found === rowsOut, `${name} ended as ${state} with ${found} rows of ${rowsOut}: ${records.join(', ')}`);
  } else if (!isHarmless) findings.expect(state === 'failed', `${name} ended as ${state}`);
}
