import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Answer,
  type JobEvent,
  type JobId,
  type JobState,
  type JobStatus,
  jobIdFromKey,
  leaseTimes,
  parseTaskId,
  type Request,
  zeroBalance,
} from '@millrace/protocol';
import { openQueues, type Queues, type TaskConsumer } from '@millrace/queues';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import {
  AckTimeoutError,
  ConflictError,
  connect,
  JobCancelledError,
  JobFailedError,
  type JobResult,
  MillraceError,
  NotFoundError,
  type Producer,
  SpecError,
  StateError,
  UnavailableError,
  validate,
} from './index.ts';

const spec = { name: 'orders', inputs: 'file:///in/orders.csv', output: { uri: 'file:///out/' } };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function statusOf(jobId: JobId, state: JobState, generation = 1, failure: JobStatus['failure'] = null): JobStatus {
  const chunks = { total: 1, pending: 0, queued: 0, running: 0, retrying: 0, committed: 0, dead: 0, cancelled: 0 };
  return {
    jobId,
    name: 'orders',
    state,
    generation,
    waitingFor: null,
    sealed: true,
    stages: [],
    chunks,
    bytes: { total: 1, done: 0 },
    balance: zeroBalance,
    bytesPerSecond: 0,
    etaSeconds: null,
    failure,
  };
}

const resultOf = (jobId: JobId): JobResult => ({
  jobId,
  generation: 1,
  manifestUri: 'file:///m',
  outputUri: 'file:///out/',
  rejectsUri: 'file:///out/_rejects/',
  balance: zeroBalance,
  parts: 1,
  rows: 1,
  bytes: 1,
  gaps: 0,
  durationMs: 5,
  files: [],
});

/** Answers requests over the real intake queue as a test says; keeps what it was asked. `null`: no answer. */
class Responder {
  readonly asked: Request[] = [];
  readonly queues: Queues;
  answer: (request: Request) => Answer | null = () => null;
  readonly #consumer: TaskConsumer;

  constructor(queues: Queues) {
    this.queues = queues;
    this.#consumer = queues.tasks.consume('intake', { concurrency: 4 }, async (task) => {
      const parts = parseTaskId(task.taskId);
      const request = parts.kind === 'intake' && task.tenant !== null ? await queues.requests.take(task.tenant, parts.id) : null;
      if (request === null) return 'failed';
      this.asked.push(request);
      const answer = this.answer(request);
      if (answer !== null) await queues.requests.answer(request.tenant, request.requestId, answer);
      return 'acknowledge';
    });
    this.#consumer.start();
  }

  async tell(jobId: JobId, event: { type: 'state' | 'progress'; status: JobStatus }): Promise<string> {
    return this.queues.events.publish('default', jobId, { at: '2026-11-23T10:00:00.000Z', ...event });
  }
}

let redis: TestRedis;
let responder: Responder;
let producer: Producer;

before(async () => {
  redis = await startTestRedis();
  responder = new Responder(await openQueues({ redis: redis.url, times: leaseTimes(0.1), log: quiet }));
  producer = await connect({ redis: redis.url });
});

after(async () => {
  await producer.close();
  await responder.queues.close();
  await redis.stop();
});

const refusal = (code: string, more: object = {}): Answer => ({ ok: false, code, message: `cannot: ${code}`, retryable: false, ...more });
const until = async (holds: () => boolean): Promise<void> => {
  for (const deadline = performance.now() + 120_000; !holds(); ) {
    if (performance.now() > deadline) throw new Error('waited too long');
    await delay(5);
  }
};

