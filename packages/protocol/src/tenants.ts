/** Pure: what tenants are given of an installation. Who is not named has an even share and no limit. */
import { z } from 'zod';

const shareShape = z.strictObject({
  /** Share in bytes beside the other tenants. */
  weight: z.number().positive().max(10_000).default(10),
  /** Chunks of all its jobs in flight at once, and their stored bytes; null: no limit. One chunk more may begin while a byte is free. */
  maxChunks: z.int().min(1).nullable().default(null),
  maxBytes: z.int().min(1).nullable().default(null),
});
export type TenantShare = z.output<typeof shareShape>;
export type TenantShares = ReadonlyMap<string, TenantShare>;

const even: TenantShare = { weight: 10, maxChunks: null, maxBytes: null };

export function shareOfTenant(shares: TenantShares, tenant: string): TenantShare {
  return shares.get(tenant) ?? even;
}

/** `{ "<tenant>": { "weight": 20, "maxChunks": 100, "maxBytes": 1073741824 } }`. Throws naming every problem. */
export function parseTenants(text: string): TenantShares {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TypeError('cannot read tenants: expected JSON');
  }
  const result = z.record(z.string().regex(/^[a-z][a-z0-9-]{0,62}$/), shareShape).safeParse(json);
  if (result.success) return new Map(Object.entries(result.data));
  throw new TypeError(`cannot read tenants: ${result.error.issues.map((issue) => `/${issue.path.map(String).join('/')}: ${issue.message}`).join('; ')}`);
}
