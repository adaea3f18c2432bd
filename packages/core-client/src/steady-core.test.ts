/** One lasting core, with scripted cores in processes of their own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CoreProcess, startCore } from './core-process.ts';
import { SteadyCore } from './steady-core.ts';
import { scriptedCoreOptions } from './testing/index.ts';

const scope = { connection: 'j', kind: 'journal', jobKey: null, specDigest: null } as const;
const get = (key: string) => ({ type: 'StoreGet', scope, key, range: null, ifMatch: null }) as const;
const soon = { deadlineMs: 120_000 } as const;

function steadyCore(t: TestContext, failures = 0): { readonly steady: SteadyCore; readonly started: CoreProcess[]; readonly tries: () => number } {
  const started: CoreProcess[] = [];
  let tries = 0;
  const steady = new SteadyCore(async () => {
    tries += 1;
    if (tries <= failures) throw new Error('no core yet');
    const core = await startCore(scriptedCoreOptions());
    started.push(core);
    return core;
  });
  t.after(async () => {
    await steady.stop();
    for (const core of started) await core.kill('stop');
  });
  return { steady, started, tries: () => tries };
}

test('callers at the same time share one core', async (t) => {
  const { steady, started } = steadyCore(t);
  const answers = await Promise.all(['a', 'b', 'c'].map((key) => steady.request(get(key), soon)));
  assert.deepEqual(
    answers.map((answer) => Buffer.from(answer.payload).toString()),
    ['a', 'b', 'c'],
  );
  assert.equal(started.length, 1);
});

test('callers that waited for a start that failed share the next one', async (t) => {
  const { steady, started, tries } = steadyCore(t, 1);
  const results = await Promise.allSettled([steady.current(), steady.current(), steady.current()]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(tries(), 2);
  assert.equal(started.length, 1);
});

test('a core that died is replaced once, and what was open is asked again', async (t) => {
  const { steady, started } = steadyCore(t);
  const first = await steady.current();
  const held = [steady.request(get('x'), soon), steady.request(get('y'), soon)];
  await first.kill('stop');
  await Promise.all(held);
  assert.equal(started.length, 2);
});

test('a core that is stopped takes nothing more', async (t) => {
  const { steady, started } = steadyCore(t);
  await (await steady.current()).kill('stop');
  await steady.request(get('x'), soon);
  await steady.stop();
  await assert.rejects(steady.current(), /it is stopped/);
  assert.ok(started.every((core) => !core.isAlive));
});
