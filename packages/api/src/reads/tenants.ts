/** Lists that the scheduler answers tenant by tenant, as one: for callers who reach several. */
import { z } from 'zod';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';
import type { PageQuery } from './pages.ts';

/** Those whose jobs the caller may see, in order. */
export async function tenantsOf(caller: Caller, api: Api): Promise<string[]> {
  if (caller.tenants !== null) return [...caller.tenants].sort();
  const seen = new Set((await api.index.all()).map(({ record }) => record.tenant));
  return [...seen].filter((tenant) => mayReach(caller, tenant)).sort();
}

interface TenantPage<Item> {
  readonly items: readonly Item[];
  readonly total: number;
  readonly after: string | null;
}

const position = z.strictObject({ tenant: z.string(), after: z.string().nullable() });

/** One tenant behind the other. `ask` with a limit of 1 is asked of those that only count. */
export async function acrossTenants<Item>(
  list: string,
  query: PageQuery,
  tenants: readonly string[],
  ask: (tenant: string, limit: number, after: string | null) => Promise<TenantPage<Item>>,
  api: Api,
): Promise<{ readonly data: Item[]; readonly nextCursor: string | null; readonly total: number }> {
  const from = query.cursor === undefined ? { tenant: '', after: null } : api.cursors.read(list, query.cursor, position);
  const data: Item[] = [];
  let [total, next] = [0, null as z.output<typeof position> | null];
  for (const tenant of tenants) {
    const room = query.limit - data.length;
    const isBehind = tenant >= from.tenant && next === null;
    const page = await ask(tenant, isBehind && room > 0 ? room : 1, tenant === from.tenant ? from.after : null);
    total += page.total;
    if (!isBehind) continue;
    if (room === 0) {
      if (page.total > 0) next = { tenant, after: null };
      continue;
    }
    data.push(...page.items);
    if (page.after !== null) next = { tenant, after: page.after };
  }
  return { data, nextCursor: next === null ? null : api.cursors.write(list, next), total };
}

/** What `find` answers of the first tenant that has it. Throws `NOT_FOUND` when none does. */
export async function inAnyTenant<Found>(tenants: readonly string[], what: string, find: (tenant: string) => Promise<Found>): Promise<Found> {
  for (const tenant of tenants) {
    try {
      return await find(tenant);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'NOT_FOUND') throw error;
    }
  }
  throw new ApiProblem('NOT_FOUND', `cannot find ${what}`);
}
