/**
 * Notices that Redis lost its data or went back in time: a key with the ledger's epoch, a beat that only rises, and the run id of the server.
 * A missing key is a total loss; a lower beat or another run id is a rollback, a failover or a restart. After each a new epoch begins.
 */
import { randomBytes } from 'node:crypto';
import type { Keys } from './keys.ts';
import { infoField, type RedisClient } from './redis.ts';

export interface SentinelState {
  readonly epoch: string;
  readonly beat: number;
  readonly runId: string;
}

/** `lost`: Redis holds no sentinel. `rollback`: its data are older than what was seen, or another server answers. */
export type Finding = 'normal' | 'lost' | 'rollback';

const beginEpoch = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and epoch ~= ARGV[1] then return epoch end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'beat', 0, 'runId', ARGV[3])
return ARGV[2]
`;
const raiseBeat = `
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return -1 end
return redis.call('HINCRBY', KEYS[1], 'beat', 1)
`;

export class Sentinel {
  readonly #redis: RedisClient;
  readonly #keys: Keys;
  #seen: SentinelState | null = null;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  async read(): Promise<SentinelState | null> {
    const { epoch, beat, runId } = await this.#redis.hgetall(this.#keys.sentinel);
    return epoch === undefined ? null : { epoch, beat: Number(beat ?? 0), runId: runId ?? '' };
  }

  /** Compares what Redis holds with what was seen last and with the server that answers. */
  async examine(): Promise<Finding> {
    const state = await this.read();
    if (!state) return 'lost';
    const seen = this.#seen;
    if (state.runId !== (await this.#runId())) return 'rollback';
    if (seen && seen.epoch === state.epoch && state.beat < seen.beat) return 'rollback';
    this.#seen = state;
    return 'normal';
  }

  /** Raises the beat; a leader calls it about once a second. */
  async beat(): Promise<void> {
    const epoch = this.#seen?.epoch;
    if (epoch !== undefined) await this.#redis.eval(raiseBeat, 1, this.#keys.sentinel, epoch);
  }

  /** Begins a new epoch unless another scheduler just did; answers the one that holds now. */
  async begin(): Promise<string> {
    const old = await this.read();
    const fresh = randomBytes(4).toString('hex');
    const epoch = String(await this.#redis.eval(beginEpoch, 1, this.#keys.sentinel, old?.epoch ?? '', fresh, await this.#runId()));
    this.#seen = null;
    if (old && old.epoch !== epoch) await this.#forgetEpoch(old.epoch);
    return epoch;
  }

  /** The ledger of an epoch that is over is never read again; in small steps, for others wait meanwhile. */
  async #forgetEpoch(epoch: string): Promise<void> {
    let cursor = '0';
    do {
      const [next, found] = await this.#redis.scan(cursor, 'MATCH', this.#keys.epochPattern(epoch), 'COUNT', 500);
      if (found.length > 0) await this.#redis.unlink(...found);
      cursor = next;
    } while (cursor !== '0');
  }

  async #runId(): Promise<string> {
    return infoField(await this.#redis.info('server'), 'run_id') ?? '';
  }
}
