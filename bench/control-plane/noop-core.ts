/** A core that answers every chunk at once with a receipt, and stores nothing: what is left is the control plane. */
import { hash } from 'node:crypto';
import type { CorePool } from '../../packages/core-client/src/core-pool.ts';
import type { ChunkDone, Process } from '../../packages/protocol/src/wire/index.ts';

const counts = {
  recordsIn: 1,
  emitted: 1,
  filtered: 0,
  deduplicated: 0,
  rejected: 0,
  rowsOut: 1,
  repaired: 0,
  bytesIn: 10,
  blankLines: 0,
  commentLines: 0,
  suspectRecords: 0,
  damagedBytes: 0,
  damagedLines: 0,
};
const fates = { recordsIn: 1, emitted: 1, filtered: 0, deduplicated: 0, rejected: 0 };
const phases = { readUs: 0, decodeUs: 0, transformUs: 0, encodeUs: 0, writeUs: 0, commitUs: 0 };

function answer(request: Process): { failed: null; done: ChunkDone; payload: Uint8Array } {
  const { chunkIndex: chunk, generation, attemptId, specDigest, segmentDigest, stage } = request;
  const jobId = request.jobKey.split('/')[1];
  const head = { record: 'verdict', version: 1, outcome: 'committed', jobId, stage, chunk, generation, attemptId, specDigest, segmentDigest };
  const body = { resultVersion: 1, coreVersion: 'noop', counts, byCode: {}, byColumn: {}, repairs: {}, files: [{ file: null, key: `k${chunk}`, ...fates }] };
  const parts = [{ uri: `file:///out/part-${chunk}`, rows: 1, bytes: 100, sha256: '0'.repeat(64) }];
  const payload = Buffer.from(JSON.stringify({ ...head, ...body, parts, rejects: [], exchange: null, inputsDigest: null }));
  const verdictDigest = hash('sha256', payload, 'hex');
  const done = { type: 'ChunkDone', outcome: 'committed', verdictDigest, counts, byCode: [], phases, peakRssBytes: 1 } as unknown as ChunkDone;
  return { failed: null, done, payload };
}

/** As much of a pool as an attempt uses. */
export const noopCores = {
  lease: async () => ({
    slot: 0,
    core: { isAlive: true, pid: process.pid, request: async (request: Process) => answer(request), kill: async () => undefined, ping: async () => undefined },
    release: () => undefined,
  }),
} as unknown as CorePool;
