/** What intake asks of a spec before it accepts a job: that it is legal, that this version can do it, that its SQL compiles, that its output place is free. */
import { jobKey } from '@millrace/journal';
import {
  availabilityIssues,
  canonicalJson,
  checkJobSpec,
  type JobId,
  nearestName,
  type ResolvedJobSpec,
  type SpecIssue,
  specDifferences,
  streamAvailabilityIssues,
} from '@millrace/protocol';
import { AppError, readSecret } from '@millrace/service-kit';
import { deniedHost } from './callbacks/guard-url.ts';
import type { Control } from './control.ts';
import { listBelow } from './stored-inputs.ts';

const checkDeadlineMs = 30_000;

export type CheckedSpec = { readonly spec: ResolvedJobSpec } | { readonly issues: readonly SpecIssue[] };

/** Again, although the producer did it: a request is input. */
export function checkWritten(written: unknown, tenant: string, connections: readonly string[] = [], isStream = false): CheckedSpec {
  const checked = checkJobSpec(written, { isStream });
  if ('issues' in checked) return checked;
  const issues = [
    ...availabilityIssues(checked.spec),
    ...(isStream ? streamAvailabilityIssues(checked.spec) : []),
    ...tenantIssues(checked.spec, tenant),
    ...unknownConnections(checked.spec, connections),
  ];
  return issues.length > 0 ? { issues } : checked;
}

function tenantIssues(spec: ResolvedJobSpec, tenant: string): SpecIssue[] {
  if (spec.execution.tenant === tenant) return [];
  return [
    { pointer: '/execution/tenant', code: 'SPEC_TENANT_DENIED', message: `expected the tenant of this connection, ${tenant}, got ${spec.execution.tenant}` },
  ];
}

/** A spec with a schedule is no job: it makes jobs. */
export function recurringIssues({ schedule }: ResolvedJobSpec): SpecIssue[] {
  const message = 'a schedule makes jobs and is none: put it as a schedule';
  return schedule === null ? [] : [{ pointer: '/schedule', code: 'SPEC_SCHEDULE_HERE', message }];
}

/** Webhooks must go where this installation allows, and be signed with a secret that it holds. */
export async function callbackIssues(spec: ResolvedJobSpec, { httpAllow, secrets }: Pick<Control, 'httpAllow' | 'secrets'>): Promise<SpecIssue[]> {
  const issues: SpecIssue[] = [];
  for (const [index, { url, secret }] of spec.callbacks.entries()) {
    const denied = deniedHost(url, httpAllow);
    if (denied !== null) issues.push({ pointer: `/callbacks/${index}/url`, code: 'SPEC_URI', message: denied });
    try {
      await readSecret(secret, secrets);
    } catch (error) {
      issues.push({ pointer: `/callbacks/${index}/secret`, code: 'SPEC_KEY_MISSING', message: error instanceof Error ? error.message : String(error) });
    }
  }
  return issues;
}

/** Connections that a spec names and the installation does not have. */
export function unknownConnections(spec: ResolvedJobSpec, names: readonly string[]): SpecIssue[] {
  const named = [
    ...spec.inputs.map(({ connection }, index) => [`/inputs/${index}/connection`, connection] as const),
    ['/output/connection', spec.output.connection] as const,
  ];
  return named.flatMap(([pointer, name]) => {
    if (name === null || names.includes(name)) return [];
    const suggestion = nearestName(name, names);
    const message = `there is no connection ${JSON.stringify(name)}`;
    return [{ pointer, code: 'SPEC_CONNECTION_UNKNOWN', message, ...(suggestion && { suggestion }) }];
  });
}

