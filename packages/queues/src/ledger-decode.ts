/** Hashes of Redis → views. The only place that knows the names of the ledger's fields outside the scripts. */
import {
  type AttemptFailureClass,
  type Balance,
  balanceOfStages,
  type ChunkId,
  type ChunkMode,
  chunkTaskId,
  type JobId,
  type JobStage,
  type JobState,
  parseChunkId,
} from '@millrace/protocol';
import type { LateRecord, LedgerChunkState, LedgerChunkView, OpenAttempt } from './ledger-attempt.ts';
import type { JobGroup, LedgerJob, LedgerJobView, LedgerRejects, LedgerStage, LedgerSums, LetterView, SegmentRef, StreamTotals } from './ledger-job.ts';

export type Fields = Readonly<Record<string, string>>;

const int = (text: string | undefined): number => Number(text ?? 0);
const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text);

/** The fields that a job is created with; null is written as the empty text. */
export function jobFields(job: LedgerJob): Fields {
  const { stages, ...plain } = job;
  const fields = Object.fromEntries(Object.entries(plain).map(([name, value]) => [name, value === null ? '' : String(value)]));
  return { ...fields, stages: stages.map(({ name, kind }) => `${name}:${kind}`).join(',') };
}

function decodeStages(text: string | undefined): JobStage[] {
  return (text ?? '').split(',').map((one) => {
    const [name = '', kind] = one.split(':');
    return { name, kind: kind === 'reduce' ? 'reduce' : 'map' };
  });
}

export function decodeJob(fields: Fields): LedgerJobView | null {
  if (fields['jobId'] === undefined || fields['generation'] === undefined) return null;
  const counts = {
    total: int(fields['chunks']),
    queued: int(fields['queued']),
    running: int(fields['running']),
    retrying: int(fields['retrying']),
    committed: int(fields['committed']),
    dead: int(fields['deadChunks']),
  };
  const stages = decodeStages(fields['stages']);
  const stageViews = stages.map((stage) => decodeStage(stage, fields));
  const others = counts.queued + counts.running + counts.retrying + counts.committed + counts.dead;
  return {
    jobId: fields['jobId'] as JobId,
    tenant: fields['tenant'] ?? '',
    name: fields['name'] ?? '',
    generation: int(fields['generation']),
    state: (fields['state'] ?? 'accepted') as JobState,
    jobKey: fields['jobKey'] ?? '',
    specDigest: fields['specDigest'] ?? '',
    resultVersion: int(fields['resultVersion']),
    pool: fields['pool'] ?? '',
    stages,
    priority: int(fields['priority']),
    weight: int(fields['weight'] ?? '10'),
    flightBytes: int(fields['flightBytes']),
    maxConcurrency: orNull(fields['maxConcurrency']) === null ? null : int(fields['maxConcurrency']),
    inputFiles: int(fields['inputFiles']),
    inputBytes: int(fields['inputBytes']),
    acceptedAt: fields['acceptedAt'] ?? '',
    sealTimeLimitMs: orNull(fields['sealTimeLimitMs']) === null ? null : int(fields['sealTimeLimitMs']),
    paused: fields['paused'] === '1',
    cancelled: fields['cancelled'] === '1',
    rebuilding: fields['rebuilding'] === '1',
    sealed: fields['sealed'] === '1',
    segments: int(fields['segments']),
    sealedSegments: orNull(fields['sealedSegments']) === null ? null : int(fields['sealedSegments']),
    bytesPlanned: int(fields['bytesPlanned']),
    chunks: { ...counts, pending: Math.max(0, counts.total - others) },
    plannedStages: int(fields['planned']),
    stageViews,
    sums: sumsOfStages(stageViews),
    allRejected: stageViews.reduce((sum, { sums }) => sum + sums.rejected, 0),
    deadLetters: { count: int(fields['letters']), bytes: int(fields['letterBytes']) },
    uncounted: Math.max(0, counts.committed - int(fields['counted'])),
    openWork: int(fields['work']),
    end: decodeEnd(fields),
    failure: fields['failure'] === undefined ? null : JSON.parse(fields['failure']),
    manifestKey: orNull(fields['manifestKey']),
    recheck: fields['recheck'] === '1',
    lastCommand: int(fields['lastCommand'] ?? '-1'),
    release: orNull(fields['release']) === null ? null : { limit: int(fields['release']), started: int(fields['started']) },
    stream: orNull(fields['sealTimeLimitMs']) === null ? null : decodeStream(fields),
    revision: int(fields['revision']),
  };
}

function decodeStream(fields: Fields): StreamTotals {
  const total = (what: string): number => int(fields[`stream${what}`]);
  return { segments: total('Segments'), chunks: total('Chunks'), keys: total('Keys'), bytes: total('Bytes') };
}

function decodeEnd(fields: Fields): LedgerJobView['end'] {
  const state = fields['endState'];
  if (state !== 'failed' && state !== 'cancelled') return null;
  return { state, code: fields['endCode'] ?? '', message: fields['endMessage'] ?? '' };
}

function decodeStage(stage: JobStage, fields: Fields): LedgerStage {
  const count = (what: string): number => int(fields[`stage:${stage.name}:${what}`]);
  return { ...stage, chunks: { total: count('chunks'), committed: count('committed'), dead: count('dead') }, sums: decodeSums(stage.name, fields) };
}

