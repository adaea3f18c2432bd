/**
 * Freezes a redrive: the filter becomes ids, once; what they would do is counted, sources are looked at, and ids and counts are put into the registry.
 * Nothing runs until somebody starts the plan and repeats its number.
 */
import {
  type AnswerTo,
  type Filter,
  FilterError,
  type FilterFields,
  isJobId,
  type JobId,
  jobStages,
  letterFields,
  matchesFilter,
  maxPlanItems,
  maxShownCannot,
  newPlanId,
  overriddenSpec,
  type PlanRedriveRequest,
  parseFilter,
  planLifeMs,
  type RedrivePlan,
  type RedrivePlanRequest,
  type Refusal,
  resultVersionOverride,
} from '@millrace/protocol';
import { checkColumns } from '../check-spec.ts';
import type { Control } from '../control.ts';
import { isPartition } from '../dead-letter.ts';
import { inSteps } from '../in-steps.ts';
import { selected } from '../next-generation.ts';
import { hasOnlyToFinish } from '../redrive.ts';
import { refusal, specRefusal } from '../refusal.ts';
import { checkSources } from './check-sources.ts';
import { type FoundLetter, findLetters, lettersById } from './find-letters.ts';
import { type JobStanding, standingOf } from './job-standing.ts';

/** What a plan takes, before it is put. */
export interface Selection {
  readonly filter: string | null;
  readonly matched: number;
  readonly resolvedSince: number;
  readonly items: readonly Item[];
  readonly cannot: readonly { readonly id: string; readonly reason: string }[];
  readonly warnings: RedrivePlan['warnings'];
}

interface Item {
  readonly jobId: JobId;
  readonly id: string;
  readonly code: string;
  readonly bytes: number;
  readonly isPartition: boolean;
}

export async function planRedrive(request: PlanRedriveRequest, control: Control): Promise<AnswerTo<'planRedrive'>> {
  if ((request.filter === null) === (request.ids === null)) {
    return refusal('REQUEST_INVALID', 'cannot plan a redrive: expected exactly one of filter and ids');
  }
  const selection = request.target === 'jobs' ? await selectOfJobs(request, control) : await selectLetters(request, control);
  if ('ok' in selection) return selection;
  if (selection.items.length === 0) {
    const { matched, resolvedSince, cannot } = selection;
    const why = matched === 0 ? 'nothing matches' : `${matched} match, ${resolvedSince} were resolved since, ${cannot.length} cannot be redriven`;
    return refusal(matched === 0 ? 'FILTER_EMPTY' : 'PLAN_EMPTY', `cannot plan a redrive: ${why}${reasonsOf(cannot)}`);
  }
  const jobs = await standingsOf(selection.items, control);
  const changes = await changesOf(request, jobs, control);
  if ('ok' in changes) return changes;
  return { ok: true, kind: 'planRedrive', plan: await putPlan({ ...request, correction: null }, selection, jobs, changes, control) };
}

export async function answerPlan(request: RedrivePlanRequest, control: Control): Promise<AnswerTo<'redrivePlan'>> {
  const plan = (await control.journal.readRegistered('plans', request.planId))?.body ?? null;
  if (plan === null || plan.tenant !== request.tenant) return refusal('NOT_FOUND', `cannot find plan ${request.planId}`);
  return { ok: true, kind: 'redrivePlan', plan };
}

// What is taken

async function selectLetters(request: PlanRedriveRequest, control: Control): Promise<Selection | Refusal> {
  const { tenant, ids } = request;
  const filter = request.filter === null ? null : readFilter(request.filter, letterFields);
  if (filter !== null && 'ok' in filter) return filter;
  const { found, missing } =
    filter === null ? await lettersById(tenant, ids ?? [], control) : { found: await findLetters(tenant, filter, control), missing: [] };
  const absent = await inSteps(missing, async (id) => ({ id, reason: await whyMissing(id, tenant, control) }));
  const unknown = absent.filter(({ reason }) => reason !== null).map(({ id, reason }) => ({ id, reason: reason ?? '' }));
  const isWaiver = request.target === 'waiveDeadLetters';
  // Nobody reads them again.
  const { cannot, unknown: unanswered } = isWaiver ? { cannot: new Map<string, string>(), unknown: 0 } : await checkSources(found, control);
  const taken = cannot.size === 0 ? found : found.filter(({ id }) => !cannot.has(id));
  const notFound = unanswered === 0 ? [] : [{ code: 'STORAGE_UNAVAILABLE', message: `${unanswered} files could not be looked at: the store did not answer` }];
  return {
    filter: filter?.text ?? null,
    matched: found.length + missing.length,
    resolvedSince: missing.length - unknown.length,
    items: itemsOf(taken),
    cannot: [...unknown, ...[...cannot].map(([id, reason]) => ({ id, reason }))],
    warnings: [...notFound, ...(isWaiver ? [] : await warningsOf(taken, control))],
  };
}

