/** Redrives, replays and waivers of a server in their two steps: a frozen plan that counts, then a start that names it. */
import type { Client, DataOf, InputOf } from '@millrace/api-contract/client';
import { isJobId, isPlanId } from '@millrace/protocol';
import { type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { canConfirm, confirmed, itemsText } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { describePlan, overridesOf, paceOf } from '../redrive-operation.ts';
import { jobIdOf, serverFilter } from './job-ref.ts';
import { followServerOperation, type ServerOperation } from './operations.ts';
import { type Session, withServer } from './server-call.ts';

export type ServerPlan = DataOf<'GET /redrives/plans/{planId}'>;
type PlanBody = InputOf<'POST /redrives/plans'>['body'];
type Selection = Pick<PlanBody, 'filter' | 'ids' | 'fingerprint'>;

export function redriveOnServer(call: CommandCall): Promise<ExitCode> {
  const overrides = overridesOf(call);
  const pace = paceOf(call);
  const given = textFlag(call.flags, 'plan');
  if (given !== undefined && (call.args.length > 0 || Object.keys(overrides).length > 0)) {
    throw new CommandError(exitCodes.usage, 'a plan is frozen: --plan takes no filter and no --set', 'Plan again with them.');
  }
  return withServer(
    call,
    async (session) => {
      const { client } = session;
      const plan = given === undefined ? await newPlan(call, overrides, client) : await readPlan(given, client);
      const start = (reason: string) =>
        client.call('POST /redrives', { body: { planId: plan.planId as never, confirm: plan.confirm, reason, ...pace } }, { idempotencyKey: keyOf(plan) });
      return carryOut(call, plan, { verb: 'redrive', will: 'will be redriven', start }, session);
    },
    { follows: isSet(call.flags, 'wait') },
  );
}

async function newPlan(call: CommandCall, overrides: Record<string, unknown>, client: Client): Promise<ServerPlan> {
  const what = await selectionOf(call.args, client);
  return client.call('POST /redrives/plans', { body: { ...what, ...(Object.keys(overrides).length === 0 ? {} : { overrides }) } });
}

/** A job that failed or was cancelled is taken up as a whole: chunks that never ran are part of it. */
async function selectionOf(args: readonly string[], client: Client): Promise<PlanBody> {
  const [only] = args;
  if (args.length === 1 && only !== undefined && (only === '@last' || isJobId(only))) {
    const jobId = await jobIdOf(only, client);
    const { state } = await client.call('GET /jobs/{jobId}', { params: { jobId } });
    return state === 'failed' || state === 'cancelled' ? { target: 'jobs', ids: [jobId] } : { target: 'deadLetters', filter: `job:${jobId}` };
  }
  return { target: 'deadLetters', ...(await lettersOf(args, client)) };
}

async function lettersOf(args: readonly string[], client: Client): Promise<Selection> {
  const [only] = args;
  if (only === undefined)
    throw new CommandError(exitCodes.usage, 'expected which dead letters are meant: a job, an error group, or a filter', '`state:open` means all of them.');
  if (args.length === 1 && /^fp\d+-[0-9a-f]{16}$/.test(only)) return { fingerprint: only };
  return { filter: await serverFilter(args, client) };
}

async function readPlan(planId: string, client: Client): Promise<ServerPlan> {
  if (!isPlanId(planId)) throw new CommandError(exitCodes.usage, `expected the id of a plan, got ${JSON.stringify(planId)}`, '--dry-run prints one.');
  return client.call('GET /redrives/plans/{planId}', { params: { planId: planId as never } });
}

export function waiveOnServer(call: CommandCall): Promise<ExitCode> {
  const reason = textFlag(call.flags, 'reason');
  if (reason === undefined && !isSet(call.flags, 'dry-run'))
    throw new CommandError(exitCodes.usage, 'expected why: a waiver stands under its reason', 'Add --reason TEXT.');
  return withServer(
    call,
    async (session) => {
      const { client } = session;
      const plan = await client.call('POST /waivers/plans', { body: { target: 'deadLetters', ...(await lettersOf(call.args, client)) } });
      const start = () =>
        client.call('POST /waivers', { body: { planId: plan.planId as never, confirm: plan.confirm, reason: reason ?? '' } }, { idempotencyKey: keyOf(plan) });
      return carryOut(call, plan, { verb: 'waive', will: 'will be waived: their gaps stay, and are named', start }, session);
    },
    { follows: isSet(call.flags, 'wait') },
  );
}

/** However often a start is sent, it is one. */
const keyOf = ({ planId }: ServerPlan): string => `cli-${planId}`;

export interface Start {
  readonly verb: 'redrive' | 'waive' | 'replay';
  readonly will: string;
  start(reason: string): Promise<ServerOperation>;
}

/** Shows the plan, asks, starts, and follows with `--wait`. */
export async function carryOut(call: CommandCall, plan: ServerPlan, { verb, will, start }: Start, session: Session): Promise<ExitCode> {
  call.output.document({ type: 'plan', plan });
  for (const line of describePlan(plan, verb)) call.output.line(line);
  const later = verb === 'waive' ? null : `millrace redrive --plan ${plan.planId}`;
  if (isSet(call.flags, 'dry-run')) {
    if (later !== null) call.output.say(`Plan ${plan.planId} lives until ${plan.expiresAt.slice(11, 19)} UTC. Start it: ${later}`);
    return exitCodes.done;
  }
  if (!canConfirm(call)) {
    throw new CommandError(
      exitCodes.needsConfirmation,
      'nobody can be asked without a terminal',
      later === null ? 'Add --yes if that is what you want.' : `Start it: ${later} --yes`,
    );
  }
  if (!(await confirmed(call, `${itemsText(plan.confirm)} ${will}`, plan.confirm))) return exitCodes.needsConfirmation;
  const operation = await start(textFlag(call.flags, 'reason') ?? '');
  const { operationId } = operation;
  call.output.document({ type: 'started', operation });
  call.output.line(`Started ${operationId}      ${session.server.url}/operations/${operationId}`);
  if (isSet(call.flags, 'wait')) return followServerOperation(call, session, operationId);
  call.output.say(`Follow it: millrace ops watch ${operationId}      Hold it: millrace ops pause ${operationId}`);
  return exitCodes.done;
}
