/**
 * Requests to one core: number, send, await the answer within the deadline, cancel. Knows streams of frames, not processes: how a core is killed is handed
 * in. Every promise settles: with the core's one answer, or with the `CoreGoneError` of a core that is gone.
 */
import {
  type Call,
  type CancelReason,
  type Credential,
  type DoneOf,
  decodeEventOrResponse,
  type Event,
  emptyCall,
  encodeMessage,
  type Failed,
  type Frame,
  maxStorePayloadBytes,
  maxStoreRequests,
  type Request,
  requestClass,
} from '@millrace/protocol/wire';
import { checkAnswer } from './answer-checks.ts';
import type { KillReason } from './core-gone-error.ts';
import { RequestTracker, type TrackedAnswer } from './request-tracker.ts';
import { StoreGate } from './store-gate.ts';

type CallOptional<R> = R extends { readonly call: Call } ? Omit<R, 'call'> & { readonly call?: Partial<Call> } : R;

/** A request as callers write it: fields of `call` that are left out are empty, and its deadline is that of the options. */
export type RequestInput = CallOptional<Exclude<Request, { readonly type: 'Cancel' }>>;

export interface RequestOptions {
  /** Bytes beside the message, where the request has some. */
  readonly payload?: Uint8Array;
  /** Milliseconds until the request is cancelled, counted from now; a core that does not answer to that in time is killed. */
  readonly deadlineMs: number;
  /** Aborting cancels the request, for the reason `drain` or `fence` when the signal's reason is that text. It then still answers for itself. */
  readonly signal?: AbortSignal;
  /** What it throws is reported to nobody but ends the core like a violation, so it should not throw. */
  readonly onEvent?: (event: Event) => void;
}

/** The one answer: `done`, or `failed` by the core's own word. */
export type Answer<D> =
  | { readonly done: D; readonly failed: null; readonly payload: Uint8Array }
  | { readonly done: null; readonly failed: Failed; readonly payload: Uint8Array };

export interface ClientOptions {
  send(frame: Frame): Promise<void>;
  /** Ends the core. Its end comes back through `fail`. */
  kill(reason: KillReason, cause: unknown): void;
  readonly cancelMs: number;
  /** What each request is let in with; asked anew for each. */
  readonly credentials?: () => readonly Credential[];
}

export class CoreClient {
  readonly #options: ClientOptions;
  readonly #tracker = new RequestTracker();
  readonly #gate = new StoreGate(maxStoreRequests, maxStorePayloadBytes);
  #goneFor: Error | null = null;
  #isSpent = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** True once the core has said that it panicked: it refuses further work. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  get openRequests(): number {
    return this.#tracker.openCount;
  }

  /** Asks once. Rejects with `CoreGoneError` when the core ends before its answer, with `WireError` when the request could not be sent at all. */
  async request<R extends RequestInput>(input: R, options: RequestOptions): Promise<Answer<DoneOf[R['type']]>> {
    const request = withCall(input, options.deadlineMs, this.#options.credentials?.() ?? []);
    if (requestClass[request.type] !== 'store') return (await this.#ask(request, options)) as Answer<DoneOf[R['type']]>;
    const payloadBytes = options.payload?.length ?? 0;
    await this.#gate.enter(payloadBytes, options.signal ?? new AbortController().signal);
    try {
      return (await this.#ask(request, options)) as Answer<DoneOf[R['type']]>;
    } finally {
      this.#gate.leave(payloadBytes);
    }
  }

  /** Takes a frame from the core. Throws `WireError` on anything it had no right to send. */
  receive(frame: Frame): void {
    const { requestId, message, payload } = decodeEventOrResponse(frame);
    if (message.type !== 'Done' && message.type !== 'Failed') {
      this.#tracker.ownerOfEvent(requestId, message).onEvent(message);
      return;
    }
    const { entry, answer } = this.#tracker.answer(requestId, message);
    if (answer.failed?.code === 'CORE_PANIC') this.#isSpent = true;
    try {
      if (answer.done !== null) checkAnswer(entry.request, answer.done, payload);
    } catch (error) {
      // Nobody may act on this answer: the request fails with the core.
      this.#tracker.open(entry);
      throw error;
    }
    entry.resolve(answer, payload);
  }

  /** The core is gone: fails everything that is open, and all that is asked from now on. */
  fail(error: Error): void {
    this.#goneFor = error;
    this.#gate.close(error);
    for (const entry of this.#tracker.takeAll()) entry.reject(error);
  }

  #ask(request: Request, options: RequestOptions): Promise<Answer<unknown>> {
    if (this.#goneFor !== null) return Promise.reject(this.#goneFor);
    if (requestClass[request.type] === 'work' && this.#tracker.hasWork()) {
      return Promise.reject(new Error(`cannot send ${request.type}: the core is busy with another work request`));
    }
    return new Promise((resolve, reject) => {
      const settled = new AbortController();
      const entry = {
        request,
        onEvent: (event: Event) => options.onEvent?.(event),
        resolve: (answer: TrackedAnswer, payload: Uint8Array) => {
          settled.abort();
          resolve({ ...answer, payload } as Answer<unknown>);
        },
        reject: (error: Error) => {
          settled.abort();
          reject(error);
        },
      };
      const requestId = this.#tracker.open(entry);
      this.#send(requestId, request, options.payload, entry.reject);
      this.#watchDeadline(requestId, options.deadlineMs, settled.signal);
      if (options.signal !== undefined) this.#watchAbort(requestId, options.signal, settled.signal);
    });
  }

  #send(requestId: number, request: Request, payload: Uint8Array | undefined, reject: (error: Error) => void): void {
    let frame: Frame;
    try {
      frame = encodeMessage(requestId, request, payload);
    } catch (error) {
      this.#tracker.drop(requestId);
      reject(error as Error);
      return;
    }
    // A write fails only with the pipe; the end of the process, which names the reason, is what fails the request.
    this.#options.send(frame).catch(() => {});
  }

  #watchDeadline(requestId: number, deadlineMs: number, settled: AbortSignal): void {
    const timer = setTimeout(() => this.#cancel(requestId, 'cancel', 'deadline', settled), deadlineMs);
    settled.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  #watchAbort(requestId: number, signal: AbortSignal, settled: AbortSignal): void {
    const onAbort = (): void => {
      const reason = cancelReasonOf(signal);
      this.#cancel(requestId, reason, reason === 'fence' ? 'fence' : 'cancel', settled);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    settled.addEventListener('abort', () => signal.removeEventListener('abort', onAbort), { once: true });
  }

  /** Asks the request to end, and kills the core when that does not help in time. */
  #cancel(target: number, reason: CancelReason, killReason: KillReason, settled: AbortSignal): void {
    if (!this.#tracker.isOpen(target)) return;
    const cancel: Request = { type: 'Cancel', target, reason };
    const cancelId = this.#tracker.open({ request: cancel, onEvent: () => {}, resolve: () => {}, reject: () => {} });
    this.#send(cancelId, cancel, undefined, () => {});
    const timer = setTimeout(() => this.#options.kill(killReason, null), this.#options.cancelMs);
    settled.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }
}

/** `drain` and `fence` by name; every other reason is a plain cancel. */
function cancelReasonOf(signal: AbortSignal): CancelReason {
  return signal.reason === 'drain' || signal.reason === 'fence' ? signal.reason : 'cancel';
}

function withCall(input: RequestInput, deadlineMs: number, credentials: readonly Credential[]): Request {
  if (input.type === 'Ping') return input;
  return { ...input, call: { ...emptyCall, credentials, ...input.call, deadlineMs: Math.max(1, Math.round(deadlineMs)) } } as Request;
}