/** Bytes are those of all stages: each reads what the one before has written. */
function sumsOfStages(stages: readonly LedgerStage[]): LedgerSums {
  const balance = balanceOfStages(stages.map(({ name, kind, sums }) => ({ name, kind, balance: withoutBytes(sums) })));
  const { unreadBytes: _, ...fates } = balance;
  return {
    ...fates,
    bytesIn: stages.reduce((sum, { sums }) => sum + sums.bytesIn, 0),
    bytesOut: stages.reduce((sum, { sums }) => sum + sums.bytesOut, 0),
  };
}

function withoutBytes({ bytesIn: _, bytesOut: __, ...fates }: LedgerSums): Balance {
  return { ...fates, unreadBytes: 0 };
}

function decodeSums(stage: string, fields: Fields): LedgerSums {
  const sum = (name: string): number => int(fields[`sum:${stage}:${name}`]);
  return {
    recordsIn: sum('recordsIn'),
    emitted: sum('emitted'),
    filtered: sum('filtered'),
    deduplicated: sum('deduplicated'),
    rejected: sum('rejected'),
    rowsOut: sum('rowsOut'),
    repaired: sum('repaired'),
    bytesIn: sum('bytesIn'),
    bytesOut: sum('bytesOut'),
  };
}

/** `ageMs` is measured against `nowMs`, which is Redis' own clock. */
export function decodeChunk(chunkId: ChunkId, fields: Fields, epoch: string, nowMs: number): LedgerChunkView | null {
  if (fields['state'] === undefined) return null;
  const { jobId, stage, chunk } = parseChunkId(chunkId);
  const generation = int(fields['generation']);
  const number = int(fields['number']);
  const state = fields['state'] as LedgerChunkState;
  const dispatched = state === 'queued' || state === 'running';
  return {
    chunkId,
    jobId,
    stage,
    chunk,
    generation,
    state,
    number,
    taskId: dispatched ? chunkTaskId(chunkId, { generation, epoch, number }) : null,
    segmentKey: fields['segmentKey'] ?? '',
    segmentDigest: fields['segmentDigest'] ?? '',
    bytes: int(fields['bytes']),
    mode: (fields['mode'] ?? 'normal') as ChunkMode,
    past: decodePast(fields),
    attempt: decodeAttempt(fields),
    last: fields['last'] === undefined ? null : JSON.parse(fields['last']),
    dying: fields['dying'] ?? null,
    ageMs: Math.max(0, nowMs - int(fields['changedAt'])),
  };
}

function decodePast(fields: Fields): LedgerChunkView['past'] {
  const past = (name: AttemptFailureClass): number => int(fields[`past:${name}`]);
  return {
    input: past('input'),
    transient: past('transient'),
    resource: past('resource'),
    crash: past('crash'),
    lost: past('lost'),
    bug: past('bug'),
    bisected: fields['bisected'] === '1',
  };
}

function decodeAttempt(fields: Fields): OpenAttempt | null {
  const text = fields['attempt'];
  if (text === undefined) return null;
  return { ...JSON.parse(text), mode: (fields['mode'] ?? 'normal') as ChunkMode, bytesDone: int(fields['bytesDone']), recordsDone: int(fields['recordsDone']) };
}

export function decodeLate(fields: Fields): LateRecord[] {
  return Object.entries(fields).map(([name, text]) =>
    name.startsWith('record:') ? { kind: 'record', key: name.slice('record:'.length), record: text } : { kind: 'lost', attempt: JSON.parse(text) },
  );
}

/** Lua writes an empty list as an empty object; a segment has at least one range, so that does not matter here. */
export function decodeSegment(text: string): SegmentRef {
  return JSON.parse(text) as SegmentRef;
}

export function decodeLetters(fields: Fields): LetterView[] {
  return Object.values(fields).map((text) => JSON.parse(text) as LetterView);
}

/** Fields are JSON lists, so that no column's name can look like another kind of entry. */
export type RejectField = readonly ['code', string] | readonly ['column', string, string] | readonly ['file', string, 'recordsIn' | 'rejected'];

export function rejectField(field: RejectField): string {
  return JSON.stringify(field);
}

export function decodeRejects(fields: Fields): LedgerRejects {
  // Without prototype: a column may have any name.
  const byCode: Record<string, number> = Object.create(null);
  const byColumn: Record<string, Record<string, number>> = Object.create(null);
  const byFile: Record<string, { recordsIn: number; rejected: number }> = Object.create(null);
  for (const [text, written] of Object.entries(fields)) {
    const field = JSON.parse(text) as RejectField;
    const count = Number(written);
    if (field[0] === 'code') byCode[field[1]] = count;
    if (field[0] === 'column') byColumn[field[1]] = Object.assign(byColumn[field[1]] ?? Object.create(null), { [field[2]]: count });
    if (field[0] === 'file') byFile[field[1]] = { ...(byFile[field[1]] ?? { recordsIn: 0, rejected: 0 }), [field[2]]: count };
  }
  return { byCode, byColumn, byFile };
}

/** Fields are fingerprints with a document each, and `dead:<fingerprint>` with a count. Lua writes an empty list as an empty object. */
export function decodeGroups(fields: Fields): JobGroup[] {
  const groups: JobGroup[] = [];
  for (const [fingerprint, text] of Object.entries(fields)) {
    if (fingerprint.startsWith('dead:') || fingerprint === 'beyond') continue;
    const { samples, places, activity = {}, ...group } = JSON.parse(text) as Omit<JobGroup, 'fingerprint' | 'dead'>;
    const dead = int(fields[`dead:${fingerprint}`]);
    groups.push({ ...group, fingerprint, dead, activity, samples: Array.isArray(samples) ? samples : [], places: Array.isArray(places) ? places : [] });
  }
  return groups;
}
