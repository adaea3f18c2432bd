/**
 * The only file that spells a journal path. Keys are relative to the journal's root; numbers have six digits, so that listings come in order.
 * Generation 1 keeps the plain names.
 */
import { type AttemptId, isJobId, type JobId } from '@millrace/protocol';

/** Six digits. */
const six = (number: number): string => String(number).padStart(6, '0');
const laterGeneration = (generation: number, text: string): string => (generation === 1 ? '' : text);
export const jobDir = (jobId: JobId): string => `jobs/${jobId}/`;
/** The plan of the stages that read files, or that of one later stage. */
const planDir = (jobId: JobId, generation: number, stage: string | null): string =>
  `${jobDir(jobId)}plan/${laterGeneration(generation, `${six(generation)}/`)}${stage === null ? '' : `${stage}/`}`;

export const witnessKey = 'witness.json';
export const openDir = 'open/';

export const openMarkerKey = (jobId: JobId, generation: number): string => `${openDir}${jobId}${laterGeneration(generation, `.${six(generation)}`)}`;
export const jobKey = (jobId: JobId): string => `${jobDir(jobId)}job.json`;
export const inputsDir = (jobId: JobId): string => `${jobDir(jobId)}inputs/`;
export const inputsKey = (jobId: JobId, segment: number): string => `${inputsDir(jobId)}${six(segment)}.json`;
export const pinsKey = (jobId: JobId): string => `${jobDir(jobId)}pins.json`;
export const segmentKey = (jobId: JobId, generation: number, segment: number, stage: string | null = null): string =>
  `${planDir(jobId, generation, stage)}${six(segment)}.json`;
export const sealedKey = (jobId: JobId, generation: number, stage: string | null = null): string => `${planDir(jobId, generation, stage)}sealed.json`;
/** Exchange objects, lists of slices, staged pieces. */
export const workDir = (jobId: JobId): string => `${jobDir(jobId)}work/`;
/** What the partitions of reduce stages read; a partition's range names such a list in place of an input. */
export const sliceListsDir = (jobId: JobId): string => `${workDir(jobId)}slices/`;
export const inlineDir = (jobId: JobId): string => `${jobDir(jobId)}inline/`;
export const correctionKey = (jobId: JobId, correctionId: string): string => `${jobDir(jobId)}corrections/${correctionId}.json`;
export const correctionPartKey = (jobId: JobId, correctionId: string, part: number): string => `${jobDir(jobId)}corrections/${correctionId}-${six(part)}.json`;
/** Two writers of one segment number, of which one will lose, never meet: the name has a part of the digest of the bytes. */
export const inlineKey = (jobId: JobId, segment: number, sha256: string): string => `${jobDir(jobId)}inline/${six(segment)}-${sha256.slice(0, 16)}.bin`;
export const verdictsDir = (jobId: JobId, stage: string): string => `${jobDir(jobId)}verdicts/${stage}/`;
export const verdictKey = (jobId: JobId, stage: string, chunk: number, generation: number): string =>
  `${verdictsDir(jobId, stage)}${six(chunk)}${laterGeneration(generation, `.${six(generation)}`)}.json`;
export const failuresDir = (jobId: JobId, stage: string, chunk: number): string => `${jobDir(jobId)}failures/${stage}/${six(chunk)}/`;
export const stageFailuresDir = (jobId: JobId, stage: string): string => `${jobDir(jobId)}failures/${stage}/`;
export const failureKey = (jobId: JobId, stage: string, chunk: number, attemptId: AttemptId): string => `${failuresDir(jobId, stage, chunk)}${attemptId}.json`;
export const deadDir = (jobId: JobId, stage: string): string => `${jobDir(jobId)}dead/${stage}/`;
export const deadLetterKey = (jobId: JobId, stage: string, chunk: number, generation: number): string =>
  `${deadDir(jobId, stage)}${six(chunk)}.${six(generation)}.json`;
