/** The client and a scripted core in a process of its own: how it greets, answers, breaks its word, and ends. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Event, Process, StoreGet } from '@millrace/protocol/wire';
import type { RequestInput } from './core-client.ts';
import { CoreGoneError } from './core-gone-error.ts';
import { type CoreProcess, startCore } from './core-process.ts';
import { type CapturedLog, capturedLog, type Greeting, scriptedCoreOptions } from './testing/index.ts';

const scope = { connection: 'journal', kind: 'journal', jobKey: null, specDigest: null } as const;
const get = (key: string) => ({ type: 'StoreGet', scope, key, range: null, ifMatch: null }) as const satisfies Omit<StoreGet, 'call'>;
const soon = { deadlineMs: 120_000 } as const;

function work(attemptId: string, mode: Process['mode'] = 'commit') {
  return {
    type: 'Process',
    jobKey: 'jobs/j/job.json',
    specDigest: '0'.repeat(64),
    segmentKey: 'jobs/j/plan/000000.json',
    segmentDigest: '1'.repeat(64),
    chunkIndex: 0,
    stage: 'read',
    generation: 1,
    attemptId,
    verdictKey: 'jobs/j/verdicts/read/000000.json',
    mode,
    range: null,
    excluded: [],
    trace: 'none',
    memory: 'normal',
  } as const satisfies RequestInput;
}

/** A scripted core that ends with the test. */
async function start(t: TestContext, log: CapturedLog = capturedLog()): Promise<CoreProcess> {
  const core = await startCore(scriptedCoreOptions('right', log));
  t.after(() => core.kill('stop'));
  return core;
}

async function goneOf(promise: Promise<unknown>): Promise<CoreGoneError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CoreGoneError, String(error));
  return error;
}

function textOf(answer: { readonly payload: Uint8Array }): string {
  return Buffer.from(answer.payload).toString('utf8');
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a core greets, answers and ends when its stdin ends', async (t) => {
  const core = await start(t);
  assert.equal(core.hello.coreVersion, '0.0.0-scripted');
  assert.equal(core.hello.pid, core.pid);
  const answer = await core.request(get('some/key'), soon);
  assert.equal(answer.done?.object?.size, 8);
  assert.equal(textOf(answer), 'some/key');
  assert.equal((await core.request(get('absent'), soon)).done?.object, null);
  assert.equal((await core.ping(soon)).rssBytes, 1);
  assert.equal(core.isAlive, true);
  const end = await core.stop();
  assert.deepEqual([end.exitCode, end.signal, end.killedFor], [0, null, null]);
  assert.equal(core.isAlive, false);
  assert.equal(isRunning(core.pid), false);
  await goneOf(core.request(get('too late'), soon));
});

test('a failed request is an answer, and the core goes on', async (t) => {
  const core = await start(t);
  const answer = await core.request(get('fail'), soon);
  assert.equal(answer.failed?.code, 'STORAGE_TIMEOUT');
  assert.equal(core.isSpent, false);
  assert.equal((await core.request(get('panic'), soon)).failed?.code, 'CORE_PANIC');
  assert.equal(core.isSpent, true);
});

for (const [greeting, code, message] of [
  ['silent', 'CORE_START', /killed \(start\)/],
  ['otherSchema', 'CORE_VERSION', /speaks protocol 1 with schema 000000000000, and this host \(0\.0\.0-test\)/],
  ['exit64', 'CORE_VERSION', /speaks protocol 1 with schema 000000000000/],
  ['otherNonce', 'PROTOCOL_VIOLATION', /another nonce/],
  ['notHello', 'PROTOCOL_VIOLATION', /greet with Hello, got Log/],
  ['pollution', 'PROTOCOL_VIOLATION', /expected the magic MR/],
  ['crash', 'CORE_START', /by SIGABRT/],
] as const satisfies readonly (readonly [Greeting, string, RegExp])[]) {
  test(`a core that greets like this is refused: ${greeting}`, { timeout: 120_000 }, async () => {
    const end = await goneOf(startCore(scriptedCoreOptions(greeting)));
    assert.equal(end.code, code);
    assert.match(end.message, message);
    if (greeting === 'crash') assert.match(end.stderrTail, /panicked at start/);
  });
}

test('a program that is not there is CORE_START', async () => {
  const end = await goneOf(startCore({ ...scriptedCoreOptions(), binary: '/nonexistent/millrace-core' }));
  assert.equal(end.code, 'CORE_START');
  assert.match(end.message, /cannot start the core \/nonexistent\/millrace-core: .*ENOENT/);
});

for (const [key, code, signal] of [
  ['crash', 'CORE_CRASH', 'SIGSEGV'],
  ['outOfMemory', 'CORE_MEMORY', 'SIGABRT'],
  ['exit', 'CORE_CRASH', null],
  ['partial', 'CORE_CRASH', null],
] as const) {
  test(`everything that is open fails with the end of the core: ${key}`, async (t) => {
    const core = await start(t);
    const [held, died] = await Promise.all([goneOf(core.request(get('hold'), soon)), goneOf(core.request(get(key), soon))]);
    assert.equal(died.code, code);
    assert.equal(died.signal, signal);
    assert.equal(held, died);
    if (key === 'crash') assert.match(died.stderrTail, /about to die/);
    if (key === 'exit') assert.equal(died.exitCode, 70);
  });
}

test('a kill from outside is memory: only the kernel does that', async (t) => {
  const core = await start(t);
  assert.equal((await goneOf(core.request(work('crash'), soon))).code, 'CORE_MEMORY');
});

