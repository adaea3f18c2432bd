/** The circuits of stores as they stand in Redis, for one round of the leader: what it saw is told, what may go is asked. */
import type { JobId, ResolvedJobSpec } from '@millrace/protocol';
import type { LedgerChunkView, LedgerJobView } from '@millrace/queues';
import { afterFailures, afterSuccesses, type Circuit, circuitAt, circuitTimes, closedCircuit, roomOf, storeIn, withProbe } from './circuit.ts';
import type { Control } from './control.ts';

/** What a job has come to: more of it means that its stores answer. */
type Progress = ReadonlyMap<JobId, number>;

export class Circuits {
  readonly #control: Control;
  readonly #times;
  #circuits = new Map<string, Circuit>();
  #stores = new Map<JobId, readonly string[]>();
  #progress: Progress = new Map();
  #nowMs = 0;

  constructor(control: Control) {
    this.#control = control;
    this.#times = circuitTimes(control.times.timeScale);
  }

  /** Reads them anew: another scheduler may have led in between. */
  async load(): Promise<void> {
    const { nowMs, entries } = await this.#control.queues.circuits.load();
    this.#nowMs = nowMs;
    this.#circuits = new Map(Object.entries(entries).map(([store, text]) => [store, JSON.parse(text) as Circuit]));
    this.#tellOpen();
  }

  /** An attempt failed by a store: milliseconds to wait when its circuit is open now, then the attempt does not count; else null. */
  async failed(view: LedgerChunkView): Promise<number | null> {
    const { last, jobId } = view;
    if (last === null || last.class !== 'transient' || !last.code.startsWith('STORAGE_')) return null;
    const store = storeIn(last.message) ?? `job:${jobId}`;
    const circuit = afterFailures(this.#of(store), 1, this.#nowMs, this.#times);
    await this.#save(store, circuit);
    return circuit.state === 'open' ? circuit.openUntil - this.#nowMs : null;
  }

  /** What jobs have come to since the last round. */
  async note(jobs: readonly LedgerJobView[]): Promise<void> {
    const before = this.#progress;
    this.#progress = new Map(jobs.map((job) => [job.jobId, progressOf(job)]));
    if (this.#circuits.size === 0) return;
    for (const job of jobs) {
      const more = progressOf(job) - (before.get(job.jobId) ?? progressOf(job));
      if (more <= 0) continue;
      for (const store of await this.#storesOf(job)) {
        const known = this.#circuits.get(store);
        if (known !== undefined) await this.#save(store, afterSuccesses(known, more, this.#nowMs, this.#times));
      }
    }
    this.#stores = new Map([...this.#stores].filter(([jobId]) => this.#progress.has(jobId)));
  }

  /** How many tasks of the job may go now: the least of its stores. */
  async roomOf(job: LedgerJobView): Promise<number> {
    if (this.#circuits.size === 0) return Number.POSITIVE_INFINITY;
    const stores = await this.#storesOf(job);
    return Math.min(...stores.map((store) => roomOf(circuitAt(this.#of(store), this.#nowMs, this.#times))), Number.POSITIVE_INFINITY);
  }

  /** A task of the job went while a store of it was tried out. */
  async sent(job: LedgerJobView): Promise<void> {
    if (this.#circuits.size === 0) return;
    for (const store of await this.#storesOf(job)) {
      const circuit = circuitAt(this.#of(store), this.#nowMs, this.#times);
      if (circuit.state === 'halfOpen') await this.#save(store, withProbe(circuit, this.#nowMs));
    }
  }

  #tellOpen(): void {
    const open = [...this.#circuits].filter(([, { state }]) => state !== 'closed').map(([store]) => store);
    const journal = storeIn(this.#control.journalUri);
    this.#control.metrics.recordCircuits({ journal: open.some((store) => store === journal), store: open.some((store) => store !== journal) });
  }

  #of(store: string): Circuit {
    return this.#circuits.get(store) ?? closedCircuit;
  }

  async #save(store: string, circuit: Circuit): Promise<void> {
    const before = this.#of(store);
    const { log } = this.#control;
    if (before.state !== circuit.state && circuit.state === 'open') log.warn({ store, delayMs: circuit.openUntil - this.#nowMs }, 'circuit opened');
    if (before.state !== circuit.state && circuit.state === 'closed') log.info({ store }, 'circuit closed');
    this.#circuits.set(store, circuit);
    await this.#control.queues.circuits.save(store, JSON.stringify(circuit));
    this.#tellOpen();
  }

  async #storesOf({ jobId, generation }: LedgerJobView): Promise<readonly string[]> {
    const known = this.#stores.get(jobId);
    if (known !== undefined) return known;
    const facts = await this.#control.facts.spec(jobId, generation);
    const stores = [...storesOf(facts?.spec ?? null, this.#control.journalUri), `job:${jobId}`];
    this.#stores.set(jobId, stores);
    return stores;
  }
}

function progressOf(job: LedgerJobView): number {
  return job.chunks.committed + job.segments + (job.sealed ? 1 : 0) + job.plannedStages;
}

/** Every store that a job reads or writes. */
export function storesOf(spec: ResolvedJobSpec | null, journalUri: string): readonly string[] {
  const uris =
    spec === null ? [] : [...spec.inputs.flatMap(({ uri, list }) => [...(uri ?? []), ...(list === null ? [] : [list])]), spec.output.uri, spec.rejects.uri];
  const lookups = spec?.pipeline.flatMap((stage) => stage.lookups.map(({ uri }) => uri)) ?? [];
  return [...new Set([journalUri, ...uris, ...lookups].flatMap((uri) => storeIn(uri) ?? []))];
}
