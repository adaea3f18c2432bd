/** Content of records, and who may see it: stewards, each view recorded before it is shown. */
import type { Access, Route } from '@millrace/api-contract';
import type { Api } from '../api.ts';
import { type Caller, checkAccess } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';

const steward: Access = 'steward';

/** What of a call says who looks at what. */
export interface Viewing {
  readonly caller: Caller;
  readonly requestId: string;
  readonly from: string;
}

/** What is shown: `act` as the route names it, such as `reject.show`. */
export interface Shown {
  readonly act: NonNullable<Route['content']>;
  readonly object: string;
  readonly tenant: string;
}

/** Without content, unless it is asked for: then `show` runs behind the record of the view. Throws `AUTH_FORBIDDEN` for who may not see it, which is recorded too. */
export async function showing<Result>(asked: boolean, shown: Shown, viewing: Viewing, api: Api, show: () => Promise<Result>): Promise<Result> {
  if (!asked) return show();
  const { caller, requestId, from } = viewing;
  const act = { by: caller.by, role: caller.role, tenant: shown.tenant, from, requestId, act: shown.act, object: shown.object, reason: '', before: null };
  const refusal = refusalOf(caller, api);
  if (refusal !== null) {
    await api.audit.during(
      act,
      () => Promise.resolve(),
      () => ({ outcome: 'refused', after: null, code: refusal.code }),
    );
    throw refusal;
  }
  return api.audit.during(act, show, () => ({ outcome: 'done', after: null, code: null }));
}

function refusalOf(caller: Caller, api: Api): ApiProblem | null {
  try {
    checkAccess(caller, { role: steward }, api.clock.nowMs());
    return null;
  } catch (error) {
    if (error instanceof ApiProblem) return error;
    throw error;
  }
}