for (const [what, ask] of [
  ['a line on stdout', (core: CoreProcess) => core.request(get('pollute'), soon)],
  ['an answer nobody asked for', (core: CoreProcess) => core.request(get('unknown'), soon)],
  ['an answer of another kind', (core: CoreProcess) => core.request(get('foreign'), soon)],
  ['an event the request cannot have', (core: CoreProcess) => core.request(get('event'), soon)],
  ['fewer bytes than the object has', (core: CoreProcess) => core.request(get('short'), soon)],
  [
    'a key outside the prefix',
    (core: CoreProcess) => core.request({ type: 'StoreList', scope, prefix: 'lie', startAfter: null, limit: 10, delimiter: false }, soon),
  ],
  ['results for other keys', (core: CoreProcess) => core.request({ type: 'StoreDelete', scope, keys: ['lie'], purge: false }, soon)],
  ['counts that do not balance', (core: CoreProcess) => core.request(work('imbalance'), soon)],
  ['the receipt of another attempt', (core: CoreProcess) => core.request(work('lie'), soon)],
] as const satisfies readonly (readonly [string, (core: CoreProcess) => Promise<unknown>])[]) {
  test(`a core that sends ${what} is killed`, async (t) => {
    const core = await start(t);
    const end = await goneOf(ask(core));
    assert.equal(end.code, 'PROTOCOL_VIOLATION');
    assert.equal(end.killedFor, 'violation');
    assert.equal(isRunning(core.pid), false);
  });
}

test('a second answer kills the core, and the first one stands', async (t) => {
  const core = await start(t);
  assert.equal(textOf(await core.request(get('twice'), soon)), 'once');
  assert.equal((await core.gone).code, 'PROTOCOL_VIOLATION');
});

test('events come before the answer, in order', async (t) => {
  const core = await start(t);
  const events: Event[] = [];
  const answer = await core.request(work('a1'), { ...soon, onEvent: (event) => void events.push(event) });
  assert.deepEqual(
    events.map((event) => event.type),
    ['Progress', 'Log'],
  );
  assert.equal(answer.done?.outcome, 'committed');
  assert.equal((JSON.parse(textOf(answer)) as { attemptId: string }).attemptId, 'a1');
  assert.equal((await core.request(work('a2', 'trial'), soon)).done?.outcome, 'trialOk');
});

test('an abort cancels the request, which answers for itself', async (t) => {
  const core = await start(t);
  const stopping = new AbortController();
  const answer = await core.request(work('hold'), {
    ...soon,
    signal: stopping.signal,
    onEvent: (event) => (event.type === 'Log' ? stopping.abort('drain') : undefined),
  });
  assert.equal(answer.done?.outcome, 'cancelled');
  assert.equal((await core.request(work('a1'), soon)).done?.outcome, 'committed');
});

test('a deadline cancels, and a core that does not hear is killed', async (t) => {
  const core = await start(t);
  assert.equal((await core.request(get('hold'), { deadlineMs: 30 })).failed?.code, 'STORAGE_TIMEOUT');
  const end = await goneOf(core.request(get('hang'), { deadlineMs: 30 }));
  assert.deepEqual([end.code, end.killedFor, end.signal], ['CORE_TIME_LIMIT', 'deadline', 'SIGKILL']);
});

test('a hung core is killed when it is stopped', async (t) => {
  const core = await start(t);
  const hung = goneOf(core.request(get('hang'), soon));
  // The request is on its way.
  await new Promise((resolve) => setImmediate(resolve));
  const end = await core.stop();
  assert.deepEqual([end.killedFor, end.signal], ['stop', 'SIGKILL']);
  assert.equal(await hung, end);
});

test('one work request at a time, and no more store requests than the wire allows', async (t) => {
  const core = await start(t);
  const stopping = new AbortController();
  const held = core.request(work('hold'), { ...soon, signal: stopping.signal });
  await assert.rejects(core.request(work('a1'), soon), /busy with another work request/);
  const payload = new Uint8Array(1024 * 1024).fill(7);
  const put = { type: 'StorePut', scope, key: 'k', mode: 'create', ifMatch: null, sha256: '0'.repeat(64) } as const;
  const answers = await Promise.all(Array.from({ length: 100 }, () => core.request(put, { ...soon, payload })));
  assert.ok(answers.every((answer) => answer.done?.etag === `${payload.length}`));
  stopping.abort();
  assert.equal((await held).done?.outcome, 'cancelled');
});

test('a request that breaks a bound fails alone and is never sent', async (t) => {
  const core = await start(t);
  await assert.rejects(core.request({ type: 'StoreDelete', scope, keys: [], purge: false }, soon), /expected 1 to 1000 entries/);
  assert.equal(textOf(await core.request(get('still/here'), soon)), 'still/here');
});

test('lines of stderr are logged again with their level, and other text as a warning', async (t) => {
  const log = capturedLog();
  const core = await start(t, log);
  await core.request(get('log'), soon);
  await core.stop();
  assert.deepEqual(log.lines, [
    { level: 'info', fields: { core: { message: 'a line of the core', file: 3 } }, message: 'core line' },
    { level: 'warn', fields: { text: 'plain text' }, message: 'core wrote to stderr' },
  ]);
});

test('a flood of stderr is drained and counted, and its end is kept', async (t) => {
  const log = capturedLog();
  const core = await start(t, log);
  await core.request(get('flood'), { deadlineMs: 120_000 });
  const end = await core.stop();
  assert.equal(end.stderrTail.length, 64 * 1024);
  const dropped = log.lines.filter((line) => line.message === 'core wrote too much to stderr');
  assert.ok(dropped.length >= 1);
  assert.ok(log.lines.length < 60);
});
