import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import {
  type AttemptId,
  type ClosedVerdict,
  canonicalJson,
  type DeadVerdict,
  type FailureRecord,
  type JobId,
  type JobRecord,
  jobIdFromKey,
  type Manifest,
  type Receipt,
  resolveJobSpec,
  type Segment,
  specDigest,
  zeroBalance,
} from '@millrace/protocol';

import { AuditLog } from './audit.ts';
import type { NewCommand } from './commands.ts';
import { jobKey, verdictKey } from './paths.ts';
import { specOfGeneration } from './read-job.ts';
import { Store } from './store.ts';
import { startTestJournal, type TestJournal } from './testing/index.ts';

const at = '2026-11-23T10:00:00.000Z';
const digest = 'ab'.repeat(32);
const spec = resolveJobSpec({ name: 'tidy', inputs: 'file:///in/*.csv', output: { uri: 'file:///out/' } });
let shared: TestJournal;
let jobs = 0;

before(async () => {
  shared = await startTestJournal();
});
after(async () => {
  await shared[Symbol.asyncDispose]();
});

test('a journal has a witness; one whose witness is gone cannot be read', async () => {
  await using other = await startTestJournal();
  await other.journal.putWitness();
  await other.journal.putWitness();
  await other.journal.readWitness();
  await rm(join(other.directory, 'witness.json'));
  await assert.rejects(other.journal.readWitness(), { code: 'JOURNAL_UNSAFE' });
});

const newJob = (): JobId => jobIdFromKey('test', `job-${jobs++}`);

function jobRecord(jobId: JobId, changes: Partial<JobRecord> = {}): JobRecord {
  return {
    record: 'job',
    version: 1,
    jobId,
    tenant: 'default',
    name: spec.name,
    idempotencyKey: 'k',
    acceptedAt: at,
    resultVersion: 1,
    specDigest: specDigest(spec),
    spec,
    stage: 'read',
    stages: [{ name: 'read', kind: 'map' }],
    lookups: [],
    inputs: [],
    inputFiles: 0,
    inputBytes: 0,
    ...changes,
  };
}

function segment(jobId: JobId, generation: number, number: number, chunks: readonly number[]): Segment {
  return {
    record: 'segment',
    version: 1,
    jobId,
    generation,
    stage: 'read',
    segment: number,
    specDigest: digest,
    pinsDigest: digest,
    firstChunk: chunks[0] ?? 0,
    files: [],
    ended: [],
    chunks: chunks.map((chunk) => ({
      chunk,
      kind: 'range',
      file: 0,
      start: chunk * 10,
      end: chunk * 10 + 10,
      record: chunk + 1,
      line: chunk + 1,
      records: 1,
      lines: 1,
      damages: 0,
      blankLines: 0,
      commentLines: 0,
    })),
  };
}

const dead = (jobId: JobId, chunk: number, generation = 1): DeadVerdict => ({
  record: 'verdict',
  version: 1,
  outcome: 'dead',
  jobId,
  stage: 'read',
  chunk,
  generation,
  deadLetter: 'jobs/x',
  code: 'INPUT_CHANGED',
});
const closed = (jobId: JobId, chunk: number, generation = 1): ClosedVerdict => ({
  record: 'verdict',
  version: 1,
  outcome: 'closed',
  jobId,
  stage: 'read',
  chunk,
  generation,
  command: 0,
});

function receipt(jobId: JobId, chunk: number, generation: number): Receipt {
  return {
    record: 'verdict',
    version: 1,
    outcome: 'committed',
    jobId,
    stage: 'read',
    chunk,
    generation,
    attemptId: attemptId(chunk),
    specDigest: digest,
    segmentDigest: digest,
    resultVersion: 1,
    coreVersion: '0',
    byCode: {},
    byColumn: {},
    repairs: {},
    files: [],
    parts: [],
    rejects: [],
    counts: {
      recordsIn: 0,
      emitted: 0,
      filtered: 0,
      deduplicated: 0,
      rejected: 0,
      rowsOut: 0,
      repaired: 0,
      bytesIn: 0,
      blankLines: 0,
      commentLines: 0,
      suspectRecords: 0,
      damagedBytes: 0,
      damagedLines: 0,
    },
  };
}

const attemptId = (number: number): AttemptId => `a${String(number).padStart(26, '0')}` as AttemptId;

function redrive(jobId: JobId, generation: number, opens: number): NewCommand {
  return { jobId, command: 'redrive', generation, opens, select: 'all', resultVersion: 1, spec: null, specDigest: null, reason: 'fixed', by: 'tester', at };
}

