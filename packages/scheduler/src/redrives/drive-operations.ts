/**
 * Carries operations out, beside the rounds of the leading scheduler: looks how far the items are, decides (`decideOperation`), opens generations, says how
 * many chunks may begin. All it knows stands in the registry and in the journals of the jobs, so another leader goes on from there; two do no harm.
 */
import { decideOperation, type ItemCounts, isOperationId, isOperationOver, type Operation, type OperationJob } from '@millrace/protocol';
import { EpochUnknownError } from '@millrace/queues';
import type { Control } from '../control.ts';
import { giveUpRest } from './give-up-rest.ts';
import { isDone, type JobSeen, observeJob } from './observe-job.ts';
import { openForOperation } from './open-generation.ts';
import { OperationItems } from './operation-items.ts';
import { noItems } from './start-plan.ts';

/** Counts that no change of state has written down are written after this long. */
const writeAfterMs = 30_000;

interface Flow {
  readonly items: OperationItems;
  number: number;
  /** The highest that was seen: a ledger that is rebuilt shows fewer for a while. */
  counts: ItemCounts;
  /** Of each job, as last seen. */
  readonly last: Map<string, ItemCounts>;
  recent: string;
  writtenAtMs: number;
}

export class OperationDriver {
  readonly #control: Control;
  readonly #flows = new Map<string, Flow>();
  readonly #underWay = new Map<string, Promise<void>>();
  /** Known to be over: their documents are not read again. */
  readonly #over = new Set<string>();
  /** Of those that are open. */
  readonly #states = new Map<string, string>();
  #tickedAtMs = Number.NEGATIVE_INFINITY;

  constructor(control: Control) {
    this.#control = control;
  }

