/**
 * Who asks: by an API token, whose digest lies in the registry, or by a browser session, which lies in Redis. Roles and revocations are read again after at
 * most 10 s. Every way to be nobody is answered alike.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Journal } from '@millrace/journal';
import { apiTokenPattern, type Role, type Scope, type TokenDocument, tokenIdOf, type UserDocument } from '@millrace/protocol';
import { isRedisFault, type Session } from '@millrace/queues';
import type { Clock, Log, Random } from '@millrace/service-kit';
import { ApiProblem } from '../problem.ts';
import type { RedisDoor } from '../redis-door.ts';
import { authRequired, type Caller, nobody } from './caller.ts';
import { digestOf } from './digest.ts';
import { Kept } from './kept.ts';
import { digestPassword, isPassword } from './passwords.ts';
import { People, userIdOf } from './people.ts';

export const sessionIdleMs = 30 * 60_000;
export const sessionLifeMs = 12 * 3_600_000;
export const firstSignInMs = 15 * 60_000;
export const leastPasswordLength = 12;

const rereadMs = 10_000;
const keptEntries = 10_000;
const touchEveryMs = 60_000;
/** Tries to sign in within 5 minutes: for one account from one address, for the account from anywhere, from the address for any account. */
const tryWindowMs = 5 * 60_000;
const mostTries = { pair: 10, account: 100, address: 50 } as const;

export interface AuthParts {
  readonly journal: Journal;
  readonly redis: RedisDoor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of `millrace dev`: an admin's token that lives with the process and is stored nowhere. */
  readonly devToken?: string | undefined;
}

export interface Credentials {
  readonly authorization: string | undefined;
  /** Value of the session cookie. */
  readonly cookie: string | undefined;
}

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly tenants: readonly string[] | null;
  readonly scopes: readonly Scope[] | null;
  readonly expiresInDays: number;
  readonly reason: string;
}

export interface StartedSession {
  /** For the cookie; kept nowhere. */
  readonly secret: string;
  readonly caller: Caller;
}

/** Null: the account of a dev token, which has no password of its own. */
type Account = Omit<UserDocument, 'password'> & { readonly password: UserDocument['password'] | null };

export class Auth {
  readonly people: People;
  readonly #parts: AuthParts;
  readonly #tokens: Kept<TokenDocument | null>;
  readonly #users: Kept<Account | null>;
  /** Sessions as they were last read, for while Redis is away. */
  readonly #lastSeen = new Map<string, { readonly session: Session; readonly atMs: number }>();
  readonly #touched = new Map<string, number>();

  constructor(parts: AuthParts) {
    this.#parts = parts;
    this.people = new People(parts);
    const kept = { lifeMs: rereadMs, limit: keptEntries, nowMs: () => parts.clock.monotonicMs() };
    this.#tokens = new Kept(kept);
    this.#users = new Kept(kept);
  }

  /**
   * `nobody` when nothing was given. Throws `AUTH_REQUIRED` for what is not, or no longer, valid. `isSuspect`: too many tries came from there lately, so that
   * tokens never seen before are not looked up; those in use go on.
   */
  async identify({ authorization, cookie }: Credentials, isSuspect = false): Promise<Caller> {
    if (authorization !== undefined) return this.#byToken(authorization, isSuspect);
    return cookie === undefined ? nobody : this.#bySession(cookie);
  }

  // Tokens

  async #byToken(authorization: string, isSuspect: boolean): Promise<Caller> {
    const secret = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(authorization)?.[1] ?? '';
    if (!apiTokenPattern.test(secret)) throw authRequired('the token is not valid');
    const { devToken, clock } = this.#parts;
    if (devToken !== undefined && isSame(secret, devToken)) return devCaller(clock.nowMs());
    const tokenId = tokenIdOf(secret);
    if (isSuspect && !this.#tokens.knows(tokenId)) throw new ApiProblem('RATE_LIMITED', 'too many tries with tokens that are not valid');
    const token = await this.#tokens.get(tokenId, () => this.#readToken(tokenId));
    if (token === null || !isSame(digestOf(secret), token.sha256) || Date.parse(token.expiresAt) <= clock.nowMs()) throw authRequired('the token is not valid');
    this.#noteUse(tokenId);
    return tokenCaller(token);
  }

