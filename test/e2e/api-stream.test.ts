/** Live events over real parts: what a page sees of a job from its submit to its end, a stream that goes on where it broke, and who may see what. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { streamEventShapes } from '../../packages/api-contract/src/resources/stream.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { steerChunks } from './support/steer-chunks.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const bench = new Workbench('api-stream');
const out = bench.path('out');
let api: ApiStack;

before(async () => {
  api = await startApiStack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
});
after(async () => {
  await api?.stop();
  await bench.close();
});

interface Event {
  readonly id: string;
  readonly name: string;
  readonly data: Record<string, unknown>;
  readonly atMs: number;
}

interface OpenStream {
  readonly status: number;
  readonly headers: Headers;
  readonly events: Event[];
  /** Of the newest frame that has one, events or not. */
  readonly lastId: () => string;
  readonly isOver: () => boolean;
  close(): void;
}

/** What a test opened, for the end of it: a stream that a failed test left open takes room from the next. */
const opened: OpenStream[] = [];
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close();
});

async function open(topics: string, options: { lastEventId?: string; token?: string } = {}): Promise<OpenStream> {
  const stream = await connect(topics, options);
  opened.push(stream);
  return stream;
}

/** Every event is checked against its schema as it comes. */
async function connect(topics: string, options: { lastEventId?: string; token?: string }): Promise<OpenStream> {
  const aborter = new AbortController();
  const headers: Record<string, string> = { authorization: `Bearer ${options.token ?? api.token}`, accept: 'text/event-stream' };
  if (options.lastEventId !== undefined) headers['last-event-id'] = options.lastEventId;
  const response = await fetch(`${api.url}/v1/stream?topics=${encodeURIComponent(topics)}`, { headers, signal: aborter.signal });
  const events: Event[] = [];
  let lastId = '';
  let over = false;
  const read = async (): Promise<void> => {
    let rest = '';
    for await (const bytes of response.body ?? []) {
      const frames = (rest + Buffer.from(bytes).toString()).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const fields = new Map(frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
        lastId = fields.get('id') ?? lastId;
        const name = fields.get('event') as keyof typeof streamEventShapes | undefined;
        if (name === undefined) continue;
        const data = streamEventShapes[name].parse(JSON.parse(fields.get('data') ?? 'null')) as never;
        events.push({ id: fields.get('id') ?? '', name, data, atMs: performance.now() });
      }
    }
  };
  if (response.ok)
    void read()
      .catch((error: Error) => {
        if (error.name !== 'AbortError') events.push({ id: '', name: `broken: ${error.message}`, data: {}, atMs: 0 });
      })
      .finally(() => {
        over = true;
      });
  return { status: response.status, headers: response.headers, events, lastId: () => lastId, isOver: () => over, close: () => aborter.abort() };
}

const named = (stream: OpenStream, name: string): Event[] => stream.events.filter((event) => event.name === name);

/** Of a job, in the order told. What lies between two events may be left out: a fast job tells of its end alone. */
const statesOf = (stream: OpenStream, jobId: string): string[] =>
  named(stream, 'job').flatMap(({ data }) =>
    (data['items'] as unknown as { jobId: string; state: string }[]).flatMap((item) => (item.jobId === jobId ? [item.state] : [])),
  );

const hasCommitted = (stream: OpenStream): boolean =>
  named(stream, 'chunk').some(({ data }) =>
    [...(data['items'] as { state: string }[]), ...(data['ranges'] as { state: string }[])].some(({ state }) => state === 'committed'),
  );

async function untilHeard(stream: OpenStream, version: number): Promise<void> {
  const isTold = (): boolean => named(stream, 'queue').some(({ data }) => (data['items'] as { version: number }[]).some((item) => item.version === version));
  await until(`version ${version} of the queue in the stream`, isTold, { describe: () => shown(stream) });
}

const shown = (...streams: OpenStream[]): string =>
  JSON.stringify(streams.map(({ events, isOver }) => [isOver(), events.map(({ name, data }) => [name, data])])).slice(0, 4_000);

async function submit(name: string, records = 30_000): Promise<string> {
  const { directory } = bench.generate(name, { records, files: 2 });
  const spec = { ...generatedSpec(directory, bench.path('out', name), '64KiB'), name };
  return (await api.client.call('POST /jobs', { body: { spec } }, { idempotencyKey: name })).jobId;
}

