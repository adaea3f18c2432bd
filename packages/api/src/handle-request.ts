/**
 * One request from its headers to its answer. Who asks and whether they may is decided before a byte of the body is read; then the body is checked, the same
 * call answered from what was kept, the act recorded, done, and recorded again.
 */
import { createHash } from 'node:crypto';
import type { Route } from '@millrace/api-contract';
import type { Act, ActEnd, AuditPlace } from '@millrace/journal';
import { canonicalJson, isJobId, maxIdempotencyKeyLength } from '@millrace/protocol';
import type { KeptAnswer } from '@millrace/queues';
import type { Api } from './api.ts';
import { type Caller, checkAccess } from './auth/caller.ts';
import type { AnyAnswer, AnyHandler, Call } from './handler.ts';
import { ApiProblem, problemOf } from './problem.ts';
import { checkHost, checkSameSite, cookieIn, cookieRule, mediaOf, type Site } from './security.ts';
import { checkRequest } from './validate.ts';

/** A request as the server has it, before its body. */
export interface Arrival {
  readonly route: Route;
  readonly requestId: string;
  readonly from: string;
  readonly header: (name: string) => string | undefined;
}

/** The same with its body. */
export interface Asked extends Arrival {
  readonly caller: Caller;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

export type Reply = AnyAnswer & { readonly replayed?: true };

/** Tries of what is no credential, and requests of one caller, a minute. */
export interface Limits {
  readonly requestsPerMinute: number;
  readonly strangersPerMinute: number;
}

/** Who asks, when they may. Throws the problem otherwise; what was refused to somebody known, or looks forged, is recorded. */
export async function admit(arrival: Arrival, api: Api, site: Site): Promise<Caller> {
  const { route, header } = arrival;
  checkHost(site, header('host'));
  const caller = await identify(arrival, api, site);
  limitCaller(arrival, caller, api);
  try {
    if (caller.kind === 'session') checkSameSite(site, siteRequest(arrival), route.accepts ?? ['application/json']);
    checkAccess(caller, route, api.clock.nowMs());
  } catch (error) {
    if (caller.kind !== 'nobody' && error instanceof ApiProblem) await recordRefusal(arrival, caller, error, api);
    throw error;
  }
  checkMedia(route, header('content-type'));
  return caller;
}

async function identify({ header, from }: Arrival, api: Api, site: Site): Promise<Caller> {
  const { limits } = api.settings;
  const strangers = `stranger ${from}`;
  const isSuspect = api.rateLimits.isSpent(strangers, limits.strangersPerMinute);
  try {
    return await api.auth.identify({ authorization: header('authorization'), cookie: cookieIn(header('cookie'), cookieRule(site).name) }, isSuspect);
  } catch (error) {
    if (error instanceof ApiProblem && error.code === 'AUTH_REQUIRED') api.rateLimits.take(strangers, limits.strangersPerMinute);
    throw error;
  }
}

function limitCaller({ from }: Arrival, caller: Caller, api: Api): void {
  const wait = api.rateLimits.take(caller.kind === 'nobody' ? `address ${from}` : caller.by, api.settings.limits.requestsPerMinute);
  if (wait !== null) throw rateLimited(wait);
}

function rateLimited(seconds: number): ApiProblem {
  return new ApiProblem('RATE_LIMITED', `too many requests: come again in ${seconds} s`, { headers: { 'retry-after': String(seconds) } });
}

function siteRequest({ route, header }: Arrival) {
  return {
    method: route.method,
    host: header('host'),
    origin: header('origin'),
    fetchSite: header('sec-fetch-site'),
    contentType: header('content-type'),
  };
}

/** A body of a type that nobody asked for is not read. */
function checkMedia(route: Route, contentType: string | undefined): void {
  const taken = route.accepts ?? ['application/json'];
  const type = mediaOf(contentType);
  if (route.method === 'GET' || type === null || (taken as readonly string[]).includes(type)) return;
  throw new ApiProblem('REQUEST_MEDIA_TYPE', `expected a body of media type ${taken.join(' or ')}, got ${JSON.stringify(type.slice(0, 100))}`);
}

/** Checks, does, records; the answer as it is to be sent. */
export async function act(asked: Asked, handler: AnyHandler, api: Api): Promise<Reply> {
  const call = callOf(asked);
  checkReason(asked.route, call.body, api.settings.environment);
  return once(asked, call, api, () => recorded(asked, call, api, (audit) => handler({ ...call, audit }, api)));
}

function callOf(asked: Asked): Call<Route> {
  const { route, header, caller, requestId, signal, from } = asked;
  const checked = checkRequest(route, asked);
  return {
    ...(checked as Pick<Call<Route>, 'params' | 'query' | 'body'>),
    caller,
    requestId,
    idempotencyKey: idempotencyKey(header('idempotency-key')),
    audit: null,
    ifMatch: ifMatchOf(route, header('if-match')),
    accept: acceptOf(header('accept')),
    header,
    signal,
    from,
  };
}

/** Bare, or as a quoted structured string. */
function idempotencyKey(written: string | undefined): string | null {
  if (written === undefined) return null;
  const key = /^"((?:[^"\\]|\\["\\])*)"$/.exec(written)?.[1]?.replace(/\\(["\\])/g, '$1') ?? written;
  if (key.length >= 1 && key.length <= maxIdempotencyKeyLength && /^[\x20-\x7e]+$/.test(key)) return key;
  throw badHeader('idempotency-key', `expected 1 to ${maxIdempotencyKeyLength} printable ASCII characters`);
}

function ifMatchOf(route: Route, written: string | undefined): string | null {
  const version = /^"([^"]{1,200})"$/.exec(written ?? '')?.[1];
  if (version !== undefined) return version;
  if (route.ifMatch !== true) return null;
  throw badHeader('if-match', 'expected the ETag of the version that was looked at, in quotes');
}

function badHeader(name: string, message: string): ApiProblem {
  return new ApiProblem('REQUEST_INVALID', `the header ${name} cannot be read: ${message}`, {
    issues: [{ pointer: `/headers/${name}`, code: 'REQUEST_INVALID', message }],
  });
}

/** Best first by `q`; what was written first among equals. */
function acceptOf(written: string | undefined): string[] {
  const types = (written ?? '*/*').split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const q = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? 1);
    return { type, q: Number.isFinite(q) ? q : 0 };
  });
  return types
    .filter(({ type, q }) => type !== '' && q > 0)
    .sort((a, b) => b.q - a.q)
    .map(({ type }) => type);
}

