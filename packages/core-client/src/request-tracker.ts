/**
 * Requests in flight, and what each may still receive. Pure: every breach is a thrown `WireError`, and whoever owns the core kills it then.
 * Keeps the rule that every request gets exactly one answer of its own kind, and events only before it.
 */
import {
  type DoneBody,
  doneOf,
  type Event,
  type Failed,
  type Request,
  type RequestType,
  type Response,
  requestClass,
  WireError,
} from '@millrace/protocol/wire';

export type TrackedAnswer = { readonly done: DoneBody; readonly failed: null } | { readonly done: null; readonly failed: Failed };

/** One open request and who waits for it. */
export interface OpenRequest {
  readonly request: Request;
  onEvent(event: Event): void;
  resolve(answer: TrackedAnswer, payload: Uint8Array): void;
  reject(error: Error): void;
}

/** Requests that each event may belong to. */
const eventOwners: Readonly<Record<Event['type'], ReadonlySet<RequestType>>> = {
  Progress: new Set(['Probe', 'Plan', 'Process', 'Reduce', 'Inspect']),
  PlanSegment: new Set(['Plan']),
  Log: new Set(['Probe', 'Plan', 'Process', 'Reduce', 'Inspect', 'StorePut', 'StoreGet', 'StoreList', 'StoreDelete', 'StoreStat']),
};

export class RequestTracker {
  readonly #open = new Map<number, OpenRequest>();
  #lastId = 0;

  /** The number of the next request. Numbers only rise. */
  open(entry: OpenRequest): number {
    this.#lastId += 1;
    this.#open.set(this.#lastId, entry);
    return this.#lastId;
  }

  get openCount(): number {
    return this.#open.size;
  }

  hasWork(): boolean {
    return [...this.#open.values()].some((entry) => requestClass[entry.request.type] === 'work');
  }

  isOpen(requestId: number): boolean {
    return this.#open.has(requestId);
  }

  /** Who an event is for. */
  ownerOfEvent(requestId: number, event: Event): OpenRequest {
    const entry = this.#entry(requestId, event.type);
    if (!eventOwners[event.type].has(entry.request.type)) throw new WireError(`the core sent ${event.type} for the ${entry.request.type} ${requestId}`);
    return entry;
  }

  /** Closes a request with its answer. A second answer finds no open request. */
  answer(requestId: number, response: Response): { readonly entry: OpenRequest; readonly answer: TrackedAnswer } {
    const entry = this.#entry(requestId, response.type);
    if (response.type === 'Done' && response.body.type !== doneOf[entry.request.type]) {
      throw new WireError(`the core answered the ${entry.request.type} ${requestId} with ${response.body.type}`);
    }
    this.#open.delete(requestId);
    return { entry, answer: response.type === 'Done' ? { done: response.body, failed: null } : { done: null, failed: response } };
  }

  /** Forgets a request that was never sent. */
  drop(requestId: number): void {
    this.#open.delete(requestId);
  }

  /** Takes everything that is open, for a core that is gone. */
  takeAll(): OpenRequest[] {
    const entries = [...this.#open.values()];
    this.#open.clear();
    return entries;
  }

  #entry(requestId: number, type: string): OpenRequest {
    const entry = this.#open.get(requestId);
    if (entry === undefined) throw new WireError(`the core sent ${type} for the request ${requestId}, which is not open`);
    return entry;
  }
}