/** Receipts are the core's to write; a test stands in for it through the same verb. */
async function putReceipt(record: Receipt): Promise<void> {
  const store = new Store(shared.core, { connection: 'journal', deadlineMs: 120_000 });
  await store.create(verdictKey(record.jobId, record.stage, record.chunk, record.generation), Buffer.from(JSON.stringify(record)));
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('the first put wins, a later one is told what stands there, and the same bytes again count as won', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const first = await journal.putJob(jobRecord(jobId));
  assert.equal(first.outcome, 'won');
  const other = await journal.putJob(jobRecord(jobId, { acceptedAt: '2026-11-23T11:00:00.000Z' }));
  assert.equal(other.outcome, 'lost');
  assert.deepEqual(other.stored, first.stored);
  assert.equal((await journal.putJob(jobRecord(jobId))).outcome, 'won');
  assert.deepEqual(await journal.readJobRecord(jobId), first.stored);
});

test('of many puts at once exactly one wins, and all see the same record', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const puts = await Promise.all(Array.from({ length: 16 }, (_, i) => journal.putVerdict({ ...dead(jobId, 0), deadLetter: `jobs/${i}` })));
  assert.equal(puts.filter((put) => put.outcome === 'won').length, 1);
  assert.equal(new Set(puts.map((put) => put.stored.digest)).size, 1);
});

test('a dead letter and a late receipt never both stand', async () => {
  const { journal } = shared;
  const jobId = newJob();
  await putReceipt(receipt(jobId, 0, 1));
  const put = await journal.putVerdict(dead(jobId, 0));
  assert.equal(put.outcome, 'lost');
  assert.equal(put.stored.record.outcome, 'committed');
});

test('what is not there is null', async () => {
  const { journal } = shared;
  const jobId = newJob();
  assert.equal(await journal.readJobRecord(jobId), null);
  assert.equal(await journal.readPins(jobId), null);
  assert.equal(await journal.readPlanEntry(jobId, 1, 0), null);
  assert.equal(await journal.readVerdict(jobId, 'read', 0, 1), null);
  assert.equal(await journal.readNewestManifest(jobId), null);
  assert.equal(await journal.readJob(jobId), null);
  assert.deepEqual(await journal.readCommands(jobId), []);
});

test('a job whose spec is not the one of its digest is refused', async () => {
  const jobId = newJob();
  const { stored } = await shared.journal.putJob(jobRecord(jobId));
  const changed = canonicalJson({ ...stored.record, spec: { ...spec, name: 'other' } });
  await writeFile(join(shared.directory, jobKey(jobId)), changed);
  await assert.rejects(shared.journal.readJobRecord(jobId), /its spec is not the one of its digest/);
});

test('markers come and go, and only whole ones are listed', async () => {
  const { journal } = shared;
  const jobId = newJob();
  await journal.putOpenMarker(jobId, 1);
  await journal.putOpenMarker(jobId, 2);
  await journal.putOpenMarker(jobId, 2);
  const ours = async () => (await collect(journal.listOpenMarkers())).filter((marker) => marker.jobId === jobId);
  assert.deepEqual(await ours(), [
    { jobId, generation: 1 },
    { jobId, generation: 2 },
  ]);
  await journal.deleteOpenMarker(jobId, 1);
  await journal.deleteOpenMarker(jobId, 1);
  assert.deepEqual(await ours(), [{ jobId, generation: 2 }]);
  assert.deepEqual([await journal.hasOpenMarker(jobId, 1), await journal.hasOpenMarker(jobId, 2)], [false, true]);
});

test('listings are complete and in order beyond one page', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const chunks = Array.from({ length: 1_003 }, (_, i) => i);
  for (let from = 0; from < chunks.length; from += 50) await Promise.all(chunks.slice(from, from + 50).map((chunk) => journal.putVerdict(dead(jobId, chunk))));
  await journal.putVerdict(closed(jobId, 5, 2));
  const names = await collect(journal.listVerdicts(jobId, 'read'));
  assert.deepEqual(
    names.map((name) => name.chunk).sort((a, b) => a - b),
    [...chunks, 5].sort((a, b) => a - b),
  );
  assert.deepEqual(
    names
      .filter((name) => name.chunk === 5)
      .map((name) => name.generation)
      .sort(),
    [1, 2],
  );
});

test('a segment put late loses against the end mark, and the reader stops there', async () => {
  const { journal } = shared;
  const jobId = newJob();
  await journal.putSegment(segment(jobId, 1, 0, [0, 1]));
  await journal.putSegment(segment(jobId, 1, 1, [2]));
  await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation: 1, segments: 2 });
  const late = await journal.putSegment(segment(jobId, 1, 2, [3]));
  assert.deepEqual([late.outcome, late.stored.record.record], ['lost', 'planEnd']);
  const segments = await collect(journal.listSegments(jobId, 1));
  assert.deepEqual(
    segments.map((one) => one.record.segment),
    [0, 1],
  );
  const [first] = segments;
  assert.ok(first);
  assert.deepEqual(await journal.readSegment(first.key, first.digest), first);
  await assert.rejects(journal.readSegment(first.key, digest), /expected digest/);
  await assert.rejects(journal.readSegment(late.stored.key), /expected a segment/);
});