/** A partition's range names its list of slices, which lies in the journal: only there one is looked for. */
const itemsOf = (letters: readonly FoundLetter[]): Item[] =>
  letters.map(({ jobId, id, letter: { code, bytes, range } }) => ({
    jobId,
    id,
    code,
    bytes,
    isPartition: range !== null && !range.uri.includes('://') && isPartition({ jobId, range }),
  }));

/** Null: its chunk was resolved or taken up again since. */
async function whyMissing(id: string, tenant: string, control: Control): Promise<string | null> {
  const [jobId = '', stage = '', chunk = '', generation = ''] = id.split('.');
  if (!isJobId(jobId) || !/^[a-z][a-z0-9]{0,31}$/.test(stage) || !/^\d{1,10}$/.test(chunk) || !/^[1-9]\d{0,5}$/.test(generation)) return 'NOT_FOUND';
  const facts = await control.facts.spec(jobId, 1);
  if (facts === null || facts.job.tenant !== tenant) return 'NOT_FOUND';
  const verdict = await control.journal.readVerdict(jobId, stage, Number(chunk), Number(generation));
  return verdict?.record.outcome === 'dead' ? null : 'NOT_FOUND';
}

const jobFields = { id: 'text', job: 'text', name: 'text', state: 'text', created: 'instant', age: 'age' } as const;

/** Of failed and cancelled jobs: everything without a receipt, dead or never run; where nothing is, but the job can still come to its end, its finish. */
async function selectOfJobs(request: PlanRedriveRequest, control: Control): Promise<Selection | Refusal> {
  const filter = request.filter === null ? null : readFilter(request.filter, jobFields);
  if (filter !== null && 'ok' in filter) return filter;
  const standings = filter === null ? await named(request.ids ?? [], control) : await matching(filter, control);
  const own = standings.filter(({ standing }) => standing?.tenant === request.tenant);
  const cannot = standings.filter(({ standing }) => standing?.tenant !== request.tenant && filter === null).map(({ id }) => ({ id, reason: 'NOT_FOUND' }));
  const items: Item[] = [];
  for (const { id, standing } of own) {
    const view = standing?.ended && standing.state !== 'completed' ? await control.journal.readJob(standing.jobId) : null;
    if (view === null || standing === null) {
      cannot.push({ id, reason: 'STATE_CONFLICT' });
      continue;
    }
    const { chunks, files } = await selected(view, 'all', control);
    const at = (stage: string, chunk: number): string => `${standing.jobId}.${stage}.${chunk}.${view.generation}`;
    for (const { stage, chunk } of chunks) {
      const isPartition = chunk.kind === 'partition';
      items.push({
        jobId: standing.jobId,
        id: at(stage, chunk.chunk),
        code: 'JOB_FAILED',
        bytes: isPartition || !('end' in chunk) ? 0 : chunk.end - chunk.start,
        isPartition,
      });
    }
    for (const { file } of files) items.push({ jobId: standing.jobId, id: at('plan', file), code: 'JOB_FAILED', bytes: 0, isPartition: false });
    if (chunks.length > 0 || files.length > 0) continue;
    const canFinish = hasOnlyToFinish(view, Object.keys(request.overrides).length > 0);
    if (canFinish) items.push({ jobId: standing.jobId, id: at('finish', 0), code: 'JOB_FAILED', bytes: 0, isPartition: false });
    else cannot.push({ id, reason: 'PLAN_EMPTY' });
  }
  return { filter: filter?.text ?? null, matched: items.length + cannot.length, resolvedSince: 0, items, cannot, warnings: [] };
}

interface NamedJob {
  readonly id: string;
  readonly standing: JobStanding | null;
}

const named = (ids: readonly string[], control: Control): Promise<NamedJob[]> =>
  inSteps([...new Set(ids)], async (id) => ({ id, standing: isJobId(id) ? await standingOf(id, control) : null }));

