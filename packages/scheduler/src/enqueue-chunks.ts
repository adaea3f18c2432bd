/**
 * Chunks of a stream: durable before they are acknowledged, each key once. A batch becomes the next plan segment by put-if-absent, and only a scheduler that
 * knows the keys of all segments before it may put it: who loses reads what stands there and looks again. So no key enters twice, whatever Redis forgets
 * and whoever else takes chunks of the same stream. Keeps I1, I2.
 */
import { inlineKey, isSegment, type Stored } from '@millrace/journal';
import { type AnswerTo, type ChunksRequest, type JobId, maxChunksPerJob, type RequestId, resolvePlace, type Segment, sha256Hex } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import type { JobSpecFacts } from './job-facts.ts';
import { refusal } from './refusal.ts';
import { fileAt, versioned } from './stored-inputs.ts';
import { type ObjectVersion, planBatch, rangeProblem, readBatch, type StreamPiece } from './stream-batch.ts';
import { pinStream, sampleOf } from './stream-pins.ts';
import { aheadOf, openStream, streamFacts } from './stream-state.ts';
import { streamGeneration, tellStreamSegment } from './tell-stream.ts';

type ChunksAnswer = AnswerTo<'chunks'>;

const act = 'send chunks of';
const looksAtOnce = 16;

export async function enqueueChunks(request: ChunksRequest, control: Control): Promise<ChunksAnswer> {
  const facts = await streamFacts(request, control);
  if ('ok' in facts) return facts;
  const { jobId } = request;
  if (request.chunks.length === 0) return accepted(facts, { accepted: 0, duplicates: 0 }, control);
  if (await control.queues.isFull()) return refusal('BUSY', `cannot ${act} ${jobId}: Redis is above its soft memory limit`, true);
  const { pieces, again, conflict } = readBatch(request.chunks);
  if (conflict !== null) return keyConflict(jobId, conflict);
  const put = await control.turns.take(jobId, () => putBatch(facts, request.requestId, pieces, control));
  if (typeof put === 'object') return put;
  await control.queues.events.nudgeLeader(jobId);
  return accepted(facts, { accepted: put, duplicates: pieces.length - put + again }, control);
}

async function accepted(facts: JobSpecFacts, counts: { accepted: number; duplicates: number }, control: Control): Promise<ChunksAnswer> {
  const { jobId } = facts.job;
  const job = await control.queues.ledger.job(jobId);
  return { ok: true, kind: 'chunks', jobId, ...counts, ahead: job === null ? 0 : aheadOf(job) };
}

function keyConflict(jobId: JobId, key: string): ChunksAnswer {
  return { ...refusal('KEY_CONFLICT', `cannot ${act} ${jobId}: the key ${JSON.stringify(key)} was sent with other content`), jobId };
}

/** How many of the pieces are new and now stand in the journal. */
async function putBatch(facts: JobSpecFacts, batch: RequestId, pieces: readonly StreamPiece[], control: Control): Promise<number | ChunksAnswer> {
  const { jobId } = facts.job;
  for (;;) {
    const stream = await openStream(facts, act, control);
    if ('ok' in stream) return stream;
    const look = await control.queues.ledger.lookUpStreamKeys(jobId, pieces);
    if (look === null) return refusal('REBUILDING', `cannot ${act} ${jobId}: its ledger is being rebuilt`, true);
    const other = pieces.find((_, index) => look.found[index] === 'other');
    if (other !== undefined) return keyConflict(jobId, other.key);
    const fresh = pieces.filter((_, index) => look.found[index] === 'new');
    if (fresh.length === 0) return 0;
    const put = await putSegment(facts, batch, fresh, look, control);
    if (put === 'sealed') return { ...refusal('STATE_CONFLICT', `cannot ${act} ${jobId}: the stream is sealed`), state: 'running' };
    if (put === 'won') return fresh.length;
  }
}

async function putSegment(
  facts: JobSpecFacts,
  batch: RequestId,
  fresh: readonly StreamPiece[],
  at: { readonly nextSegment: number; readonly nextChunk: number },
  control: Control,
): Promise<'won' | 'lost' | 'sealed'> {
  const { job, spec, specDigest } = facts;
  const { jobId, stage } = job;
  const objects = await objectsOf(facts, fresh, control);
  const { chunks, inline } = planBatch(fresh, objects, {
    firstChunk: at.nextChunk,
    chunkBytes: spec.execution.chunkSize,
    inlineKeyOf: (bytes) => inlineKey(jobId, at.nextSegment, sha256Hex(bytes)),
  });
  if (at.nextChunk + chunks.length > maxChunksPerJob) {
    throw new AppError('REQUEST_TOO_LARGE', `cannot ${act} ${jobId}: expected at most ${maxChunksPerJob} chunks in a job, got ${at.nextChunk + chunks.length}`);
  }
  const pinsDigest = await control.facts.pinsDigest(jobId, () => pinStream(facts, sampleOf(fresh, objects), control));
  if (inline.length > 0) await control.journal.putInline(jobId, at.nextSegment, inline);
  const segment: Segment = {
    record: 'segment',
    version: 1,
    jobId,
    generation: streamGeneration,
    stage,
    segment: at.nextSegment,
    specDigest,
    pinsDigest,
    firstChunk: at.nextChunk,
    files: [],
    chunks: [...chunks],
    ended: [],
    batch,
  };
  const { outcome, stored } = await control.journal.putSegment(segment);
  if (!isSegment(stored)) return 'sealed';
  await tellStreamSegment(stored as Stored<'segment'>, control);
  return outcome;
}

/** The version of each object that is named, as it stands now. Throws `INPUT_NOT_FOUND`, `INPUT_CHANGED`, `INPUT_RANGE`, or what a place cannot be. */
async function objectsOf({ job, spec }: JobSpecFacts, pieces: readonly StreamPiece[], control: Control): Promise<Map<string, ObjectVersion>> {
  const connection = spec.inputs[0]?.connection ?? null;
  const named = pieces.flatMap((piece) => ('uri' in piece ? [piece] : []));
  const uris = [...new Set(named.map(({ uri }) => uri))];
  const objects = new Map<string, ObjectVersion>();
  for (let from = 0; from < uris.length; from += looksAtOnce) {
    const some = uris.slice(from, from + looksAtOnce);
    const found = await Promise.all(
      some.map((uri) => control.facts.object(job.jobId, uri, async () => versioned(await fileAt(placeOf(uri), connection, control)))),
    );
    for (const [index, { uri, etag, size }] of found.entries()) objects.set(some[index] ?? '', { uri, etag, size });
  }
  for (const { key, uri, range, etag } of named) {
    const object = objects.get(uri);
    if (object === undefined) continue;
    if (etag !== null && etag !== object.etag)
      throw new AppError('INPUT_CHANGED', `cannot ${act} ${job.jobId}: chunk ${key}: ${uri} has the etag ${object.etag}, the chunk says ${etag}`);
    const problem = range === null ? null : rangeProblem(range, object);
    if (problem !== null) throw new AppError('INPUT_RANGE', `cannot ${act} ${job.jobId}: chunk ${key}: ${problem}`);
  }
  return objects;
}

function placeOf(uri: string): string {
  const place = resolvePlace(uri, 'input', null);
  if ('uri' in place) return place.uri;
  throw new AppError(place.code as 'SPEC_URI', `cannot read ${uri}: ${place.message}`);
}