  async #readToken(tokenId: string): Promise<TokenDocument | null> {
    const found = await this.#parts.journal.readRegistered('tokens', tokenId);
    return found === null || found.removed ? null : found.body;
  }

  #noteUse(tokenId: string): void {
    if (!this.#isDue(tokenId)) return;
    const use = this.#parts.redis.found?.sessions.noteTokenUse(tokenId, this.#parts.clock.nowIso());
    // Only a hint for people: what cannot be noted is not worth a failure.
    use?.catch((err: unknown) => this.#parts.log.debug({ err }, 'use of a token not noted'));
  }

  /** True at most once a minute for each. */
  #isDue(key: string): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - (this.#touched.get(key) ?? Number.NEGATIVE_INFINITY) < touchEveryMs) return false;
    this.#touched.delete(key);
    this.#touched.set(key, nowMs);
    const oldest = this.#touched.keys().next();
    if (this.#touched.size > keptEntries && !oldest.done) this.#touched.delete(oldest.value);
    return true;
  }

  async createToken(caller: Caller, wanted: NewToken): Promise<{ readonly token: TokenDocument; readonly secret: string }> {
    const { clock, random, journal } = this.#parts;
    const secret = `mrt_${Buffer.from(random.bytes(32)).toString('base64url')}`;
    const nowMs = clock.nowMs();
    const token: TokenDocument = {
      tokenId: tokenIdOf(secret),
      sha256: digestOf(secret),
      name: wanted.name,
      role: wanted.role,
      tenants: wanted.tenants === null ? null : [...wanted.tenants],
      scopes: wanted.scopes === null ? null : [...wanted.scopes],
      createdAt: new Date(nowMs).toISOString(),
      createdBy: caller.by,
      expiresAt: new Date(nowMs + wanted.expiresInDays * 86_400_000).toISOString(),
    };
    await journal.putRegistered('tokens', token.tokenId, 1, { at: token.createdAt, by: caller.by, reason: wanted.reason, body: token });
    // Known from now on, so that its first use is none of a stranger.
    await this.#tokens.get(token.tokenId, async () => token);
    return { token, secret };
  }

  /** False: there is no such token. Revoking twice is once. */
  async revokeToken(caller: Caller, tokenId: string): Promise<boolean> {
    const { journal, clock } = this.#parts;
    const end = await journal.changeRegistered('tokens', tokenId, (current) =>
      current === null
        ? { refuse: 'none' as const }
        : current.removed
          ? { refuse: 'revoked' as const }
          : { put: { at: clock.nowIso(), by: caller.by, reason: '', body: current.body, removed: true } },
    );
    this.#tokens.forget(tokenId);
    return !('refused' in end) || end.refused !== 'none';
  }

  // Sessions

  async #bySession(secret: string): Promise<Caller> {
    const key = digestOf(secret);
    const session = await this.#readSession(key);
    const nowMs = this.#parts.clock.nowMs();
    if (session === null || nowMs - session.createdAtMs >= sessionLifeMs) throw authRequired('the session is over: sign in again');
    const user = await this.#readUser(session.user);
    if (user === null || Date.parse(user.passwordSetAt) > session.provedAtMs) throw authRequired('the session is over: sign in again');
    this.#touch(key);
    return sessionCaller(user, session, key);
  }

  async #readSession(key: string): Promise<Session | null> {
    const { redis } = this.#parts;
    try {
      const found = await redis.queues().sessions.read(key);
      if (found === null) this.#lastSeen.delete(key);
      else this.#remember(key, found);
      return found;
    } catch (error) {
      const known = this.#lastSeen.get(key);
      // Pages stay readable while Redis is away for who was signed in; acts need Redis anyway.
      const isAway = isRedisFault(error) || error instanceof ApiProblem;
      if (isAway && known !== undefined && this.#parts.clock.monotonicMs() - known.atMs < sessionIdleMs) return known.session;
      throw error;
    }
  }

  #remember(key: string, session: Session): void {
    this.#lastSeen.delete(key);
    this.#lastSeen.set(key, { session, atMs: this.#parts.clock.monotonicMs() });
    const oldest = this.#lastSeen.keys().next();
    if (this.#lastSeen.size > keptEntries && !oldest.done) this.#lastSeen.delete(oldest.value);
  }

  #touch(key: string): void {
    if (!this.#isDue(key)) return;
    const touched = this.#parts.redis.found?.sessions.touch(key, sessionIdleMs);
    touched?.catch((err: unknown) => this.#parts.log.debug({ err }, 'use of a session not noted'));
  }

  /** Throws `AUTH_REQUIRED` in the same words and time for a wrong password and an unknown user, `RATE_LIMITED` after too many tries. */
  async signIn(user: string, password: string, from: string): Promise<StartedSession> {
    const tries = await this.#countTries(user, from);
    const found = await this.#readUserNow(user);
    const right = this.#isDev(user) ? isSame(password, this.#parts.devToken ?? '') : await isPassword(password, found?.password ?? null);
    if (!right || found === null) throw authRequired('user name or password is wrong');
    await this.#parts.redis.queues().sessions.forgetTries(tries.pair);
    return this.#startSession(found);
  }

  /** By a one-time link, which sets the password: of an admin, or of the first start, which makes the first admin. */
  async signInByLink(user: string, password: string, link: string, from: string): Promise<StartedSession> {
    await this.#countTries('by a link', from);
    const invited = await this.people.followLink(user, password, link);
    if (invited === null) return this.#signInFirst(user, password, link);
    this.#users.forget(user);
    return this.#startSession(invited);
  }

  async #signInFirst(user: string, password: string, link: string): Promise<StartedSession> {
    const { journal, redis, clock } = this.#parts;
    if (!(await redis.queues().sessions.takeFirstSignIn(digestOf(link))) || (await this.people.isAnybodyKnown()))
      throw authRequired('the link is not valid any more');
    const at = clock.nowIso();
    const body: UserDocument = { user, role: 'admin', tenants: null, password: await digestPassword(password), createdAt: at, passwordSetAt: at };
    const put = await journal.putRegistered('users', userIdOf(user), 1, { at, by: `user:${user}`, reason: 'first sign-in', body });
    if (put.outcome === 'lost') throw authRequired('the link is not valid any more');
    this.#users.forget(user);
    return this.#startSession(body);
  }

  async signOut(caller: Caller): Promise<void> {
    if (caller.sessionKey === null) return;
    await this.#parts.redis.queues().sessions.end(caller.sessionKey);
    this.#lastSeen.delete(caller.sessionKey);
  }

  /** Secret of a link that creates the first account; null when there is one. */
  async offerFirstSignIn(): Promise<string | null> {
    if (await this.people.isAnybodyKnown()) return null;
    const secret = Buffer.from(this.#parts.random.bytes(32)).toString('base64url');
    await this.#parts.redis.queues().sessions.putFirstSignIn(digestOf(secret), firstSignInMs);
    return secret;
  }

  /** Throws `STATE_CONFLICT` for the last admin of all tenants. */
  async removeUser(found: UserDocument, caller: Caller): Promise<void> {
    await this.people.remove(found, caller);
    this.#users.forget(found.user);
  }

  async #startSession(user: Account): Promise<StartedSession> {
    const { random, clock, redis } = this.#parts;
    const secret = Buffer.from(random.bytes(32)).toString('base64url');
    const key = digestOf(secret);
    const nowMs = clock.nowMs();
    const session: Session = { user: user.user, createdAtMs: nowMs, provedAtMs: nowMs };
    await redis.queues().sessions.put(key, session, sessionIdleMs);
    return { secret, caller: sessionCaller(user, session, key) };
  }

  async #countTries(user: string, from: string): Promise<{ readonly pair: string }> {
    const { sessions } = this.#parts.redis.queues();
    const account = digestOf(user);
    const kinds = { pair: `pair-${digestOf(`${account} ${from}`)}`, account: `account-${account}`, address: `address-${digestOf(from)}` };
    for (const kind of ['pair', 'account', 'address'] as const) {
      if ((await sessions.countTry(kinds[kind], tryWindowMs)) <= mostTries[kind]) continue;
      throw new ApiProblem('RATE_LIMITED', 'too many tries to sign in', { headers: { 'retry-after': String(tryWindowMs / 1_000) } });
    }
    return kinds;
  }

  #readUser(user: string): Promise<Account | null> {
    return this.#users.get(user, () => this.#readUserNow(user));
  }

  /** Beside a dev token there is one account, whose password it is. */
  #isDev(user: string): boolean {
    return this.#parts.devToken !== undefined && user === devUser.user;
  }

  async #readUserNow(user: string): Promise<Account | null> {
    if (this.#isDev(user)) return devUser;
    return this.people.read(user);
  }
}

