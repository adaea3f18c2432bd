import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decideOperation, recentOutcomes, steeredOperation, watchedOutcomes } from './decide-operation.ts';
import type { ItemCounts, Operation } from './redrive-plan.ts';

const at = '2026-11-23T10:00:00.000Z';
const none: ItemCounts = { total: 100, released: 0, resolved: 0, failedAgain: 0, skipped: 0 };
const operation = (changes: Partial<Operation> = {}): Operation => ({
  operationId: 'o1',
  planId: 'p1',
  tenant: 'default',
  target: 'deadLetters',
  correction: null,
  filter: null,
  state: 'running',
  why: null,
  rate: null,
  canary: { count: 10, minResolved: 0.8 },
  canaryPassed: false,
  overrides: {},
  reason: '',
  by: 'test',
  idempotencyKey: null,
  startedAt: at,
  endedAt: null,
  counts: none,
  recent: '',
  jobs: [],
  ...changes,
});
const decide = (of: Operation, seen: Partial<ItemCounts>, recent = '') => decideOperation(of, { ...none, ...seen }, none, recent, at);

describe('an operation', () => {
  test('begins, and releases its canary only', () => {
    const { operation: now, most } = decide(operation({ state: 'pending' }), {});
    assert.deepEqual([now.state, most], ['running', 10]);
    assert.equal(decide(operation(), { resolved: 5 }).most, 10);
    assert.equal(decide(operation({ canary: null }), {}).most, 100);
    assert.equal(decide(operation({ canary: { count: 500, minResolved: 1 } }), {}).most, 100);
  });

  test('goes on when enough of the canary were resolved; what was skipped says nothing', () => {
    const passed = decide(operation(), { resolved: 7, failedAgain: 1, skipped: 2 });
    assert.deepEqual([passed.operation.canaryPassed, passed.most], [true, 100]);
    const failed = decide(operation(), { resolved: 7, failedAgain: 3 });
    assert.deepEqual([failed.operation.state, failed.operation.why?.code, failed.most], ['paused', 'CANARY_FAILED', null]);
    assert.match(failed.operation.why?.message ?? '', /7 of the first 10 were resolved, 3 failed again; 80 %/);
  });

  test('pauses when more than half of the newest failed, not when half did', () => {
    const through = operation({ canaryPassed: true });
    assert.equal(decide(through, {}, 'rf'.repeat(25)).operation.state, 'running');
    const paused = decide(through, {}, `${'rf'.repeat(24)}ff`);
    assert.deepEqual([paused.operation.state, paused.operation.why?.code], ['paused', 'FAILING_AGAIN']);
    assert.equal(decide(through, {}, 'f'.repeat(49)).operation.state, 'running', 'fewer than fifty say nothing');
  });

  test('is finished when every item has an outcome, also while it is paused', () => {
    for (const state of ['running', 'paused'] as const) {
      const ended = decide(operation({ state }), { resolved: 90, failedAgain: 5, skipped: 5 });
      assert.deepEqual([ended.operation.state, ended.operation.endedAt, ended.most], ['finished', at, null]);
    }
    const aborted = decide(operation({ state: 'aborted' }), { resolved: 1, skipped: 99 });
    assert.deepEqual([aborted.operation.state, aborted.operation.endedAt], ['aborted', at]);
    assert.equal(decide(operation({ state: 'aborted' }), { skipped: 98 }).operation.endedAt, null);
  });

  test('that is steered: a resume forgives the canary and forgets what failed', () => {
    const ask = { rate: 5, by: 'me', reason: 'why' };
    const resumed = steeredOperation(operation({ state: 'paused', why: { code: 'CANARY_FAILED', message: '' }, recent: 'f' }), 'resume', ask);
    assert.ok(!('refused' in resumed));
    assert.deepEqual([resumed.state, resumed.canaryPassed, resumed.recent, resumed.why], ['running', true, '', null]);
    const held = steeredOperation(operation({ state: 'paused', why: { code: 'PAUSED', message: '' } }), 'resume', ask);
    assert.ok(!('refused' in held) && !held.canaryPassed, 'a pause by a person does not pass the canary');
    assert.deepEqual(steeredOperation(operation(), 'resume', ask), { refused: 'it is not paused' });
    assert.deepEqual(steeredOperation(operation({ state: 'finished' }), 'abort', ask), { refused: 'it is finished' });
    const paced = steeredOperation(operation(), 'rate', ask);
    assert.ok(!('refused' in paced) && paced.rate === 5);
  });
});

describe('the newest outcomes', () => {
  test('are mixed evenly within one look, and never more than are watched', () => {
    assert.equal(recentOutcomes('', 2, 2), 'rfrf');
    assert.equal(recentOutcomes('rr', 0, 0), 'rr');
    assert.equal(recentOutcomes('r'.repeat(50), 0, 3), `${'r'.repeat(47)}fff`);
    const many = recentOutcomes('', 900, 100);
    assert.deepEqual([many.length, [...many].filter((one) => one === 'f').length], [watchedOutcomes, 5]);
    assert.equal(recentOutcomes('r', -3, 0), 'r', 'a ledger that is rebuilt shows fewer for a while');
  });

  test('over any sequence of looks an operation ends with one outcome for each item, released within its bounds', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return Math.floor((seed / 2_147_483_647) * below);
    };
    for (let run = 0; run < 300; run++) {
      const total = 1 + random(200);
      const share = random(101) / 100;
      let now = operation({ state: 'pending', counts: { ...none, total }, canary: random(2) === 0 ? null : { count: 1 + random(40), minResolved: share } });
      let counts: ItemCounts = { ...none, total };
      let recent = '';
      for (let looks = 0; now.endedAt === null; looks++) {
        assert.ok(looks < 20_000, `it does not end: ${JSON.stringify([now, counts])}`);
        const before = counts;
        const open = counts.released - counts.resolved - counts.failedAgain - counts.skipped;
        const ended = random(open + 1);
        const failed = random(ended + 1);
        const skipped = random(ended - failed + 1);
        counts = {
          ...counts,
          resolved: counts.resolved + ended - failed - skipped,
          failedAgain: counts.failedAgain + failed,
          skipped: counts.skipped + skipped,
        };
        const decision = decideOperation(now, counts, before, recent, at);
        ({ operation: now, recent } = decision);
        const most = decision.most ?? counts.released;
        assert.ok(most <= total);
        if (now.canary !== null && !now.canaryPassed && now.state === 'running') assert.ok(most <= Math.max(now.canary.count, counts.released));
        counts = { ...counts, released: Math.max(counts.released, Math.min(most, counts.released + random(30))) };
        if (now.state === 'paused') {
          const act = random(4) === 0 ? 'abort' : 'resume';
          const steered = steeredOperation(now, act, { rate: null, by: 'me', reason: '' });
          assert.ok(!('refused' in steered));
          now = steered;
          recent = now.recent;
        }
        // What was released runs to its end.
        if (now.state === 'aborted') counts = { ...counts, skipped: counts.skipped + total - counts.released, released: total };
      }
      assert.equal(counts.resolved + counts.failedAgain + counts.skipped, total);
    }
  });
});