async function matching(filter: Filter, control: Control): Promise<NamedJob[]> {
  const ids: JobId[] = [];
  for await (const id of control.journal.listJobIds()) ids.push(id);
  const nowMs = control.clock.nowMs();
  return (await named(ids, control)).filter(({ standing }) => {
    if (standing === null || !standing.ended || standing.state === 'completed') return false;
    const { jobId, name, state, manifest } = standing;
    const at = manifest?.endedAt ?? null;
    return matchesFilter(filter, { id: jobId, job: jobId, name, state, created: manifest?.acceptedAt ?? null, age: at, words: [jobId, name] }, nowMs);
  });
}

function readFilter(text: string, fields: FilterFields): Filter | Refusal {
  try {
    return parseFilter(text, fields);
  } catch (error) {
    if (error instanceof FilterError) return refusal(error.code, error.message);
    throw error;
  }
}

// What it would do

async function standingsOf(items: readonly Item[], control: Control): Promise<Map<JobId, JobStanding>> {
  const ids = [...new Set(items.map(({ jobId }) => jobId))];
  const standings = await inSteps(ids, (jobId) => standingOf(jobId, control));
  return new Map(standings.flatMap((standing) => (standing === null ? [] : [[standing.jobId, standing]])));
}

async function warningsOf(letters: readonly FoundLetter[], control: Control): Promise<RedrivePlan['warnings']> {
  const warnings: RedrivePlan['warnings'] = [];
  const versions = new Set((await control.queues.workers.list()).map(({ coreVersion }) => coreVersion));
  for (const [code, some] of Map.groupBy(letters, ({ letter }) => letter.code)) {
    const ours = some.filter(({ letter }) => letter.class === 'crash' || letter.class === 'bug');
    const same = ours.filter(({ letter }) => letter.coreVersion !== null && versions.has(letter.coreVersion)).length;
    if (same > 0) warnings.push({ code, message: `${same} failed under a core version that is still at work: they will likely fail again` });
    const inputs = some.filter(({ letter }) => letter.class === 'input' && code !== 'INPUT_NOT_FOUND').length;
    if (inputs > 0)
      warnings.push({ code, message: `${inputs} failed for what their input holds, and it has not changed: they will fail again unless the spec does` });
  }
  return warnings;
}

type Changes = RedrivePlan['changes'];

export async function changesOf(
  request: Pick<PlanRedriveRequest, 'overrides'>,
  jobs: ReadonlyMap<JobId, JobStanding>,
  control: Control,
): Promise<Changes | Refusal> {
  if (Object.keys(request.overrides).length === 0) return [];
  const changes: Changes = [];
  for (const { jobId, generation } of jobs.values()) {
    const facts = await control.facts.spec(jobId, generation);
    if (facts === null) continue;
    const overridden = overriddenSpec(facts.spec, request.overrides);
    if ('issues' in overridden) return specRefusal(`redrive job ${jobId}`, overridden.issues);
    const issue = await checkColumns(jobId, facts.spec, overridden.spec, control);
    if (issue !== null) return specRefusal(`redrive job ${jobId}`, [issue]);
    changes.push(...overridden.changes.map(({ pointer, first, now }) => ({ jobId, pointer, first: first ?? null, now: now ?? null })));
    const wanted = request.overrides[resultVersionOverride];
    if (wanted !== undefined && wanted !== 'original' && wanted !== 'current') {
      return refusal('SPEC_BAD_VALUE', `cannot redrive job: expected original or current for resultVersion, got ${JSON.stringify(wanted)}`);
    }
    if (wanted === 'current' && facts.job.resultVersion !== control.resultVersion) {
      changes.push({ jobId, pointer: `/${resultVersionOverride}`, first: facts.job.resultVersion, now: control.resultVersion });
    }
  }
  return changes;
}