describe('validate', () => {
  it('fills in every default', () => {
    const resolved = validate(spec);
    assert.equal(resolved.output.format, 'parquet');
    assert.equal(resolved.inputs[0]?.uri?.[0], 'file:///in/orders.csv');
    assert.deepEqual(validate(resolved), resolved);
  });

  it('tells every issue at once, with the place and the nearest name', () => {
    const wrong = { ...spec, inputs: { uri: 'ftp://x/y' }, output: { uri: 'file:///out/', compresion: 'zstd' }, excution: {} };
    assert.throws(
      () => validate(wrong),
      (error: unknown) => {
        assert.ok(error instanceof SpecError);
        const pointers = error.issues.map(({ pointer }) => pointer);
        for (const pointer of ['/excution', '/output/compresion']) assert.ok(pointers.includes(pointer), pointers.join(' '));
        assert.match(error.message, /execution/);
        assert.equal(error.retryable, false);
        return true;
      },
    );
  });

  it('refuses what this version does not do', () => {
    const lookups = [{ name: 'l', uri: 'file:///l', schema: { fields: [{ name: 'k' }], primaryKey: 'k' } }];
    assert.throws(() => validate({ ...spec, pipeline: [{ sql: 'SELECT 1', lookups }] }), { name: 'SpecError', code: 'SPEC_NOT_AVAILABLE' });
  });

  it('takes parameters', () => {
    const withParameter = { ...spec, pipeline: [{ sql: 'SELECT *, $currency AS currency FROM input' }] };
    assert.deepEqual(validate(withParameter, { currency: 'EUR' }).params, { currency: 'EUR' });
  });
});

describe('submit', () => {
  it('asks for intake of the resolved spec and gives the job of the key', async () => {
    const jobId = jobIdFromKey('default', 'upload:1');
    responder.answer = (request) =>
      request.kind === 'submit' ? { ok: true, kind: 'submit', jobId: request.jobId, replayed: false, status: statusOf(request.jobId, 'accepted') } : null;
    const handle = await producer.submit(spec, { idempotencyKey: 'upload:1' });
    assert.deepEqual([handle.jobId, handle.replayed], [jobId, false]);
    const request = responder.asked.at(-1);
    assert.ok(request?.kind === 'submit');
    assert.deepEqual(request.spec, validate(spec));
    assert.deepEqual([request.tenant, request.idempotencyKey, request.by], ['default', 'upload:1', 'producer:default']);
  });

  it('makes a new job each time without a key, and hands on that a key was there', async () => {
    const [a, b] = [await producer.submit(spec), await producer.submit(spec)];
    assert.notEqual(a.jobId, b.jobId);
    responder.answer = (request) =>
      request.kind === 'submit' ? { ok: true, kind: 'submit', jobId: request.jobId, replayed: true, status: statusOf(request.jobId, 'completed') } : null;
    assert.equal((await producer.submit(spec, { idempotencyKey: 'k' })).replayed, true);
  });

  it('sends nothing for a wrong spec or key', async () => {
    const sent = responder.asked.length;
    await assert.rejects(producer.submit({ ...spec, name: 7 } as never), SpecError);
    for (const idempotencyKey of ['', 'x'.repeat(256), 'tab\there']) {
      await assert.rejects(producer.submit(spec, { idempotencyKey }), { name: 'MillraceError', code: 'REQUEST_INVALID' });
    }
    await assert.rejects(producer.submit(spec, { timeout: '5 minutes' as never }), { code: 'REQUEST_INVALID' });
    assert.equal(responder.asked.length, sent);
  });

  it('throws what the scheduler refused as the error it is', async () => {
    const jobId = jobIdFromKey('default', 'taken');
    const differences = [{ pointer: '/output/uri', first: 'file:///a/', now: 'file:///b/' }];
    const cases: [Answer, new (...args: never[]) => MillraceError, (error: MillraceError) => boolean][] = [
      [
        refusal('KEY_CONFLICT', { jobId, differences }),
        ConflictError,
        (error) => (error as ConflictError).differences[0]?.pointer === '/output/uri' && (error as ConflictError).jobId === jobId,
      ],
      [
        refusal('SPEC_SQL_SYNTAX', { issues: [{ pointer: '/pipeline/0/sql', code: 'SPEC_SQL_SYNTAX', message: 'no' }] }),
        SpecError,
        (error) => error.code === 'SPEC_SQL_SYNTAX',
      ],
      [refusal('STATE_CONFLICT', { state: 'completed' }), StateError, (error) => (error as StateError).state === 'completed'],
      [refusal('NOT_FOUND'), NotFoundError, (error) => error.code === 'NOT_FOUND'],
      [refusal('BUSY', { retryable: true }), MillraceError, (error) => error.retryable && error.code === 'BUSY'],
    ];
    for (const [answer, type, holds] of cases) {
      responder.answer = () => answer;
      await assert.rejects(producer.submit(spec, { idempotencyKey: 'taken' }), (error) => error instanceof type && holds(error));
    }
  });

  it('says that it is unknown when nobody answers in time', async () => {
    responder.answer = () => null;
    const asked = producer.submit(spec, { idempotencyKey: 'slow', timeout: '200ms' });
    await assert.rejects(
      asked,
      (error) => error instanceof AckTimeoutError && error.jobId === jobIdFromKey('default', 'slow') && error.retryable && /unknown/.test(error.message),
    );
  });

  it('does not wait for the journal with ack: queue', async () => {
    responder.answer = () => null;
    const handle = await producer.submit(spec, { idempotencyKey: 'fast', ack: 'queue', timeout: '2s' });
    assert.equal(handle.jobId, jobIdFromKey('default', 'fast'));
    await until(() => responder.asked.some((request) => request.kind === 'submit' && request.idempotencyKey === 'fast'));
  });

  it('ends at once when its signal does', async () => {
    responder.answer = () => null;
    const signal = AbortSignal.timeout(50);
    await assert.rejects(producer.submit(spec, { signal }), { name: 'TimeoutError' });
  });
});

