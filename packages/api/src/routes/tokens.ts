/** API tokens: who has which, made and revoked by admins. An admin of some tenants sees and makes only what stays within them. */
import type { Sent, Token, tokenRoutes } from '@millrace/api-contract';
import type { TokenDocument } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { isWithin, tenantsWithin } from './within.ts';

const list = 'tokens';
const position = z.string().regex(/^t[0-9a-z]{26}$/);

export const tokenHandlers: HandlersOf<typeof tokenRoutes> = {
  'GET /tokens': async ({ query: { limit, cursor }, caller }, api) => {
    const after = cursor === undefined ? undefined : api.cursors.read(list, cursor, position);
    const found: { readonly token: TokenDocument; readonly removed: boolean }[] = [];
    for await (const name of api.journal.listRegistered('tokens', after)) {
      const stored = await api.journal.readRegistered('tokens', name);
      if (stored === null || !isWithin(caller, stored.body.tenants)) continue;
      found.push({ token: stored.body, removed: stored.removed });
      if (found.length > limit) break;
    }
    const page = found.slice(0, limit);
    const last = found.length > limit ? page.at(-1) : undefined;
    const uses = await lastUses(
      page.map(({ token }) => token.tokenId),
      api,
    );
    const data = page.map(({ token, removed }, index) => shown(token, removed, uses[index] ?? null));
    return { status: 200, body: { data, nextCursor: last === undefined ? null : api.cursors.write(list, last.token.tokenId), total: null } };
  },
  'POST /tokens': async ({ body, caller }, api) => {
    const tenants = tenantsWithin(caller, body.tenants, 'a token');
    const { token, secret } = await api.auth.createToken(caller, { ...body, tenants });
    const after = { name: token.name, role: token.role, tenants: token.tenants, scopes: token.scopes, expiresAt: token.expiresAt };
    return { status: 201, body: { ...shown(token, false, null), secret }, object: `token:${token.tokenId}`, after };
  },
  'DELETE /tokens/{tokenId}': async ({ params: { tokenId }, caller }, api) => {
    const stored = await api.journal.readRegistered('tokens', tokenId);
    if (stored === null || !isWithin(caller, stored.body.tenants)) throw new ApiProblem('NOT_FOUND', `cannot find token ${tokenId}`);
    await api.auth.revokeToken(caller, tokenId);
    return { status: 204, body: null };
  },
};

/** A hint for people: null for all while Redis is away. */
async function lastUses(tokenIds: readonly string[], api: Api): Promise<readonly (string | null)[]> {
  return (await api.jobs.fromRedis((queues) => queues.sessions.tokenUse(tokenIds))) ?? [];
}

function shown({ sha256: _, ...token }: TokenDocument, revoked: boolean, lastUsedAt: string | null): Sent<Token> {
  return { ...token, revoked, lastUsedAt };
}
