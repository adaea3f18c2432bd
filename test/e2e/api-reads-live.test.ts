/**
 * Chunks that run, wait and are due, as the API tells of them, with a scheduler that leads and no host that could change anything: what hosts would do is done by
 * hand on the ledger. A wait is ended over HTTP and the scheduler takes the chunk up.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { corePath } from '@millrace/core-client';
import { failureKey } from '@millrace/journal';
import { chunkId, type FailureRecord, fileUri, jobIdFromKey, newAttemptId, parseTaskKeys, resolveJobSpec, segmentRanges, specDigest } from '@millrace/protocol';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import { idSource, silentLog, systemRandom } from '@millrace/service-kit';
import { type RunningApi, startApi } from '../../packages/api/src/start-api.ts';
import { ApiError, type Client, createClient } from '../../packages/api-contract/src/client.ts';
import { dispatched, opening, tenRows, testJob, testLetter } from '../../packages/queues/src/testing/fixture.ts';
import { type RunningScheduler, startScheduler } from '../../packages/scheduler/src/start-scheduler.ts';
import { newToken } from './support/api-stack.ts';
import { until } from './support/until.ts';

const directory = mkdtempSync(join(tmpdir(), 'mr-api-live-'));
const jobId = jobIdFromKey('default', 'live');
const at = '2026-11-23T10:00:00.000Z';
const digest = 'ab'.repeat(32);
const ids = idSource();
let redis: TestRedis;
let scheduler: RunningScheduler;
let api: RunningApi;
let client: Client;

before(async () => {
  for (const name of ['journal', 'scratch', 'in']) mkdirSync(join(directory, name));
  redis = await startTestRedis();
  const places = { redis: redis.url, journal: fileUri(join(directory, 'journal')), core: corePath(), scratch: join(directory, 'scratch') };
  const settings = { ...places, timeScale: 1, readRoots: [join(directory, 'in')], writeRoots: [], log: silentLog };
  const taskKeys = parseTaskKeys(`k1:${'0'.repeat(64)}`);
  // So that no wait ends by itself within this test.
  scheduler = await startScheduler({ ...settings, taskKeys, pool: 'default', random: { ...systemRandom, next: () => 10_000 } });
  const token = newToken();
  api = await startApi({
    ...settings,
    host: '127.0.0.1',
    port: 0,
    environment: 'test',
    requestsPerMinute: 1e6,
    devToken: token,
    version: '0',
    checkAnswers: true,
  });
  client = createClient({ baseUrl: api.url, token });
  await until('the scheduler to lead', async () => (await scheduler.control.queues.sentinel.read()) !== null);
  await fill();
});
after(async () => {
  await api?.stop();
  await scheduler?.stop();
  await redis?.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Seven chunks of one file: committed with four rejects, dead, running, and four that nobody has begun. */
async function fill(): Promise<void> {
  const { journal, queues } = scheduler.control;
  const spec = resolveJobSpec({ name: 'orders', inputs: 'file:///in/a.csv', output: { uri: 'file:///out/' } });
  const inputs = await journal.putInputs({
    record: 'inputs',
    version: 1,
    jobId,
    segment: 0,
    first: 0,
    files: [{ file: 0, input: 0, uri: 'file:///in/a.csv', etag: 'e', size: 700 }],
  });
  const part = { key: inputs.stored.key, digest: inputs.stored.digest, first: 0, count: 1 };
  const head = { record: 'job', version: 1, jobId, tenant: 'default', name: 'orders', idempotencyKey: null, acceptedAt: at, resultVersion: 1 } as const;
  const stages = [{ name: 'read', kind: 'map' as const }];
  await journal.putJob({ ...head, specDigest: specDigest(spec), spec, stage: 'read', stages, lookups: [], inputs: [part], inputFiles: 1, inputBytes: 700 });
  const counts = { records: 10, lines: 10, damages: 0, blankLines: 0, commentLines: 0 };
  const columns = { bom: 0, dataStart: 0, firstLine: 1, header: ['id'], mapping: [0], extra: [] };
  const stored = await journal.putSegment({
    record: 'segment',
    version: 1,
    jobId,
    generation: 1,
    stage: 'read',
    segment: 0,
    specDigest: digest,
    pinsDigest: digest,
    firstChunk: 0,
    files: [{ file: 0, input: 0, uri: 'file:///in/a.csv', etag: 'e', size: 700, ...columns }],
    ended: [],
    chunks: Array.from({ length: 7 }, (_, chunk) => ({
      chunk,
      kind: 'range',
      file: 0,
      start: chunk * 100,
      end: chunk * 100 + 100,
      record: chunk * 10 + 1,
      line: 1,
      ...counts,
    })),
  });
  assert.equal(stored.stored.record.record, 'segment');
  const { ledger } = queues;
  await ledger.createJob(testJob('', { jobId, inputBytes: 700, maxConcurrency: 1 }));
  if (stored.stored.record.record !== 'segment') return;
  const ref = { ...segmentRanges(stored.stored.record), key: stored.stored.key, digest: stored.stored.digest };
  await ledger.recordSegment(jobId, 1, ref);
  const begin = async (chunk: number) => {
    const id = chunkId(jobId, 'read', chunk);
    const place = { chunkId: id, jobId, stage: 'read', chunk, generation: 1, number: 0, segmentKey: ref.key, segmentDigest: ref.digest, bytes: 100 };
    const attemptId = newAttemptId(ids);
    await ledger.openAttempt(opening(await dispatched(queues, place), attemptId, 'w-7'));
    return { id, attemptId };
  };
  await ledger.markCommitted(chunkId(jobId, 'read', 0), 1, tenRows(4));
  await ledger.markDead(
    chunkId(jobId, 'read', 1),
    1,
    testLetter(chunkId(jobId, 'read', 1), { code: 'CORE_CRASH', class: 'crash', attempts: 3, worker: 'w-3' }),
  );
  const waiting = await begin(3);
  await fail(waiting);
  const running = await begin(2);
  await ledger.progress(running.id, running.attemptId, { bytesDone: 40, recordsDone: 4 });
}

