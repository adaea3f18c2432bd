/** F67, the part that is cheap: everything for one worker, and each rule switched off is found with two. `npm run test:model` explores three workers in full. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { acceptModel, acceptRules } from './accept-model.ts';
import { commitModel, type Rule, rules } from './commit-model.ts';
import { explore } from './explore.ts';

/** Which invariant each rule protects. */
const protects: Readonly<Record<Rule, RegExp>> = {
  // A chunk that runs unlisted commits twice, or where no manifest looks for it.
  'plan lists what runs': /^M[16]/,
  'closing before the next plan': /^M6/,
  'generation in names': /^M2/,
  'orphans go when all is filled': /^M2/,
  'no delete while empty': /^M2/,
  'standing manifest decides': /^M4/,
  '_SUCCESS goes forward': /^M4/,
  'marker before command': /^M5/,
};

describe('F67: the commit protocol as a model', () => {
  it('holds in every state of one worker, two chunks, two generations', () => {
    const { breach, states } = explore(commitModel(1), null);
    assert.equal(breach, null);
    assert.ok(states > 15_000, `${states} states`);
  });

  for (const rule of rules) {
    it(`is broken without the rule "${rule}"`, () => {
      const { breach, way } = explore(commitModel(2), rule);
      assert.match(breach ?? 'nothing', protects[rule], way.join('\n'));
      assert.ok(way.length >= 3);
    });
  }
});

describe('F67: accepting a job as a model', () => {
  it('holds in every state', () => assert.equal(explore(acceptModel, null).breach, null));

  for (const rule of acceptRules) {
    it(`is broken without the rule "${rule}"`, () => assert.match(explore(acceptModel, rule).breach ?? 'nothing', /^M5/));
  }
});
