/** Ids that follow from what they name. Apart from `ids.ts`, which a browser can load: these need a digest of the machine. */
import { createHash } from 'node:crypto';
import { type JobId, toBase32 } from './ids.ts';

const idOf = (letter: string, named: readonly string[]): string => letter + toBase32(createHash('sha256').update(JSON.stringify(named)).digest());

/** The job that a tenant's idempotency key names: the same for ever, on every machine. */
export function jobIdFromKey(tenant: string, key: string): JobId {
  return idOf('j', ['job', tenant, key]) as JobId;
}

/** The id of something by what it is: the same text, the same id. `letter` says of what kind. */
export function toId(letter: string, text: string): string {
  return idOf(letter, [letter, text]);
}