test('commands are numbered without gaps, and two redrives cannot both open one generation', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const tries = Array.from({ length: 8 }, (_, i) =>
    journal.appendCommand<string>(jobId, (log) => {
      const newest = log.reduce((generation, command) => Math.max(generation, command.opens ?? 1), 1);
      return newest > 1 ? { refuse: 'opened already' } : { append: { ...redrive(jobId, 1, 2), reason: `by ${i}` } };
    }),
  );
  const ends = await Promise.all(tries);
  assert.equal(ends.filter((end) => 'appended' in end).length, 1);
  await Promise.all(
    Array.from({ length: 5 }, (_, i) =>
      journal.appendCommand<never>(jobId, () => ({ append: { ...redrive(jobId, 2, 2), command: 'pause', opens: null, reason: `${i}` } })),
    ),
  );
  const log = await journal.readCommands(jobId);
  assert.deepEqual(
    log.map((command) => command.number),
    [0, 1, 2, 3, 4, 5],
  );
  assert.equal((await journal.readCommands(jobId, 4)).length, 2);
});

test('the first record of a failed attempt stays, and attempts come newest first', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const failure = (number: number, endedAt: string): FailureRecord => ({
    record: 'failure',
    version: 1,
    jobId,
    stage: 'read',
    chunk: 3,
    generation: 1,
    attemptId: attemptId(number),
    outcome: 'failed',
    class: 'crash',
    code: 'CORE_CRASH',
    message: 'm',
    details: {},
    causes: [],
    fingerprint: 'fp1-0',
    worker: 'w',
    pod: null,
    node: null,
    coreVersion: null,
    startedAt: at,
    endedAt,
    range: null,
    bytesDone: 0,
    recordsDone: 0,
    position: null,
    exitCode: null,
    signal: 'SIGSEGV',
    peakRssBytes: null,
    stderrTail: null,
    backtrace: null,
    mode: 'normal',
  });
  await journal.putFailure(failure(1, '2026-11-23T10:00:01.000Z'));
  await journal.putFailure(failure(2, '2026-11-23T10:00:02.000Z'));
  const again = await journal.putFailure({ ...failure(2, '2026-11-23T10:00:09.000Z'), outcome: 'lost' });
  assert.deepEqual([again.outcome, again.stored.record.outcome], ['lost', 'failed']);
  assert.deepEqual(
    (await journal.readFailures(jobId, 'read', 3)).map(({ record }) => record.attemptId),
    [attemptId(2), attemptId(1)],
  );
  assert.deepEqual(
    (await collect(journal.listFailures(jobId, 'read'))).map((name) => [name.chunk, name.attemptId]),
    [
      [3, attemptId(1)],
      [3, attemptId(2)],
    ],
  );
});

test('inline payloads are read back as they were put', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const bytes = Uint8Array.from([0, 255, 10, 13]);
  const key = await journal.putInline(jobId, 0, bytes);
  assert.equal(await journal.putInline(jobId, 0, bytes), key);
  const other = await journal.putInline(jobId, 0, Uint8Array.from([1]));
  assert.notEqual(other, key, 'the payloads of two writers of one segment lie apart');
  assert.deepEqual(Uint8Array.from(await journal.readInline(key)), bytes);
  assert.deepEqual(Uint8Array.from(await journal.readInline(other)), Uint8Array.from([1]));
});

test('inputs are listed across records', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const files = Array.from({ length: 5 }, (_, file) => ({ file, input: 0, uri: `file:///in/${file}`, etag: 'e', size: file }));
  await journal.putInputs({ record: 'inputs', version: 1, jobId, segment: 0, first: 0, files: files.slice(0, 3) });
  await journal.putInputs({ record: 'inputs', version: 1, jobId, segment: 1, first: 3, files: files.slice(3) });
  assert.deepEqual(await collect(journal.listInputFiles(jobId)), files);
});