export async function putPlan(
  request: Pick<PlanRedriveRequest, 'tenant' | 'by' | 'overrides'> & Pick<RedrivePlan, 'target' | 'correction'>,
  selection: Selection,
  jobs: ReadonlyMap<JobId, JobStanding>,
  changes: Changes,
  control: Control,
): Promise<RedrivePlan> {
  const { items, cannot } = selection;
  const planId = newPlanId(control.ids);
  const asOf = control.clock.nowIso();
  const by = { at: asOf, by: request.by, reason: '' };
  const documents = Math.ceil(items.length / maxPlanItems);
  for (let document = 0; document < documents; document++) {
    const first = document * maxPlanItems;
    const some = items.slice(first, first + maxPlanItems).map(({ id }) => id);
    await control.journal.putRegistered('plan-items', `${planId}-${document}`, 1, { ...by, body: { planId, first, items: some } });
  }
  const planned = [...Map.groupBy(items, ({ jobId }) => jobId)].map(([jobId, some]) => {
    const { name = '', state = 'failed', generation = 1 } = jobs.get(jobId) ?? {};
    return { jobId, name, state, generation, items: some.length };
  });
  const bytesToRead = items.reduce((sum, { bytes }) => sum + bytes, 0);
  const speed = measuredSpeed([...jobs.values()]);
  const rate = speed === null ? null : Math.max(1, Math.round(speed.chunksPerSecond / 5));
  const plan: RedrivePlan = {
    planId,
    tenant: request.tenant,
    target: request.target,
    correction: request.correction,
    filter: selection.filter,
    asOf,
    expiresAt: new Date(Date.parse(asOf) + planLifeMs).toISOString(),
    counts: { matched: selection.matched, willRedrive: items.length, resolvedSince: selection.resolvedSince, cannot: cannot.length },
    bytesToRead,
    estimate: {
      requeueSeconds: rate === null ? 0 : Math.ceil(items.length / rate),
      workSeconds: speed === null || speed.bytesPerSecond === 0 ? null : Math.ceil(bytesToRead / speed.bytesPerSecond),
    },
    rate,
    byCode: countsOf(items.map(({ code }) => code)),
    jobs: planned,
    reduceAgain: request.target === 'waiveDeadLetters' ? [] : await reduceAgain(items, control),
    warnings: [...selection.warnings, ...waitWarnings([...jobs.values()])],
    cannot: cannot.slice(0, maxShownCannot),
    overrides: request.overrides,
    changes,
    confirm: items.length,
    itemDocuments: documents,
  };
  return (await control.journal.putRegistered('plans', planId, 1, { ...by, body: plan })).stored.body;
}

/** Chunks and bytes a second of first generations: a later one counts its time from the acceptance of the job. Null when nothing was measured. */
function measuredSpeed(jobs: readonly JobStanding[]): { chunksPerSecond: number; bytesPerSecond: number } | null {
  const measured = jobs.flatMap(({ manifest }) => (manifest?.generation === 1 && manifest.durationMs > 0 && manifest.chunks.committed > 0 ? [manifest] : []));
  const seconds = measured.reduce((sum, { durationMs }) => sum + durationMs / 1_000, 0);
  if (seconds === 0) return null;
  const sum = (pick: (manifest: (typeof measured)[number]) => number): number => measured.reduce((total, manifest) => total + pick(manifest), 0);
  return { chunksPerSecond: sum(({ chunks }) => chunks.committed) / seconds, bytesPerSecond: sum(({ bytes }) => bytes.in) / seconds };
}

/** Partitions that may run again: those whose inputs change are known when the map stages are through. */
async function reduceAgain(items: readonly Item[], control: Control): Promise<RedrivePlan['reduceAgain']> {
  const again: RedrivePlan['reduceAgain'] = [];
  for (const [jobId, some] of Map.groupBy(items, (item) => item.jobId)) {
    if (some.every(({ isPartition }) => isPartition)) continue;
    const facts = await control.facts.spec(jobId, 1);
    const reduce = facts === null ? [] : jobStages(facts.job).filter(({ kind }) => kind === 'reduce');
    if (reduce.length === 0) continue;
    const partitions = (await control.journal.readPins(jobId))?.record.partitions ?? {};
    again.push(...reduce.map(({ name }) => ({ jobId, stage: name, partitions: partitions[name] ?? 0 })));
  }
  return again;
}

function waitWarnings(jobs: readonly JobStanding[]): RedrivePlan['warnings'] {
  return jobs
    .filter(({ ended }) => !ended)
    .map(({ jobId, state, generation }) => ({
      code: 'STATE_CONFLICT',
      message: `${jobId} is ${state}: its items wait for the end of generation ${generation}`,
    }));
}

function countsOf(codes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

function reasonsOf(cannot: readonly { readonly reason: string }[]): string {
  const counts = Object.entries(countsOf(cannot.map(({ reason }) => reason)));
  return counts.length === 0 ? '' : ` (${counts.map(([reason, count]) => `${reason} ${count}`).join(', ')})`;
}
