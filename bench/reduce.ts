/**
 * `npm run bench -- reduce`: reduce stages through the queue beside DuckDB, which does the same to the same file in the same run on as many cores:
 * groups by 1 M keys, `dedupe` of 10 M rows by a text key, and the same by an order; groups by that text key, a join of two inputs, two windows over
 * each key, a sort of all rows in one partition. One whole job is input → exchange → reduce → Parquet.
 *
 * Beside the clock stand the seconds that the processor worked, in all processes of ours but without what an empty job takes, and in all threads of
 * DuckDB: on a machine with other work they tell more. `reduceSeconds` is the reduce stage alone by the clock, from its plan to its last verdict.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { startLocalStack } from '../packages/cli/src/local-stack.ts';
import { duckdb } from './duckdb.ts';
import { home, keep, median } from './keep.ts';
import { KEYS, REDUCE_TYPES, type ReduceFormat, repeats, writeKeysFile, writeReduceFile } from './reduce-file.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '3' },
    cores: { type: 'string', default: '1,2' },
    format: { type: 'string', default: 'parquet' },
    // Names of works, with commas between them.
    only: { type: 'string' },
    // Without it figures are printed and not kept: other work on the machine would make them lies.
    keep: { type: 'boolean', default: false },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const format = values.format as ReduceFormat;
const file = join(home, `reduce-${rows}.${format}`);
const keysFile = join(home, 'reduce-keys.parquet');
const warmUp = join(home, 'warm-up.csv');
const PARTITIONS = 4;

interface Work {
  readonly name: string;
  readonly pipeline: readonly object[];
  readonly theirs: string;
  readonly rowsOut: number;
  /** Reads the file of keys too, as the input `keys`. */
  readonly isJoin?: boolean;
}

const table = format === 'csv' ? `read_csv('${file}', header = true, auto_detect = false, columns = ${REDUCE_TYPES})` : `read_parquet('${file}')`;
const exchange = (key: string) => ({ keys: [key], partitions: PARTITIONS });
/** A window function over the rows of each key. */
const windowOf = (name: string, call: string): Work => ({
  name,
  pipeline: [
    { name: 'slim', sql: 'SELECT id, k, n FROM input' },
    { name: 'windows', exchange: exchange('k'), sql: `SELECT id, k, ${call} AS result FROM input` },
  ],
  theirs: `SELECT id, k, ${call} AS result FROM ${table}`,
  rowsOut: rows,
});
const WORKS: readonly Work[] = [
  {
    name: 'groups',
    pipeline: [
      { name: 'slim', sql: 'SELECT k, n FROM input' },
      { name: 'groups', exchange: exchange('k'), sql: 'SELECT k, count(*) AS c, sum(n) AS s FROM input GROUP BY k' },
    ],
    theirs: `SELECT k, count(*) AS c, sum(n) AS s FROM ${table} GROUP BY k`,
    rowsOut: Math.min(KEYS, rows),
  },
  {
    name: 'dedupe',
    pipeline: [{ name: 'once', exchange: exchange('email'), dedupe: {} }],
    theirs: `SELECT DISTINCT ON (email) * FROM ${table}`,
    rowsOut: rows - repeats(rows),
  },
  {
    name: 'dedupe by order',
    pipeline: [{ name: 'once', exchange: exchange('email'), dedupe: { orderBy: 'ts', keep: 'last' } }],
    theirs: `SELECT DISTINCT ON (email) * FROM ${table} ORDER BY email, ts DESC`,
    rowsOut: rows - repeats(rows),
  },
  {
    name: 'groups by text',
    pipeline: [
      { name: 'slim', sql: 'SELECT email, n FROM input' },
      { name: 'groups', exchange: exchange('email'), sql: 'SELECT email, count(*) AS c, sum(n) AS s FROM input GROUP BY email' },
    ],
    theirs: `SELECT email, count(*) AS c, sum(n) AS s FROM ${table} GROUP BY email`,
    rowsOut: rows - repeats(rows),
  },
  {
    name: 'join',
    pipeline: [
      { name: 'facts', from: 'rows', sql: 'SELECT id, k, n FROM input' },
      { name: 'labels', from: 'keys', sql: 'SELECT key AS k, label FROM input' },
      {
        name: 'joined',
        from: ['facts', 'labels'],
        exchange: exchange('k'),
        sql: 'SELECT f.id, f.n, l.label FROM facts AS f JOIN labels AS l ON f.k = l.k',
      },
    ],
    theirs: `SELECT f.id, f.n, l.label FROM ${table} AS f JOIN read_parquet('${keysFile}') AS l ON f.k = l.key`,
    rowsOut: rows,
    isJoin: true,
  },
  windowOf('ranks', 'row_number() OVER (PARTITION BY k ORDER BY id)'),
  windowOf('running sums', 'sum(n) OVER (PARTITION BY k ORDER BY id)'),
  {
    name: 'sort',
    pipeline: [
      { name: 'slim', sql: 'SELECT id, k, n FROM input' },
      { name: 'sorted', exchange: { keys: [], partitions: 1 }, sql: 'SELECT id, k, n FROM input ORDER BY k, id' },
    ],
    theirs: `SELECT id, k, n FROM ${table} ORDER BY k, id`,
    rowsOut: rows,
  },
];

interface Run {
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly reduceSeconds: number;
}

