/**
 * Questions to the scheduler and its answers. The question lies in Redis for an hour, an intake task points at it, and the answer is waited for by
 * a published nudge and a look every 250 ms. No answer means *unknown*: ask again with the same idempotency key.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type AnswerTo, intakeTaskId, parseRequest, type Request, type RequestId, type TaskId } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import type { Subscriber } from './subscriber.ts';
import type { TaskQueues } from './task-queues.ts';

const keepSeconds = 3_600;
const lookEveryMs = 250;

export class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError';
  readonly code = 'ANSWER_TIMEOUT';
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export class Requests {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #tasks: TaskQueues;
  readonly #subscriber: Subscriber;

  constructor(parts: { redis: RedisClient; keys: Keys; tasks: TaskQueues; subscriber: Subscriber }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.#tasks = parts.tasks;
    this.#subscriber = parts.subscriber;
  }

  /** Puts the question and its task; resolves when Redis has both. May be repeated with the same request. */
  async send(request: Request): Promise<TaskId> {
    await this.#redis.set(this.#keys.request(request.tenant, request.requestId), JSON.stringify(request), 'EX', keepSeconds);
    const owner = request.kind === 'submit' || request.kind === 'open' ? request.jobId : request.requestId;
    const taskId = intakeTaskId(owner, request.requestId);
    await this.#tasks.enqueue('intake', [{ taskId, signature: null, tenant: request.tenant }]);
    return taskId;
  }

  /** Sends and waits for the answer. Throws `AnswerTimeoutError` when none came in time: then it is not known whether it was done. */
  async ask<Asked extends Request>(request: Asked, options: AskOptions): Promise<AnswerTo<Asked['kind']>> {
    const deadlineMs = performance.now() + options.timeoutMs;
    const key = this.#keys.answer(request.tenant, request.requestId);
    const nudge = new Nudge();
    const stop = await this.#subscriber.listen(key, () => nudge.ring());
    try {
      await this.send(request);
      for (;;) {
        options.signal?.throwIfAborted();
        const text = await this.#redis.get(key);
        if (text !== null) return JSON.parse(text) as AnswerTo<Asked['kind']>;
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0)
          throw new AnswerTimeoutError(`cannot wait for the scheduler any longer: no answer in ${options.timeoutMs} ms; whether it was done is unknown`);
        await nudge.wait(Math.min(lookEveryMs, leftMs));
      }
    } finally {
      stop();
    }
  }

  /** The question of an intake task; null when it is no longer there. Throws a TypeError when it is malformed. */
  async take(tenant: string, requestId: string): Promise<Request | null> {
    const text = await this.#redis.get(this.#keys.request(tenant, requestId));
    if (text === null) return null;
    const request = parseRequest(JSON.parse(text));
    // The tenant in the key is the true one: a Redis user can write only under its own.
    if (request.tenant !== tenant || request.requestId !== requestId) throw new TypeError('cannot read a request: it names another tenant or id than its key');
    return request;
  }

  async answered(tenant: string, requestId: RequestId | string): Promise<boolean> {
    return (await this.#redis.exists(this.#keys.answer(tenant, requestId))) === 1;
  }

  async answer(tenant: string, requestId: RequestId | string, answer: Answer): Promise<void> {
    const key = this.#keys.answer(tenant, requestId);
    await this.#redis.set(key, JSON.stringify(answer), 'EX', keepSeconds);
    // The answer tells a task that comes back that all is done; the question, which may be large, is of no more use.
    await this.#redis.del(this.#keys.request(tenant, requestId));
    await this.#redis.publish(key, '');
  }
}

/** Wakes one waiter, or the next one if nobody waits. */
export class Nudge {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves when rung, or after `timeoutMs`. */
  async wait(timeoutMs: number): Promise<void> {
    if (!this.#rung) {
      const timer = new AbortController();
      const rung = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([rung, sleep(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
      timer.abort();
    }
    this.#rung = false;
    this.#wake = null;
  }
}
