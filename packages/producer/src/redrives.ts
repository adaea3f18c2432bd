/** Redrives of dead letters in two steps: freeze and look, then start and steer. And what there is to look at: dead letters and error groups. */
import type {
  DeadLettersRequest,
  DeadLetterView,
  ErrorGroup,
  ErrorGroupsRequest,
  Operation,
  OperationItem,
  OperationItemsRequest,
  PlanRedriveRequest,
  RedrivePlan,
  StartRedriveRequest,
  SteerOperationRequest,
  TriageRequest,
} from '@millrace/protocol';
import { ask, type CallOptions, type Connection } from './connection.ts';
import { MillraceError } from './errors.ts';

/** Of a request what a caller says. */
type Asked<R> = Omit<R, 'kind' | 'requestId' | 'tenant' | 'by'>;

export interface Redrives {
  /** Freezes what matches and answers what redriving it would do. Throws `REBUILDING` (retryable) while dead letters are read after a loss of Redis. */
  plan(what: Partial<Asked<PlanRedriveRequest>>, options?: CallOptions): Promise<RedrivePlan>;
  /** Starts a plan once; `confirm` repeats its number. The same `idempotencyKey` gets the same operation again. */
  start(what: Partial<Asked<StartRedriveRequest>> & Pick<StartRedriveRequest, 'planId' | 'confirm'>, options?: CallOptions): Promise<Operation>;
  operation(operationId: string, options?: CallOptions): Promise<Operation>;
  /** Newest first. */
  operations(options?: CallOptions): Promise<readonly Operation[]>;
  items(
    what: Partial<Asked<OperationItemsRequest>> & Pick<OperationItemsRequest, 'operationId'>,
    options?: CallOptions,
  ): Promise<{ readonly items: readonly OperationItem[]; readonly after: number | null }>;
  steer(what: Partial<Asked<SteerOperationRequest>> & Pick<SteerOperationRequest, 'operationId' | 'act'>, options?: CallOptions): Promise<Operation>;
  deadLetters(
    what?: Partial<Asked<DeadLettersRequest>>,
    options?: CallOptions,
  ): Promise<{ readonly letters: readonly DeadLetterView[]; readonly total: number }>;
  errorGroups(what?: Partial<Asked<ErrorGroupsRequest>>, options?: CallOptions): Promise<{ readonly groups: readonly ErrorGroup[]; readonly total: number }>;
  triage(what: Partial<Asked<TriageRequest>> & Pick<TriageRequest, 'fingerprint' | 'state'>, options?: CallOptions): Promise<ErrorGroup>;
}

const timedOut = (what: string) => () => new MillraceError('ANSWER_TIMEOUT', `cannot ${what}: no scheduler answered in time`, { retryable: true });
/** As much as one answer may list. */
const most = 200;

export function redrives(connection: Connection): Redrives {
  return {
    plan: async (what, options = {}) => {
      const body = { kind: 'planRedrive', target: 'deadLetters', filter: null, ids: null, overrides: {}, ...what } as const;
      return (await ask(connection, body, options, timedOut('plan a redrive'))).plan;
    },
    start: async (what, options = {}) => {
      const body = { kind: 'startRedrive', reason: '', idempotencyKey: null, ...what } as const;
      return (await ask(connection, body, options, timedOut('start a redrive'))).operation;
    },
    operation: async (operationId, options = {}) =>
      (await ask(connection, { kind: 'operation', operationId }, options, timedOut(`read operation ${operationId}`))).operation,
    operations: async (options = {}) =>
      (await ask(connection, { kind: 'operations', state: null, limit: most, after: null }, options, timedOut('list operations'))).operations,
    items: (what, options = {}) =>
      ask(connection, { kind: 'operationItems', outcome: null, limit: most, after: 0, ...what }, options, timedOut('list the items of an operation')),
    steer: async (what, options = {}) =>
      (await ask(connection, { kind: 'steerOperation', rate: null, reason: '', ...what }, options, timedOut(`${what.act} operation ${what.operationId}`)))
        .operation,
    deadLetters: (what = {}, options = {}) =>
      ask(connection, { kind: 'deadLetters', filter: '', limit: most, after: null, ...what }, options, timedOut('list dead letters')),
    errorGroups: (what = {}, options = {}) =>
      ask(connection, { kind: 'errorGroups', filter: '', limit: most, after: null, ...what }, options, timedOut('list error groups')),
    triage: async (what, options = {}) =>
      (
        await ask(
          connection,
          { kind: 'triage', until: null, note: '', remark: '', version: null, ...what },
          options,
          timedOut(`change error group ${what.fingerprint}`),
        )
      ).group,
  };
}