/** Seconds of the processor in children that have ended, theirs included. Linux counts in hundredths. */
function childrenSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

/** One job, or only the empty one that every run begins with. */
async function ours(work: Work | null, hosts: number): Promise<Run> {
  const out = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const place = pathToFileURL(out).href;
  const before = childrenSeconds();
  const local = await startLocalStack({ directory: out, readRoots: [home], writeRoots: [out], hostSlots: Array.from({ length: hosts }, () => 1) });
  let run = { seconds: 0, reduceSeconds: 0 };
  try {
    await (await local.producer.submit({ name: 'warm-up', inputs: pathToFileURL(warmUp).href, output: { uri: `${place}/warm-up/` } })).result();
    if (work !== null) run = await timed(work, local.producer, out);
  } finally {
    await local.stop();
    rmSync(out, { recursive: true, force: true });
  }
  return { ...run, processorSeconds: childrenSeconds() - before };
}

async function timed(work: Work, producer: Awaited<ReturnType<typeof startLocalStack>>['producer'], out: string) {
  const submittedAt = performance.now();
  const input = { name: 'rows', uri: pathToFileURL(file).href, format, ...(format === 'csv' ? { schema: SCHEMA } : {}) };
  const inputs = work.isJoin ? [input, { name: 'keys', uri: pathToFileURL(keysFile).href, format: 'parquet' }] : input;
  const output = { uri: `${pathToFileURL(out).href}/bench/`, compression: 'snappy' };
  const job = await producer.submit({ name: 'bench', inputs, pipeline: work.pipeline, output } as never);
  const result = await job.result();
  const seconds = (performance.now() - submittedAt) / 1000;
  if (result.rows !== work.rowsOut || result.balance.rejected !== 0) {
    throw new Error(`${work.name}: expected ${work.rowsOut} rows and no reject, got ${result.rows} and ${result.balance.rejected}`);
  }
  const stage = (work.pipeline.at(-1) as { name: string }).name;
  const journal = join(out, '_journal', 'jobs', job.jobId);
  const times = (folder: string) => readdirSync(join(journal, folder)).map((name) => statSync(join(journal, folder, name)).mtimeMs);
  return { seconds, reduceSeconds: (Math.max(...times(`verdicts/${stage}`)) - Math.min(...times(`plan/${stage}`))) / 1000 };
}

const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'k', type: 'integer' },
    { name: 'email' },
    { name: 'n', type: 'integer' },
    { name: 'f', type: 'number' },
    { name: 'ts', type: 'datetime' },
  ],
};

function theirs(work: Work, threads: number): Omit<Run, 'reduceSeconds'> {
  const out = join(home, `duckdb-reduce-${threads}.parquet`);
  const run = duckdb(`COPY (${work.theirs}) TO '${out}' (FORMAT parquet, COMPRESSION snappy)`, threads);
  rmSync(out);
  return run;
}

async function compare(work: Work, cores: number) {
  const mine: Run[] = [];
  const other: Omit<Run, 'reduceSeconds'>[] = [];
  // The first of several rounds is not counted.
  for (let round = rounds > 1 ? 0 : 1; round <= rounds; round += 1) {
    const idle = (await ours(null, cores)).processorSeconds;
    const run = await ours(work, cores);
    const a = { ...run, processorSeconds: run.processorSeconds - idle };
    const b = theirs(work, cores);
    if (round === 0) continue;
    mine.push(a);
    other.push(b);
    const [clock, processor] = [
      `${a.seconds.toFixed(2)} and ${b.seconds.toFixed(2)} s`,
      `${a.processorSeconds.toFixed(2)} and ${b.processorSeconds.toFixed(2)} s`,
    ];
    console.log(`${work.name}, ${cores} cores, millrace and DuckDB: ${clock}, processor ${processor}, reduce stage alone ${a.reduceSeconds.toFixed(2)} s`);
  }
  const middle = (runs: readonly Omit<Run, 'reduceSeconds'>[], of: 'seconds' | 'processorSeconds') => median(runs.map((run) => run[of]));
  return {
    work: work.name,
    cores,
    millrace: { runs: mine, median: middle(mine, 'seconds'), reduceMedian: median(mine.map((run) => run.reduceSeconds)) },
    duckdb: { runs: other, median: middle(other, 'seconds') },
    timesOfDuckDb: middle(mine, 'seconds') / middle(other, 'seconds'),
    processorTimesOfDuckDb: middle(mine, 'processorSeconds') / middle(other, 'processorSeconds'),
  };
}

mkdirSync(home, { recursive: true });
writeReduceFile(file, rows, format);
writeKeysFile(keysFile);
writeFileSync(warmUp, 'id,name\n1,anna\n');
const comparisons = [];
for (const work of WORKS.filter(({ name }) => values.only?.split(',').includes(name) ?? true)) {
  for (const cores of values.cores.split(',').map(Number)) comparisons.push(await compare(work, cores));
}
if (values.keep) keep('reduce', { file: { rows, bytes: statSync(file).size, format }, partitions: PARTITIONS, comparisons });
for (const { work, cores, timesOfDuckDb, processorTimesOfDuckDb } of comparisons) {
  console.log(`${work}, ${cores} cores: ${timesOfDuckDb.toFixed(2)} × DuckDB's time, ${processorTimesOfDuckDb.toFixed(2)} × of the processor's`);
}