describe('commands', () => {
  it('carry their reason and answer the status', async () => {
    const jobId = jobIdFromKey('default', 'commands');
    responder.answer = (request) => (request.kind === 'command' ? { ok: true, kind: 'command', jobId, number: 0, status: statusOf(jobId, 'running') } : null);
    assert.equal((await producer.job(jobId).cancel('wrong file')).state, 'running');
    const request = responder.asked.at(-1);
    assert.deepEqual(request?.kind === 'command' && [request.command, request.reason, request.jobId], ['cancel', 'wrong file', jobId]);
  });

  it('redrive selects everything or the named chunks', async () => {
    const jobId = jobIdFromKey('default', 'commands');
    responder.answer = (request) => (request.kind === 'redrive' ? { ok: true, kind: 'redrive', jobId, number: 0, generation: 2, chunks: 3 } : null);
    assert.deepEqual(await producer.job(jobId).redrive('the file is back'), { generation: 2, chunks: 3 });
    await producer.job(jobId).redrive('only this', { select: ['clean.5'] });
    assert.deepEqual(
      responder.asked.slice(-2).map((request) => request.kind === 'redrive' && request.select),
      ['all', ['clean.5']],
    );
  });
});

/** Status answers as a test says. */
function answerStatus(status: () => JobStatus): void {
  responder.answer = (request) => {
    if (request.kind === 'status') return { ok: true, kind: 'status', status: status() };
    if (request.kind !== 'result') return null;
    const now = status();
    return { ok: true, kind: 'result', status: now, result: now.state === 'completed' ? resultOf(now.jobId) : null };
  };
}

async function collect(events: AsyncIterable<JobEvent>, seen: string[] = []): Promise<string[]> {
  for await (const event of events) seen.push('status' in event ? `${event.type} ${event.status.state} ${event.status.generation}` : event.type);
  return seen;
}

let jobs = 0;
const newJob = (): JobId => jobIdFromKey('default', `watched-${jobs++}`);
/** Resolves when somebody has asked for the status of this job so often. */
const statusAsked = (jobId: JobId, times = 1): Promise<void> =>
  until(() => responder.asked.filter((request) => request.kind === 'status' && request.jobId === jobId).length >= times);

