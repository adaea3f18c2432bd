/** What a chunk's attempt works on, read from the journal by the keys and digests that the ledger gave. */
import { type Chunk, chunkBytes, fileShares, type JobRecord, type ResolvedJobSpec, rangeOfChunk, type Segment } from '@millrace/protocol';
import type { Secret } from '@millrace/protocol/wire';
import type { AttemptOrders } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import type { AttemptPlace } from './failure-record.ts';
import type { Host } from './host.ts';
import { secretsOf } from './secrets.ts';

export interface ChunkWork {
  readonly job: JobRecord;
  /** The spec of this generation: a redrive may have overridden parts. */
  readonly spec: ResolvedJobSpec;
  readonly chunk: Chunk;
  /** Files that its segment names. */
  readonly files: Segment['files'];
  readonly bytes: number;
  readonly place: AttemptPlace;
  /** For the core alone. */
  readonly secrets: readonly Secret[];
}

export async function loadChunkWork(orders: AttemptOrders, host: Host): Promise<ChunkWork> {
  const [{ job, spec }, { record: segment, chunks }] = await Promise.all([
    host.records.job(orders.jobId, orders.generation),
    host.records.segment(orders.segmentKey, orders.segmentDigest),
  ]);
  const chunk = chunks.get(orders.chunk);
  if (chunk === undefined) throw new AppError('PLAN_CONFLICT', `cannot run chunk ${orders.chunkId}: ${orders.segmentKey} does not list it`);
  return {
    job,
    spec,
    secrets: await secretsOf(spec, host.secrets),
    chunk,
    files: segment.files,
    bytes: chunkBytes(chunk),
    place: placeOf(orders, job, segment, chunk),
  };
}

/** Of an attempt whose records cannot be read: what its orders say, and nothing more. */
export function barePlace({ jobId, stage, chunk, generation, mode }: AttemptOrders): AttemptPlace {
  return { jobId, jobName: jobId, inputName: 'input', stage, chunk, generation, range: null, fileUri: null, mode };
}

function placeOf(orders: AttemptOrders, job: JobRecord, segment: Segment, chunk: Chunk): AttemptPlace {
  const first = fileShares(chunk)[0];
  const file = first === undefined ? undefined : segment.files.find((candidate) => candidate.file === first.file);
  return {
    jobId: orders.jobId,
    jobName: job.name,
    inputName: job.spec.inputs[file?.input ?? 0]?.name ?? 'input',
    stage: orders.stage,
    chunk: orders.chunk,
    generation: orders.generation,
    range: rangeOfChunk(chunk, file),
    fileUri: fileUriOf(chunk, file),
    mode: orders.mode,
  };
}

function fileUriOf(chunk: Chunk, file: Segment['files'][number] | undefined): string | null {
  if (chunk.kind === 'given') return chunk.uri;
  return chunk.kind === 'files' ? null : (file?.uri ?? null);
}
