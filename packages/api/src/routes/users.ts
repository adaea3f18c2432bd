/** People: who has an account, made and taken out by admins. An admin of some tenants sees and makes only what stays within them. */
import type { Invitation, Sent, User, userRoutes } from '@millrace/api-contract';
import type { UserDocument } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import type { Caller } from '../auth/caller.ts';
import { type Offered, userIdOf } from '../auth/people.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { isWithin, tenantsWithin } from './within.ts';

const list = 'users';
const position = z.string().regex(/^u[0-9a-z]{26}$/);

export const userHandlers: HandlersOf<typeof userRoutes> = {
  'GET /users': async ({ query: { limit, cursor }, caller }, api) => {
    const after = cursor === undefined ? undefined : api.cursors.read(list, cursor, position);
    const found: UserDocument[] = [];
    for await (const user of api.auth.people.list(after)) {
      if (isWithin(caller, user.tenants)) found.push(user);
      if (found.length > limit) break;
    }
    const page = found.slice(0, limit);
    const last = found.length > limit ? page.at(-1) : undefined;
    return { status: 200, body: { data: page.map(shown), nextCursor: last === undefined ? null : api.cursors.write(list, userIdOf(last.user)), total: null } };
  },
  'POST /users': async ({ body: { user, role, tenants: wanted }, caller }, api) => {
    const tenants = tenantsWithin(caller, wanted, 'an account');
    return invited(await api.auth.people.invite({ user, role, tenants }, caller));
  },
  'POST /users/{user}/link': async ({ params: { user }, caller }, api) => {
    return invited(await api.auth.people.offerPassword(await existing(user, caller, api), caller));
  },
  'DELETE /users/{user}': async ({ params: { user }, caller }, api) => {
    await api.auth.removeUser(await existing(user, caller, api), caller);
    return { status: 204, body: null, object: `user:${user}` };
  },
};

async function existing(user: string, caller: Caller, api: Api): Promise<UserDocument> {
  const found = await api.auth.people.read(user);
  if (found === null || !isWithin(caller, found.tenants)) throw new ApiProblem('NOT_FOUND', `cannot find user ${user}`);
  return found;
}

function invited({ secret, user, role, tenants, expiresAt }: Offered) {
  // Behind the hash: a browser does not send it to any server, and no log of a proxy has it.
  const link = `/login#${new URLSearchParams({ link: secret, user })}`;
  const body: Sent<Invitation> = { user, role, tenants, expiresAt, link };
  return { status: 201 as const, body, object: `user:${user}`, after: { user, role, tenants, expiresAt } };
}

const shown = ({ password: _, ...user }: UserDocument): Sent<User> => user;
