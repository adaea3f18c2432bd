/** Schedules and webhooks through real schedulers: no double fire, missed fires by policy, deliveries that survive who tried them. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { callbacksOf, fireKey, type JobSpec, jobIdFromKey, newJobId, newRequestId, resolveJobSpec, type Schedule } from '@millrace/protocol';
import { idSource } from '@millrace/service-kit';
import type { RunningScheduler } from '../start-scheduler.ts';
import { Bench, untilEnd } from '../testing/fixture.ts';
import { startScriptedHost } from '../testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
});
after(() => bench.clear());

const head = () => ({ requestId: newRequestId(idSource()), tenant: 'default', by: 'test' });

async function scheduled(name: string, schedule: JobSpec['schedule'], changes: Partial<JobSpec> = {}): Promise<JobSpec> {
  const spec = bench.spec(await bench.file(`${name}.txt`, 2), changes, name);
  return { ...spec, name, schedule, output: { ...spec.output, ifNotEmpty: 'append' } };
}

async function put(spec: JobSpec) {
  const answer = await scheduler.control.queues.requests.ask(
    { kind: 'putSchedule', ...head(), spec: resolveJobSpec(spec), reason: 'a test' },
    { timeoutMs: 120_000 },
  );
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.schedule;
}

/** As if no scheduler had run for some minutes. */
async function backdated(name: string, minutes: number): Promise<number> {
  const doneUntil = new Date(Date.now() - minutes * 60_000).toISOString();
  await scheduler.control.journal.changeRegistered('schedules', `default.${name}`, (current) => {
    assert.ok(current);
    return { put: { at: scheduler.control.clock.nowIso(), by: 'test', reason: '', body: { ...current.body, doneUntil } } };
  });
  return Date.parse(doneUntil);
}

async function untilRuns(name: string, isIt: (runs: Schedule['runs']) => boolean): Promise<Schedule['runs']> {
  for (const startMs = performance.now(); ; await sleep(30)) {
    const found = await scheduler.control.journal.readRegistered('schedules', `default.${name}`);
    if (found && isIt(found.body.runs)) return found.body.runs;
    if (performance.now() - startMs > 120_000) throw new Error(`it did not come to that: ${JSON.stringify(found?.body.runs)}`);
  }
}

describe('a schedule', () => {
  test('fires once for each instant, whoever leads, and its jobs run', async () => {
    const host = await startScriptedHost(scheduler.control);
    const second = await bench.startScheduler();
    try {
      const startedMs = Date.now();
      await put(await scheduled('nightly', { cron: '* * * * *' }));
      await backdated('nightly', 3);
      const runs = await untilRuns('nightly', ([newest]) => newest?.outcome === 'fired');
      const [run] = runs;
      assert.ok(run);
      assert.equal(run.jobId, jobIdFromKey('default', fireKey('nightly', Date.parse(run.at))));
      assert.equal(Date.parse(run.at) % 60_000, 0);
      assert.ok(run.jobId !== null && (await untilEnd(scheduler, run.jobId)).state === 'completed');
      // The second scheduler, and this one after a restart, see that it was dealt with.
      await sleep(600);
      const after = await untilRuns('nightly', () => true);
      const minutes = 1 + Math.floor((Date.now() - startedMs) / 60_000);
      assert.ok(after.length <= 1 + minutes, `as many further minutes may have come as it took: ${JSON.stringify(after)}`);
      assert.equal(new Set(after.map(({ at }) => at)).size, after.length);
    } finally {
      await host.stop();
      await bench.stopScheduler(second);
    }
  });

  test('of several missed fires makes up for the last, all or none', async () => {
    await put(await scheduled('all', { cron: '* * * * *', catchUp: 'all', overlap: 'allow' }));
    const since = await backdated('all', 4);
    const all = await untilRuns('all', (runs) => runs.length >= 4);
    const instants = all.map(({ at }) => Date.parse(at)).toSorted((a, b) => a - b);
    assert.deepEqual(
      instants.slice(0, 4),
      [1, 2, 3, 4].map((minute) => Math.floor(since / 60_000) * 60_000 + minute * 60_000),
    );
    assert.ok(all.every(({ outcome }) => outcome === 'fired'));
    await put(await scheduled('none', { cron: '0 3 1 1 *', catchUp: 'none' }));
    await backdated('none', 366 * 24 * 60);
    const [missed] = await untilRuns('none', (runs) => runs.length > 0);
    assert.deepEqual([missed?.outcome, missed?.jobId], ['missed', null]);
  });

  test('skips a fire while its last run is not over, or lets one wait', async () => {
    await put(await scheduled('skip', { cron: '0 0 1 1 *' }));
    const fire = (name: string, act: 'fire' | 'remove' | 'pause') =>
      scheduler.control.queues.requests.ask({ kind: 'steerSchedule', ...head(), name, act, reason: '' }, { timeoutMs: 120_000 });
    const first = await fire('skip', 'fire');
    assert.ok(first.ok && first.schedule.runs[0]?.outcome === 'fired');
    const again = await fire('skip', 'fire');
    assert.ok(again.ok && again.schedule.runs[0]?.outcome === 'skipped', 'no host runs: the first job is not over');
    await put(await scheduled('queue', { cron: '0 0 1 1 *', overlap: 'queue' }));
    assert.ok((await fire('queue', 'fire')).ok);
    const waiting = await fire('queue', 'fire');
    assert.ok(waiting.ok && waiting.schedule.runs[0]?.outcome === 'waiting');
    const host = await startScriptedHost(scheduler.control);
    try {
      const runs = await untilRuns('queue', ([newest]) => newest?.outcome === 'fired');
      assert.equal(new Set(runs.map(({ jobId }) => jobId)).size, 2);
    } finally {
      await host.stop();
    }
    const paused = await fire('queue', 'pause');
    assert.ok(paused.ok && paused.schedule.paused && paused.schedule.next.length === 0);
    assert.ok((await fire('queue', 'remove')).ok);
    const gone = await fire('queue', 'fire');
    assert.ok(!gone.ok && gone.code === 'NOT_FOUND');
  });

  test('remembers why a fire was not accepted', async () => {
    const spec = await scheduled('broken', { cron: '0 0 1 1 *' });
    await put({ ...spec, inputs: { uri: `file://${bench.directory}/in/gone-*.txt` } });
    await scheduler.control.queues.requests.ask({ kind: 'steerSchedule', ...head(), name: 'broken', act: 'fire', reason: '' }, { timeoutMs: 120_000 });
    const [run] = await untilRuns('broken', (runs) => runs.length > 0);
    assert.deepEqual([run?.outcome, run?.code, run?.jobId], ['failed', 'INPUT_NONE', null]);
  });
});