export const commandsDir = (jobId: JobId): string => `${jobDir(jobId)}commands/`;
export const commandKey = (jobId: JobId, number: number): string => `${commandsDir(jobId)}${six(number)}.json`;
export const manifestsDir = (jobId: JobId): string => `${jobDir(jobId)}manifests/`;
export const manifestKey = (jobId: JobId, generation: number): string => `${manifestsDir(jobId)}${six(generation)}.json`;
/** `name`: as the manifest names its page. */
export const manifestPageKey = (jobId: JobId, generation: number, name: string): string => `${manifestsDir(jobId)}${six(generation)}/${name}`;
export const jobsDir = 'jobs/';
/** Webhooks that are owed. */
export const outboxDir = 'outbox/';
export const outboxKey = (callbackId: string): string => `${outboxDir}${callbackId}.json`;
export const registryDir = 'registry/';
export const registryKindDir = (kind: string): string => `${registryDir}${kind}/`;
export const registryNameDir = (kind: string, name: string): string => `${registryKindDir(kind)}${name}/`;
export const registryKey = (kind: string, name: string, number: number): string => `${registryNameDir(kind, name)}${six(number)}.json`;
export const auditRootDir = 'audit/';
/** `day`: `2026-11-23`. */
export const auditDir = (day: string): string => `audit/${day}/`;
export const auditKey = (day: string, auditId: string): string => `${auditDir(day)}${auditId}.json`;

/** Null: a key of another kind, which a listing passes over. */
export function parseOpenMarkerKey(key: string): { jobId: JobId; generation: number } | null {
  const match = /^open\/([0-9a-z]+)(?:\.(\d{6,}))?$/.exec(key);
  return match && isJobId(match[1] ?? '') ? { jobId: match[1] as JobId, generation: Number(match[2] ?? 1) } : null;
}

/** Of the folded entries below `jobs/`. */
export function parseJobDir(key: string): JobId | null {
  const match = /^jobs\/([0-9a-z]+)\/$/.exec(key);
  return match && isJobId(match[1] ?? '') ? (match[1] as JobId) : null;
}

/** A verdict, or a dead letter, whose generation always stands in its name. */
export function parseChunkKey(key: string): { chunk: number; generation: number } | null {
  const match = /\/(\d{6,})(?:\.(\d{6,}))?\.json$/.exec(key);
  return match ? { chunk: Number(match[1]), generation: Number(match[2] ?? 1) } : null;
}

export function parseFailureKey(key: string): { chunk: number; attemptId: AttemptId } | null {
  const match = /\/(\d{6,})\/(a[0-9a-z]{26})\.json$/.exec(key);
  return match ? { chunk: Number(match[1]), attemptId: match[2] as AttemptId } : null;
}

/** A failure record or a dead letter by its whole key, as error groups name their samples. */
export function parseSampleKey(
  key: string,
): { jobId: JobId; stage: string; chunk: number; attemptId: AttemptId } | { jobId: JobId; stage: string; chunk: number; generation: number } | null {
  const match = /^jobs\/([0-9a-z]+)\/(failures|dead)\/([a-z][a-z0-9]{0,31})\//.exec(key);
  if (match === null || !isJobId(match[1] ?? '')) return null;
  const place = { jobId: match[1] as JobId, stage: match[3] ?? '' };
  const name = match[2] === 'failures' ? parseFailureKey(key) : parseChunkKey(key);
  return name === null ? null : { ...place, ...name };
}

/** Of the folded entries below the folder of a kind. */
export function parseRegistryNameDir(key: string): string | null {
  return /^registry\/[a-z-]+\/([0-9A-Za-z][0-9A-Za-z.-]*)\/$/.exec(key)?.[1] ?? null;
}

/** Payloads of inline chunks. */
export function parseInlineKey(key: string): number | null {
  const match = /\/inline\/(\d{6,})-[0-9a-f]{16}\.bin$/.exec(key);
  return match ? Number(match[1]) : null;
}

/** Of the folded entries below `audit/`. */
export function parseAuditDay(key: string): string | null {
  return /^audit\/(\d{4}-\d{2}-\d{2})\/$/.exec(key)?.[1] ?? null;
}

export function parseAuditKey(key: string): string | null {
  return /\/(e[0-9a-z]{26})\.json$/.exec(key)?.[1] ?? null;
}

/** The last number of a key such as a command's, a manifest's or an inputs record's. */
export function parseNumberedKey(key: string): number | null {
  const match = /\/(\d{6,})\.json$/.exec(key);
  return match ? Number(match[1]) : null;
}
