/**
 * Browser sessions, and what belongs to signing in. They die with Redis, on purpose: whoever was signed in signs in again. Keys hold digests, so what is read
 * out of Redis opens nothing.
 */
import type { Role } from '@millrace/protocol';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

export interface Session {
  readonly user: string;
  readonly createdAtMs: number;
  /** When a password was last given. */
  readonly provedAtMs: number;
}

/** An account that its owner makes by a link, or, with `isNew` false, gives a new password. */
export interface Invitation {
  readonly user: string;
  readonly role: Role;
  readonly tenants: readonly string[] | null;
  readonly isNew: boolean;
  /** Who made the link. */
  readonly by: string;
}

export class Sessions {
  readonly #redis: RedisClient;
  readonly #keys: Keys;

  constructor(parts: { redis: RedisClient; keys: Keys }) {
    this.#redis = parts.redis;
    this.#keys = parts.keys;
  }

  async put(digest: string, session: Session, idleMs: number): Promise<void> {
    await this.#redis.set(this.#keys.session(digest), JSON.stringify(session), 'PX', Math.ceil(idleMs));
  }

  /** Null: there is none, or it was idle for too long. */
  async read(digest: string): Promise<Session | null> {
    const text = await this.#redis.get(this.#keys.session(digest));
    return text === null ? null : (JSON.parse(text) as Session);
  }

  /** It was used: it lives for so much longer. */
  async touch(digest: string, idleMs: number): Promise<void> {
    await this.#redis.pexpire(this.#keys.session(digest), Math.ceil(idleMs));
  }

  async end(digest: string): Promise<void> {
    await this.#redis.del(this.#keys.session(digest));
  }

  /** Counts a try, and answers how many there were since the first of this window. */
  async countTry(of: string, windowMs: number): Promise<number> {
    const key = this.#keys.signInTries(of);
    const [[, count] = []] = (await this.#redis.multi().incr(key).pexpire(key, windowMs, 'NX').exec()) ?? [];
    return Number(count ?? 1);
  }

  async forgetTries(of: string): Promise<void> {
    await this.#redis.del(this.#keys.signInTries(of));
  }

  async putFirstSignIn(digest: string, lifeMs: number): Promise<void> {
    await this.#redis.set(this.#keys.firstSignIn(digest), '1', 'PX', lifeMs);
  }

  /** True for one caller alone. */
  async takeFirstSignIn(digest: string): Promise<boolean> {
    return (await this.#redis.getdel(this.#keys.firstSignIn(digest))) !== null;
  }

  async putInvitation(digest: string, invitation: Invitation, lifeMs: number): Promise<void> {
    await this.#redis.set(this.#keys.invitation(digest), JSON.stringify(invitation), 'PX', lifeMs);
  }

  /** Null: there is none, it was taken, or its time is over. */
  async readInvitation(digest: string): Promise<Invitation | null> {
    const text = await this.#redis.get(this.#keys.invitation(digest));
    return text === null ? null : (JSON.parse(text) as Invitation);
  }

  /** True for one caller alone. */
  async takeInvitation(digest: string): Promise<boolean> {
    return (await this.#redis.getdel(this.#keys.invitation(digest))) !== null;
  }

  async noteTokenUse(tokenId: string, at: string): Promise<void> {
    await this.#redis.hset(this.#keys.tokenUse, tokenId, at);
  }

  async tokenUse(tokenIds: readonly string[]): Promise<(string | null)[]> {
    return tokenIds.length === 0 ? [] : this.#redis.hmget(this.#keys.tokenUse, ...tokenIds);
  }
}
