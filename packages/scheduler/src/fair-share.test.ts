import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { noShares, type ShareJob, type Shares, type ShareTenant, shareOut } from './fair-share.ts';

const MiB = 1024 * 1024;

interface Item {
  readonly bytes: number;
  readonly jobId: string;
}

function job(jobId: string, changes: Partial<ShareJob<Item>> = {}, sizes: readonly number[] = Array(50).fill(MiB)): ShareJob<Item> {
  return { jobId, tenant: jobId, priority: 5, weight: 10, ...changes, items: sizes.map((bytes) => ({ bytes, jobId })) };
}

const tenant = (weight: number, changes: Partial<ShareTenant> = {}): ShareTenant => ({
  weight,
  freeChunks: Number.POSITIVE_INFINITY,
  freeBytes: Number.POSITIVE_INFINITY,
  ...changes,
});

const ids = (items: readonly Item[]): string => items.map(({ jobId }) => jobId).join('');

describe('the order of dispatch', () => {
  test('takes the highest priority of a tenant first, and tenants in turn', () => {
    const jobs = [job('a', { tenant: 't', priority: 1 }), job('b', { tenant: 't', priority: 9 }, [MiB, MiB]), job('c', { tenant: 'u', priority: 0 })];
    assert.equal(ids(shareOut(jobs, new Map(), 8).order), 'bcbcacac');
  });

  test('keeps to the limits of a tenant', () => {
    const jobs = [job('a'), job('b')];
    const few = new Map([['a', tenant(1, { freeChunks: 2 })]]);
    assert.equal(ids(shareOut(jobs, few, 6).order), 'ababbb');
    // One more may begin while a byte is free: else a chunk larger than the limit would never run.
    const small = new Map([['a', tenant(1, { freeBytes: 1.5 * MiB })]]);
    assert.equal(ids(shareOut(jobs, small, 6).order), 'ababbb');
    assert.equal(ids(shareOut(jobs, new Map([['a', tenant(1, { freeBytes: 0 })]]), 3).order), 'bbb');
  });

  test('gives no credit for time without work', () => {
    const before = shareOut([job('b', {}, Array(1_000).fill(MiB))], new Map(), 1_000).shares;
    const { order } = shareOut([job('a'), job('b')], new Map(), 20, before);
    assert.equal(order.filter(({ jobId }) => jobId === 'a').length, 10);
  });

  test('remembers who was given more when the others come back', () => {
    const first = shareOut([job('a', {}, [64 * MiB]), job('b', {}, [MiB])], new Map(), 2).shares;
    const idle = shareOut([job('a', {}, []), job('b')], new Map(), 10, first).shares;
    const { order } = shareOut([job('a'), job('b')], new Map(), 20, idle);
    assert.equal(ids(order), 'b'.repeat(20), 'a round without work is no way to begin anew');
  });

  test('is empty without room, and gives all when there is room for all', () => {
    assert.deepEqual(shareOut([job('a')], new Map(), 0).order, []);
    assert.equal(shareOut([job('a'), job('b')], new Map(), 1_000).order.length, 100);
  });
});

interface World {
  readonly weights: readonly number[];
  readonly sizes: readonly (readonly number[])[];
  readonly window: number;
}

const worlds: fc.Arbitrary<World> = fc.integer({ min: 2, max: 6 }).chain((count) =>
  fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: count, maxLength: count }),
    sizes: fc.array(fc.array(fc.integer({ min: 1, max: 64 * MiB }), { minLength: 1, maxLength: 8 }), { minLength: count, maxLength: count }),
    window: fc.integer({ min: 1, max: 40 }),
  }),
);

/** Rounds of a window each over backlogs that never end; bytes given to each, and the most others got between two turns of one, by its own weight. */
function run({ weights, sizes, window }: World, rounds: number, ofTenants: boolean): { given: number[]; largest: number[] } {
  let shares: Shares = noShares;
  const given = weights.map(() => 0);
  const passed = weights.map(() => 0);
  const tenants = new Map(weights.map((weight, index) => [ofTenants ? `${index}` : 't', tenant(ofTenants ? weight : 1)]));
  for (let round = 0; round < rounds; round++) {
    const jobs = weights.map((weight, index) => {
      const pattern = sizes[index] ?? [1];
      const next = Array.from({ length: window }, (_, at) => pattern[((passed[index] ?? 0) + at) % pattern.length] ?? 1);
      return job(`${index}`, ofTenants ? {} : { tenant: 't', weight }, next);
    });
    const shared = shareOut(jobs, tenants, window, shares);
    shares = shared.shares;
    assert.equal(shared.order.length, window, 'no place stays empty while there is work');
    for (const { jobId, bytes } of shared.order) {
      given[Number(jobId)] = (given[Number(jobId)] ?? 0) + Math.max(64 * 1024, bytes);
      passed[Number(jobId)] = (passed[Number(jobId)] ?? 0) + 1;
    }
  }
  return { given, largest: sizes.map((own) => Math.max(64 * 1024, ...own)) };
}

describe('shares', () => {
  for (const [name, ofTenants] of [
    ['of tenants', true],
    ['of the jobs of one tenant', false],
  ] as const) {
    test(`${name} are as their weights, apart from the last chunk of each`, () => {
      fc.assert(
        fc.property(worlds, (world) => {
          const { given, largest } = run(world, 60, ofTenants);
          // Virtual times never lie further apart than what one turn adds: that bounds unfairness and starvation at once.
          const times = given.map((bytes, index) => bytes / (world.weights[index] ?? 1));
          const turn = Math.max(...largest.map((bytes, index) => bytes / (world.weights[index] ?? 1)));
          assert.ok(Math.max(...times) - Math.min(...times) <= turn + 1e-6, `${times.join(' ')} lie further apart than ${turn}`);
        }),
        { numRuns: 60 },
      );
    });
  }

  test('come within two percent of the weights over a thousand chunks', () => {
    const weights = [1, 3, 6];
    const { given } = run({ weights, sizes: [[MiB, 7 * MiB], [3 * MiB], [64 * 1024, 5 * MiB]], window: 16 }, 120, true);
    const all = given.reduce((sum, bytes) => sum + bytes, 0);
    for (const [index, bytes] of given.entries()) assert.ok(Math.abs(bytes / all - (weights[index] ?? 0) / 10) < 0.02, `${given.join(' ')}`);
  });
});
