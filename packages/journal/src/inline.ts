/** Payloads of inline chunks, put before the plan segment that names them. */
import { type JobId, maxInlineChunkBytes } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { inlineKey } from './paths.ts';
import type { Store } from './store.ts';

/** Lost: another writer filled this number; its payloads stay as they are. */
export async function putInline(
  store: Store,
  jobId: JobId,
  segment: number,
  bytes: Uint8Array,
): Promise<{ readonly outcome: 'won' | 'lost'; readonly key: string }> {
  if (bytes.length > maxInlineChunkBytes)
    throw new AppError('OVER_LIMIT', `cannot put inline payloads: expected at most ${maxInlineChunkBytes} bytes, got ${bytes.length}`);
  const key = inlineKey(jobId, segment);
  const put = await store.create(key, bytes);
  return { outcome: put.won || Buffer.compare(put.existing, bytes) === 0 ? 'won' : 'lost', key };
}

export async function readInline(store: Store, key: string): Promise<Uint8Array> {
  const bytes = await store.get(key);
  if (bytes === null) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: payloads that were there are gone`);
  return bytes;
}
