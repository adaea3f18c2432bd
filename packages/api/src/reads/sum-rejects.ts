/** How many rejects there are, from the sums that jobs keep: no reject is read. What sums cannot tell is said to be missing. */
import type { RejectSummary } from '@millrace/api-contract';
import { type summaryDimensions, summaryFields } from '@millrace/api-contract';
import { type Filter, type FilterItem, type JobId, matchesFilter, parseFilter, wordsField } from '@millrace/protocol';
import type { Api } from '../api.ts';
import type { IndexedJob } from '../job-index.ts';

type Dimension = (typeof summaryDimensions)[number];

/** Sums of one job. */
export interface JobSums {
  readonly byCode: Readonly<Record<string, number>>;
  readonly byColumn: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly files: readonly { readonly uri: string; readonly rejected: number }[];
}

const mostJobs = 500;
const mostGroups = 1_000;
const atOnce = 8;
const ofRejects = ['code', 'column', 'file'] as const;

export const readSummaryFilter = (text: string): Filter => parseFilter(text, summaryFields);

export async function summarise(jobs: readonly IndexedJob[], filter: Filter, by: readonly Dimension[], api: Api): Promise<RejectSummary> {
  const nowMs = api.clock.nowMs();
  const [ofJob, ofReject] = [termsOf(filter, false), termsOf(filter, true)];
  const matching = jobs.filter((job) => matchesFilter(ofJob, jobItem(job), nowMs));
  const rejected = matching.filter(({ status }) => status.balance.rejected > 0);
  const needsSums = ofReject.terms.length > 0 || by.some((dimension) => (ofRejects as readonly string[]).includes(dimension));
  const looked = needsSums ? rejected.slice(0, mostJobs) : rejected;
  const tables = new Map<Dimension, Map<string, { label: string; rejects: number }>>(by.map((dimension) => [dimension, new Map()]));
  const add = (dimension: Dimension, key: string, label: string, rejects: number): void => {
    const table = tables.get(dimension);
    if (table === undefined || rejects <= 0) return;
    table.set(key, { label, rejects: (table.get(key)?.rejects ?? 0) + rejects });
  };
  let total = 0;
  for (let at = 0; at < looked.length; at += atOnce) {
    const some = looked.slice(at, at + atOnce);
    const sums = needsSums ? await Promise.all(some.map((job) => sumsOf(job, api))) : [];
    for (const [number, job] of some.entries()) total += addJob(job, sums[number] ?? null, ofReject, nowMs, add);
  }
  return {
    filter: filter.text,
    rejects: total,
    recordsIn: matching.reduce((sum, { status }) => sum + status.balance.recordsIn, 0),
    jobs: matching.length,
    by: Object.fromEntries([...tables].map(([dimension, table]) => [dimension, largest(table)])),
    ...gapsOf(ofReject, by, rejected.length > looked.length),
  };
}

type Add = (dimension: Dimension, key: string, label: string, rejects: number) => void;

/** Answers how many of its rejects count. */
function addJob(job: IndexedJob, sums: JobSums | null, ofReject: Filter, nowMs: number, add: Add): number {
  const { record, status, endedAt } = job;
  const isAll = ofReject.terms.length === 0;
  const holds = (item: FilterItem): boolean => isAll || matchesFilter(ofReject, item, nowMs);
  const asks = (field: string): boolean => ofReject.terms.some((term) => term.field === field);
  const own = sums ?? { byCode: {}, byColumn: {}, files: [] };
  const codes = asks('column')
    ? sumByCode(
        Object.entries(own.byColumn).flatMap(([column, some]) => Object.entries(some).map(([code, rejects]) => ({ column, code, rejects }))),
        holds,
      )
    : new Map(Object.entries(own.byCode).filter(([code]) => holds({ code })));
  if (!asks('file')) {
    for (const [code, rejects] of codes) add('code', code, code, rejects);
    for (const [column, some] of Object.entries(own.byColumn)) {
      const counted = Object.entries(some).filter(([code]) => holds({ code, column }));
      add(
        'column',
        column,
        column,
        counted.reduce((sum, [, rejects]) => sum + rejects, 0),
      );
    }
  }
  const files = own.files.filter(({ uri }) => holds({ file: namesOf(uri) }));
  if (!asks('code') && !asks('column')) for (const { uri, rejected } of files) add('file', uri, uri.slice(uri.lastIndexOf('/') + 1), rejected);
  const counted = isAll
    ? status.balance.rejected
    : asks('file')
      ? files.reduce((sum, { rejected }) => sum + rejected, 0)
      : [...codes.values()].reduce((a, b) => a + b, 0);
  add('job', record.jobId, record.name, counted);
  add('day', (endedAt ?? record.acceptedAt).slice(0, 10), (endedAt ?? record.acceptedAt).slice(0, 10), counted);
  return counted;
}

