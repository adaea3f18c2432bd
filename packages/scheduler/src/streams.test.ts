/** Streams against a real Redis, journal and core; a scripted host commits what is dispatched. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type AnswerTo, type JobId, jobIdFromKey, newRequestId, resolveJobSpec, type Segment, type SentChunk, streamKeys } from '@millrace/protocol';
import { idSource } from '@millrace/service-kit';
import type { RunningScheduler } from './start-scheduler.ts';
import { Bench, command, redrive, statusOf, untilEnd, untilStatus } from './testing/fixture.ts';
import { type Script, type ScriptedHost, startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
});
after(() => bench.clear());

const ids = idSource();
const head = () => ({ requestId: newRequestId(ids), tenant: 'default', by: 'test' });
const patience = { timeoutMs: 120_000 };

async function open(key: string, sealTimeLimitMs = 60_000, of = scheduler): Promise<JobId> {
  const { inputs: _, ...spec } = bench.spec('file:///none', {}, key);
  const resolved = resolveJobSpec({ ...spec, inputs: { format: 'csv' }, schema: 'text' }, { isStream: true });
  const request = { kind: 'open', ...head(), jobId: jobIdFromKey('default', key), idempotencyKey: key, spec: resolved, sealTimeLimitMs } as const;
  const answer = await of.control.queues.requests.ask(request, patience);
  if (!answer.ok) throw new Error(answer.message);
  return answer.jobId;
}

const payload = (key: string, text = `id\n${key}\n`): SentChunk => ({ key, records: null, inline: Buffer.from(text).toString('base64') });

function send(jobId: JobId, chunks: SentChunk[], of = scheduler): Promise<AnswerTo<'chunks'>> {
  return of.control.queues.requests.ask({ kind: 'chunks', ...head(), jobId, chunks }, patience);
}

async function sent(jobId: JobId, chunks: SentChunk[], of = scheduler): Promise<[accepted: number, duplicates: number]> {
  const answer = await send(jobId, chunks, of);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return [answer.accepted, answer.duplicates];
}

function seal(jobId: JobId, expected: { chunks?: number; bytes?: number } = {}, of = scheduler): Promise<AnswerTo<'seal'>> {
  return of.control.queues.requests.ask({ kind: 'seal', ...head(), jobId, chunks: expected.chunks ?? null, bytes: expected.bytes ?? null }, patience);
}

async function codeOf(answer: Promise<{ ok: boolean; code?: string }>): Promise<string> {
  const { ok, code } = await answer;
  return ok ? 'ok' : (code ?? '');
}

/** What stands in the journal: every key, in the order of the plan. */
async function keysOf(jobId: JobId): Promise<string[]> {
  const keys: string[] = [];
  let next = 0;
  for await (const { record } of scheduler.control.journal.listSegments(jobId, 1)) {
    for (const chunk of record.chunks) {
      assert.equal(chunk.chunk, next, 'chunk numbers are dense');
      next += 1;
      keys.push(...streamKeys(chunk).map(({ key }) => key));
    }
  }
  return keys;
}

async function withHost(script: Script, use: (host: ScriptedHost) => Promise<void>): Promise<void> {
  const host = await startScriptedHost(scheduler.control, script);
  try {
    await use(host);
  } finally {
    await host.stop();
  }
}

