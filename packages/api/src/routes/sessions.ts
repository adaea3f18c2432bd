/** Sign-in, sign-out, who am I. */
import type { Identity, sessionRoutes } from '@millrace/api-contract';
import type { Api } from '../api.ts';
import { sessionLifeMs } from '../auth/auth.ts';
import type { Caller } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { checkSignInPage, cookieRule } from '../security.ts';

export const sessionHandlers: HandlersOf<typeof sessionRoutes> = {
  'POST /sessions': async ({ body, from, header }, api) => {
    const { site } = api.settings;
    // A page of another site may not sign a browser in as somebody else.
    checkSignInPage(site, { fetchSite: header('sec-fetch-site'), origin: header('origin'), host: header('host') });
    const { user, password } = body;
    const { secret, caller } = 'link' in body ? await api.auth.signInByLink(user, password, body.link, from) : await api.auth.signIn(user, password, from);
    const { name, attributes } = cookieRule(site);
    api.log.info({ by: caller.by, from }, 'signed in');
    const cookie = `${name}=${secret}; ${attributes}; Max-Age=${sessionLifeMs / 1_000}`;
    return { status: 201, body: identityOf(caller, api), headers: { 'set-cookie': cookie }, object: caller.by };
  },
  'DELETE /sessions/current': async ({ caller }, api) => {
    if (caller.kind !== 'session') throw new ApiProblem('STATE_CONFLICT', 'a token has no session: revoke it to end it');
    await api.auth.signOut(caller);
    const { name, attributes } = cookieRule(api.settings.site);
    return { status: 204, body: null, headers: { 'set-cookie': `${name}=; ${attributes}; Max-Age=0` }, object: caller.by };
  },
  'GET /me': async ({ caller }, api) => ({ status: 200, body: identityOf(caller, api) }),
};

function identityOf(caller: Caller, { settings }: Api): Identity {
  const { by, name, kind, role, tenants, scopes, provedAtMs, expiresAtMs } = caller;
  if (kind === 'nobody' || role === null) throw new ApiProblem('AUTH_REQUIRED', 'who asks is not known');
  return {
    by,
    name,
    kind,
    role,
    tenants: tenants === null ? null : [...tenants],
    scopes: scopes === null ? null : [...scopes],
    provedAt: new Date(provedAtMs).toISOString(),
    expiresAt: new Date(expiresAtMs).toISOString(),
    environment: settings.environment,
  };
}
