/**
 * Operations that are under way, as Redis sees them: which there are, how many of their items may be released by now, and the counts as they were last
 * seen. A view: the documents in the registry are the truth, and what is lost here is begun anew from what the journal shows.
 */
import type { ItemCounts } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import { EpochUnknownError } from './ledger-client.ts';
import type { RedisClient } from './redis.ts';

/** Of one whose leader is gone. */
const keepSeconds = 86_400;

/** A bucket that fills with time, by the clock of Redis, so that two leaders do not release twice as fast. ARGV: rate a second or '', base, most. */
const raiseAllowance = `
local t = redis.call('TIME')
local nowMs = t[1] * 1000 + math.floor(t[2] / 1000)
local base, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local level = tonumber(redis.call('HGET', KEYS[1], 'level'))
if ARGV[1] == '' then
  level = most
elseif not level then
  level = base
else
  level = level + tonumber(ARGV[1]) * math.max(0, nowMs - tonumber(redis.call('HGET', KEYS[1], 'atMs'))) / 1000
end
level = math.min(math.max(level, base), most)
redis.call('HSET', KEYS[1], 'level', tostring(level), 'atMs', nowMs)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return math.floor(level)
`;

export class Operations {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  /** Ids of those that are not over, as far as Redis has heard of them. */
  async open(): Promise<string[]> {
    return this.#redis.smembers(this.#keys.operations(await this.#epoch()));
  }

  async add(id: string): Promise<void> {
    await this.#redis.sadd(this.#keys.operations(await this.#epoch()), id);
  }

  async remove(id: string): Promise<void> {
    await this.#redis.srem(this.#keys.operations(await this.#epoch()), id);
  }

  /**
   * How many items may be released by now: `base` at first, then `rate` a second more, never over `most`. Without a rate it is `most` at once.
   */
  async allowance(id: string, pace: { readonly rate: number | null; readonly base: number; readonly most: number }): Promise<number> {
    const rate = pace.rate === null ? '' : String(pace.rate);
    return Number(await this.#redis.eval(raiseAllowance, 1, this.#keys.operation(id), rate, pace.base, pace.most, keepSeconds));
  }

  /** Nothing is saved up while it stands still: the bucket begins anew. */
  async rest(id: string): Promise<void> {
    await this.#redis.hdel(this.#keys.operation(id), 'level', 'atMs');
  }

  async writeCounts(id: string, counts: ItemCounts): Promise<void> {
    await this.#redis.hset(this.#keys.operation(id), 'counts', JSON.stringify(counts));
    await this.#redis.expire(this.#keys.operation(id), keepSeconds);
  }

  /** Null: Redis does not know them. */
  async counts(id: string): Promise<ItemCounts | null> {
    const text = await this.#redis.hget(this.#keys.operation(id), 'counts');
    return text === null ? null : (JSON.parse(text) as ItemCounts);
  }

  async #epoch(): Promise<string> {
    const epoch = await this.#redis.hget(this.#keys.sentinel, 'epoch');
    if (epoch === null) throw new EpochUnknownError();
    return epoch;
  }
}
