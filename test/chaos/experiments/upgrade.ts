/**
 * F57: a fleet is upgraded role by role while jobs keep coming, and set back again: an older commit, this one, and this one with a core of another result
 * version. Schedulers and hosts of each meet one journal and one Redis; some leave in order, some are killed. A generation stays with one result version.
 *
 * The core of another result version is this core behind a program that changes its greeting: its rows are the same, so every row can be compared.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JobHandle } from '@millrace/producer';
import type { Workbench } from '../../e2e/support/workbench.ts';
import { checkOut, commitNamed, coreThatSays, hasOurWire } from '../support/builds.ts';
import { driveHome } from '../support/campaign.ts';
import { findBreaches } from '../support/checker.ts';
import { Cluster, type Role, type RoleName } from '../support/cluster.ts';
import { readJob, receiptsOf, recordOf } from '../support/journal-reader.ts';
import { SeededRandom } from '../support/random.ts';
import { type Experiment, Findings } from './experiment.ts';

/** Before this one; a commit of one's own with `MILLRACE_OLD_BUILD`. */
const oldBuild = process.env['MILLRACE_OLD_BUILD'] ?? 'HEAD~60';
const withinMs = 180_000;
const fleet: readonly RoleName[] = ['scheduler', 'worker-host', 'worker-host'];

interface Build {
  readonly name: string;
  readonly resultVersion: number;
  readonly tree?: string;
  readonly core?: string;
}