describe('a webhook', () => {
  test('is signed, tried again after failures and by the next scheduler, and not again once it is delivered', async () => {
    const secrets = join(bench.directory, 'secrets');
    await mkdir(secrets);
    await writeFile(join(secrets, 'hook'), 'a secret\n');
    const received: { headers: IncomingMessage['headers']; body: string }[] = [];
    const server: Server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.writeHead(received.length === 1 ? 503 : 204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as AddressInfo).port;
    // Alone, so that the one with the right settings leads.
    await bench.stopScheduler(scheduler);
    const options = { httpAllow: [`127.0.0.1:${port}`], secrets };
    const first = await bench.startScheduler(options);
    const callbacks: JobSpec['callbacks'] = [{ url: `http://127.0.0.1:${port}/hook`, secret: 'secret://hook' }];
    const spec = resolveJobSpec({ ...bench.spec(await bench.file('hook.txt', 1), {}, 'hook'), callbacks });
    const jobId = newJobId(idSource());
    const of = { jobId, tenant: 'default', generation: 1, createdAt: new Date().toISOString() };
    const [owed] = callbacksOf(spec, of, 'job.completed', { jobId, state: 'completed' });
    assert.ok(owed);
    try {
      assert.equal(await first.control.journal.putCallback(owed), true);
      for (const startMs = performance.now(); received.length === 0; await sleep(20)) assert.ok(performance.now() - startMs < 120_000);
      const tried = await untilDelivery(first, owed.callbackId, ({ tries }) => tries === 1);
      assert.deepEqual([tried.state, tried.status], ['pending', 503]);
      // The scheduler that tried is gone; the next one goes on with the same count.
      await bench.stopScheduler(first);
      scheduler = await bench.startScheduler(options);
      const done = await untilDelivery(scheduler, owed.callbackId, ({ state }) => state === 'delivered');
      assert.deepEqual([done.tries, done.status, received.length], [2, 204, 2]);
      const [one, two] = received;
      assert.equal(one?.headers['webhook-id'], two?.headers['webhook-id']);
      assert.equal(one?.body, two?.body);
      const signed = `${owed.callbackId}.${two?.headers['webhook-timestamp']}.${two?.body}`;
      assert.equal(two?.headers['webhook-signature'], `v1,${createHmac('sha256', 'a secret').update(signed).digest('base64')}`);
      assert.equal(await scheduler.control.journal.putCallback(owed), false, 'the same event is not owed twice');
      await sleep(400);
      assert.equal(received.length, 2);
    } finally {
      server.close();
    }
  });
});

async function untilDelivery(of: RunningScheduler, id: string, isIt: (body: { state: string; tries: number; status: number | null }) => boolean) {
  for (const startMs = performance.now(); ; await sleep(25)) {
    const found = await of.control.journal.readRegistered('callbacks', id);
    if (found && isIt(found.body)) return found.body;
    if (performance.now() - startMs > 120_000) throw new Error(`it did not come to that: ${JSON.stringify(found?.body)}`);
  }
}
