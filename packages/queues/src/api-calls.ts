/** Answers of the API to calls with an idempotency key, kept for a week: the same call again is answered the same and done once. */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** `mine`: nobody made this call before. `other`: the key was used with another body. */
export type CallState =
  | { readonly state: 'mine' }
  | { readonly state: 'running' }
  | { readonly state: 'other' }
  | { readonly state: 'answered'; readonly answer: KeptAnswer };

interface Kept {
  readonly body: string;
  readonly answer: KeptAnswer | null;
}

const keepSeconds = 7 * 86_400;

/** Takes back what is still the caller's own mark. */
const dropMine = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export class ApiCalls {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  /** `call`: digest of who asks for what with which key; `body`: digest of what they sent. A call under way is held for so long, should its server die. */
  async begin(call: string, body: string, runningMs: number): Promise<CallState> {
    const key = this.#keys.callAnswer(call);
    if ((await this.#redis.set(key, running(body), 'PX', runningMs, 'NX')) === 'OK') return { state: 'mine' };
    const text = await this.#redis.get(key);
    // It went between the two: whoever asks again finds it free.
    if (text === null) return { state: 'running' };
    const kept = JSON.parse(text) as Kept;
    if (kept.body !== body) return { state: 'other' };
    return kept.answer === null ? { state: 'running' } : { state: 'answered', answer: kept.answer };
  }

  async keep(call: string, body: string, answer: KeptAnswer): Promise<void> {
    await this.#redis.set(this.#keys.callAnswer(call), JSON.stringify({ body, answer } satisfies Kept), 'EX', keepSeconds);
  }

  /** It was not done: the same key may try again. */
  async drop(call: string, body: string): Promise<void> {
    await this.#redis.eval(dropMine, 1, this.#keys.callAnswer(call), running(body));
  }
}

const running = (body: string): string => JSON.stringify({ body, answer: null } satisfies Kept);
