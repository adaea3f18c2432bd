import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';

import { systemClock } from './clock.ts';
import { degraded, failed, Health, LastSuccess, ok } from './health.ts';
import { Metrics } from './metrics.ts';
import { telemetryServer } from './telemetry-server.ts';
import { FakeClock } from './testing/index.ts';

async function serve(t: TestContext, health = new Health(systemClock), metrics = new Metrics()) {
  const server = telemetryServer({ port: 0, host: '127.0.0.1', health, metrics }, true);
  await server.start();
  t.after(() => server.stop());
  return (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${server.port}${path}`, init);
}

describe('telemetry server', () => {
  it('does not take a process that has not begun to start for one that has', async (t) => {
    const ask = await serve(t);
    assert.deepEqual([(await ask('/startupz')).status, (await ask('/readyz')).status, (await ask('/healthz')).status], [503, 503, 200]);
  });

  it('says that a process has not started until every step has passed', async (t) => {
    const health = new Health(systemClock);
    const core = health.step('core');
    const ask = await serve(t, health);
    const before = await ask('/startupz');
    assert.equal(before.status, 503);
    const body = (await before.json()) as { status: string; checks: { name: string; ok: boolean; since: string; detail: string }[] };
    assert.equal(body.status, 'unready');
    assert.deepEqual(
      body.checks.map(({ name, ok: isOk, detail }) => ({ name, isOk, detail })),
      [{ name: 'core', isOk: false, detail: 'not yet' }],
    );
    assert.equal((await ask('/readyz')).status, 503, 'who has not started is not ready');
    assert.equal((await ask('/healthz')).status, 200, 'and needs no restart');
    core.passed('0.1.0');
    assert.equal((await ask('/startupz')).status, 200);
    assert.equal((await ask('/readyz')).status, 200);
  });

  it('answers 200 and says degraded while something that can be done without is missing', async (t) => {
    const health = new Health(systemClock);
    health.step('journal').passed();
    health.add('ready', 'redis', () => degraded('away'));
    const ask = await serve(t, health);
    const answer = await ask('/readyz');
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { status: string }).status, 'degraded');
  });

  it('serves metrics, and nothing but its four paths', async (t) => {
    const metrics = new Metrics();
    metrics.gauge({ name: 'millrace_jobs', help: 'Jobs.' }).set({}, 4);
    const ask = await serve(t, new Health(systemClock), metrics);
    const scraped = await ask('/metrics');
    assert.match(scraped.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await scraped.text(), /^millrace_jobs 4$/m);
    assert.equal((await ask('/metrics/')).status, 404);
    assert.equal((await ask('/readyz?x=1')).status, 404);
    assert.equal((await ask('/toString')).status, 404);
    assert.equal((await ask('/readyz', { method: 'POST' })).status, 405);
  });

  it('names the port when another process has it', async (t) => {
    const first = telemetryServer({ port: 0, host: '127.0.0.1', health: new Health(systemClock), metrics: new Metrics() }, true);
    await first.start();
    t.after(() => first.stop());
    const second = telemetryServer({ port: first.port ?? 0, host: '127.0.0.1', health: new Health(systemClock), metrics: new Metrics() });
    await assert.rejects(second.start(), new RegExp(`port ${first.port}: the port is taken; set MILLRACE_TELEMETRY_PORT`));
    await second.stop();
  });

  it('listens nowhere at port 0', async () => {
    const server = telemetryServer({ port: 0, health: new Health(systemClock), metrics: new Metrics() });
    await server.start();
    assert.equal(server.port, null);
    await server.stop();
  });
});

describe('health', () => {
  it('says since when a check is what it is', () => {
    const clock = new FakeClock();
    const health = new Health(clock);
    health.step('core').passed();
    let finding = ok('fine');
    health.add('ready', 'store', () => finding);
    health.report('ready');
    clock.advance(5_000);
    const { checks } = health.report('ready');
    assert.equal(checks[0]?.since, '2026-01-01T00:00:00.000Z');
    finding = failed('away');
    assert.equal(health.report('ready').checks[0]?.since, '2026-01-01T00:00:05.000Z');
  });

  it('takes a call that worked for so long and no longer, and tells the last trouble', () => {
    const clock = new FakeClock();
    const redis = new LastSuccess(clock, 'a call to Redis', 10_000);
    assert.deepEqual(redis.look(), failed('a call to Redis has not worked yet'));
    redis.worked();
    clock.advance(10_000);
    assert.equal(redis.look().is, 'ok');
    redis.failed('connect ECONNREFUSED');
    clock.advance(1);
    assert.deepEqual(redis.look(), failed('10001 ms since a call to Redis worked, may be 10000; connect ECONNREFUSED'));
    redis.worked();
    assert.equal(redis.look().is, 'ok');
  });

  it('asks for a restart when the event loop stood still', () => {
    const clock = new FakeClock();
    const health = new Health(clock);
    assert.equal(health.report('live').status, 'ok');
    clock.advance(20_001);
    assert.equal(health.report('live').status, 'failing');
  });
});
