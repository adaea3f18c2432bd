/** Error groups, and what people decide about them. */
import type { ErrorGroupDetail, ErrorGroupRow, errorRoutes } from '@millrace/api-contract';
import { type AuditPlace, parseSampleKey } from '@millrace/journal';
import {
  type AttemptId,
  type ChunkId,
  codeInfo,
  type ErrorGroup,
  type FailureClass,
  type FailureRecord,
  groupFields,
  parseFilter,
  type TriageRequest,
} from '@millrace/protocol';
import type { Api } from '../api.ts';
import { ask } from '../ask.ts';
import type { Caller } from '../auth/caller.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { showing } from '../reads/content.ts';
import { failedAttempt } from '../reads/failures.ts';
import { newestFirstPage } from '../reads/pages.ts';
import { acrossTenants, inAnyTenant, tenantsOf } from '../reads/tenants.ts';
import { registryLook } from '../steering/registry-look.ts';

const mostSpreadLetters = 20_000;
const shownSpread = 20;

export const errorHandlers: HandlersOf<typeof errorRoutes> = {
  'GET /errors': async ({ query, caller, signal }, api) => {
    const filter = parseFilter(query.q, groupFields).text;
    const askOne = async (tenant: string, limit: number, after: string | null) => {
      const { groups, total, after: next } = await ask(api, { caller, tenant, signal }, { kind: 'errorGroups', filter, limit, after });
      return { items: groups, total, after: next };
    };
    const page = await acrossTenants(`errors ${filter}`, query, await tenantsOf(caller, api), askOne, api);
    return { status: 200, body: { ...page, data: page.data.map(groupRow), filter } };
  },

  'GET /errors/{fingerprint}': async ({ params, caller, signal }, api) => {
    const { group, tenant } = await findGroup(params.fingerprint, caller, signal, api);
    return answerOf(await groupDetail(group, tenant, api));
  },

  'GET /errors/{fingerprint}/samples': async (call, api) => {
    const { params, query, caller, signal } = call;
    const { group, tenant } = await findGroup(params.fingerprint, caller, signal, api);
    const shown = { act: 'attempt.show', object: `error:${params.fingerprint}`, tenant } as const;
    const body = await showing(query.content, shown, call, api, async () => {
      const found = await Promise.all(group.samples.map((key) => sampleOf(key, api)));
      const records = found.filter((record) => record !== null);
      const samples = records.sort((a, b) => (a.endedAt < b.endedAt ? 1 : -1)).map((record) => sampleRow(record, query.content));
      return newestFirstPage(`samples ${params.fingerprint}`, samples, query, api);
    });
    return { status: 200, body };
  },

  'POST /errors/{fingerprint}/resolve': (call, api) => change(call, api, { state: 'resolved', note: call.body.note ?? '' }),
  'POST /errors/{fingerprint}/ignore': (call, api) => change(call, api, { state: 'ignored', note: call.body.note ?? '', until: call.body.until ?? null }),
  'POST /errors/{fingerprint}/reopen': (call, api) => change(call, api, { state: 'open', note: call.body.note ?? '' }),
  'POST /errors/{fingerprint}/assign': (call, api) => change(call, api, { state: null, owner: call.body.owner }),
  'POST /errors/{fingerprint}/note': (call, api) => change(call, api, { state: null, remark: call.body.text }),
};

interface ChangeCall {
  readonly params: { readonly fingerprint: string };
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly ifMatch: string | null;
  readonly audit: AuditPlace | null;
}

type Decision = Pick<TriageRequest, 'state'> & Partial<Pick<TriageRequest, 'note' | 'until' | 'owner' | 'remark'>>;

async function change({ params, caller, signal, ifMatch, audit }: ChangeCall, api: Api, decision: Decision) {
  const { fingerprint } = params;
  const version = versionIn(ifMatch);
  const { tenant } = await findGroup(fingerprint, caller, signal, api);
  const asked = { kind: 'triage', fingerprint, until: null, note: '', remark: '', ...decision, version } as const;
  const { group } = await ask(api, { caller, tenant, signal, audit }, asked);
  registryLook(api).forget('triage');
  return { ...answerOf(await groupDetail(group, tenant, api)), object: `error:${fingerprint}`, after: { state: group.state, version: group.version } };
}

/** Of the `ETag` of a group only its beginning says which decision was looked at; counts change without anybody deciding. */
function versionIn(ifMatch: string | null): number | null {
  const version = /^(\d{1,9})(?:\.|$)/.exec(ifMatch ?? '')?.[1];
  if (version !== undefined) return Number(version);
  const message = 'expected the ETag of the error group that was looked at';
  throw new ApiProblem('REQUEST_INVALID', message, { issues: [{ pointer: '/headers/if-match', code: 'REQUEST_INVALID', message }] });
}