/** Where much is at stake every act says why. */
function checkReason(route: Route, body: unknown, environment: string): void {
  if (environment !== 'production' || route.act === undefined || typeof body !== 'object' || body === null || !('reason' in body)) return;
  if (String(body.reason).trim() !== '') return;
  throw new ApiProblem('REASON_REQUIRED', 'this installation is marked production: every act needs a reason', {
    issues: [{ pointer: '/reason', code: 'REASON_REQUIRED', message: 'expected a reason' }],
  });
}

// The same call again

const runningMs = 2 * 60_000;

/** A call with a key is done once: the same again gets the first answer. What was not done leaves no answer, so that it may be tried again. */
async function once(asked: Asked, call: Call<Route>, api: Api, doIt: () => Promise<AnyAnswer>): Promise<Reply> {
  const { route, caller } = asked;
  if (route.method !== 'POST' || route.ownKey === true || route.readOnly === true || call.idempotencyKey === null) return doIt();
  const { calls } = api.redis.queues();
  const id = digestOf([caller.by, route.method, route.path, asked.params, call.idempotencyKey]);
  const body = asked.body instanceof Uint8Array ? createHash('sha256').update(asked.body).digest('hex') : digestOf(asked.body ?? null);
  const found = await calls.begin(id, body, runningMs);
  switch (found.state) {
    case 'mine':
      break;
    case 'running':
      throw new ApiProblem('KEY_IN_FLIGHT', 'a call with this idempotency key is under way', { headers: { 'retry-after': '1' } });
    case 'other':
      throw new ApiProblem('KEY_CONFLICT', 'the idempotency key was used for a call with another body');
    case 'answered':
      return { ...found.answer, replayed: true };
  }
  try {
    const answer = await doIt();
    if ('body' in answer) await calls.keep(id, body, keptAnswer(answer));
    return answer;
  } catch (error) {
    await calls.drop(id, body).catch(() => undefined);
    throw error;
  }
}