export const rollingUpgrade: Experiment = {
  fault: 'F57',
  what: 'rolling upgrade and back, with an older commit and another result version',
  async run({ bench, seed, seconds }) {
    const commit = commitNamed(oldBuild);
    if (commit === null) return { skipped: `this checkout has no history with ${oldBuild}: MILLRACE_OLD_BUILD names another commit` };
    if (!hasOurWire(commit)) return { skipped: `${oldBuild} speaks another schema to its core: MILLRACE_OLD_BUILD names another commit` };
    const findings = new Findings();
    const { directory: data } = bench.generate('data', { records: 8_000, files: 2, seed });
    const old: Build = { name: 'old', resultVersion: 1, tree: checkOut(commit, bench.path('old')) };
    const next: Build = { name: 'new', resultVersion: 1 };
    const newest: Build = {
      name: 'newest',
      resultVersion: 2,
      core: coreThatSays(bench.core, bench.path('newest-core'), { resultVersion: 2, coreVersion: '9.0.0' }),
    };
    const cluster = await Cluster.start({ bench, name: 'upgrade', data, redis: { appendOnly: true }, timeScale: 0.1 });
    const rollout = new Rollout(cluster, new SeededRandom(seed));
    findings.figures['oldBuild'] = commit.slice(0, 12);
    try {
      await refusals(cluster, bench, findings);
      await rollout.start(old);
      const over = new AbortController();
      const coming = rollout.submitAgainAndAgain(over.signal);
      coming.catch(() => {});
      const cancelled = await rollout.submitPinned('cancelled', old, findings);
      await cancelled.cancel('redriven when all is new').catch(() => {});
      for (const endMs = performance.now() + seconds * 1_000, began = rollout.replaced; rollout.replaced === began || performance.now() < endMs; ) {
        for (const build of [next, newest, next, old]) {
          await rollout.moveTo(build);
          await rollout.submitPinned(`${build.name}-${rollout.replaced}`, build, findings);
          // A generation that an older result version opened, from a scheduler that has none such any more.
          if (build === newest) await cancelled.redrive('under a newer core').catch(() => {});
        }
      }
      over.abort();
      await coming;
      await rollout.addHost(newest);
      const healedAt = performance.now();
      for (const handle of rollout.handles) await findings.during('the end of a job', () => driveHome(handle, cluster, healedAt + withinMs));
      findings.figures['healMs'] = Math.round(performance.now() - healedAt);
      expectOneVersionEach(rollout, findings, cluster);
    } catch (error) {
      findings.breaches.push(`broke off: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await cluster.stop();
    }
    await findings.during('I7', () => bench.expectNothingRuns());
    findings.breaches.push(...(await findBreaches(cluster)));
    findings.figures['replaced'] = rollout.replaced;
    return findings;
  },
};

/** Neither a host nor its core takes the other when their protocols differ; which of the two notices does not matter. */
async function refusals(cluster: Cluster, bench: Workbench, findings: Findings): Promise<void> {
  const strangers = { 'a newer core': { coreProtocol: 2 }, 'an older core': { coreProtocol: 0 }, 'a newer host': { hostProtocol: 2 } } as const;
  for (const [name, changes] of Object.entries(strangers)) {
    const core = coreThatSays(bench.core, bench.path(`core-of-${name.replaceAll(' ', '-')}`), changes);
    for (const role of [cluster.host({ core }), cluster.scheduler({ core })]) {
      const { code } = await role.ended;
      findings.expect(code === 1 && /CORE_VERSION/.test(role.tail()), `${role.role} with ${name}: ended with ${code}: ${role.tail()}`);
    }
  }
}

class Rollout {
  readonly handles: JobHandle[] = [];
  readonly builds = new Map<Role, Build>();
  replaced = 0;
  readonly #cluster: Cluster;
  readonly #random: SeededRandom;

  constructor(cluster: Cluster, random: SeededRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  async start(build: Build): Promise<void> {
    await this.#cluster.ready(...fleet.map((role) => this.#spawn(role, build)));
  }

  async addHost(build: Build): Promise<void> {
    await this.#cluster.ready(this.#spawn('worker-host', build));
  }

  /** One after the other in any order, the new one first. A third of those that leave are killed. */
  async moveTo(build: Build): Promise<void> {
    const leaving = [...this.#cluster.living].sort(() => this.#random.next() - 0.5);
    for (const role of leaving) {
      await this.#cluster.ready(this.#spawn(role.role, build));
      role.signal(this.#random.next() < 0.33 ? 'SIGKILL' : 'SIGTERM');
      await role.ended;
      this.replaced += 1;
    }
  }

  async submitAgainAndAgain(over: AbortSignal): Promise<void> {
    for (let number = 0; !over.aborted; number += 1) {
      await this.#submit(`job-${number}`);
      await delay(2_500, undefined, { signal: over }).catch(() => {});
    }
  }

  /** With schedulers of one build alone: a new job is theirs. */
  async submitPinned(key: string, build: Build, findings: Findings): Promise<JobHandle> {
    const handle = await this.#submit(key);
    const { resultVersion } = recordOf(this.#cluster.out, handle.jobId);
    findings.expect(resultVersion === build.resultVersion, `${key} is pinned to ${resultVersion}, and its scheduler's core has ${build.resultVersion}`);
    return handle;
  }

  async #submit(key: string): Promise<JobHandle> {
    const handle = await this.#cluster.submit(key, this.#cluster.spec({}, `${key}/`), withinMs);
    this.handles.push(handle);
    return handle;
  }

  #spawn(name: RoleName, { tree, core, ...build }: Build): Role {
    const options = { ...(tree === undefined ? {} : { tree }), ...(core === undefined ? {} : { core }), drainMs: 2_000 };
    const role = name === 'scheduler' ? this.#cluster.scheduler(options) : this.#cluster.host(options);
    this.builds.set(role, build);
    return role;
  }
}

/** Each attempt that a host opened, at a chunk, a plan or a finish, was one of a job of its own result version. No generation here asks for another. */
function expectOneVersionEach({ builds, handles }: Rollout, findings: Findings, cluster: Cluster): void {
  const pinned = new Map(handles.map(({ jobId }): [string, number] => [jobId, recordOf(cluster.out, jobId).resultVersion]));
  const opened: Record<string, number> = {};
  for (const [role, { name, resultVersion }] of builds) {
    for (const { msg, ...line } of role.lines) {
      if (msg !== 'attempt opened') continue;
      opened[name] = (opened[name] ?? 0) + 1;
      const wanted = pinned.get(String(line['jobId']));
      findings.expect(wanted === resultVersion, `${role.name} of result version ${resultVersion} took ${String(line['attemptId'])}, whose job has ${wanted}`);
    }
  }
  for (const name of ['old', 'new', 'newest']) findings.expect((opened[name] ?? 0) > 0, `no host of the ${name} build ran anything`);
  for (const version of [1, 2]) findings.figures[`jobsOfResultVersion${version}`] = [...pinned.values()].filter((one) => one === version).length;
  findings.figures['attempts'] = Object.entries(opened)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
  findings.figures['chunks'] = handles.reduce((sum, { jobId }) => sum + receiptsOf(readJob(cluster.out, jobId)).length, 0);
}
