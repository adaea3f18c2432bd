/**
 * The end of a stream: end mark, then seal, each by put-if-absent. The end mark takes the number behind the last segment, so a batch that is put at the same
 * time is in the stream or is refused. Totals that the producer states are held against what was accepted before anything is put.
 */
import { isSegment } from '@millrace/journal';
import type { AnswerTo, JobId, Sealed, SealRequest } from '@millrace/protocol';
import type { StreamTotals } from '@millrace/queues';
import type { Control } from './control.ts';
import type { JobSpecFacts } from './job-facts.ts';
import { refusal } from './refusal.ts';
import { pinStream } from './stream-pins.ts';
import { openStream, streamFacts } from './stream-state.ts';
import { streamGeneration, tellStreamSegment } from './tell-stream.ts';

type SealAnswer = AnswerTo<'seal'>;
type Expected = Pick<SealRequest, 'chunks' | 'bytes'>;

export async function sealStream(request: SealRequest, control: Control): Promise<SealAnswer> {
  const facts = await streamFacts(request, control);
  if ('ok' in facts) return facts;
  const { jobId } = request;
  return control.turns.take(jobId, async () => {
    const standing = await control.facts.sealed(jobId, streamGeneration);
    if (standing === null) return seal(facts, request, control);
    const totals = { chunks: standing.keys ?? standing.chunks, bytes: standing.bytes };
    return mismatch(jobId, request, totals) ?? { ok: true, kind: 'seal', jobId, replayed: true, ...totals };
  });
}

async function seal(facts: JobSpecFacts, expected: Expected, control: Control): Promise<SealAnswer> {
  const { jobId } = facts.job;
  for (;;) {
    const open = await openStream(facts, 'seal', control);
    if ('ok' in open) return open;
    const { stream } = open.job;
    const next = await control.journal.readPlanEntry(jobId, streamGeneration, stream.segments);
    if (next !== null && isSegment(next)) {
      await tellStreamSegment(next, control);
      continue;
    }
    const wrong = mismatch(jobId, expected, { chunks: stream.keys, bytes: stream.bytes });
    if (wrong !== null) return wrong;
    if (stream.segments === 0) await control.facts.pinsDigest(jobId, () => pinStream(facts, null, control));
    const end = await control.journal.putPlanEnd({
      record: 'planEnd',
      version: 1,
      jobId,
      generation: streamGeneration,
      stage: null,
      segments: stream.segments,
    });
    if (isSegment(end.stored)) continue;
    await control.journal.putSealed(sealOf(jobId, stream));
    await control.queues.ledger.sealPlan(jobId, streamGeneration, { segments: stream.segments, chunks: stream.chunks, bytes: stream.bytes });
    await control.queues.ledger.forgetStreamKeys(jobId);
    await control.queues.events.nudgeLeader(jobId);
    control.log.info({ jobId, chunks: stream.chunks, keys: stream.keys }, 'stream sealed');
    return { ok: true, kind: 'seal', jobId, replayed: false, chunks: stream.keys, bytes: stream.bytes };
  }
}

/** The stream stays open: what is missing may still be sent. */
function mismatch(jobId: JobId, expected: Expected, got: { readonly chunks: number; readonly bytes: number }): SealAnswer | null {
  for (const what of ['chunks', 'bytes'] as const) {
    if (expected[what] !== null && expected[what] !== got[what])
      return refusal('INPUT_COUNT_MISMATCH', `cannot seal ${jobId}: expected ${expected[what]} ${what}, ${got[what]} were accepted`);
  }
  return null;
}

/** Nobody has counted records. */
function sealOf(jobId: JobId, { segments, chunks, keys, bytes }: StreamTotals): Sealed {
  return { record: 'sealed', version: 1, jobId, generation: streamGeneration, stage: null, segments, chunks, bytes, records: 0, keys, unplannable: [] };
}
