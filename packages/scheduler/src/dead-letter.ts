/**
 * What retrying cannot cure becomes a dead letter, in an order that any scheduler may repeat: first `dead/`, then the verdict, then the mark. The verdict
 * decides: if a receipt was first, the dead letter is void and the chunk is committed.
 */
import { deadLetterKey, sliceListsDir, Waivers } from '@millrace/journal';
import {
  attemptClassOf,
  type Chunk,
  type ChunkRange,
  chunkId,
  type DeadLetter,
  deadLetterId,
  type FailureRecord,
  fingerprintOf,
  isReplay,
  type JobId,
  laterIndexOf,
  maxDeadLetterAttempts,
  type Sealed,
  sumsOfChunk,
  type Unplannable,
} from '@millrace/protocol';
import type { LedgerChunkView, LetterView } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import { oweCallbacks } from './callbacks/owe-callbacks.ts';
import { chunkRange } from './chunk-range.ts';
import type { Control } from './control.ts';
import { flushLateRecords } from './sweepers/late-records.ts';

interface Death {
  readonly jobId: JobId;
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly class: DeadLetter['class'];
  readonly code: string;
  readonly message: string;
  readonly fingerprint: string;
  readonly reason: string;
  readonly range: ChunkRange | null;
  readonly bytes: number;
  /** As its plan lists it; null of a file, and where it is not at hand: should it have committed after all, its sums are added from the journal. */
  readonly entry: Chunk | null;
  readonly attempts: readonly FailureRecord[];
}

/** A chunk that is dying. */
export async function bury(view: LedgerChunkView, control: Control): Promise<void> {
  await flushLateRecords(view.jobId, control);
  const { jobId, stage, chunk: number, generation } = view;
  const attempts = await attemptsOf(jobId, stage, number, generation, control);
  const segment = await control.facts.segment(view.segmentKey, view.segmentDigest);
  const chunk = segment.chunks.find((one) => one.chunk === number) ?? null;
  await putDeath(
    {
      jobId,
      stage,
      chunk: number,
      generation,
      class: view.last?.class ?? 'lost',
      code: view.last?.code ?? 'LEASE_EXPIRED',
      message: view.last?.message ?? '',
      fingerprint: view.last?.fingerprint ?? attempts[0]?.fingerprint ?? '',
      reason: view.dying ?? 'attempts used up',
      range: chunk === null ? null : chunkRange(chunk, segment.files),
      // Rows of a partition are no bytes of an input: what is not read is counted where it enters. Replayed records were read before.
      bytes: chunk?.kind === 'partition' || (chunk !== null && isReplay(chunk)) ? 0 : view.bytes,
      entry: chunk,
      attempts,
    },
    control,
  );
}

/**
 * A plan or finish task that cannot be cured. A file at which planning died is a dead letter and planning goes on behind it; before anything was pinned,
 * for a later stage, and for a finish, the whole generation ends.
 */
export async function buryWork(view: LedgerChunkView, control: Control): Promise<void> {
  await flushLateRecords(view.jobId, control);
  const facts = await control.facts.spec(view.jobId, view.generation);
  const isFiles = view.stage === 'plan' && facts !== null && laterIndexOf(facts.job.inputFiles, view.chunk) === null;
  const pins = isFiles ? await control.journal.readPins(view.jobId) : null;
  if (pins === null) return endWith(view, control);
  const { jobId, generation } = view;
  const attempts = await attemptsOf(jobId, 'plan', view.chunk, generation, control);
  const file = attempts[0]?.position?.file ?? view.chunk;
  const last = { code: view.last?.code ?? 'LEASE_EXPIRED', message: view.last?.message ?? '' };
  await buryFile({ file, uri: await uriOf(jobId, file, control), ...last }, view, attempts, view.dying ?? 'attempts used up', control);
  // The next task is asked for when the job is looked at: it begins behind the last file that has a dead letter.
  await control.queues.ledger.closeWork(view.chunkId, generation);
  await control.queues.events.nudgeLeader(jobId);
}

/** Files that the sealed plan names as impossible. */
export async function buryUnplannable(jobId: JobId, sealed: Sealed, control: Control): Promise<void> {
  const waivers = new Waivers(sealed.generation === 1 ? [] : await control.journal.readCommands(jobId));
  for (const file of sealed.unplannable) {
    if (waivers.of('plan', file.file, sealed.generation) !== null) continue;
    const attempts = await attemptsOf(jobId, 'plan', file.file, sealed.generation, control);
    await buryFile(file, { jobId, generation: sealed.generation }, attempts, 'the file cannot be planned', control);
  }
}

async function buryFile(
  file: Unplannable,
  of: { jobId: JobId; generation: number },
  attempts: readonly FailureRecord[],
  reason: string,
  control: Control,
): Promise<void> {
  const { jobId, generation } = of;
  const { etag = null, size = 0 } = (await control.facts.files(jobId)).get(file.file) ?? {};
  await putDeath(
    {
      jobId,
      stage: 'plan',
      chunk: file.file,
      generation,
      class: attempts[0]?.class ?? attemptClassOf(file.code),
      code: file.code,
      message: file.message,
      fingerprint: attempts[0]?.fingerprint ?? (await fingerprintOfFile(file, of, control)),
      reason,
      range: { uri: file.uri, etag, start: 0, end: size },
      bytes: size,
      entry: null,
      attempts,
    },
    control,
  );
}

