/**
 * A redrive of 100,000 dead letters: how long the dry run takes, from the question to the frozen plan, and how long the start takes, from the question to
 * the operation. A real scheduler, Redis, core and journal. The dead letters are told to the ledger as its index is told after a loss of Redis; their job,
 * plan, inputs and manifest stand in the journal, and their source files in a directory. How fast such an index is read back from real records of the
 * journal is measured apart, over fewer of them.
 *
 * npm run bench -- redrive [LETTERS]
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { corePath } from '@millrace/core-client';
import {
  chunkId,
  deadLetterId,
  fileUri,
  type JobId,
  jobIdFromKey,
  newRequestId,
  parseTaskKeys,
  resolveJobSpec,
  specDigest,
  zeroBalance,
} from '@millrace/protocol';
import { startTestRedis } from '@millrace/queues/testing';
import { idSource, silentLog } from '@millrace/service-kit';
import { letterView } from '../packages/scheduler/src/dead-letter.ts';
import { openLettersOf } from '../packages/scheduler/src/redrives/index-trouble.ts';
import { type RunningScheduler, startScheduler } from '../packages/scheduler/src/start-scheduler.ts';
import { keep, median } from './keep.ts';

const letters = Number(process.argv.slice(2).find((argument) => /^\d+$/.test(argument)) ?? 100_000);
const files = 100;
const runs = 3;
const indexed = 500;
const codes = ['STORAGE_TIMEOUT', 'CORE_CRASH', 'INPUT_CORRUPT', 'CORE_MEMORY'] as const;
const classes = { STORAGE_TIMEOUT: 'transient', CORE_CRASH: 'crash', INPUT_CORRUPT: 'input', CORE_MEMORY: 'resource' } as const;
const at = new Date().toISOString();
const ids = idSource();

const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-redrive-'));
for (const name of ['journal', 'in', 'out', 'scratch']) await mkdir(join(directory, name));
const redis = await startTestRedis();
const scheduler = await startScheduler({
  redis: redis.url,
  journal: fileUri(join(directory, 'journal')),
  core: corePath(),
  taskKeys: parseTaskKeys(`k1:${'0'.repeat(64)}`),
  pool: 'default',
  timeScale: 1,
  readRoots: [join(directory, 'in')],
  writeRoots: [join(directory, 'out')],
  scratch: join(directory, 'scratch'),
  log: silentLog,
});

try {
  const sources = await writeSources();
  const jobId = await writeJob('many', sources, letters);
  await untilIndexed(scheduler);
  const views = Array.from({ length: letters }, (_, chunk) => letterView(letterOf(jobId, chunk, sources), `jobs/${jobId}/dead/read/${chunk}.json`));
  await scheduler.control.queues.ledger.indexTrouble({ jobId, tenant: 'default', name: 'many' }, [], views);
  const dryRun: number[] = [];
  const dryRunCpu: number[] = [];
  const startCpu: number[] = [];
  const start: number[] = [];
  let willRedrive = 0;
  for (let run = 0; run < runs; run++) {
    const [planMs, plan, planCpuMs] = await timed(() =>
      ask({
        kind: 'planRedrive',
        target: 'deadLetters',
        filter: 'name:many class:transient,crash,input,resource age:<1d -code:NONE',
        ids: null,
        overrides: {},
      }),
    );
    if (!plan.ok || plan.kind !== 'planRedrive') throw new Error(JSON.stringify(plan));
    willRedrive = plan.plan.confirm;
    const body = { kind: 'startRedrive', planId: plan.plan.planId, confirm: plan.plan.confirm, reason: 'a bench', idempotencyKey: null } as const;
    const [startMs, started, startCpuMs] = await timed(() => ask(body));
    if (!started.ok || started.kind !== 'startRedrive') throw new Error(JSON.stringify(started));
    // Nothing is measured of what follows: it is given up at once.
    await ask({ kind: 'steerOperation', operationId: started.operation.operationId, act: 'abort', rate: null, reason: 'a bench' });
    dryRunCpu.push(planCpuMs);
    startCpu.push(startCpuMs);
    dryRun.push(planMs);
    start.push(startMs);
    console.log(
      `dry run ${Math.round(planMs)} ms (processor ${Math.round(planCpuMs)}), start ${Math.round(startMs)} ms (${Math.round(startCpuMs)}), ${willRedrive} items`,
    );
  }
  const perSecond = await indexSpeed(sources);
  const [load = 0] = loadavg();
  const note = `load average ${load.toFixed(1)}; wall clock`;
  const result = {
    letters,
    willRedrive,
    files,
    dryRunMs: Math.round(median(dryRun)),
    startMs: Math.round(median(start)),
    dryRunCpuMs: Math.round(median(dryRunCpu)),
    startCpuMs: Math.round(median(startCpu)),
    allowedMs: { dryRun: 3_000, start: 1_000 },
  };
  console.log(JSON.stringify({ ...result, indexLettersPerSecond: perSecond, note }));
  keep('redrive', {
    ...result,
    runs: { dryRun: dryRun.map(Math.round), start: start.map(Math.round) },
    indexLettersPerSecond: perSecond,
    indexedLetters: indexed,
    note,
  });
} finally {
  await scheduler.stop();
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Wall clock, and the processor time of this process, which is the scheduler with whoever asks; Redis and the core have their own. */
async function timed<Result>(act: () => Promise<Result>): Promise<[wallMs: number, result: Result, cpuMs: number]> {
  const from = performance.now();
  const cpu = process.cpuUsage();
  const result = await act();
  const { user, system } = process.cpuUsage(cpu);
  return [performance.now() - from, result, (user + system) / 1_000];
}

