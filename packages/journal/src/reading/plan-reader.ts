/** Reads the plans of a job into an index, and goes on where it stopped: what a plan holds never changes, so each segment is read once. */
import { type JobRecord, jobStages, laterStages } from '@millrace/protocol';

import { isSegment, readPlanEntry } from '../plan-segments.ts';
import type { Store } from '../store.ts';
import { PlanIndex } from './plan-index.ts';

/** Segments that are asked for at once when there are more. */
const ahead = 8;

/** One plan of a generation: that of the stages over files, or of one later stage. */
interface Progress {
  readonly stage: string | null;
  /** Number of the next segment; null: not known before the plan in front of it has ended. */
  next: number | null;
  ended: boolean;
}

export class PlanReader {
  readonly index = new PlanIndex();
  readonly #store: Store;
  readonly #job: JobRecord;
  /** By generation, from 1. */
  readonly #plans: Progress[][] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: Store, job: JobRecord) {
    this.#store = store;
    this.#job = job;
  }

  /** Reads what has come since, of generations up to this one. Two callers at once wait for each other. */
  async catchUp(generation: number): Promise<PlanIndex> {
    const mine = this.#turn.then(() => this.#catchUp(generation));
    this.#turn = mine.catch(() => undefined);
    await mine;
    return this.index;
  }

  /** Every plan of this generation stands to its end, as far as it was read. */
  isFullyPlanned(generation: number): boolean {
    return this.#plans[generation - 1]?.every(({ ended }) => ended) ?? false;
  }

  /** The plan of a stage in a generation stands to its end. */
  isPlanned(generation: number, stage: string): boolean {
    const plans = this.#plans[generation - 1] ?? [];
    return (plans.find((plan) => plan.stage === stage) ?? plans[0])?.ended ?? false;
  }

  async #catchUp(generation: number): Promise<void> {
    for (let number = 1; number <= generation; number += 1) {
      const plans = this.#plans[number - 1] ?? this.#begin();
      for (const [at, plan] of plans.entries()) {
        if (plan.ended) continue;
        plan.next ??= plans[at - 1]?.next ?? 0;
        await this.#read(number, plan);
        // The plan of a later stage is made when the one before it stands.
        if (!plan.ended) break;
      }
    }
  }

  #begin(): Progress[] {
    const stages = [null, ...laterStages(jobStages(this.#job)).map(({ name }) => name)];
    const plans = stages.map((stage, at) => ({ stage, next: at === 0 ? 0 : null, ended: false }));
    this.#plans.push(plans);
    return plans;
  }

  async #read(generation: number, plan: Progress): Promise<void> {
    for (let together = 1; ; together = ahead) {
      const first = plan.next ?? 0;
      const numbers = Array.from({ length: together }, (_, at) => first + at);
      const entries = await Promise.all(numbers.map((number) => readPlanEntry(this.#store, this.#job.jobId, generation, number, plan.stage)));
      for (const entry of entries) {
        if (entry === null) return;
        if (!isSegment(entry)) {
          plan.ended = true;
          return;
        }
        this.index.add(entry);
        plan.next = entry.record.segment + 1;
      }
    }
  }
}
