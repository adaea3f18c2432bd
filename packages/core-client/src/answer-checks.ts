/**
 * Whether an answer can belong to what was asked. The core reads hostile input, so it is treated as if it were hostile itself: names and digests in its
 * answers are compared with those of the request and never used in their place.
 */
import { createHash } from 'node:crypto';
import {
  type ChunkDone,
  type DoneBody,
  type Process,
  type Reduce,
  type Request,
  type StoreDelete,
  type StoreDeleteDone,
  type StoreGet,
  type StoreGetDone,
  type StoreList,
  type StoreListDone,
  WireError,
} from '@millrace/protocol/wire';

/** Throws `WireError` when the answer contradicts the request or itself. */
export function checkAnswer(request: Request, done: DoneBody, payload: Uint8Array): void {
  switch (request.type) {
    case 'Process':
    case 'Reduce':
      checkChunk(request, done as ChunkDone, payload);
      return;
    case 'StorePut':
      must(done.type !== 'StorePutDone' || done.outcome === 'lost' || payload.length === 0, 'StorePut won and brought an object');
      return;
    case 'StoreGet':
      checkGet(request, done as StoreGetDone, payload);
      return;
    case 'StoreList':
      checkList(request, done as StoreListDone);
      return;
    case 'StoreDelete':
      checkDelete(request, done as StoreDeleteDone);
      return;
    case 'Probe':
    case 'Inspect':
      return;
    case 'Plan':
    case 'StoreStat':
    case 'Cancel':
    case 'Ping':
      must(payload.length === 0, `${request.type} brought a payload`);
      return;
    default:
      request satisfies never;
      return;
  }
}

function checkChunk(request: Process | Reduce, done: ChunkDone, payload: Uint8Array): void {
  const { counts, outcome } = done;
  must(counts.recordsIn === counts.emitted + counts.filtered + counts.deduplicated + counts.rejected, 'the counts of a chunk do not balance');
  must((outcome === 'trialOk') !== (request.mode === 'commit') || outcome === 'cancelled' || outcome === 'superseded', `a ${request.mode} ended as ${outcome}`);
  const hasVerdict = outcome === 'committed' || outcome === 'superseded';
  must(
    hasVerdict === payload.length > 0 && hasVerdict === (done.verdictDigest !== null),
    `a chunk that is ${outcome} ${hasVerdict ? 'brought no verdict' : 'brought one'}`,
  );
  if (!hasVerdict) return;
  must(createHash('sha256').update(payload).digest('hex') === done.verdictDigest, 'the verdict has another digest than the answer says');
  if (outcome === 'committed') must(attemptIdOf(payload) === request.attemptId, 'the receipt is of another attempt');
}

function attemptIdOf(receipt: Uint8Array): unknown {
  try {
    return (JSON.parse(Buffer.from(receipt).toString('utf8')) as { readonly attemptId?: unknown } | null)?.attemptId;
  } catch {
    return undefined;
  }
}

function checkGet(request: StoreGet, done: StoreGetDone, payload: Uint8Array): void {
  if (done.object === null) {
    must(payload.length === 0, 'StoreGet found nothing and brought bytes');
    return;
  }
  const { range } = request;
  const expected = range === null ? done.object.size : Math.max(0, Math.min(range.end, done.object.size) - range.start);
  must(payload.length === expected, `StoreGet brought ${payload.length} bytes of ${expected}`);
}

function checkList(request: StoreList, done: StoreListDone): void {
  must(done.entries.length <= request.limit, `StoreList brought ${done.entries.length} entries of at most ${request.limit}`);
  must(
    done.entries.every((entry) => entry.key.startsWith(request.prefix)),
    'StoreList brought a key outside its prefix',
  );
  must(!done.more || done.entries.length > 0, 'StoreList brought nothing and says that there is more');
}

function checkDelete(request: StoreDelete, done: StoreDeleteDone): void {
  const isSame = done.results.length === request.keys.length && done.results.every((result, index) => result.key === request.keys[index]);
  must(isSame, 'StoreDelete answered for other keys than it was asked');
}

function must(holds: boolean, breach: string): void {
  if (!holds) throw new WireError(`the core broke its word: ${breach}`);
}
