/** Payloads of inline chunks, put before the plan segment that names them. */
import { type JobId, maxInlineChunkBytes, sha256Hex } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { inlineKey } from './paths.ts';
import type { Store } from './store.ts';

/** Named by their segment and their own bytes, so that nobody else's can lie there. Answers the key. */
export async function putInline(store: Store, jobId: JobId, segment: number, bytes: Uint8Array): Promise<string> {
  if (bytes.length > maxInlineChunkBytes)
    throw new AppError('OVER_LIMIT', `cannot put inline payloads: expected at most ${maxInlineChunkBytes} bytes, got ${bytes.length}`);
  const key = inlineKey(jobId, segment, sha256Hex(bytes));
  const put = await store.create(key, bytes);
  if (put.won || Buffer.compare(put.existing, bytes) === 0) return key;
  throw new AppError('JOURNAL_UNSAFE', `cannot put ${key}: other bytes stand there`);
}

export async function readInline(store: Store, key: string): Promise<Uint8Array> {
  const bytes = await store.get(key);
  if (bytes === null) throw new AppError('JOURNAL_UNSAFE', `cannot read ${key}: payloads that were there are gone`);
  return bytes;
}