/** Syntax and rules of the stages and of patterns for lines, without opening an input. Null when they hold. */
export async function checkSql(spec: ResolvedJobSpec, control: Control): Promise<SpecIssue | null> {
  const lines = spec.inputs.findIndex((input) => input.lines !== null);
  if (spec.pipeline.length === 0 && lines < 0) return null;
  const none = { input: null, connection: null, jobKey: null, start: null, end: null, record: null, parts: null };
  const answer = await control.core.request({ type: 'Inspect', what: 'check', ...none, spec: canonicalJson(spec) }, { deadlineMs: checkDeadlineMs });
  if (answer.failed === null) return null;
  const { code, message } = answer.failed;
  if (!code.startsWith('SPEC_')) throw new AppError(code as 'INTERNAL', `cannot check the pipeline: ${message}`);
  const pattern = /^cannot use lines\.(\w+)/.exec(message)?.[1];
  const pointer = pattern === undefined ? '/pipeline/0/sql' : `/inputs/${lines}/lines/${pattern}`;
  return { pointer, code: code as 'SPEC_SQL_SYNTAX', message };
}

/**
 * Whether a job's rows keep their columns under another spec: the parts of a job share one schema, and so do the rows that its stages hand on. Null when
 * they do. Judged over the pins that stand; a job without pins has no rows yet.
 */
export async function checkColumns(jobId: JobId, before: ResolvedJobSpec, after: ResolvedJobSpec, control: Control): Promise<SpecIssue | null> {
  if (readOf(before) === readOf(after) || (await control.journal.readPins(jobId)) === null) return null;
  const now = await columnsOf(jobId, after, control);
  if ('issue' in now) return now.issue;
  const standing = await columnsOf(jobId, before, control);
  if ('issue' in standing) return standing.issue;
  for (const [index, { stage, columns }] of standing.stages.entries()) {
    const [first] = specDifferences(columns, now.stages[index]?.columns ?? []);
    if (first === undefined) continue;
    const message = `stage ${stage} would yield other columns (${JSON.stringify(first.first)} becomes ${JSON.stringify(first.now)}): that is another job`;
    return { pointer: '/pipeline', code: 'SPEC_CONFLICT', message };
  }
  return null;
}

/** What columns follow from, and whether values can be read at all. */
const readOf = ({ pipeline, schema, inputs }: ResolvedJobSpec): string => canonicalJson([pipeline, schema, inputs.map((input) => input.schema)]);

interface StageColumns {
  readonly stages: readonly { readonly stage: string; readonly columns: readonly { readonly name: string; readonly type: string }[] }[];
}

async function columnsOf(jobId: JobId, spec: ResolvedJobSpec, control: Control): Promise<StageColumns | { readonly issue: SpecIssue }> {
  const none = { input: null, connection: null, start: null, end: null, record: null, parts: null };
  const ask = { type: 'Inspect', what: 'check', ...none, jobKey: jobKey(jobId), spec: canonicalJson(spec) } as const;
  const answer = await control.core.request(ask, { deadlineMs: checkDeadlineMs });
  if (answer.failed === null) return JSON.parse(new TextDecoder().decode(answer.payload)) as StageColumns;
  const { code, message } = answer.failed;
  if (!code.startsWith('SPEC_')) throw new AppError(code as 'INTERNAL', `cannot check the pipeline: ${message}`);
  const pointer = /^cannot (use|change) (the )?(schema|field)/.test(message) ? '/schema' : '/pipeline';
  return { issue: { pointer, code: code as 'SPEC_SQL_SYNTAX', message } };
}

/** A file that is not this job's, or null. Of the directories in the place the journal and the rejects are no output; empty ones do not count. */
export async function foreignOutput(spec: ResolvedJobSpec, jobId: JobId, control: Control): Promise<string | null> {
  if (spec.output.ifNotEmpty === 'append') return null;
  const { connection } = spec.output;
  const ours = [spec.rejects.uri, `${control.journalUri}/`];
  for (const { uri } of await listBelow(spec.output.uri, control, { fold: true, connection })) {
    if (uri.includes(jobId) || ours.includes(uri)) continue;
    if (!uri.endsWith('/')) return uri;
    const [first] = await listBelow(uri, control, { most: 1, connection });
    // Parts may lie in folders; a request that is answered again meets those of its own job.
    if (first && !first.uri.includes(jobId)) return first.uri;
  }
  return null;
}
