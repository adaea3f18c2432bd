/** Acts of operators, recorded before and after: which requests are acts, and what is worth keeping of them. */
import type { Act, ActEnd } from '@millrace/journal';
import type { Answer, JobId, Request } from '@millrace/protocol';
import type { Control } from './control.ts';
import { readStatus } from './read-status.ts';
import { type ActName, recordsAct } from './recorded-act.ts';

/** Does what is asked; an act whose record cannot be written is not done. */
export async function audited<Result extends Answer>(request: Request, control: Control, handle: () => Promise<Result>): Promise<Result> {
  const asked = actOf(request);
  if (asked === null || (await isRecorded(request, asked.act, control))) return handle();
  const { by, tenant, requestId } = request;
  const before = asked.jobId === null ? null : await stateOf(asked.jobId, tenant, control);
  return control.audit.during({ by, tenant, requestId, before, ...asked.act }, handle, endOf);
}

/** Whoever asked by another door has recorded the act already, and its record stands in the journal, where only services write. */
async function isRecorded(request: Request, act: ActName, control: Control): Promise<boolean> {
  if (request.recorded === undefined) return false;
  const record = await control.journal.readAudit(request.recorded.day, request.recorded.auditId);
  return record !== null && recordsAct(record, request, act, control.clock.nowMs());
}

/** Null: a question, or a submit, of which job.json is the record. */
function actOf(request: Request): { jobId: JobId | null; act: Pick<Act, 'act' | 'object' | 'reason'> } | null {
  switch (request.kind) {
    case 'command':
    case 'redrive':
    case 'replay': {
      const word = request.kind === 'command' ? request.command : request.kind;
      return { jobId: request.jobId, act: { act: `job.${word}`, object: `job:${request.jobId}`, reason: request.reason } };
    }
    case 'retryNow': {
      const { jobId, stage, chunk, reason } = request;
      return { jobId: null, act: { act: 'chunk.retryNow', object: `chunk:${jobId}.${stage}.${chunk}`, reason } };
    }
    case 'startRedrive':
      return { jobId: null, act: { act: 'redrive.start', object: `plan:${request.planId}`, reason: request.reason } };
    case 'steerOperation':
      return { jobId: null, act: { act: `operation.${request.act}`, object: `operation:${request.operationId}`, reason: request.reason } };
    case 'triage':
      return {
        jobId: null,
        act: {
          act: `errors.${request.state ?? (request.owner === undefined ? 'noted' : 'assigned')}`,
          object: `error:${request.fingerprint}`,
          reason: request.note,
        },
      };
    case 'putSchedule':
      return { jobId: null, act: { act: 'schedule.put', object: `schedule:${request.tenant}.${nameOf(request.spec)}`, reason: request.reason } };
    case 'steerSchedule':
      return { jobId: null, act: { act: `schedule.${request.act}`, object: `schedule:${request.tenant}.${request.name}`, reason: request.reason } };
    default:
      return null;
  }
}

/** Of a spec that was not looked at yet. */
function nameOf(spec: unknown): string {
  const name = typeof spec === 'object' && spec !== null && 'name' in spec ? String(spec.name) : '';
  return name === '' ? '-' : name.slice(0, 128);
}

/** Of another tenant's job nothing is told. */
async function stateOf(jobId: JobId, tenant: string, control: Control): Promise<Act['before']> {
  const facts = await control.facts.spec(jobId, 1);
  if (facts?.job.tenant !== tenant) return null;
  const status = await readStatus(jobId, control);
  return status === null ? null : { state: status.state, generation: status.generation };
}

function endOf(answer: Answer): ActEnd {
  if (!answer.ok) return { outcome: 'refused', after: null, code: answer.code };
  const after = {
    ...('number' in answer ? { command: answer.number } : {}),
    ...('generation' in answer ? { generation: answer.generation } : {}),
    ...('operation' in answer ? { operation: answer.operation.operationId, state: answer.operation.state } : {}),
    ...('status' in answer ? { state: answer.status.state, generation: answer.status.generation } : {}),
  };
  return { outcome: 'done', after, code: null };
}
