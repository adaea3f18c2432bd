/** What an admin may grant: never more than the own reach. */
import type { Caller } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';

/** Null stands for all tenants. */
export function isWithin(caller: Caller, tenants: readonly string[] | null): boolean {
  const own = caller.tenants;
  return own === null || (tenants?.every((tenant) => own.includes(tenant)) ?? false);
}

/** Without a choice: all that whoever grants may reach. Throws `AUTH_FORBIDDEN` for more than that. `what`: is granted, for people. */
export function tenantsWithin(caller: Caller, wanted: readonly string[] | null, what: string): string[] | null {
  const tenants = wanted ?? caller.tenants;
  if (isWithin(caller, tenants)) return tenants === null ? null : [...tenants];
  throw new ApiProblem('AUTH_FORBIDDEN', `${what} may reach no more than who makes it: ${caller.tenants?.join(', ')}`, {
    issues: [{ pointer: '/tenants', code: 'AUTH_FORBIDDEN', message: `expected some of ${caller.tenants?.join(', ')}` }],
  });
}
