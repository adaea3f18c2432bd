import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bandOf } from '@millrace/protocol';
import { decideScaling, type InHand, type PoolSettings, type ScalingFacts, type ScalingJob } from './scaling.ts';

const settings: PoolSettings = { slotsPerPod: 4, minPods: 1, maxPods: 50, maxSlots: null };

function job(changes: Partial<ScalingJob>): ScalingJob {
  const plain = { jobId: 'j1', tenant: 'acme', band: 'normal', chunks: 0, bytes: 0, workSeconds: 0, notDue: 0, limit: null } as const;
  return { ...plain, isPaused: false, isCircuitOpen: false, ...changes };
}

function facts(changes: Partial<ScalingFacts>): ScalingFacts {
  return { settings, isIdle: false, jobs: [], inHand: 0, long: [], tenantLimits: new Map(), noHostForVersion: 0, ...changes };
}

const held = (count: number, leftSeconds: number): InHand[] => Array.from({ length: count }, () => ({ jobId: 'bulk', tenant: 'acme', leftSeconds }));

describe('the states of the page', () => {
  const retrying = { chunks: 20, workSeconds: 120, bytes: 0 };
  const rows: readonly (readonly [string, Partial<ScalingFacts>, number, number, string])[] = [
    ['nothing to do', {}, 0, 1, 'minPods'],
    ['3,000 normal chunks, 6,000 slot-seconds', { jobs: [job({ chunks: 3_000, workSeconds: 6_000 })] }, 50, 13, 'target'],
    ['the same, paused, 12 in hand', { jobs: [job({ chunks: 3_000, workSeconds: 6_000, isPaused: true })], inHand: 12 }, 12, 3, 'inHand'],
    [
      'one interactive chunk of 2 s; 16 bulk chunks in hand, 40 s left',
      { jobs: [job({ band: 'interactive', chunks: 1, workSeconds: 2 })], inHand: 16, long: held(16, 40) },
      17,
      5,
      'target',
    ],
    ['3 interactive chunks of 60 s each', { jobs: [job({ band: 'interactive', chunks: 3, workSeconds: 180 })] }, 3, 1, 'target'],
    [
      '10,000 normal chunks of 5 s, the tenant may run 6',
      { jobs: [job({ chunks: 10_000, workSeconds: 50_000 })], tenantLimits: new Map([['acme', 6]]) },
      6,
      2,
      'target',
    ],
    ['5,000 chunks, circuit open, 2 in hand', { jobs: [job({ chunks: 5_000, workSeconds: 25_000, isCircuitOpen: true })], inHand: 2 }, 2, 1, 'inHand'],
    ['20 normal chunks of 6 s retrying, not due before a host could be there', { jobs: [job({ notDue: 20 })] }, 0, 1, 'minPods'],
    ['the same from pod start on', { jobs: [job(retrying)] }, 1, 1, 'target'],
  ];
  for (const [name, state, slots, pods, by] of rows) {
    test(name, () => {
      const decided = decideScaling(facts(state));
      assert.deepEqual([decided.slotsWanted, decided.podsWanted, decided.limitedBy], [slots, pods, by]);
    });
  }
});

test('every term is told', () => {
  const jobs = [job({ chunks: 3_000, bytes: 192e9, workSeconds: 6_000 }), job({ jobId: 'j2', isPaused: true, chunks: 7, workSeconds: 7, notDue: 12 })];
  const { bands, notCounted } = decideScaling(facts({ jobs, inHand: 21, noHostForVersion: 4 }));
  const [interactive, normal] = bands;
  assert.deepEqual(normal, { band: 'normal', chunks: 3_007, bytes: 192e9, workSeconds: 6_007, targetSeconds: 120, heldBeyondTarget: 0, slots: 50 });
  assert.equal(interactive?.slots, 0);
  assert.deepEqual(notCounted, { paused: 7, tenantLimit: 0, circuitOpen: 0, notDue: 12, noHostForVersion: 4 });
});

test('work of higher bands is part of what a lower one needs', () => {
  const interactive = job({ jobId: 'i', band: 'interactive', chunks: 100, workSeconds: 100 });
  const bulk = job({ jobId: 'b', band: 'bulk', chunks: 9_000, workSeconds: 9_000 });
  const { bands } = decideScaling(facts({ jobs: [interactive, bulk] }));
  assert.deepEqual(
    bands.map(({ slots }) => slots),
    [10, 0, 11],
  );
});

test('limits and bounds are named', () => {
  const jobs = [job({ chunks: 1_000, workSeconds: 60_000 })];
  const by = (changes: Partial<ScalingFacts>) => decideScaling(facts({ jobs, ...changes }));
  assert.deepEqual([by({}).podsWanted, by({}).limitedBy], [50, 'maxPods']);
  const spared = by({ settings: { ...settings, maxSlots: 40 } });
  assert.deepEqual([spared.slotsWanted, spared.podsWanted, spared.limitedBy], [40, 10, 'maxSlots']);
  assert.deepEqual([by({ isIdle: true }).podsWanted, by({ isIdle: true }).limitedBy], [0, 'idle']);
  const none = decideScaling(facts({ settings: { ...settings, minPods: 0 } }));
  assert.deepEqual([none.podsWanted, none.limitedBy], [0, 'target']);
});

