import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leaseTimes } from '@millrace/protocol';
import { Health, type HealthReport, processMetrics } from '@millrace/service-kit';
import { FakeClock } from '@millrace/service-kit/testing';
import { startReason } from './core-counts.ts';
import { HostHealth } from './health.ts';
import { keepLease } from './lease-keeper.ts';
import { hostFolding, hostMetrics } from './metrics.ts';

const times = leaseTimes(1);

function host(cores = { live: 2 }) {
  const clock = new FakeClock();
  const health = new Health(clock);
  const telling = processMetrics(hostFolding);
  const of = new HostHealth(health, times, () => cores.live, hostMetrics(telling, 'default'), clock);
  for (const step of [of.core, of.redis, of.store]) step.passed();
  of.redisCalls.worked();
  of.storeCalls.worked();
  const sum = async (series: string): Promise<number> => {
    const line = (await telling.metrics.exposition()).text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  };
  return { clock, health, of, sum };
}

const failing = ({ checks }: HealthReport): string[] => checks.filter(({ ok }) => !ok).map(({ name }) => name);

describe('a host', () => {
  it('is ready while Redis and the journal have answered lately, a core lives and nobody asked it to drain', () => {
    const cores = { live: 2 };
    const { clock, health, of } = host(cores);
    assert.equal(health.report('ready').status, 'ok');
    clock.advance(10_001);
    assert.deepEqual(failing(health.report('ready')), ['redis']);
    clock.advance(20_000);
    of.redisCalls.worked();
    assert.deepEqual(failing(health.report('ready')), ['store']);
    of.storeCalls.worked();
    cores.live = 0;
    assert.deepEqual(failing(health.report('ready')), ['cores']);
    cores.live = 1;
    of.isDraining = true;
    assert.deepEqual(failing(health.report('ready')), ['draining']);
  });

  it('counts renewals and fences, and is alive only while the timers of its leases tick', async () => {
    const { clock, health, of, sum } = host();
    let answer: 'renewed' | 'lost' | 'none' = 'renewed';
    const renew = (): Promise<'renewed' | 'lost'> => (answer === 'none' ? Promise.reject(new Error('no answer')) : Promise.resolve(answer));
    const lease = await keepLease({ renew }, times, clock, of);
    assert.equal(await sum('millrace_lease_renewals_total{result="renewed"}'), 1);
    clock.advance(19_000);
    assert.deepEqual(failing(health.report('live')), [], 'its timer ticked meanwhile');
    lease.stop();
    clock.advance(60_000);
    assert.deepEqual(
      failing(health.report('live')).filter((name) => name !== 'eventLoop'),
      [],
      'a lease that was given back has no timer',
    );
    answer = 'lost';
    await assert.rejects(keepLease({ renew }, times, clock, of), /lease lost/);
    answer = 'none';
    const proving = keepLease({ renew }, times, clock, of);
    clock.advance(times.fenceMs);
    await assert.rejects(proving, /not proven/);
    assert.equal(await sum('millrace_lease_renewals_total{result="refused"}'), 1);
    assert.ok((await sum('millrace_lease_renewals_total{result="error"}')) >= 1);
    assert.equal(await sum('millrace_lease_fences_total'), 2);
  });

  it('must be started again when the timer of a lease is dead', async () => {
    const { clock, health, of } = host();
    // A clock that stands still for this lease alone.
    const frozen = { monotonicMs: () => clock.monotonicMs(), after: () => () => {} };
    const lease = await keepLease({ renew: () => Promise.resolve('renewed') }, times, frozen, of);
    clock.advance(20_001);
    assert.ok(failing(health.report('live')).includes('leaseTimers'));
    lease.stop();
  });
});

it('a core is started anew for a reason', () => {
  const end = { code: 'CORE_CRASH', killedFor: null, exitCode: null } as const;
  assert.equal(startReason({ ...end, exitCode: 0 }), 'recycle', 'it was asked to end');
  assert.equal(startReason({ ...end, killedFor: 'stop' }), 'recycle');
  assert.equal(startReason({ ...end, killedFor: 'fence' }), 'fence');
  assert.equal(startReason({ ...end, code: 'CORE_MEMORY' }), 'memory');
  assert.equal(startReason({ ...end, code: 'CORE_HUNG', killedFor: 'silence' }), 'hang');
  assert.equal(startReason({ ...end, code: 'PROTOCOL_VIOLATION', killedFor: 'violation' }), 'protocol');
  assert.equal(startReason({ ...end, exitCode: 101 }), 'crash');
});