function sumByCode(cells: readonly { column: string; code: string; rejects: number }[], holds: (item: FilterItem) => boolean): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { column, code, rejects } of cells) if (holds({ column, code })) sums.set(code, (sums.get(code) ?? 0) + rejects);
  return sums;
}

const namesOf = (uri: string): string[] => [uri, uri.slice(uri.lastIndexOf('/') + 1)];

/** Terms over a reject, or those over its job. */
function termsOf(filter: Filter, ofReject: boolean): Filter {
  const isOfReject = (field: string | null): boolean => (ofRejects as readonly (string | null)[]).includes(field);
  return { terms: filter.terms.filter(({ field }) => isOfReject(field) === ofReject), text: '' };
}

function jobItem({ record, endedAt }: IndexedJob): FilterItem {
  const { jobId, name, acceptedAt } = record;
  return { job: jobId, name, created: acceptedAt, age: endedAt ?? acceptedAt, [wordsField]: [jobId, name] };
}

/** Sums of generations that ended never change; manifests themselves may be large. */
const kept = new Map<string, JobSums>();
const keptSums = 2_000;
/** Of one job: what a summary shows at most. */
const mostFiles = 1_000;

async function sumsOf({ record, status }: IndexedJob, api: Api): Promise<JobSums> {
  const { jobId } = record;
  const key = `${jobId}.${status.generation}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const manifest = (await api.journal.readManifest(jobId, status.generation))?.record;
  if (manifest === undefined) return runningSums(jobId, api);
  const files: { uri: string; rejected: number }[] = [];
  for await (const { uri, balance } of api.journal.listManifest(manifest, 'files')) if (balance.rejected > 0) files.push({ uri, rejected: balance.rejected });
  const sums = { byCode: manifest.byCode, byColumn: manifest.byColumn, files: files.sort((a, b) => b.rejected - a.rejected).slice(0, mostFiles) };
  kept.set(key, sums);
  const oldest = kept.keys().next();
  if (kept.size > keptSums && !oldest.done) kept.delete(oldest.value);
  return sums;
}

/** Of a job that runs: what the ledger has counted; none while Redis is away. */
async function runningSums(jobId: JobId, api: Api): Promise<JobSums> {
  const rejects = await api.jobs.fromRedis((queues) => queues.ledger.rejects(jobId));
  if (rejects === null) return { byCode: {}, byColumn: {}, files: [] };
  const files: { uri: string; rejected: number }[] = [];
  for await (const { file, uri } of api.journal.listInputFiles(jobId)) {
    const rejected = rejects.byFile[file]?.rejected ?? 0;
    if (rejected > 0) files.push({ uri, rejected });
  }
  return { byCode: rejects.byCode, byColumn: rejects.byColumn, files };
}

function largest(table: ReadonlyMap<string, { label: string; rejects: number }>) {
  const groups = [...table].map(([key, group]) => ({ key, ...group }));
  return groups.sort((a, b) => b.rejects - a.rejects || (a.key < b.key ? -1 : 1)).slice(0, mostGroups);
}

function gapsOf({ terms }: Filter, by: readonly Dimension[], isCut: boolean): Pick<RejectSummary, 'complete' | 'incomplete'> {
  const asks = (...fields: string[]): boolean => terms.some(({ field }) => field !== null && fields.includes(field));
  const reasons = [
    ...(isCut ? [`only the newest ${mostJobs} jobs with rejects were looked at`] : []),
    ...(asks('file') && asks('code', 'column') ? ['jobs keep no sums by file together with code or column: totals count by file alone'] : []),
    ...(asks('file') && by.some((one) => one === 'code' || one === 'column') ? ['jobs keep no sums by code or column of a file'] : []),
    ...(asks('code', 'column') && by.includes('file') ? ['jobs keep no sums by file of a code or column'] : []),
  ];
  return { complete: reasons.length === 0, incomplete: reasons.length === 0 ? null : reasons.join('; ') };
}
