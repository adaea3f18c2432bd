/** Who asks, and what that may do. Pure. */
import type { Access, Role, Route, Scope } from '@millrace/api-contract';
import { roles } from '@millrace/api-contract';
import { ApiProblem } from '../problem.ts';

export interface Caller {
  /** `user:<name>`, `token:<tokenId>`, or `nobody` on public routes. */
  readonly by: string;
  readonly name: string;
  readonly kind: 'session' | 'token' | 'nobody';
  /** Null: nobody. */
  readonly role: Role | null;
  /** Null: all. */
  readonly tenants: readonly string[] | null;
  /** Null: all routes that the role may call. */
  readonly scopes: readonly Scope[] | null;
  /** When a password was last given, or the token was made. */
  readonly provedAtMs: number;
  readonly expiresAtMs: number;
  /** Of a session: the digest of its cookie, under which it lies. */
  readonly sessionKey: string | null;
}

export const nobody: Caller = {
  by: 'nobody',
  name: 'nobody',
  kind: 'nobody',
  role: null,
  tenants: [],
  scopes: null,
  provedAtMs: 0,
  expiresAtMs: 0,
  sessionKey: null,
};

const freshMs = 10 * 60_000;

export function mayAct(role: Role | null, access: Access): boolean {
  return access === 'public' || (role !== null && roles.indexOf(role) >= roles.indexOf(access));
}

/** Throws the problem that says why not. */
export function checkAccess(caller: Caller, route: Pick<Route, 'role' | 'scope' | 'everyTenant' | 'fresh'>, nowMs: number): void {
  if (route.role === 'public') return;
  if (caller.role === null) throw authRequired();
  if (!mayAct(caller.role, route.role)) {
    throw new ApiProblem('AUTH_FORBIDDEN', `this needs the role ${route.role}, ${caller.by} has ${caller.role}`, { details: { needs: route.role } });
  }
  if (caller.scopes !== null && (route.scope === undefined || !caller.scopes.includes(route.scope))) {
    throw new ApiProblem('AUTH_FORBIDDEN', `the token is for ${caller.scopes.join(', ')} alone`);
  }
  if (route.everyTenant === true && caller.tenants !== null) {
    throw new ApiProblem('AUTH_FORBIDDEN', `this is shared by all tenants: it needs the role ${route.role} for all of them`);
  }
  if (route.fresh === true && nowMs - caller.provedAtMs > freshMs) {
    throw new ApiProblem('AUTH_STALE', `this needs a ${caller.kind === 'session' ? 'sign-in within' : 'token made within'} the last 10 minutes`);
  }
}

export function authRequired(message = 'who asks is not known: a token in Authorization: Bearer, or a sign-in, is needed'): ApiProblem {
  return new ApiProblem('AUTH_REQUIRED', message, { headers: { 'www-authenticate': 'Bearer realm="millrace"' } });
}

export function mayReach(caller: Caller, tenant: string): boolean {
  return caller.tenants === null || caller.tenants.includes(tenant);
}