test('a job is read from its records alone, and each chunk counts by the newest generation that lists it', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const other = resolveJobSpec({ ...spec, execution: { ...spec.execution, priority: 9 } });
  await journal.putOpenMarker(jobId, 1);
  await journal.putJob(jobRecord(jobId));
  await journal.putSegment(segment(jobId, 1, 0, [0, 1, 2, 3]));
  await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation: 1, segments: 1 });
  await journal.putSealed({ record: 'sealed', version: 1, jobId, generation: 1, segments: 1, chunks: 4, bytes: 40, records: 4, unplannable: [] });
  await putReceipt(receipt(jobId, 0, 1));
  await journal.putVerdict(dead(jobId, 1));
  await journal.putVerdict(closed(jobId, 2));
  await journal.appendCommand<never>(jobId, () => ({ append: { ...redrive(jobId, 1, 2), spec: other, specDigest: specDigest(other) } }));
  await journal.putSegment(segment(jobId, 2, 0, [1, 2]));
  await putReceipt(receipt(jobId, 1, 2));
  const manifest: Manifest = {
    record: 'manifest',
    version: 1,
    jobId,
    name: 'tidy',
    generation: 1,
    state: 'failed',
    specDigest: digest,
    pinsDigest: null,
    resultVersion: 1,
    failure: { code: 'BUDGET_DEAD_LETTERS', message: 'm' },
    acceptedAt: at,
    endedAt: at,
    durationMs: 0,
    outputUri: 'file:///out/',
    rejectsUri: 'file:///out/_rejects/',
    balance: zeroBalance,
    byCode: {},
    byColumn: {},
    chunks: { total: 4, committed: 1, dead: 1, open: 2 },
    bytes: { in: 0, out: 0 },
    files: [],
    parts: [],
    rejects: [],
    gaps: [],
  };
  assert.equal((await journal.putManifest(manifest)).outcome, 'won');
  assert.equal((await journal.putManifest({ ...manifest, state: 'completed', failure: null })).stored.record.state, 'failed');

  const view = await journal.readJob(jobId);
  assert.ok(view);
  assert.equal(view.generation, 2);
  assert.deepEqual(
    view.plans.map((plan) => [plan.generation, plan.segments.length, plan.sealed?.chunks ?? null]),
    [
      [1, 1, 4],
      [2, 1, null],
    ],
  );
  assert.deepEqual(
    view.manifests.map((one) => one.state),
    ['failed'],
  );
  assert.deepEqual(
    view.chunks.map((chunk) => [chunk.chunk.chunk, chunk.generation]),
    [
      [0, 1],
      [1, 2],
      [2, 2],
      [3, 1],
    ],
  );
  const outcomes = async (upTo?: number) => Promise.all(view.chunks.map(async (chunk) => (await journal.readOutcome(chunk, upTo))?.record.outcome ?? null));
  assert.deepEqual(await outcomes(), ['committed', 'committed', null, null]);
  assert.deepEqual(await outcomes(1), ['committed', 'dead', 'closed', null]);
  assert.equal(specOfGeneration(view, 1).specDigest, specDigest(spec));
  assert.equal(specOfGeneration(view, 2).spec.execution.priority, 9);
  assert.ok((await collect(journal.listJobIds())).includes(jobId));
});

test('the audit records an act before and after, in a chain that shows what was taken out', async () => {
  const { journal } = shared;
  const times = { nowMs: () => Date.parse('2031-05-06T10:00:00.000Z') + ticks++, randomBytes: (count: number) => new Uint8Array(count).fill(ticks) };
  let ticks = 0;
  const log = new AuditLog(journal, times);
  const act = { by: 'ada', tenant: 'default', requestId: null, act: 'job.cancel', object: 'job:x', reason: 'wrong file', before: { state: 'running' } };
  const told: string[] = [];
  await log.during(
    act,
    async () => {
      for await (const { record } of journal.listAudit('2031-05-06')) told.push(record.act);
      return 7;
    },
    (number) => ({ outcome: 'done', after: { number }, code: null }),
  );
  assert.deepEqual(told, ['job.cancel'], 'the first record stands before the act');
  await assert.rejects(
    log.during(
      act,
      async () => {
        throw Object.assign(new Error('away'), { code: 'STORAGE_TIMEOUT' });
      },
      () => assert.fail('there is no result'),
    ),
    /away/,
  );
  const records = await collect(journal.listAudit('2031-05-06'));
  assert.deepEqual(
    records.map(({ record }) => [record.outcome, record.code, record.after]),
    [
      [null, null, null],
      ['done', null, { number: 7 }],
      [null, null, null],
      ['failed', 'STORAGE_TIMEOUT', null],
    ],
  );
  assert.deepEqual(
    records.map(({ record }) => record.follows),
    [null, records[0]?.record.auditId, null, records[2]?.record.auditId],
  );
  assert.deepEqual(
    records.map(({ record }) => record.previous),
    [null, ...records.slice(0, 3).map(({ digest: stored }) => stored)],
  );
});

test('a request that is asked twice is one command', async () => {
  const { journal } = shared;
  const jobId = newJob();
  const cancel = () =>
    journal.appendCommand<string>(jobId, (log) => (log.length > 0 ? { refuse: 'cancelled already' } : { append: redrive(jobId, 1, 2) }), 'q1');
  const first = await cancel();
  assert.deepEqual(await cancel(), first);
  assert.ok('appended' in first && first.appended.record.number === 0);
  assert.equal((await journal.readCommands(jobId)).length, 1);
});