describe('a stream', () => {
  test('runs its first chunk long before it is sealed, and ends when it is', () =>
    withHost({}, async () => {
      const jobId = await open('runs');
      assert.deepEqual(await sent(jobId, [payload('a'), payload('b')]), [2, 0]);
      await untilStatus(scheduler, jobId, ({ chunks, sealed }) => chunks.committed === 1 && !sealed);
      const uri = await bench.file('streamed.csv', 3);
      assert.deepEqual(
        await sent(
          jobId,
          [0, 10, 20].map((start) => ({ key: `r${start}`, records: null, uri, range: [start, start + 10], etag: null })),
        ),
        [3, 0],
      );
      await untilStatus(scheduler, jobId, ({ chunks }) => chunks.committed === 4);
      assert.equal((await statusOf(scheduler, jobId)).state, 'running');
      const sealed = await seal(jobId, { chunks: 5, bytes: 40 });
      assert.deepEqual(sealed.ok && [sealed.chunks, sealed.bytes, sealed.replayed], [5, 40, false]);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.chunks.total, status.chunks.committed, status.bytes.total], ['completed', 4, 4, 40]);
      const again = await seal(jobId, { chunks: 5 });
      assert.deepEqual(again.ok && [again.chunks, again.replayed], [5, true]);
    }));

  test('opened by two with the same key is one; with another spec or limit it is a conflict', async () => {
    const jobId = await open('twice');
    assert.equal(await open('twice'), jobId);
    await assert.rejects(open('twice', 61_000), /another spec \(\/sealTimeLimit\)/);
    await command(scheduler, jobId, 'cancel');
  });

  test('counts what was sent again, and refuses another content under a key', async () => {
    const jobId = await open('again');
    assert.deepEqual(await sent(jobId, [payload('a'), payload('b')]), [2, 0]);
    assert.deepEqual(await sent(jobId, [payload('b'), payload('c'), payload('a'), payload('c')]), [1, 3]);
    assert.equal(await codeOf(send(jobId, [payload('d'), payload('a', 'id\nother\n')])), 'KEY_CONFLICT');
    assert.deepEqual(await keysOf(jobId), ['a', 'b', 'c'], 'of a refused batch nothing enters');
    assert.equal(await codeOf(seal(jobId, { chunks: 4 })), 'INPUT_COUNT_MISMATCH');
    assert.deepEqual(await sent(jobId, [payload('d')]), [1, 0], 'a stream whose totals did not hold stays open');
    assert.equal(await codeOf(seal(jobId, { chunks: 4 })), 'ok');
    assert.equal(await codeOf(send(jobId, [payload('e')])), 'STATE_CONFLICT');
    assert.equal(await codeOf(seal(jobId, { chunks: 5 })), 'INPUT_COUNT_MISMATCH');
    await command(scheduler, jobId, 'cancel');
  });

  test('refuses objects that are not there, ranges outside of them, and another version', async () => {
    const jobId = await open('refuses');
    const uri = await bench.file('refused.csv', 2);
    const of = (changes: object): SentChunk => ({ key: 'k', records: null, uri, range: null, etag: null, ...changes }) as SentChunk;
    assert.equal(await codeOf(send(jobId, [of({ uri: `${uri}x` })])), 'INPUT_NOT_FOUND');
    assert.equal(await codeOf(send(jobId, [of({ uri: 'file:///etc/passwd' })])), 'STORAGE_FORBIDDEN');
    assert.equal(await codeOf(send(jobId, [of({ range: [5, 21] })])), 'INPUT_RANGE');
    assert.equal(await codeOf(send(jobId, [of({ etag: 'another' })])), 'INPUT_CHANGED');
    assert.deepEqual(await sent(jobId, [of({})]), [1, 0]);
    await command(scheduler, jobId, 'cancel');
  });

  test('takes each key once from many who send the same at once through two schedulers', async () => {
    const second = await bench.startScheduler();
    const jobId = await open('many');
    const batches = Array.from({ length: 24 }, (_, batch) => Array.from({ length: 20 }, (_, at) => payload(`k${(batch * 7 + at) % 100}`)));
    const answers = await Promise.all(batches.map((chunks, index) => sent(jobId, chunks, index % 2 === 0 ? scheduler : second)));
    const accepted = answers.reduce((sum, [count]) => sum + count, 0);
    const keys = await keysOf(jobId);
    assert.deepEqual([accepted, keys.length, new Set(keys).size], [100, 100, 100]);
    assert.equal(await codeOf(seal(jobId, { chunks: 100 }, second)), 'ok');
    await bench.stopScheduler(second);
    await command(scheduler, jobId, 'cancel');
  });

  test('knows a segment whose scheduler died before it told anybody', async () => {
    const jobId = await open('untold');
    await sent(jobId, [payload('a')]);
    const first = (await scheduler.control.journal.readPlanEntry(jobId, 1, 0))?.record as Segment;
    const [chunk] = first.chunks;
    if (chunk?.kind !== 'inline') throw new Error('expected an inline chunk');
    const digest = chunk.payloads[0]?.digest ?? '';
    const key = await scheduler.control.journal.putInline(jobId, 1, Buffer.from('id\na\n'));
    const untold = { ...chunk, chunk: 1, key, payloads: [{ key: 'b', offset: 0, length: 5, records: null, digest }] };
    await scheduler.control.journal.putSegment({ ...first, segment: 1, firstChunk: 1, chunks: [untold] });
    assert.deepEqual(await sent(jobId, [payload('b', 'id\na\n'), payload('c')]), [1, 1]);
    assert.deepEqual(await keysOf(jobId), ['a', 'b', 'c']);
    assert.equal(await codeOf(seal(jobId, { chunks: 3 })), 'ok');
    await command(scheduler, jobId, 'cancel');
  });

  test('is remembered when Redis loses everything', () =>
    withHost({}, async () => {
      const jobId = await open('flushed');
      await sent(jobId, [payload('a'), payload('b')]);
      await promisify(execFile)('redis-cli', ['-s', join(bench.redis.directory, 'redis.sock'), 'FLUSHALL']);
      await untilStatus(scheduler, jobId, ({ chunks }) => chunks.committed === 1);
      let answer = await send(jobId, [payload('b'), payload('c')]);
      for (; !answer.ok && answer.retryable; answer = await send(jobId, [payload('b'), payload('c')])) await sleep(20);
      assert.deepEqual(answer.ok && [answer.accepted, answer.duplicates], [1, 1]);
      assert.equal(await codeOf(seal(jobId, { chunks: 3 })), 'ok');
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
      assert.deepEqual(await keysOf(jobId), ['a', 'b', 'c']);
    }));

  test('that nobody feeds or seals fails', () =>
    withHost({}, async () => {
      const jobId = await open('abandoned', 1_000);
      await sent(jobId, [payload('a')]);
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.failure?.code], ['failed', 'INPUT_STREAM_ABANDONED']);
      assert.equal(await codeOf(send(jobId, [payload('b')])), 'STATE_CONFLICT');
    }));

  test('without a chunk completes when it is sealed', () =>
    withHost({}, async () => {
      const jobId = await open('empty');
      assert.equal(await codeOf(seal(jobId, { chunks: 0, bytes: 0 })), 'ok');
      const status = await untilEnd(scheduler, jobId);
      assert.deepEqual([status.state, status.chunks.total], ['completed', 0]);
    }));

  test('takes chunks while it is paused and runs them afterwards', () =>
    withHost({}, async () => {
      const jobId = await open('paused');
      await command(scheduler, jobId, 'pause');
      assert.deepEqual(await sent(jobId, [payload('a')]), [1, 0]);
      assert.equal(await codeOf(seal(jobId)), 'ok');
      assert.equal((await statusOf(scheduler, jobId)).chunks.committed, 0);
      await command(scheduler, jobId, 'resume');
      assert.equal((await untilEnd(scheduler, jobId)).state, 'completed');
    }));

  test('cancelled before its seal goes on by a redrive with the chunks it had', () =>
    withHost({}, async (host) => {
      const jobId = await open('redriven');
      await command(scheduler, jobId, 'pause');
      await sent(jobId, [payload('a')]);
      await sent(jobId, [payload('b')]);
      await command(scheduler, jobId, 'cancel');
      assert.equal((await untilEnd(scheduler, jobId)).state, 'cancelled');
      assert.equal(await codeOf(send(jobId, [payload('c')])), 'STATE_CONFLICT');
      const answer = await redrive(scheduler, jobId);
      assert.equal(answer.ok && answer.chunks, 2);
      const status = await untilEnd(scheduler, jobId, 2);
      assert.deepEqual([status.state, status.chunks.committed], ['completed', 2]);
      assert.deepEqual(host.attempts.toSorted(), ['0@2', '1@2']);
      assert.equal(await codeOf(send(jobId, [payload('c')])), 'STATE_CONFLICT');
    }));

  test('dead chunks of it are dead letters, and their redrive completes it', () =>
    withHost({ chunk: (chunk, _, { generation }) => (chunk === 1 && generation === 1 ? { class: 'input', code: 'INPUT_RANGE' } : 'commit') }, async () => {
      const jobId = await open('dead');
      const uri = await bench.file('dead.csv', 3);
      await sent(
        jobId,
        [0, 10, 20].map((start) => ({ key: `r${start}`, records: null, uri, range: [start, start + 10], etag: null })),
      );
      await seal(jobId, { chunks: 3 });
      const failed = await untilEnd(scheduler, jobId);
      assert.deepEqual([failed.state, failed.chunks.dead], ['failed', 1]);
      const letter = await scheduler.control.journal.readDeadLetter(jobId, 'read', 1, 1);
      assert.deepEqual(letter?.record.range && [letter.record.range.uri, letter.record.range.start, letter.record.range.end], [uri, 10, 20]);
      assert.ok((await redrive(scheduler, jobId)).ok);
      assert.equal((await untilEnd(scheduler, jobId, 2)).state, 'completed');
    }));

  test('pins the version of an object that it saw first', async () => {
    const jobId = await open('versions');
    const uri = await bench.file('versions.csv', 2);
    await sent(jobId, [{ key: 'a', records: null, uri, range: [0, 10], etag: null }]);
    await appendFile(join(bench.directory, 'in', 'versions.csv'), '0123456789');
    await sent(jobId, [{ key: 'b', records: null, uri, range: [10, 20], etag: null }]);
    const etags: string[] = [];
    for await (const { record } of scheduler.control.journal.listSegments(jobId, 1))
      for (const chunk of record.chunks) if (chunk.kind === 'given') etags.push(chunk.etag);
    assert.equal(new Set(etags).size, 1, 'a mixture of two versions would go unseen');
    await command(scheduler, jobId, 'cancel');
  });
});
