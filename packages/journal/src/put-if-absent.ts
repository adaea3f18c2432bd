/**
 * What winning, losing and not knowing mean. A record is put once; whoever comes later reads what stands there. A put whose answer was lost is repeated
 * by the caller: it then meets its own bytes, which count as won.
 */
import { encodeRecord, parseRecord, type RecordKind, type RecordOf, sha256Hex } from '@millrace/protocol';

import type { Store } from './store.ts';

/** A record as it lies in the journal. */
export interface Stored<Kind extends RecordKind> {
  readonly key: string;
  /** SHA-256 of the stored bytes. */
  readonly digest: string;
  readonly record: RecordOf<Kind>;
}

/** `stored` is what stands there now: one's own record if won, another's if lost. Not knowing is an error, thrown. */
export interface Put<Kind extends RecordKind> {
  readonly outcome: 'won' | 'lost';
  readonly stored: Stored<Kind>;
}

export async function putIfAbsent<Kind extends RecordKind>(store: Store, kind: Kind, key: string, record: RecordOf<Kind>): Promise<Put<Kind>> {
  const bytes = encodeRecord(kind, record);
  const put = await store.create(key, bytes);
  const isOurs = put.won || Buffer.compare(put.existing, bytes) === 0;
  const standing = put.won ? bytes : put.existing;
  return { outcome: isOurs ? 'won' : 'lost', stored: storedFrom(kind, key, standing) };
}

/** Null: there is none. */
export async function readRecord<Kind extends RecordKind>(store: Store, kind: Kind, key: string): Promise<Stored<Kind> | null> {
  const bytes = await store.get(key);
  return bytes === null ? null : storedFrom(kind, key, bytes);
}

export function storedFrom<Kind extends RecordKind>(kind: Kind, key: string, bytes: Uint8Array): Stored<Kind> {
  return { key, digest: sha256Hex(bytes), record: parseRecord(kind, bytes) };
}
