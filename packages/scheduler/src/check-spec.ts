/** What intake asks of a spec before it accepts a job: that it is legal, that this version can do it, that its SQL compiles, that its output place is free. */
import { type JobId, type ResolvedJobSpec, type SpecIssue, availabilityIssues, canonicalJson, checkJobSpec, filePath } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { listBelow } from './resolve-inputs.ts';

const checkDeadlineMs = 30_000;

export type CheckedSpec = { readonly spec: ResolvedJobSpec } | { readonly issues: readonly SpecIssue[] };

/** Again, although the producer did it: a request is input. */
export function checkWritten(written: unknown, tenant: string): CheckedSpec {
  const checked = checkJobSpec(written);
  if ('issues' in checked) return checked;
  const issues = [...availabilityIssues(checked.spec), ...tenantIssues(checked.spec, tenant)];
  return issues.length > 0 ? { issues } : checked;
}

function tenantIssues(spec: ResolvedJobSpec, tenant: string): SpecIssue[] {
  if (spec.execution.tenant === tenant) return [];
  return [{ pointer: '/execution/tenant', code: 'SPEC_TENANT_DENIED', message: `expected the tenant of this connection, ${tenant}, got ${spec.execution.tenant}` }];
}

/** Syntax and rules of the stages, without opening an input. Null when they hold. */
export async function checkSql(spec: ResolvedJobSpec, control: Control): Promise<SpecIssue | null> {
  if (spec.pipeline.length === 0) return null;
  const none = { input: null, connection: null, jobKey: null, start: null, end: null, record: null, parts: null };
  const answer = await control.core.request({ type: 'Inspect', what: 'check', ...none, spec: canonicalJson(spec) }, { deadlineMs: checkDeadlineMs });
  if (answer.failed === null) return null;
  const { code, message } = answer.failed;
  if (!code.startsWith('SPEC_')) throw new AppError(code as 'INTERNAL', `cannot check the pipeline: ${message}`);
  return { pointer: '/pipeline/0/sql', code: code as 'SPEC_SQL_SYNTAX', message };
}

/** A file that is not this job's, or null. The job's own are parts of an earlier submit whose answer was lost. */
export async function foreignOutput(spec: ResolvedJobSpec, jobId: JobId, control: Control): Promise<string | null> {
  if (spec.output.ifNotEmpty === 'append') return null;
  const directory = filePath(spec.output.uri);
  const found = await listBelow(directory, control, 10_000);
  const foreign = found.find(({ path }) => !path.includes(jobId) && !isHidden(path.slice(directory.length)));
  return foreign?.found.uri ?? null;
}

/** Names that readers of a data directory pass over: a journal, rejects, manifests, logs. */
function isHidden(relativePath: string): boolean {
  return relativePath.split('/').some((name) => name.startsWith('_') || name.startsWith('.'));
}
