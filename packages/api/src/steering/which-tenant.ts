/** For whom an act is: said by the caller, or the only one that it can be. */
import { type Caller, mayReach } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';

/**
 * `said`: as the request names it, at `pointer`. `found`: tenants that there is anything to do for. Throws `REQUEST_INVALID` when several are possible, and
 * `NOT_FOUND` for one that the caller does not reach, in the words of one that does not exist.
 */
export function whichTenant(caller: Caller, said: string | undefined, found: readonly string[], pointer = '/tenant'): string {
  if (said !== undefined) {
    if (!mayReach(caller, said)) throw new ApiProblem('NOT_FOUND', `cannot find tenant ${said}`);
    return said;
  }
  const own = caller.tenants;
  if (own?.length === 1 && own[0] !== undefined) return own[0];
  const possible = [...new Set(found)].filter((tenant) => mayReach(caller, tenant)).sort();
  const [only] = possible;
  if (possible.length <= 1) return only ?? own?.[0] ?? 'default';
  const message = `expected the tenant that is meant: one of ${possible.slice(0, 20).join(', ')}`;
  throw new ApiProblem('REQUEST_INVALID', `it is not said for whom: ${message}`, { issues: [{ pointer, code: 'REQUEST_INVALID', message }] });
}
