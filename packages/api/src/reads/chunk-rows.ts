/** Chunks as lists and pages show them: where each lies, its state, and what is known of its failures. Details are read for the rows of a page alone. */
import type { ChunkDetail, ChunkRow, chunkFields } from '@millrace/api-contract';
import { type ChunkListOptions, type ChunkPlace, type ChunkTrouble, listChunks } from '@millrace/journal';
import { type AttemptId, type Chunk, type ChunkId, type DeadLetter, type Filter, fileShares, type Receipt } from '@millrace/protocol';
import type { LedgerChunkView, LetterView } from '@millrace/queues';
import type { Api } from '../api.ts';
import type { LookedAt } from './look.ts';

const shownShares = 200;
const lettersAtOnce = 32;

/** Fields of the filter that only failures tell of. */
const troubleFields: readonly (keyof typeof chunkFields)[] = ['code', 'class', 'fingerprint', 'worker', 'attempts'];

export async function findChunks(looked: LookedAt, page: Pick<ChunkListOptions, 'filter' | 'after' | 'limit'>, api: Api) {
  const letters = asksForTrouble(page.filter) ? await lettersOf(looked, deadChunks(looked), api) : new Map<number, LetterView>();
  const troubleOf = (chunk: number): ChunkTrouble | null => troubleIn(looked.live.get(chunk), letters.get(chunk));
  const { states, record } = looked;
  return listChunks(looked.plan.index, { ...page, jobId: record.jobId, states, troubleOf, nowMs: api.clock.nowMs() });
}

/** Bare words search messages too. */
const asksForTrouble = ({ terms }: Filter): boolean => terms.some(({ field }) => field === null || (troubleFields as readonly string[]).includes(field));

function deadChunks({ plan, states }: LookedAt): number[] {
  const dead: number[] = [];
  for (let chunk = 0; chunk < plan.index.size; chunk += 1) if (plan.index.has(chunk) && states.stateOf(chunk) === 'dead') dead.push(chunk);
  return dead;
}

/** Dead letters of these chunks, from the ledger, else from the journal. */
async function lettersOf(looked: LookedAt, chunks: readonly number[], api: Api): Promise<Map<number, LetterView>> {
  const { record, plan, ledger } = looked;
  const places = chunks.flatMap((chunk) => plan.index.at(chunk) ?? []);
  if (places.length === 0) return new Map();
  const ids = places.map((place) => idOf(record.jobId, place));
  const known = ledger === null ? null : await api.jobs.fromRedis((queues) => queues.ledger.lettersOf(record.jobId, ids));
  const found = new Map(places.flatMap((place, at) => pair(place.chunk, known?.get(ids[at] ?? ''))));
  // Letters that were waived are not open: the journal has them alone.
  const missing = places.filter(({ chunk }) => !found.has(chunk));
  for (let at = 0; at < missing.length; at += lettersAtOnce) {
    const some = missing.slice(at, at + lettersAtOnce);
    const read = await Promise.all(some.map(({ stage, chunk, generation }) => api.journal.readDeadLetter(record.jobId, stage, chunk, generation)));
    for (const [number, stored] of read.entries()) if (stored !== null) found.set(some[number]?.chunk ?? 0, letterFrom(stored.record, stored.key));
  }
  return found;
}

function letterFrom(letter: DeadLetter, key: string): LetterView {
  const { jobId, stage, chunk, generation, code, message, fingerprint, range, diedAt, attempts } = letter;
  const last = attempts[0];
  return {
    chunkId: `${jobId}.${stage}.${chunk}`,
    generation,
    class: letter.class,
    code,
    message,
    fingerprint,
    bytes: range === null ? 0 : range.end - range.start,
    key,
    range,
    diedAt,
    attempts: attempts.length,
    worker: last?.worker ?? null,
    coreVersion: last?.coreVersion ?? null,
  };
}

const pair = <Value>(key: number, value: Value | undefined): [number, Value][] => (value === undefined ? [] : [[key, value]]);

const idOf = (jobId: string, { stage, chunk }: Pick<ChunkPlace, 'stage' | 'chunk'>): ChunkId => `${jobId}.${stage}.${chunk}` as ChunkId;

function troubleIn(live: LedgerChunkView | undefined, letter: LetterView | undefined): ChunkTrouble | null {
  if (letter !== undefined) {
    const { code, fingerprint, worker, message, attempts } = letter;
    return { code, class: letter.class, fingerprint, worker, message, attempts };
  }
  if (live === undefined) return null;
  const { last, attempt } = live;
  const worker = attempt?.worker ?? null;
  return {
    code: last?.code ?? null,
    class: last?.class ?? null,
    fingerprint: last?.fingerprint ?? null,
    worker,
    message: last?.message ?? null,
    attempts: failed(live),
  };
}

