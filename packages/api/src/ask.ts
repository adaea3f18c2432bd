/** Asks the scheduler in the name of a caller: what is done to jobs is done there. A refusal is thrown as the problem it stands for. */
import type { AuditPlace } from '@millrace/journal';
import { type AnswerTo, newRequestId, type Request } from '@millrace/protocol';
import type { Api } from './api.ts';
import type { Caller } from './auth/caller.ts';
import { refused } from './problem.ts';

/** A request without what every one carries. */
type Asked = Request extends infer One ? (One extends Request ? Omit<One, 'requestId' | 'tenant' | 'by' | 'recorded'> : never) : never;

const answerWithinMs = 20_000;

/** `tenant`: that of the job or document, which the caller was found to reach. `audit`: of an act, so that it is not recorded twice. */
export async function ask<A extends Asked>(
  api: Pick<Api, 'redis' | 'ids'>,
  who: { readonly caller: Caller; readonly tenant: string; readonly signal?: AbortSignal; readonly audit?: AuditPlace | null },
  asked: A,
): Promise<Extract<AnswerTo<A['kind']>, { ok: true }>> {
  const recorded = who.audit ? { recorded: who.audit } : {};
  const request = { ...asked, ...recorded, requestId: newRequestId(api.ids), tenant: who.tenant, by: who.caller.by } as unknown as Request;
  const signal = who.signal === undefined ? {} : { signal: who.signal };
  const answer = await api.redis.queues().requests.ask(request, { timeoutMs: answerWithinMs, ...signal });
  if (!answer.ok) throw refused(answer);
  return answer as unknown as Extract<AnswerTo<A['kind']>, { ok: true }>;
}
