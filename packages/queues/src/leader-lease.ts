/**
 * Which scheduler sweeps and dispatches. The lease saves work and is not what makes things safe: everything a leader does is harmless when
 * two do it. A leader stops acting at 0.6 of the lease without renewal, by a clock that nobody can set back.
 */
import type { LeaseTimes } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { Log } from './log.ts';
import type { RedisClient } from './redis.ts';

const takeOrRenew = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;
const giveUp = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export interface Leadership {
  /** Proven by a renewal that is recent enough. */
  isLeader(): boolean;
  /** Gives the lease back. */
  stop(): Promise<void>;
}

export class LeaderLease {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  readonly #times: LeaseTimes;
  readonly #log: Log;

  constructor(parts: { redis: RedisClient; keys: Keys; times: LeaseTimes; log: Log }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
    this.#times = parts.times;
    this.#log = parts.log;
  }

  /** Who leads, by the id it took the lease with. */
  async holder(): Promise<string | null> {
    return this.#redis.get(this.#keys.leader);
  }

  /** Tries for the lease at once and then at each renewal, until stopped. */
  async compete(holder: string): Promise<Leadership> {
    let provenUntilMs = Number.NEGATIVE_INFINITY;
    let stopped = false;
    const attempt = async (): Promise<void> => {
      const sentMs = performance.now();
      const taken = await this.#redis.eval(takeOrRenew, 1, this.#keys.leader, holder, this.#times.leaderLeaseMs);
      if (taken === 1 && !stopped) provenUntilMs = sentMs + this.#times.leaderLeaseMs * 0.6;
    };
    const again = (): void => void attempt().catch((error: unknown) => this.#log.debug({ err: error }, 'cannot renew the leader lease'));
    await attempt();
    const timer = setInterval(again, this.#times.leaderRenewMs);
    return {
      isLeader: () => !stopped && performance.now() < provenUntilMs,
      stop: async () => {
        stopped = true;
        clearInterval(timer);
        await this.#redis.eval(giveUp, 1, this.#keys.leader, holder).catch(() => undefined);
      },
    };
  }
}