async function endWith(view: LedgerChunkView, control: Control): Promise<void> {
  const { jobId, generation } = view;
  const code = view.last?.code ?? 'INTERNAL';
  const message = `cannot ${view.stage} the job: ${view.last?.message || view.dying || 'attempts used up'}`;
  await control.queues.ledger.setEnd(jobId, generation, { state: 'failed', code, message });
  await control.queues.ledger.closeWork(view.chunkId, generation);
}

async function putDeath(death: Death, control: Control): Promise<void> {
  const { jobId, stage, chunk, generation, code } = death;
  const key = deadLetterKey(jobId, stage, chunk, generation);
  await failpoint('fail.6-letter', key);
  const letter = (await control.journal.putDeadLetter(deadLetterOf(death, control.clock.nowIso()))).stored.record;
  await failpoint('fail.6-verdict', key);
  const { stored } = await control.journal.putVerdict({
    record: 'verdict',
    version: 1,
    outcome: 'dead',
    jobId,
    stage,
    chunk,
    generation,
    deadLetter: key,
    code,
  });
  const id = chunkId(jobId, stage, chunk);
  await failpoint('fail.6-mark', key);
  if (stored.record.outcome === 'committed') {
    await control.queues.ledger.markCommitted(id, generation, death.entry && sumsOfChunk(death.entry, stored.record));
    return;
  }
  // Closed: a redrive has taken the chunk into the next generation; the ledger is about to follow.
  if (stored.record.outcome === 'closed') return;
  const isNew = await control.queues.ledger.markDead(id, generation, { ...letterView(letter, key), bytes: death.bytes });
  if (!isNew) return;
  const { class: failureClass, fingerprint: print } = letter;
  control.metrics.recordDeadLetter(failureClass, code);
  control.log.error({ jobId, chunkId: id, code, class: failureClass }, 'dead letter');
  const facts = await control.facts.spec(jobId, generation);
  const tenant = facts?.job.tenant ?? 'default';
  await oweCallbacks(jobId, generation, 'deadletter.first', { chunk: `${stage}.${chunk}`, code, class: failureClass, fingerprint: print }, control);
  await control.queues.events.publish(tenant, jobId, { type: 'dead', at: control.clock.nowIso(), chunk: `${stage}.${chunk}`, code, fingerprint: print });
}

/**
 * A chunk that an aborted operation has not let begin: dead again, with what it had died of before, or with the abort where it never ran. Its reason
 * says so, that nobody takes it for another failure.
 */
export async function giveUp(
  of: { jobId: JobId; stage: string; chunk: number; generation: number },
  reason: string,
  before: DeadLetter | null,
  control: Control,
) {
  const never = {
    class: 'lost',
    code: 'JOB_CANCELLED',
    message: 'it never ran',
    fingerprint: fingerprintOf('JOB_CANCELLED', 'lost', { jobName: '-', stage: of.stage, reason: 'aborted' }),
  } as const;
  const { class: failureClass, code, message, fingerprint: print } = before ?? never;
  const range = before?.range ?? null;
  const bytes = before === null ? 0 : letterView(before, '').bytes;
  await putDeath({ ...of, class: failureClass, code, message, fingerprint: print, reason, range, bytes, entry: null, attempts: [] }, control);
}

/** The chunk was a partition of a reduce stage: its range is a list of slices. */
export function isPartition({ jobId, range }: Pick<DeadLetter, 'jobId' | 'range'>): boolean {
  return range?.uri.startsWith(sliceListsDir(jobId)) === true;
}

/** Pure: a dead letter as the ledger lists it. */
export function letterView(letter: DeadLetter, key: string): LetterView {
  const { jobId, stage, chunk, generation, class: failureClass, code, message, fingerprint: print, range, diedAt, attempts } = letter;
  // Rows of a partition are no bytes of an input: what is not read is counted where it enters.
  const bytes = range === null || isPartition(letter) ? 0 : range.end - range.start;
  const [newest] = attempts;
  const last = { attempts: attempts.length, worker: newest?.worker ?? null, coreVersion: newest?.coreVersion ?? null };
  return { chunkId: chunkId(jobId, stage, chunk), generation, class: failureClass, code, message, fingerprint: print, bytes, key, range, diedAt, ...last };
}

function deadLetterOf(death: Death, diedAt: string): DeadLetter {
  const { bytes: _, entry: _entry, ...kept } = death;
  const id = deadLetterId(chunkId(death.jobId, death.stage, death.chunk), death.generation);
  return { record: 'deadLetter', version: 1, deadLetterId: id, ...kept, diedAt, attempts: death.attempts.slice(0, maxDeadLetterAttempts) };
}

async function attemptsOf(jobId: JobId, stage: string, chunk: number, generation: number, control: Control): Promise<FailureRecord[]> {
  const stored = await control.journal.readFailures(jobId, stage, chunk);
  return stored.map(({ record }) => record).filter((record) => record.generation === generation);
}

async function uriOf(jobId: JobId, file: number, control: Control): Promise<string> {
  return (await control.facts.files(jobId)).get(file)?.uri ?? '';
}

async function fingerprintOfFile(file: Unplannable, of: { jobId: JobId; generation: number }, control: Control): Promise<string> {
  const facts = await control.facts.spec(of.jobId, of.generation);
  const input = facts?.spec.inputs[0]?.name;
  return fingerprintOf(file.code, attemptClassOf(file.code), { jobName: facts?.job.name ?? '-', stage: 'plan', input });
}