/** In the same time wherever they differ. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(digestOf(one)), Buffer.from(digestOf(other)));
}

function tokenCaller(token: TokenDocument): Caller {
  const { tokenId, name, role, tenants, scopes } = token;
  const times = { provedAtMs: Date.parse(token.createdAt), expiresAtMs: Date.parse(token.expiresAt) };
  return { by: `token:${tokenId}`, name, kind: 'token', role, tenants, scopes, ...times, sessionKey: null };
}

function sessionCaller({ user, role, tenants }: Account, { createdAtMs, provedAtMs }: Session, sessionKey: string): Caller {
  return { by: `user:${user}`, name: user, kind: 'session', role, tenants, scopes: null, provedAtMs, expiresAtMs: createdAtMs + sessionLifeMs, sessionKey };
}

/** Stored nowhere; its password is the token of that process. */
const devUser: Account = {
  user: 'dev',
  role: 'admin',
  tenants: null,
  password: null,
  createdAt: new Date(0).toISOString(),
  passwordSetAt: new Date(0).toISOString(),
};

function devCaller(nowMs: number): Caller {
  const ends = { provedAtMs: nowMs, expiresAtMs: nowMs + 86_400_000 };
  return { by: 'token:dev', name: 'dev', kind: 'token', role: 'admin', tenants: null, scopes: null, ...ends, sessionKey: null };
}