  /** Looks at each open operation, at most once a tick; what takes long goes on meanwhile. */
  async tick(): Promise<void> {
    const nowMs = this.#control.clock.monotonicMs();
    if (nowMs - this.#tickedAtMs < this.#control.times.tickMs) return;
    this.#tickedAtMs = nowMs;
    this.#tellStates();
    for (const id of await this.#control.queues.operations.open()) {
      if (this.#underWay.has(id)) continue;
      const driving = this.#drive(id)
        .catch((err: unknown) => {
          if (!(err instanceof EpochUnknownError)) this.#control.log.warn({ err, operationId: id }, 'operation not driven');
        })
        .finally(() => this.#underWay.delete(id));
      this.#underWay.set(id, driving);
    }
  }

  #tellStates(): void {
    const counts = new Map<string, number>();
    for (const state of this.#states.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    this.#control.metrics.recordOperations(counts);
  }

  /** Operations that Redis has not heard of, or forgot. */
  async sweep(): Promise<void> {
    const known = new Set(await this.#control.queues.operations.open());
    for await (const id of this.#control.journal.listRegistered('operations')) {
      if (!isOperationId(id) || known.has(id) || this.#over.has(id)) continue;
      const stored = await this.#control.journal.readRegistered('operations', id);
      if (stored === null || stored.body.endedAt !== null) this.#over.add(id);
      else await this.#control.queues.operations.add(id);
    }
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  async #drive(id: string): Promise<void> {
    const { journal, queues } = this.#control;
    const stored = await journal.readRegistered('operations', id, this.#flows.get(id)?.number ?? 1);
    if (stored === null || stored.body.endedAt !== null) {
      this.#over.add(id);
      this.#flows.delete(id);
      this.#states.delete(id);
      return queues.operations.remove(id);
    }
    this.#states.set(id, stored.body.state);
    const flow = await this.#flowOf(stored.body, stored.number);
    const operation = { ...stored.body, jobs: stored.body.jobs.map((job) => ({ ...job, counts: flow.last.get(job.jobId) ?? job.counts })) };
    const seen = new Map<OperationJob, JobSeen>();
    for (const job of operation.jobs) seen.set(job, await observeJob(job, flow.items, operation.state === 'aborted', this.#control));
    const jobs = operation.state === 'aborted' ? await this.#abort(operation, seen, flow) : await this.#release(operation, seen, flow);
    const counts = sumOf(jobs);
    this.#control.metrics.recordItems(flow.counts, counts);
    const decision = decideOperation({ ...operation, jobs }, counts, flow.counts, flow.recent, this.#control.clock.nowIso());
    for (const job of jobs) flow.last.set(job.jobId, job.counts);
    flow.counts = { ...counts, resolved: Math.max(counts.resolved, flow.counts.resolved), failedAgain: Math.max(counts.failedAgain, flow.counts.failedAgain) };
    flow.recent = decision.recent;
    await queues.operations.writeCounts(id, counts);
    await this.#write({ ...decision.operation, jobs, counts }, stored.body, flow);
  }

  async #flowOf(operation: Operation, number: number): Promise<Flow> {
    const known = this.#flows.get(operation.operationId);
    if (known !== undefined) {
      // Somebody steered it: what is to be watched begins with what stands there.
      if (known.number !== number) Object.assign(known, { number, recent: operation.recent });
      return known;
    }
    const items = await OperationItems.read(operation, this.#control);
    const writtenAtMs = this.#control.clock.monotonicMs();
    const flow: Flow = { items, number, counts: operation.counts, last: new Map(), recent: operation.recent, writtenAtMs };
    this.#flows.set(operation.operationId, flow);
    return flow;
  }

  /** The next version, where something changed that must not be forgotten; counts alone now and then. A lost put: the next tick reads what came first. */
  async #write(now: Operation, before: Operation, flow: Flow): Promise<void> {
    const { clock, journal, log } = this.#control;
    const changed = now.state !== before.state || now.endedAt !== before.endedAt || now.canaryPassed !== before.canaryPassed || isMoreDone(now, before);
    const isDue = clock.monotonicMs() - flow.writtenAtMs >= writeAfterMs && JSON.stringify(now.counts) !== JSON.stringify(before.counts);
    if (!changed && !isDue) return;
    const body = { ...now, recent: flow.recent };
    const put = await journal.putRegistered('operations', now.operationId, flow.number + 1, { at: clock.nowIso(), by: 'scheduler', reason: '', body });
    if (put.outcome === 'lost') return;
    flow.number += 1;
    flow.writtenAtMs = clock.monotonicMs();
    const { operationId, state, why, counts } = now;
    if (state !== before.state) log.info({ operationId, state, ...(why ? { code: why.code } : {}), counts }, 'operation state changed');
  }

  /** Lets as many chunks begin as the operation may have released by now, and opens generations as they are reached. */
  async #release(operation: Operation, seen: ReadonlyMap<OperationJob, JobSeen>, flow: Flow): Promise<OperationJob[]> {
    const { queues } = this.#control;
    const counts = sumOf([...seen].map(([job, { counts: now }]) => ({ ...job, counts: now })));
    const { most } = decideOperation(operation, counts, flow.counts, flow.recent, this.#control.clock.nowIso());
    if (most === null) {
      await queues.operations.rest(operation.operationId);
      if (operation.state === 'paused') for (const { live } of seen.values()) if (live !== null) await this.#hold(live);
      return [...seen].map(([job, { counts: now }]) => ({ ...job, counts: now }));
    }
    const base = counts.released + counts.skipped;
    const allowed = await queues.operations.allowance(operation.operationId, { rate: operation.rate, base, most: most + counts.skipped });
    let left = allowed;
    const jobs: OperationJob[] = [];
    for (const [job, one] of seen) {
      const now = await this.#releaseOne(operation, { ...job, counts: one.counts }, one, left, flow);
      jobs.push(now);
      if (one.taken !== null || now.counts.released > 0 || isDone(now)) left = Math.max(0, left - job.items);
    }
    return jobs;
  }

  async #releaseOne(operation: Operation, job: OperationJob, { taken, live }: JobSeen, left: number, flow: Flow): Promise<OperationJob> {
    if (isDone(job)) return job;
    if (taken === null) return left > 0 ? this.#open(operation, job, flow) : job;
    if (live === null || live.release === null) return job;
    const share = Math.max(0, left - taken.left - taken.files.length);
    const limit = share >= taken.chunks.length ? null : share;
    // What was released stays so.
    if (limit === null || limit > live.release.limit) {
      await this.#control.queues.ledger.setRelease(job.jobId, taken.generation, limit);
      await this.#control.queues.events.nudgeLeader(job.jobId);
    }
    return job;
  }

  async #open(operation: Operation, job: OperationJob, flow: Flow): Promise<OperationJob> {
    const opened = await openForOperation(operation, job.jobId, flow.items.ids(job.jobId), this.#control);
    switch (opened.end) {
      case 'opened':
        return { ...job, why: null };
      case 'waits':
        return { ...job, why: { code: 'STATE_CONFLICT', message: 'its items wait for the end of the generation that runs' } };
      case 'nothing':
        return { ...job, counts: { ...noItems, total: job.items, skipped: job.items }, why: { code: 'PLAN_EMPTY', message: opened.why } };
      default:
        return opened satisfies never;
    }
  }

  async #hold(live: NonNullable<JobSeen['live']>): Promise<void> {
    if (live.release === null || live.release.limit <= live.release.started) return;
    await this.#control.queues.ledger.setRelease(live.jobId, live.generation, 'hold');
  }

  /** Jobs that were not opened are left alone; in those that were, what has not begun is given up. */
  async #abort(operation: Operation, seen: ReadonlyMap<OperationJob, JobSeen>, flow: Flow): Promise<OperationJob[]> {
    const jobs: OperationJob[] = [];
    for (const [job, { counts, taken, live }] of seen) {
      if (taken === null && !isDone(job)) {
        jobs.push({ ...job, counts: { ...noItems, total: job.items, skipped: job.items }, why: operation.why });
        continue;
      }
      jobs.push({ ...job, counts });
      if (live !== null) await giveUpRest(live, operation.operationId, flow.items.ids(job.jobId), this.#control);
    }
    return jobs;
  }
}

function sumOf(jobs: readonly OperationJob[]): ItemCounts {
  return jobs.reduce(
    (sum, { counts }) => ({
      total: sum.total + counts.total,
      released: sum.released + counts.released,
      resolved: sum.resolved + counts.resolved,
      failedAgain: sum.failedAgain + counts.failedAgain,
      skipped: sum.skipped + counts.skipped,
    }),
    noItems,
  );
}

/** A job was left out, or waits: nobody else would know. */
function isMoreDone(now: Operation, before: Operation): boolean {
  return isOperationOver(now.state) !== isOperationOver(before.state) || now.jobs.some((job, index) => job.why?.message !== before.jobs[index]?.why?.message);
}
