import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leaseTimes } from '@millrace/protocol';
import { Health, type HealthReport, processMetrics } from '@millrace/service-kit';
import { FakeClock } from '@millrace/service-kit/testing';
import { SchedulerHealth } from './health.ts';
import { schedulerFolding, schedulerMetrics } from './metrics.ts';

function scheduler() {
  const clock = new FakeClock();
  const health = new Health(clock);
  const of = new SchedulerHealth(health, leaseTimes(1), () => true, clock);
  for (const step of [of.core, of.redis, of.store]) step.passed();
  /** Time in which Redis and the journal answer. */
  const pass = (ms: number): void => {
    clock.advance(ms);
    of.redisCalls.worked();
    of.storeCalls.worked();
  };
  pass(0);
  return { clock, health, of, pass };
}

const failing = ({ checks }: HealthReport): string[] => checks.filter(({ ok }) => !ok).map(({ name }) => name);

describe('a scheduler', () => {
  it('is ready while it follows, and while it leads and gets through its rounds', () => {
    const { health, of, pass } = scheduler();
    of.follows();
    pass(60_000);
    assert.deepEqual(failing(health.report('ready')), []);
    of.roundBegins();
    assert.deepEqual(failing(health.report('ready')), [], 'the first round is given the time of a pass');
    of.roundEnded(null);
    pass(14_000);
    of.roundBegins();
    of.roundEnded('Redis is away');
    assert.deepEqual(failing(health.report('ready')), []);
    pass(1_001);
    const report = health.report('ready');
    assert.deepEqual(failing(report), ['leading']);
    assert.match(report.checks.at(-1)?.detail ?? '', /^leads: .*Redis is away$/);
    of.roundBegins();
    of.roundEnded(null);
    assert.deepEqual(failing(health.report('ready')), []);
  });

  it('need not be started again for an outage, but for a round that hangs', () => {
    const { clock, health, of } = scheduler();
    of.roundBegins();
    clock.advance(299_000);
    assert.deepEqual(
      failing(health.report('live')).filter((name) => name !== 'eventLoop'),
      [],
    );
    clock.advance(2_000);
    assert.ok(failing(health.report('live')).includes('rounds'));
  });

  it('may take as long as it takes to rebuild the ledger', () => {
    const { health, of, pass } = scheduler();
    of.roundBegins();
    of.rebuilding();
    pass(900_000);
    assert.deepEqual(failing(health.report('ready')), []);
    assert.deepEqual(
      failing(health.report('live')).filter((name) => name !== 'eventLoop'),
      [],
    );
  });

  it('reads the journal again and again, one read at a time, and tells why it could not', async () => {
    const { clock, health, of } = scheduler();
    let reads = 0;
    const slow = Promise.withResolvers<void>();
    clock.advance(10_000);
    const first = of.lookAtStore(() => {
      reads++;
      return slow.promise;
    });
    await of.lookAtStore(async () => void reads++);
    assert.equal(reads, 1);
    slow.reject(new Error('no such bucket'));
    await first;
    clock.advance(20_001);
    assert.match(health.report('ready').checks.find(({ name }) => name === 'store')?.detail ?? '', /no such bucket/);
    await of.lookAtStore(async () => void reads++);
    await of.lookAtStore(async () => void reads++);
    assert.equal(reads, 2, 'what was read just now is not read again');
  });
});

it('whoever leads no more takes back what only a leader may say, and keeps its counters', async () => {
  const telling = processMetrics(schedulerFolding);
  const metrics = schedulerMetrics(telling, 'default');
  const value = async (series: string): Promise<number> => {
    const line = (await telling.metrics.exposition()).text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  metrics.recordLead(true);
  metrics.recordOpenJobs(new Map([['running', 3]]), new Map([['queued', 9]]));
  metrics.recordRetry('map', 'transient');
  metrics.recordPass('dispatch', 1_764_000_000_500, 0.02);
  assert.equal(await value('millrace_jobs{state="running"}'), 3);
  assert.equal(await value('millrace_loop_last_success_timestamp_seconds{loop="dispatch"}'), 1_764_000_000.5);
  metrics.recordLead(false);
  assert.deepEqual(
    [await value('millrace_scheduler_leader'), await value('millrace_jobs{state="running"}'), await value('millrace_chunks{state="queued"}')],
    [0, 0, 0],
  );
  assert.equal(await value('millrace_loop_last_success_timestamp_seconds{loop="dispatch"}'), 0);
  assert.equal(await value('millrace_retries_total{task_kind="map",class="transient"}'), 1);
});
