/** People with an account: who has one, links by which they make it or set a new password, and their end. */
import type { Journal } from '@millrace/journal';
import { toId, type UserDocument } from '@millrace/protocol';
import type { Invitation } from '@millrace/queues';
import type { Clock, Random } from '@millrace/service-kit';
import { ApiProblem } from '../problem.ts';
import type { RedisDoor } from '../redis-door.ts';
import { authRequired, type Caller } from './caller.ts';
import { digestOf } from './digest.ts';
import { digestPassword } from './passwords.ts';

/** How long a link of an admin is good. */
export const invitationMs = 24 * 3_600_000;

export interface PeopleParts {
  readonly journal: Journal;
  readonly redis: RedisDoor;
  readonly clock: Clock;
  readonly random: Random;
}

export type Granted = Pick<UserDocument, 'user' | 'role'> & { readonly tenants: readonly string[] | null };

export interface Offered extends Granted {
  /** Of the link; kept nowhere. */
  readonly secret: string;
  readonly expiresAt: string;
}

export const userIdOf = (user: string): string => toId('u', user);

export class People {
  readonly #parts: PeopleParts;

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /** Null: there is none, or it was taken out. */
  async read(user: string): Promise<UserDocument | null> {
    return this.#readById(userIdOf(user));
  }

  /** In the order of their ids. `after`: an id. */
  async *list(after?: string): AsyncGenerator<UserDocument> {
    for await (const id of this.#parts.journal.listRegistered('users', after)) {
      const found = await this.#readById(id);
      if (found !== null) yield found;
    }
  }

  async #readById(id: string): Promise<UserDocument | null> {
    const found = await this.#parts.journal.readRegistered('users', id);
    return found === null || found.removed ? null : found.body;
  }

  /** Somebody had an account here once, also one that was taken out. */
  async isAnybodyKnown(): Promise<boolean> {
    for await (const _ of this.#parts.journal.listRegistered('users')) return true;
    return false;
  }

  /** Throws `STATE_CONFLICT` when there is such an account. */
  async invite(granted: Granted, caller: Caller): Promise<Offered> {
    if ((await this.read(granted.user)) !== null) {
      throw new ApiProblem('STATE_CONFLICT', `${granted.user} has an account: offer a new password, or take the account out first`);
    }
    return this.#offer(granted, true, caller);
  }

  offerPassword({ user, role, tenants }: UserDocument, caller: Caller): Promise<Offered> {
    return this.#offer({ user, role, tenants }, false, caller);
  }

  async #offer({ user, role, tenants }: Granted, isNew: boolean, caller: Caller): Promise<Offered> {
    const { random, redis, clock } = this.#parts;
    const secret = Buffer.from(random.bytes(32)).toString('base64url');
    await redis.queues().sessions.putInvitation(digestOf(secret), { user, role, tenants, isNew, by: caller.by }, invitationMs);
    return { user, role, tenants, secret, expiresAt: new Date(clock.nowMs() + invitationMs).toISOString() };
  }

  /** Null: the link is none of an admin's. Throws `AUTH_REQUIRED` when it is not for this user, was followed, or what it stands for has changed. */
  async followLink(user: string, password: string, link: string): Promise<UserDocument | null> {
    const { sessions } = this.#parts.redis.queues();
    const invitation = await sessions.readInvitation(digestOf(link));
    if (invitation === null) return null;
    if (invitation.user !== user) throw authRequired('the link is for another user name');
    if (!(await sessions.takeInvitation(digestOf(link)))) throw authRequired('the link is not valid any more');
    return this.#setPassword(invitation, password);
  }

  async #setPassword({ user, role, tenants, isNew, by }: Invitation, password: string): Promise<UserDocument> {
    const at = this.#parts.clock.nowIso();
    const digest = await digestPassword(password);
    const end = await this.#parts.journal.changeRegistered('users', userIdOf(user), (current) => {
      const known = current === null || current.removed ? null : current.body;
      if ((known === null) !== isNew) return { refuse: 'changed' as const };
      const own = known ?? { user, role, tenants: tenants === null ? null : [...tenants], createdAt: at };
      return { put: { at, by: `user:${user}`, reason: `link of ${by}`, body: { ...own, password: digest, passwordSetAt: at } } };
    });
    if ('refused' in end) throw authRequired('the link is not valid any more');
    return end.changed.body;
  }

  /** Throws `STATE_CONFLICT` for the last admin of all tenants: nobody could let anybody in again. */
  async remove(found: UserDocument, caller: Caller): Promise<void> {
    if (isAdminOfAll(found) && !(await this.#isAnotherAdmin(found.user))) {
      throw new ApiProblem('STATE_CONFLICT', `${found.user} is the last administrator: make another one first`);
    }
    const { journal, clock } = this.#parts;
    await journal.changeRegistered('users', userIdOf(found.user), (current) =>
      current === null || current.removed
        ? { refuse: 'gone' as const }
        : { put: { at: clock.nowIso(), by: caller.by, reason: '', body: current.body, removed: true } },
    );
  }

  async #isAnotherAdmin(than: string): Promise<boolean> {
    for await (const one of this.list()) if (one.user !== than && isAdminOfAll(one)) return true;
    return false;
  }
}

const isAdminOfAll = ({ role, tenants }: UserDocument): boolean => role === 'admin' && tenants === null;