function keptAnswer({ status, body, headers = {}, etag }: AnyAnswer & { readonly body: unknown }): KeptAnswer {
  return { status, body, headers: { ...headers, ...(etag === undefined ? {} : { etag: `"${etag}"` }) } };
}

const digestOf = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

// The audit

/** Before and after: an act or a view whose first record cannot be written is not done. */
async function recorded(asked: Asked, call: Call<Route>, api: Api, doIt: (audit: AuditPlace | null) => Promise<AnyAnswer>): Promise<AnyAnswer> {
  const name = asked.route.act ?? asked.route.view;
  if (name === undefined) return doIt(null);
  const body: unknown = call.body;
  const reason = typeof body === 'object' && body !== null && 'reason' in body ? String(body.reason) : '';
  let hasBegun = false;
  const during = api.audit.during<Done>(
    { ...actOf(asked, asked.caller), ...(await jobBefore(asked, api)), reason },
    (first) => {
      hasBegun = true;
      return doneOrRefused(() => doIt(first));
    },
    endOf,
  );
  const done = await during.catch((err: unknown) => {
    if (!hasBegun) failedAudit(name, err, asked, api);
    throw err;
  });
  if (name !== asked.route.act && 'answer' in done)
    api.log.info({ by: asked.caller.by, from: asked.from, act: name, requestId: asked.requestId }, 'content shown');
  if ('refused' in done) throw done.refused;
  return done.answer;
}

/** Of a job that is acted on: whose it is, and how it stood. Of another tenant's nothing is told, and what cannot be read now holds nobody up. */
async function jobBefore({ route, params, caller }: Asked, api: Api): Promise<Partial<Pick<Act, 'tenant' | 'before'>>> {
  const { jobId } = (params ?? {}) as { readonly jobId?: string };
  if (route.act === undefined || jobId === undefined || !isJobId(jobId)) return {};
  try {
    const record = await api.jobs.require(jobId, caller);
    const { status } = await api.jobs.status(record);
    return { tenant: record.tenant, before: { state: status.state, generation: status.generation } };
  } catch {
    return {};
  }
}

function failedAudit(act: string, err: unknown, { requestId }: Arrival, api: Api): void {
  api.metrics.recordAuditFailure();
  api.log.error({ err, act, requestId }, 'audit failed');
}

type Done = { readonly answer: AnyAnswer } | { readonly refused: unknown; readonly code: string };

/** A refusal is an end of the act that was foreseen; a fault is thrown through, and recorded as one. */
async function doneOrRefused(doIt: () => Promise<AnyAnswer>): Promise<Done> {
  try {
    return { answer: await doIt() };
  } catch (error) {
    const { status, problem } = problemOf(error, { requestId: '', traceId: null });
    if (status >= 500) throw error;
    return { refused: error, code: problem.code };
  }
}

function endOf(done: Done): ActEnd {
  if ('refused' in done) return { outcome: 'refused', after: null, code: done.code };
  const { object, after } = done.answer;
  const named = object === undefined ? {} : { object };
  return { outcome: 'done', after: object === undefined && after === undefined ? null : { ...named, ...after }, code: null };
}

/** `body`: where the path does not say what is acted on, the plan that it names does. */
function actOf({ route, params, body, requestId, from }: Arrival & { readonly params?: unknown; readonly body?: unknown }, caller: Caller) {
  const name = route.act ?? route.view ?? `${route.operationId}.refused`;
  const steps = Object.values((params ?? {}) as Readonly<Record<string, string>>);
  const planId = typeof body === 'object' && body !== null && 'planId' in body ? String(body.planId) : '';
  return {
    by: caller.by,
    role: caller.role,
    tenant: caller.tenants?.length === 1 ? (caller.tenants[0] ?? null) : null,
    from,
    requestId,
    act: name,
    object: `${name.slice(0, name.indexOf('.'))}:${steps.join('/') || planId || '-'}`.slice(0, 512),
    reason: '',
    before: null,
  };
}

async function recordRefusal(arrival: Arrival, caller: Caller, error: ApiProblem, api: Api): Promise<void> {
  if (arrival.route.method === 'GET' && arrival.route.view === undefined) return;
  await api.audit.during(
    actOf(arrival, caller),
    () => Promise.resolve(),
    () => ({ outcome: 'refused', after: null, code: error.code }),
  );
}