test('a job is seen from its submit to its end, at most two events a second for a topic', async () => {
  const all = await open('jobs,queues,workers');
  assert.deepEqual(
    [all.status, all.headers.get('content-type'), all.headers.get('x-accel-buffering'), all.headers.get('cache-control')],
    [200, 'text/event-stream; charset=utf-8', 'no', 'no-store, no-transform'],
  );
  await until('the first frame', () => all.lastId() !== '');
  await steerChunks({ api }, true);
  const jobId = await submit('seen', 200_000);
  const one = await open(`job:${jobId}`);
  // What was there at the first look is no change. Two changes of a queue that are heard one after the other have a look at the chunks between them.
  for (let change = 0; change < 2; change++) await untilHeard(all, await steerChunks({ api }, true));
  await steerChunks({ api }, false);
  await until('a chunk is committed', async () => (await api.client.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } })).chunks.committed > 0, {
    every: 5,
  });
  // A job that ends between two looks tells of its end alone.
  await steerChunks({ api }, true);
  await until('a committed chunk in the stream', () => hasCommitted(one), { describe: () => shown(all, one) });
  await steerChunks({ api }, false);
  await until('the end of the job', () => [all, one].every((stream) => statesOf(stream, jobId).at(-1) === 'completed'), {
    describe: () => shown(all, one),
  });
  assert.ok(named(all, 'queue').length > 0 || named(all, 'worker').length > 0);
  for (const [stream, name] of [
    [all, 'job'],
    [one, 'job'],
    [one, 'chunk'],
  ] as const) {
    const times = named(stream, name).map(({ atMs }) => atMs);
    // By when they were read: a busy machine may hand over some at once, so the whole is judged.
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000;
    assert.ok(times.length <= 2 * seconds + 4, `${name}: ${times.length} in ${seconds} s`);
  }
  all.close();
  one.close();
});

test('a stream goes on where it broke; one that is too old is told to read anew', async () => {
  const first = await open('jobs');
  await until('the first frame', () => first.lastId() !== '');
  const before = first.lastId();
  const jobId = await submit('resumed', 5_000);
  await until('an event', () => named(first, 'job').length > 0, { describe: () => shown(first) });
  first.close();
  const missed = await open('jobs', { lastEventId: before });
  await until('what was missed', () => named(missed, 'job').length > 0, { describe: () => shown(first, missed) });
  assert.equal(named(missed, 'reset').length, 0);
  assert.equal(missed.events[0]?.id, first.events[0]?.id, 'the same event under the same id');
  assert.ok((named(missed, 'job')[0]?.data['items'] as { jobId: string }[] | undefined)?.some((item) => item.jobId === jobId));
  missed.close();
  for (const lastEventId of ['000000000000-1', 'nonsense', `${before.split('-')[0]}-999999`]) {
    const lost = await open('jobs,queues', { lastEventId });
    await until('a reset', () => named(lost, 'reset').length === 1);
    assert.deepEqual(named(lost, 'reset')[0]?.data, { topics: ['jobs', 'queues'] });
    lost.close();
  }
});

test('six streams of one token, no seventh; one that is closed makes room', async () => {
  const streams = await Promise.all(Array.from({ length: 6 }, () => open('queues')));
  assert.ok(streams.every(({ status }) => status === 200));
  const seventh = await open('queues');
  assert.equal(seventh.status, 429);
  streams[0]?.close();
  await until('there is room', async () => {
    const next = await open('queues');
    next.close();
    return next.status === 200;
  });
  for (const stream of streams) stream.close();
  await until('all are closed', () => streams.every((stream) => stream.isOver()));
});

test('who may not see a tenant hears nothing of it, and a job of it is none', async () => {
  const { secret } = await api.client.call('POST /tokens', { body: { name: 'other', role: 'viewer', tenants: ['acme'], expiresInDays: 1, reason: 'a test' } });
  const other = await open('jobs,operations', { token: secret });
  const own = await open('jobs');
  await until('the first frames', () => other.lastId() !== '' && own.lastId() !== '');
  const jobId = await submit('foreign', 5_000);
  await until('its own job in the stream', () => statesOf(own, jobId).length > 0, { describe: () => shown(own, other) });
  // What is wrong with all of it, such as a scheduler that is late on a busy machine, is told to everybody.
  assert.deepEqual(
    other.events.filter(({ name }) => name !== 'notice'),
    [],
  );
  assert.equal((await open(`job:${jobId}`, { token: secret })).status, 404);
  assert.equal((await open(`job:j${'0'.repeat(26)}`)).status, 404);
  assert.equal((await open('job:1')).status, 400);
  assert.equal((await open('rows')).status, 400);
  assert.equal((await fetch(`${api.url}/v1/stream?topics=jobs`)).status, 401);
  other.close();
  own.close();
});
