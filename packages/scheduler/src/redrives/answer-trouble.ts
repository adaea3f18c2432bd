/** Dead letters, attempts and error groups as people ask for them, and what they decide about a group. */
import { newestGeneration } from '@millrace/journal';
import {
  type AnswerTo,
  type AttemptsRequest,
  type DeadLettersRequest,
  type ErrorGroup,
  type ErrorGroupRequest,
  type ErrorGroupsRequest,
  errorGroups,
  FilterError,
  filterGroups,
  type GroupOfJob,
  groupFields,
  letterFields,
  maxTriageNotes,
  parseFilter,
  type Refusal,
  type Triage,
  type TriageRequest,
  type TriageVersion,
} from '@millrace/protocol';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { notFound } from '../read-status.ts';
import { refusal } from '../refusal.ts';
import { assertIndexed, findLetters, troubledJobs } from './find-letters.ts';

export async function answerDeadLetters(request: DeadLettersRequest, control: Control): Promise<AnswerTo<'deadLetters'>> {
  return withFilter(async () => {
    const filter = parseFilter(request.filter, letterFields);
    const found = await findLetters(request.tenant, filter, control);
    const from = request.after === null ? 0 : found.findIndex(({ id }) => id === request.after) + 1;
    const page = found.slice(from, from + request.limit);
    const letters = page.map(({ jobId, jobName, id, letter }) => {
      const { code, class: failureClass, message, fingerprint, diedAt, attempts, bytes, range } = letter;
      const place = { uri: range?.uri ?? null, start: range?.start ?? null, end: range?.end ?? null };
      return { deadLetterId: id, jobId, jobName, code, class: failureClass, message, fingerprint, diedAt, attempts, bytes, ...place };
    });
    const after = from + page.length < found.length ? (page.at(-1)?.id ?? null) : null;
    return { ok: true, kind: 'deadLetters', letters, total: found.length, filter: filter.text, after };
  });
}

export async function answerAttempts(request: AttemptsRequest, control: Control): Promise<AnswerTo<'attempts'>> {
  const { jobId, stage, chunk, tenant } = request;
  const facts = await control.facts.spec(jobId, 1);
  if (facts === null || facts.job.tenant !== tenant) return notFound(jobId);
  const newest = newestGeneration(await control.journal.readCommands(jobId));
  return { ok: true, kind: 'attempts', attempts: await control.journal.readAttempts(jobId, stage, chunk, newest) };
}

export async function answerErrorGroups(request: ErrorGroupsRequest, control: Control): Promise<AnswerTo<'errorGroups'>> {
  return withFilter(async () => {
    const filter = parseFilter(request.filter, groupFields).text;
    const found = filterGroups(await groupsOf(request.tenant, null, control), request.filter, control.clock.nowMs());
    const from = request.after === null ? 0 : found.findIndex(({ fingerprint }) => fingerprint === request.after) + 1;
    const groups = found.slice(from, from + request.limit);
    const after = from + groups.length < found.length ? (groups.at(-1)?.fingerprint ?? null) : null;
    return { ok: true, kind: 'errorGroups', groups, total: found.length, filter, after };
  });
}

export async function answerErrorGroup(request: ErrorGroupRequest, control: Control): Promise<AnswerTo<'errorGroup'>> {
  const [group] = await groupsOf(request.tenant, request.fingerprint, control);
  return group === undefined ? noGroup(request.fingerprint) : { ok: true, kind: 'errorGroup', group };
}

const noGroup = (fingerprint: string) => refusal('NOT_FOUND', `cannot find error group ${fingerprint}`);

export async function triageGroup(request: TriageRequest, control: Control): Promise<AnswerTo<'triage'>> {
  const { tenant, fingerprint, state, until, note, by } = request;
  if (until !== null && state !== 'ignored') return refusal('REQUEST_INVALID', `cannot make ${fingerprint} ${state}: only what is ignored has an end`);
  const [standing] = await groupsOf(tenant, fingerprint, control);
  if (standing === undefined) return noGroup(fingerprint);
  const at = control.clock.nowIso();
  const result = await control.journal.changeRegistered<'triage', Refusal>('triage', nameOf(tenant, fingerprint), (current) => {
    const version = current?.number ?? 0;
    if (request.version !== null && request.version !== version) {
      return { refuse: refusal('ETAG_MISMATCH', `cannot change ${fingerprint}: version ${request.version} was looked at, ${version} stands`) };
    }
    return { put: { at, by, reason: note, body: triaged(request, current?.body ?? null, at) } };
  });
  if ('refused' in result) return result.refused;
  const [group] = await groupsOf(tenant, fingerprint, control);
  return group === undefined ? noGroup(fingerprint) : { ok: true, kind: 'triage', group };
}

/** What was decided stands until somebody decides otherwise: an owner or a note changes nothing of it. */
function triaged(request: TriageRequest, current: Triage | null, at: string): Triage {
  const { tenant, fingerprint, state, until, note, owner, remark, by } = request;
  const standing = current ?? { state: 'open' as const, at, until: null, note: '', by, owner: null, notes: [] };
  const decision = state === null ? standing : { ...standing, state, at, until, note, by };
  const notes = remark === '' ? standing.notes : [...standing.notes, { at, by, text: remark }].slice(-maxTriageNotes);
  return { ...decision, tenant, fingerprint, owner: owner === undefined ? standing.owner : owner, notes };
}

const nameOf = (tenant: string, fingerprint: string): string => `${tenant}.${fingerprint}`;

export const groupsOfTenant = (tenant: string, control: Control): Promise<ErrorGroup[]> => groupsOf(tenant, null, control);

/** Of all jobs of the tenant, or the one with this fingerprint. */
async function groupsOf(tenant: string, fingerprint: string | null, control: Control): Promise<ErrorGroup[]> {
  await assertIndexed(control);
  const jobs = await troubledJobs(tenant, control);
  const parts: GroupOfJob[] = (
    await inSteps(jobs, async ({ jobId, name }) => (await control.queues.ledger.groups(jobId)).map((group) => ({ ...group, jobId, name })))
  ).flat();
  const wanted = parts.filter((part) => fingerprint === null || part.fingerprint === fingerprint);
  return errorGroups(wanted, await triagesOf(tenant, wanted, control), control.clock.nowMs());
}

async function triagesOf(tenant: string, parts: readonly GroupOfJob[], control: Control): Promise<ReadonlyMap<string, TriageVersion>> {
  const decided = new Set<string>();
  for await (const name of control.journal.listRegistered('triage')) decided.add(name);
  const wanted = [...new Set(parts.map((part) => part.fingerprint))].filter((fingerprint) => decided.has(nameOf(tenant, fingerprint)));
  const found = new Map<string, TriageVersion>();
  await inSteps(wanted, async (fingerprint) => {
    const stored = await control.journal.readRegistered('triage', nameOf(tenant, fingerprint));
    if (stored !== null) found.set(fingerprint, { triage: stored.body, version: stored.number });
  });
  return found;
}

async function withFilter<Kind>(read: () => Promise<Kind>): Promise<Kind | Refusal> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FilterError) return refusal(error.code, error.message);
    throw error;
  }
}