function ask(body: object) {
  const request = { requestId: newRequestId(ids), tenant: 'default', by: 'bench', ...body } as never;
  return scheduler.control.queues.requests.ask(request, { timeoutMs: 60_000 }) as Promise<import('@millrace/protocol').Answer>;
}

interface Source {
  readonly uri: string;
  readonly etag: string;
}

async function writeSources(): Promise<Source[]> {
  const sources: Source[] = [];
  for (let file = 0; file < files; file++) {
    const path = join(directory, 'in', `part-${file}.csv`);
    await writeFile(path, 'a,b\n'.repeat(100));
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    sources.push({ uri: fileUri(path), etag: [dev, ino, size, mtimeNs].map((part) => part.toString(16)).join('-') });
  }
  return sources;
}

/** A job that ended failed, with a plan of so many chunks. */
async function writeJob(name: string, sources: readonly Source[], chunks: number): Promise<JobId> {
  const { journal } = scheduler.control;
  const jobId = jobIdFromKey('default', name);
  const out = `${fileUri(join(directory, 'out', name))}/`;
  const spec = resolveJobSpec({ name, inputs: { uri: sources.map(({ uri }) => uri) }, output: { uri: out } });
  const listed = sources.map(({ uri, etag }, file) => ({ file, input: 0, uri, etag, size: 400, sha256: null, records: null }));
  const inputs = await journal.putInputs({ record: 'inputs', version: 1, jobId, segment: 0, first: 0, files: listed });
  const digest = specDigest(spec);
  const stages = [{ name: 'read', kind: 'map' as const }];
  const refs = [{ key: inputs.stored.key, digest: inputs.stored.digest, first: 0, count: files }];
  const head = {
    tenant: 'default',
    name,
    idempotencyKey: name,
    acceptedAt: at,
    resultVersion: 1,
    specDigest: digest,
    spec,
    stage: 'read',
    stages,
    lookups: [],
  };
  await journal.putJob({ record: 'job', version: 1, jobId, ...head, inputs: refs, inputFiles: files, inputBytes: 400 * files });
  let segments = 0;
  for (let first = 0; first < chunks; first += 1_000, segments++) {
    const some = Array.from({ length: Math.min(1_000, chunks - first) }, (_, index) => {
      const counts = { records: 1, lines: 1, damages: 0, blankLines: 0, commentLines: 0 };
      return {
        chunk: first + index,
        kind: 'range' as const,
        file: 0,
        start: first + index,
        end: first + index + 1,
        record: first + index + 1,
        line: first + index + 1,
        ...counts,
      };
    });
    const plan = { generation: 1, stage: 'read', segment: segments, specDigest: digest, pinsDigest: digest, firstChunk: first };
    await journal.putSegment({ record: 'segment', version: 1, jobId, ...plan, files: [], chunks: some, ended: [] });
  }
  const totals = { generation: 1, stage: null, segments, chunks, bytes: chunks, records: chunks };
  await journal.putSealed({ record: 'sealed', version: 1, jobId, ...totals, unplannable: [] });
  const state = {
    generation: 1,
    state: 'failed',
    specDigest: digest,
    pinsDigest: null,
    resultVersion: 1,
    failure: { code: 'BUDGET_DEAD_LETTERS', message: '' },
  } as const;
  const times = { acceptedAt: at, endedAt: at, durationMs: 60_000, outputUri: out, rejectsUri: `${out}_rejects/` };
  const counts = { balance: zeroBalance, byCode: {}, byColumn: {}, chunks: { total: chunks, committed: 0, dead: chunks, open: 0 }, bytes: { in: 0, out: 0 } };
  await journal.putManifest({
    record: 'manifest',
    version: 1,
    jobId,
    name,
    ...state,
    ...times,
    ...counts,
    files: [],
    parts: [],
    rejects: [],
    gaps: [],
  } as never);
  return jobId;
}

