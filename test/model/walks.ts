/** F39: random walks through `walk-world.ts`, as fast-check makes them: a walk that breaks something is shortened until each of its steps is needed. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type JobId, jobIdFromKey } from '@millrace/protocol';
import type { TestRedis } from '@millrace/queues/testing';
import fc from 'fast-check';
import { World } from './walk-world.ts';

/** The small model: what a client was told, and nothing else. What must follow from it is asked of the world. */
interface Told {
  readonly submitted: Set<string>;
  steps: number;
}

const execute = promisify(execFile);
const keys = ['tolerant', 'strict'] as const;
const idOf = (key: string): JobId => jobIdFromKey('default', key);

type Step = fc.AsyncCommand<Told, World>;

/** A step that is always possible: on nothing it does nothing, so that any part of a walk is a walk. */
function step(name: string, run: (world: World, told: Told) => Promise<unknown>): Step {
  return {
    check: () => true,
    run: async (told, world) => {
      told.steps += 1;
      await run(world, told);
      if (world.breaches.length > 0) throw new Error(world.breaches.join('; '));
    },
    toString: () => name,
  };
}

const diesAfter = fc.option(fc.nat(25), { freq: 2 });
const pick = fc.nat(7);
const key = fc.constantFrom(...keys);

export interface WalkRedis {
  readonly redis: TestRedis;
  flush(): Promise<void>;
}

export function walkRedis(redis: TestRedis): WalkRedis {
  const socket = redis.url.replace(/^unix:\/\//, '');
  return { redis, flush: async () => void (await execute('redis-cli', ['-e', '-s', socket, 'FLUSHALL'])) };
}

function stepsOver(redis: WalkRedis): fc.Arbitrary<Step>[] {
  const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>): fc.Arbitrary<Step>[] => Array.from({ length: weight }, () => arbitrary);
  return [
    fc.tuple(key, diesAfter).map(([name, dies]) =>
      step(`submit ${name} dies ${dies}`, async (world, told) => {
        if (await world.inProcess(dies, () => world.submit(name, name === 'tolerant'))) told.submitted.add(name);
      }),
    ),
    ...weighted(
      5,
      fc.nat(2).map((most) => step(`a turn of work for ${most + 1}`, (world) => turn(world, most + 1))),
    ),
    ...weighted(
      4,
      diesAfter.map((dies) => step(`round dies ${dies}`, (world) => world.inProcess(dies, () => world.round()))),
    ),
    ...weighted(
      4,
      fc.tuple(pick, fc.boolean()).map(([at, isKept]) => step(`claim ${at}${isKept ? ' and leave it' : ''}`, (world) => known(() => world.claim(at, isKept)))),
    ),
    ...weighted(
      5,
      fc.tuple(pick, fc.boolean(), fc.boolean(), diesAfter).map(([at, isTold, isKept, dies]) =>
        step(`commit ${at}${isTold ? '' : ' untold'}${isKept ? ' twice' : ''} dies ${dies}`, async (world) => {
          const attempt = world.take(at, isKept);
          await world.inProcess(dies, () => known(() => world.complete(attempt, isTold)));
        }),
      ),
    ),
    ...weighted(
      3,
      fc.tuple(pick, fc.constantFrom('transient', 'input', 'input', 'crash', 'bug')).map(([at, failureClass]) =>
        step(`${failureClass} ${at}`, async (world) => {
          const attempt = world.take(at);
          await known(() => world.fail(attempt, failureClass));
        }),
      ),
    ),
    pick.map((at) => step(`crash of the host of ${at}`, async (world) => void world.take(at))),
    pick.map((at) => step(`the queue loses task ${at}`, async (world) => void world.bag.waiting.delete([...world.bag.waiting.keys()][at] as never))),
    ...weighted(
      2,
      diesAfter.map((dies) => step(`sweep dies ${dies}`, (world) => world.inProcess(dies, () => world.sweep()))),
    ),
    ...weighted(
      4,
      fc
        .tuple(key, diesAfter)
        .map(([name, dies]) => step(`redrive ${name} dies ${dies}`, (world) => world.inProcess(dies, () => known(() => world.redrive(idOf(name)))))),
    ),
    fc
      .tuple(key, pick, diesAfter)
      .map(([name, at, dies]) =>
        step(`redrive chunk ${at % 3} of ${name} dies ${dies}`, (world) =>
          world.inProcess(dies, () => known(() => world.redrive(idOf(name), [`read.${at % 3}`]))),
        ),
      ),
    fc
      .tuple(key, diesAfter)
      .map(([name, dies]) => step(`cancel ${name} dies ${dies}`, (world) => world.inProcess(dies, () => known(() => world.cancel(idOf(name)))))),
    fc.constant(step('Redis is emptied', (world) => world.flush(redis))),
  ];
}

/** A round and hosts that do what they are asked, without faults: without some of these few walks get anywhere. */
async function turn(world: World, tasks: number): Promise<void> {
  await world.round();
  for (let task = 0; task < tasks; task += 1) await known(() => world.claim(0, false));
  for (let task = 0; task < tasks; task += 1) {
    const attempt = world.take(0);
    await known(() => world.complete(attempt, true));
  }
}

/** While Redis has no epoch nobody is let in: hosts are refused, commands stand in the journal and wait. */
async function known(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Error) || !/EPOCH|epoch/.test(`${error.name} ${error.message}`)) throw error;
  }
}

export interface Walked {
  readonly walks: number;
  readonly steps: number;
}

/** Throws what fast-check says: the seed, the path and the shortest walk that breaks something. */
export async function walk(
  redis: WalkRedis,
  options: { readonly seed: number; readonly walks: number; readonly steps: number; readonly path?: string },
): Promise<Walked> {
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(fc.commands(stepsOver(redis), { maxCommands: options.steps, size: 'max' }), async (commands) => {
      await redis.flush();
      const world = await World.create(redis.redis);
      const told: Told = { submitted: new Set(), steps: 0 };
      try {
        for (const name of keys) await world.submit(name, name === 'tolerant');
        await fc.asyncModelRun(() => ({ model: told, real: world }), commands);
        const problem = await world.heal();
        const found = [...(problem === null ? [] : [problem]), ...world.check()];
        for (const name of told.submitted) if (!world.promised.has(idOf(name))) found.push(`I1 ${name} was answered`);
        if (found.length > 0) throw new Error(found.join('; '));
      } finally {
        steps += told.steps;
        await world.close();
      }
    }),
    {
      seed: options.seed,
      numRuns: options.walks,
      endOnFailure: false,
      ...(options.path === undefined ? {} : { path: options.path }),
      interruptAfterTimeLimit: 600_000,
    },
  );
  return { walks: options.walks, steps };
}