async function fail({ id, attemptId }: { id: ReturnType<typeof chunkId>; attemptId: FailureRecord['attemptId'] }): Promise<void> {
  const failure = { code: 'STORAGE_TIMEOUT', class: 'transient', message: 'no answer', fingerprint: 'fp1-0' } as const;
  const done = { outcome: 'failed', startedAt: at, endedAt: at, range: null, bytesDone: 0, recordsDone: 0 } as const;
  const host = {
    worker: 'w-7',
    pod: null,
    node: 'here',
    coreVersion: '1',
    exitCode: null,
    signal: null,
    peakRssBytes: null,
    stderrTail: 'said this',
    backtrace: null,
  };
  const place = { record: 'failure', version: 1, jobId, stage: 'read', chunk: 3, generation: 1, attemptId } as const;
  const { journal, queues } = scheduler.control;
  await journal.putFailure({ ...place, ...failure, ...done, ...host, details: {}, causes: [], position: null, mode: 'normal' });
  await queues.ledger.failAttempt(id, 1, attemptId, {
    ...failure,
    outcome: 'failed',
    endedAt: at,
    range: null,
    recordKey: failureKey(jobId, 'read', 3, attemptId),
  });
}

const params = { jobId };
const chunks = async (q: string) => (await client.call('GET /jobs/{jobId}/chunks', { params, query: { q } })).data;

test('each chunk is told in its state, with what is known of it', async () => {
  await until('the wait to be decided', async () => (await chunks('state:retrying'))[0]?.retryAt !== null);
  const all = await chunks('');
  assert.deepEqual(
    all.map(({ state, attempts, code, worker, rejects }) => [state, attempts, code, worker, rejects]),
    [
      ['committed', null, null, null, 4],
      ['dead', 3, 'CORE_CRASH', 'w-3', 0],
      ['running', 0, null, 'w-7', 0],
      ['retrying', 1, 'STORAGE_TIMEOUT', null, 0],
      ...Array.from({ length: 3 }, () => ['pending', 0, null, null, 0]),
    ],
  );
  assert.deepEqual([all[2]?.bytesDone, all[2]?.recordsDone], [40, 4]);
  assert.ok(Date.parse(all[3]?.retryAt ?? '') > Date.now() + 3_600_000);
  const found = await Promise.all(['worker:w-7', 'attempts:>=1', 'class:transient,crash', 'rejects:>0', 'no-such-word'].map(chunks));
  assert.deepEqual(
    found.map((some) => some.map(({ index }) => index)),
    [[2], [1, 3], [1, 3], [0], []],
  );
  const strip = await client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0, cells: 3 } });
  assert.deepEqual(
    strip.cells.map(({ state, rejects }) => [state, rejects]),
    [
      ['dead', 4],
      ['retrying', 0],
      ['pending', 0],
    ],
  );
  assert.deepEqual([strip.planned, strip.chunks.pending], [false, 3]);
});

test('an attempt that runs stands first, and its end takes its place', async () => {
  const running = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', { params: { jobId, stage: 'read', index: 2 } });
  assert.deepEqual(
    running.data.map(({ outcome, worker, bytesDone, failure }) => [outcome, worker, bytesDone, failure]),
    [['running', 'w-7', 40, null]],
  );
  const { data } = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', {
    params: { jobId, stage: 'read', index: 3 },
    query: { content: true },
  });
  assert.deepEqual([data[0]?.outcome, data[0]?.failure?.code, data[0]?.failure?.stderrTail], ['failed', 'STORAGE_TIMEOUT', 'said this']);
});

test('a wait is ended by who may act, for a chunk that waits', async () => {
  const at3 = { jobId, stage: 'read', index: 3 };
  const ended = await client.call('POST /jobs/{jobId}/chunks/{stage}/{index}/retry-now', { params: at3, body: { reason: 'the store is back' } });
  assert.equal(ended.chunkId, `${jobId}.read.3`);
  // One chunk at a time is allowed, and one runs: it waits for its turn, no longer for its time.
  const due = Date.parse(ended.retryAt ?? new Date(0).toISOString());
  assert.ok(due <= Date.now() + 1_000, ended.retryAt ?? ended.state);
  const refused = client.call('POST /jobs/{jobId}/chunks/{stage}/{index}/retry-now', { params: { ...at3, index: 2 } });
  await assert.rejects(refused, (error) => error instanceof ApiError && error.code === 'STATE_CONFLICT' && error.problem.details?.['state'] === 'running');
  const { data: acts } = await client.call('GET /audit', { query: { q: 'act:chunk.retryNow' } });
  assert.ok(acts.some(({ outcome, reason, by }) => outcome === 'done' && reason === 'the store is back' && by === 'token:dev'));
});