function failed({ past }: LedgerChunkView): number {
  const { bisected: _, ...counts } = past;
  return Object.values(counts).reduce((sum, times) => sum + times, 0);
}

export async function chunkRows(looked: LookedAt, chunks: readonly number[], api: Api): Promise<ChunkRow[]> {
  const { states, live, record, plan } = looked;
  const waiting = chunks.flatMap((chunk) => (live.get(chunk)?.state === 'retrying' ? [live.get(chunk)?.chunkId ?? ('' as ChunkId)] : []));
  const [letters, tries] = await Promise.all([
    lettersOf(
      looked,
      chunks.filter((chunk) => states.stateOf(chunk) === 'dead'),
      api,
    ),
    api.jobs.fromRedis((queues) => queues.ledger.nextTries(waiting)),
  ]);
  return chunks.flatMap((chunk) => {
    const place = plan.index.at(chunk);
    if (place === null) return [];
    const due = tries?.get(idOf(record.jobId, place)) ?? null;
    return [rowOf(looked, place, { live: live.get(chunk), letter: letters.get(chunk), due })];
  });
}

interface Known {
  readonly live: LedgerChunkView | undefined;
  readonly letter: LetterView | undefined;
  /** When it is tried again. */
  readonly due: number | null;
}

function rowOf({ record, plan, states }: LookedAt, place: ChunkPlace, { live, letter, due }: Known): ChunkRow {
  const { chunk, stage, kind, isReplay, generation, file, files, start, end, records, bytes } = place;
  const state = states.stateOf(chunk);
  const trouble = state === 'committed' ? null : troubleIn(live, letter);
  const attempt = state === 'running' ? (live?.attempt ?? null) : null;
  const isInFile = kind === 'range' || kind === 'rows' || kind === 'given';
  return {
    chunkId: idOf(record.jobId, place),
    jobId: record.jobId,
    stage,
    index: chunk,
    kind,
    isReplay,
    state,
    generation,
    file: isReplay ? null : file,
    files: isReplay ? 0 : files,
    uri: isReplay || file === null ? plan.index.objectOf(chunk) : (plan.index.files.get(file)?.uri ?? null),
    start: isInFile ? start : null,
    end: isInFile ? end : null,
    record: place.record,
    records,
    bytes,
    rejects: isReplay && states.rejectsOf(chunk) === 0 && state === 'committed' ? null : states.rejectsOf(chunk),
    attempts: state === 'committed' ? null : (trouble?.attempts ?? 0),
    code: trouble?.code ?? null,
    class: trouble?.class ?? null,
    fingerprint: trouble?.fingerprint ?? null,
    worker: trouble?.worker ?? null,
    startedAt: attempt?.startedAt ?? null,
    bytesDone: attempt?.bytesDone ?? null,
    recordsDone: attempt?.recordsDone ?? null,
    retryAt: state === 'retrying' && due !== null ? new Date(due).toISOString() : null,
    deadLetterId: state === 'dead' ? `${idOf(record.jobId, place)}.${letter?.generation ?? generation}` : null,
  };
}

/** What only the plan segment says. */
export function planDetails({ plan }: LookedAt, chunk: Chunk): Pick<ChunkDetail, 'shares' | 'keys' | 'partition'> {
  const shares = chunk.kind === 'files' ? fileShares(chunk).slice(0, shownShares) : [];
  return {
    shares: shares.map((share) => {
      const record = share.kind === 'range' ? share.record : null;
      return { file: share.file, uri: plan.index.files.get(share.file)?.uri ?? '', start: share.start, end: share.end, record, records: share.records };
    }),
    keys: chunk.kind === 'inline' ? chunk.payloads.slice(0, shownShares).map(({ key }) => key) : chunk.kind === 'given' ? [chunk.key] : [],
    partition: chunk.kind === 'partition' ? chunk.partition : null,
  };
}

export function receiptView(receipt: Receipt): NonNullable<ChunkDetail['receipt']> {
  const { attemptId, generation, coreVersion, resultVersion, counts, byCode, byColumn, repairs, parts, rejects, exchange, unread = [] } = receipt;
  const file = ({ uri, rows, bytes, sha256 }: Receipt['parts'][number]) => ({ uri, rows, bytes, sha256 });
  const runs = exchange?.runs ?? [];
  return {
    attemptId: attemptId as AttemptId,
    generation,
    coreVersion,
    resultVersion,
    counts,
    byCode,
    byColumn,
    repairs,
    parts: parts.map(file),
    rejects: rejects.map(file),
    exchange:
      exchange == null
        ? null
        : { bytes: exchange.bytes, partitions: new Set(runs.map(({ partition }) => partition)).size, rows: runs.reduce((sum, { rows }) => sum + rows, 0) },
    unread: unread.map(({ file: number, code, message }) => ({ file: number, code, message })),
  };
}
