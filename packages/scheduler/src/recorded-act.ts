/** Whether a record of the audit is that of an act that is asked for. Pure. A reference alone proves nothing: whoever reads a request could repeat it for another act. */
import type { Act } from '@millrace/journal';
import type { AuditRecord, Request } from '@millrace/protocol';

export type ActName = Pick<Act, 'act' | 'object' | 'reason'>;

const freshMs = 10 * 60_000;

/** First records have no outcome. `nowMs`: of the wall clock, as `at` was written by another machine. */
export function recordsAct(record: AuditRecord, request: Pick<Request, 'by' | 'tenant'>, asked: ActName, nowMs: number): boolean {
  if (record.outcome !== null || record.by !== request.by || record.role === null) return false;
  if (record.tenant !== null && record.tenant !== request.tenant) return false;
  if (Math.abs(nowMs - Date.parse(record.at)) > freshMs) return false;
  return isSameAct(record.act, asked.act) && isSameObject(subjectOf(record.object), subjectOf(asked.object), request.tenant);
}

/** Acts that both doors call the same, but for those whose word over HTTP says less or more. */
function isSameAct(recorded: string, asked: string): boolean {
  if (recorded === asked) return true;
  const [family, askedFamily] = [familyOf(recorded), familyOf(asked)];
  if (asked === 'redrive.start') return recorded === 'waiver.start';
  return family === askedFamily && (family === 'errors' || family === 'operation');
}

/** Over HTTP a schedule is named without its tenant, and the steps of a path have slashes between them. */
function isSameObject(recorded: string, asked: string, tenant: string): boolean {
  const plain = recorded.replaceAll('/', '.');
  return plain === asked || `${tenant}.${plain}` === asked;
}

const familyOf = (act: string): string => act.slice(0, act.indexOf('.'));
const subjectOf = (object: string): string => object.slice(object.indexOf(':') + 1);