function letterOf(jobId: JobId, chunk: number, sources: readonly Source[]) {
  const code = codes[chunk % codes.length] ?? 'CORE_CRASH';
  const { uri, etag } = sources[chunk % sources.length] ?? { uri: '', etag: '' };
  const id = deadLetterId(chunkId(jobId, 'read', chunk), 1);
  const what = {
    class: classes[code],
    code,
    message: 'no answer in 30,000 ms from the store',
    fingerprint: `fp1-${(chunk % 7).toString(16).padStart(16, '0')}`,
  };
  const place = { generation: 1, stage: 'read', chunk, diedAt: at, reason: 'attempts used up', range: { uri, etag, start: chunk * 64, end: chunk * 64 + 64 } };
  return { record: 'deadLetter', version: 1, deadLetterId: id, jobId, ...what, ...place, attempts: [] } as const satisfies object as never;
}

/** Letters a second that come back from their records in the journal. */
async function indexSpeed(sources: readonly Source[]): Promise<number> {
  const { journal } = scheduler.control;
  const jobId = await writeJob('fewer', sources, indexed);
  const head = { version: 1, jobId, stage: 'read', generation: 1 } as const;
  for (let first = 0; first < indexed; first += 16) {
    const some = Array.from({ length: Math.min(16, indexed - first) }, (_, index) => first + index);
    await Promise.all(
      some.map(async (chunk) => {
        const { stored } = await journal.putDeadLetter(letterOf(jobId, chunk, sources));
        await journal.putVerdict({ record: 'verdict', outcome: 'dead', ...head, chunk, deadLetter: stored.key, code: stored.record.code });
      }),
    );
  }
  const job = await journal.readJobRecord(jobId);
  if (job === null) throw new Error('the job is not there');
  const [ms, found] = await timed(() => openLettersOf(job.record, scheduler.control));
  if (found.length !== indexed) throw new Error(`expected ${indexed} letters, got ${found.length}`);
  return Math.round(indexed / (ms / 1_000));
}

async function untilIndexed({ control }: RunningScheduler): Promise<void> {
  while (!(await control.queues.ledger.isIndexed().catch(() => false))) await control.clock.sleep(20);
}