function answerOf(detail: ErrorGroupDetail) {
  const { version, failures, dead, state, lastSeenAt } = detail;
  return { status: 200 as const, body: detail, etag: `${version}.${failures}.${dead}.${state}.${Date.parse(lastSeenAt)}` };
}

async function findGroup(fingerprint: string, caller: Caller, signal: AbortSignal, api: Api): Promise<{ group: ErrorGroup; tenant: string }> {
  return inAnyTenant(await tenantsOf(caller, api), `error group ${fingerprint}`, async (tenant) => {
    const { group } = await ask(api, { caller, tenant, signal }, { kind: 'errorGroup', fingerprint });
    return { group, tenant };
  });
}

function groupRow(group: ErrorGroup): ErrorGroupRow {
  const { fingerprint, state, code, message, failures, dead, firstSeenAt, lastSeenAt, activity, jobs, triage, version } = group;
  return {
    fingerprint,
    state,
    code,
    class: group.class as FailureClass,
    message,
    hint: codeInfo(code).hint,
    failures,
    dead,
    firstSeenAt,
    lastSeenAt,
    activity: activity.map(({ hour, failures: failed }) => ({ at: `${hour}:00:00.000Z`, failures: failed })),
    jobs: [...jobs],
    owner: triage?.owner ?? null,
    notes: triage?.notes.length ?? 0,
    version,
  };
}

async function groupDetail(group: ErrorGroup, tenant: string, api: Api): Promise<ErrorGroupDetail> {
  const { notes: _, ...row } = groupRow(group);
  const { triage } = group;
  return {
    ...row,
    places: [...group.places],
    triage: triage === null ? null : { state: triage.state, at: triage.at, by: triage.by, until: triage.until, note: triage.note },
    notes: triage?.notes ?? [],
    groupedBy: [...groupedBy[row.class]],
    spread: await spreadOf(group, tenant, api),
  };
}

/** As `fingerprintOf` makes fingerprints. */
const groupedBy: Readonly<Record<FailureClass, readonly string[]>> = {
  data: ['code', 'job name', 'stage', 'column'],
  input: ['code', 'job name', 'input name'],
  transient: ['code', 'bucket or host'],
  resource: ['code', 'job name', 'stage', 'what ran out'],
  crash: ['code', 'the first own frames of the stack, or the kind of request'],
  bug: ['code', 'the first own frames of the stack, or the kind of request'],
  lost: ['code', 'how the lease was lost'],
};

/** Over open dead letters of the group's jobs, from the ledger. */
async function spreadOf({ fingerprint, jobs, dead }: ErrorGroup, _tenant: string, api: Api): Promise<ErrorGroupDetail['spread']> {
  const tables = {
    workers: new Map<string, number>(),
    coreVersions: new Map<string, number>(),
    files: new Map<string, number>(),
    stages: new Map<string, number>(),
  };
  const count = (table: Map<string, number>, name: string | null): void => {
    if (name !== null) table.set(name, (table.get(name) ?? 0) + 1);
  };
  let counted = 0;
  const { ledger } = api.redis.queues();
  for (const { jobId, dead: own } of dead === 0 ? [] : jobs) {
    if (own === 0 || counted >= mostSpreadLetters) continue;
    for await (const letters of ledger.scanLetters(jobId)) {
      for (const letter of letters) {
        if ((letter.fingerprint ?? letter.code) !== fingerprint) continue;
        counted += 1;
        count(tables.workers, letter.worker);
        count(tables.coreVersions, letter.coreVersion);
        count(tables.files, letter.range?.uri ?? null);
        count(tables.stages, letter.chunkId.split('.')[1] ?? null);
      }
      if (counted >= mostSpreadLetters) break;
    }
  }
  return {
    counted,
    workers: largest(tables.workers),
    coreVersions: largest(tables.coreVersions),
    files: largest(tables.files),
    stages: largest(tables.stages),
  };
}

function largest(table: ReadonlyMap<string, number>): { name: string; dead: number }[] {
  const groups = [...table].map(([name, dead]) => ({ name, dead }));
  return groups.sort((a, b) => b.dead - a.dead || (a.name < b.name ? -1 : 1)).slice(0, shownSpread);
}

/** Of a dead letter its last attempt. Null: it is kept no longer. */
async function sampleOf(key: string, api: Api): Promise<FailureRecord | null> {
  const place = parseSampleKey(key);
  if (place === null) return null;
  const { jobId, stage, chunk } = place;
  if ('attemptId' in place) return (await api.journal.readFailure(jobId, stage, chunk, place.attemptId))?.record ?? null;
  return (await api.journal.readDeadLetter(jobId, stage, chunk, place.generation))?.record.attempts[0] ?? null;
}

function sampleRow(record: FailureRecord, withContent: boolean) {
  const { jobId, stage, chunk, generation, attemptId } = record;
  const id = `${jobId}.${stage}.${chunk}` as ChunkId;
  return { jobId, chunkId: id, generation, attemptId: attemptId as AttemptId, attempt: failedAttempt(record, withContent) };
}