describe('watch', () => {
  it('begins with the status as it is, passes over the past, and ends with the terminal state', async () => {
    const jobId = newJob();
    let now = statusOf(jobId, 'running');
    answerStatus(() => now);
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'accepted') });
    const seen = collect(producer.job(jobId).watch());
    await statusAsked(jobId);
    now = statusOf(jobId, 'completed');
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'finishing') });
    await responder.tell(jobId, { type: 'state', status: now });
    assert.deepEqual(await seen, ['state running 1', 'state finishing 1', 'state completed 1']);
  });

  it('is over at once for a job that has ended', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'failed'));
    assert.deepEqual(await collect(producer.job(jobId).watch()), ['state failed 1']);
  });

  it('passes over the end of an earlier generation', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'failed', 1));
    const seen = collect(producer.job(jobId).watch({ generation: 2 }));
    await statusAsked(jobId);
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'failed', 1) });
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'running', 2) });
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'completed', 2) });
    assert.deepEqual(await seen, ['state running 2', 'state completed 2']);
  });

  it('resumes behind an event', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'running'));
    const first = await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'accepted') });
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'planning') });
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'completed') });
    assert.deepEqual(await collect(producer.job(jobId).watch({ after: first })), ['state running 1', 'state planning 1', 'state completed 1']);
  });

  it('gives at most one progress event in the throttle time', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'running'));
    const seen = collect(producer.job(jobId).watch({ throttle: '1m' }));
    await statusAsked(jobId);
    for (let n = 0; n < 5; n += 1) await responder.tell(jobId, { type: 'progress', status: statusOf(jobId, 'running') });
    await responder.tell(jobId, { type: 'state', status: statusOf(jobId, 'completed') });
    assert.deepEqual(await seen, ['state running 1', 'progress running 1', 'state completed 1']);
  });

  it('ends although nobody told of the end', async () => {
    const jobId = newJob();
    let now = statusOf(jobId, 'running');
    answerStatus(() => now);
    const seen = collect(producer.job(jobId).watch());
    await statusAsked(jobId);
    now = statusOf(jobId, 'completed');
    assert.deepEqual(await seen, ['state running 1', 'state completed 1']);
  });

  it('ends quietly when its signal aborts, and when the producer is closed', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'running'));
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = collect(producer.job(jobId).watch({ signal: abort.signal }), seen);
    await until(() => seen.length > 0);
    abort.abort();
    assert.deepEqual(await watching, ['state running 1']);
    const other = await connect({ redis: redis.url });
    const seenThere: string[] = [];
    const watchingThere = collect(other.job(jobId).watch(), seenThere);
    await until(() => seenThere.length > 0);
    await other.close();
    assert.deepEqual(await watchingThere, ['state running 1']);
    await assert.rejects(other.job(jobId).status(), UnavailableError);
  });
});

describe('result', () => {
  it('waits for the end and gives the numbers', async () => {
    const jobId = newJob();
    let now = statusOf(jobId, 'running');
    answerStatus(() => now);
    const result = producer.job(jobId).result();
    await statusAsked(jobId);
    now = statusOf(jobId, 'completed');
    await responder.tell(jobId, { type: 'state', status: now });
    assert.equal((await result).manifestUri, 'file:///m');
  });

  it('throws for a job that failed or was cancelled, with its status', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'failed', 1, { code: 'BUDGET_REJECTS', message: 'too many' }));
    await assert.rejects(
      producer.job(jobId).result(),
      (error) => error instanceof JobFailedError && error.code === 'BUDGET_REJECTS' && error.status.state === 'failed',
    );
    answerStatus(() => statusOf(jobId, 'cancelled'));
    await assert.rejects(producer.job(jobId).result(), JobCancelledError);
  });

  it('gives up after its timeout although the job goes on', async () => {
    const jobId = newJob();
    answerStatus(() => statusOf(jobId, 'running'));
    await assert.rejects(
      producer.job(jobId).result({ timeout: '100ms' }),
      (error) => error instanceof MillraceError && error.code === 'TIMEOUT' && error.retryable,
    );
  });
});

describe('connect', () => {
  it('says what is wrong with a Redis that is not there or would lose work', async () => {
    await assert.rejects(connect({ redis: 'unix:///nonexistent/redis.sock', timeout: '2s' }), UnavailableError);
    const evicting = await startTestRedis(['--maxmemory-policy', 'allkeys-lru']);
    try {
      await assert.rejects(connect({ redis: evicting.url }), (error) => error instanceof UnavailableError && /allkeys-lru/.test(error.message));
    } finally {
      await evicting.stop();
    }
  });

  it('fails fast while Redis is away and works again when it is back', async () => {
    const own = await startTestRedis();
    const other = await connect({ redis: own.url });
    try {
      process.kill(own.pid, 'SIGKILL');
      await assert.rejects(
        async () => {
          for (;;) await other.job(newJob()).status({ timeout: '3s' });
        },
        (error) => error instanceof UnavailableError && error.retryable,
      );
      await own.restart();
      const queues = await openQueues({ redis: own.url, times: leaseTimes(0.1), log: quiet });
      const back = new Responder(queues);
      back.answer = (request) => (request.kind === 'status' ? { ok: true, kind: 'status', status: statusOf(request.jobId, 'running') } : null);
      const status = await eventually(() => other.job(newJob()).status({ timeout: '3s' }));
      assert.equal(status.state, 'running');
      await queues.close();
    } finally {
      await other.close();
      await own.stop();
    }
  });
});

async function eventually<T>(act: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 120_000; ; ) {
    try {
      return await act();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(100);
    }
  }
}