test('a limit leaves room for what ends in time, not for what outlasts the target', () => {
  const of = (leftSeconds: number) =>
    decideScaling(
      facts({
        jobs: [job({ jobId: 'bulk', chunks: 10_000, workSeconds: 50_000 })],
        inHand: 6,
        long: held(6, leftSeconds),
        tenantLimits: new Map([['acme', 6]]),
      }),
    );
  assert.equal(of(60).slotsWanted, 6);
  assert.equal(of(500).slotsWanted, 6);
  assert.equal(of(500).notCounted.tenantLimit, 10_000);
  assert.equal(of(60).notCounted.tenantLimit, 10_000 - (6 * 120) / 5);
});

test('a tenant’s room is shared, the higher band first', () => {
  const jobs = [job({ jobId: 'a', band: 'bulk', chunks: 100, workSeconds: 100_000 }), job({ jobId: 'b', band: 'interactive', chunks: 4, workSeconds: 40_000 })];
  const { slotsWanted } = decideScaling(facts({ jobs, tenantLimits: new Map([['acme', 6]]) }));
  assert.equal(slotsWanted, 6);
});

test('bands by priority', () => {
  assert.deepEqual([0, 2, 3, 5, 6, 7, 9].map(bandOf), ['bulk', 'bulk', 'normal', 'normal', 'normal', 'interactive', 'interactive']);
});

describe('what always holds', () => {
  /** The same numbers in every run; a seed that fails names itself. */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
  }

  function someFacts(seed: number): ScalingFacts {
    const next = random(seed + 1);
    const upTo = (most: number): number => Math.floor(next() * (most + 1));
    const jobs = Array.from({ length: upTo(6) }, (_, index) => {
      const chunks = upTo(500);
      const band = (['interactive', 'normal', 'bulk'] as const)[upTo(2)] ?? 'normal';
      const limit = next() < 0.3 ? 1 + upTo(20) : null;
      const workSeconds = chunks * next() * 100;
      const flags = { isPaused: next() < 0.1, isCircuitOpen: next() < 0.1 };
      return job({ jobId: `j${index}`, tenant: next() < 0.5 ? 'acme' : 'other', band, chunks, workSeconds, limit, notDue: upTo(9), ...flags });
    });
    const long = Array.from({ length: upTo(30) }, () => ({ jobId: `j${upTo(5)}`, tenant: 'acme', leftSeconds: next() * 2_000 }));
    const minPods = upTo(3);
    return facts({
      settings: { slotsPerPod: 1 + upTo(7), minPods, maxPods: minPods + 1 + upTo(60), maxSlots: next() < 0.3 ? 1 + upTo(100) : null },
      jobs,
      long,
      inHand: long.length + upTo(20),
      tenantLimits: next() < 0.5 ? new Map([['acme', 1 + upTo(30)]]) : new Map(),
    });
  }

  function check(some: ScalingFacts): void {
    const { settings: set, jobs, inHand } = some;
    const decided = decideScaling(some);
    const most = set.maxSlots ?? Number.POSITIVE_INFINITY;
    assert.ok(decided.podsWanted >= set.minPods && decided.podsWanted <= set.maxPods, 'within its bounds');
    assert.ok(decided.slotsWanted >= Math.min(most, inHand), 'never below what is in hand');
    const claimable = jobs.reduce((sum, { chunks }) => sum + chunks, 0);
    assert.ok(decided.slotsWanted <= Math.max(inHand, claimable + some.long.length), 'never more than there are chunks beside those that hold slots');
    assert.ok(Number.isSafeInteger(decided.slotsWanted) && Number.isSafeInteger(decided.podsWanted), 'whole numbers');
    const [first] = jobs;
    if (first === undefined || set.maxSlots !== null) return;
    const paused = decideScaling({ ...some, jobs: jobs.map((one) => ({ ...one, isPaused: true })) });
    assert.equal(paused.slotsWanted, inHand, 'paused work asks for nothing');
    const free = { ...some, tenantLimits: new Map<string, number>() };
    const before = decideScaling(free);
    const more = decideScaling({ ...free, jobs: [{ ...first, workSeconds: first.workSeconds * 2 }, ...jobs.slice(1)] });
    assert.ok(more.slotsWanted >= before.slotsWanted, 'more work never asks for fewer slots');
    assert.ok(decided.slotsWanted <= before.slotsWanted, 'a limit never asks for more slots');
  }

  test('in any state', () => {
    for (let seed = 0; seed < 2_000; seed++) {
      const some = someFacts(seed);
      assert.doesNotThrow(() => check(some), `seed ${seed}`);
    }
  });
});
