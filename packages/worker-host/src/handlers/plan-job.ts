/** What every plan task begins with, and how it asks a core. */
import type { CoreLease, CoreProcess } from '@millrace/core-client';
import { specOfGeneration } from '@millrace/journal';
import type { InputFile, JobRecord, ResolvedJobSpec } from '@millrace/protocol';
import type { Event, Failed, PlanSegment, Secret } from '@millrace/protocol/wire';
import type { WorkOrders } from '@millrace/queues';
import { AppError } from '@millrace/service-kit';
import { classifyCode, classifyFailed, isObeyedStop } from '../classify.ts';
import type { WorkEnd } from '../execute-work.ts';
import type { Host, OpenedAttempt } from '../host.ts';
import type { ProgressKeeper, StopReason } from '../progress-keeper.ts';
import { secretsOf } from '../secrets.ts';
import { failedWork } from './work-place.ts';

export const planDeadlineMs = 6 * 3_600_000;

export interface PlanJob {
  readonly attempt: OpenedAttempt<WorkOrders>;
  readonly job: JobRecord;
  readonly spec: ResolvedJobSpec;
  readonly files: readonly InputFile[];
  /** What planning compiles stages with. */
  readonly secrets: readonly Secret[];
  readonly keeper: ProgressKeeper;
  readonly host: Host;
}

export async function loadPlanJob(attempt: OpenedAttempt<WorkOrders>, keeper: ProgressKeeper, host: Host): Promise<PlanJob> {
  const { jobId, generation } = attempt.orders;
  const [stored, commands] = await Promise.all([host.journal.readJobRecord(jobId), host.journal.readCommands(jobId)]);
  if (stored === null) throw new AppError('JOURNAL_UNSAFE', `cannot plan ${jobId}: it has no job.json`);
  const files: InputFile[] = [];
  for await (const file of host.journal.listInputFiles(jobId)) files.push(file);
  const { spec } = specOfGeneration({ job: stored, commands }, generation);
  return { attempt, job: stored.record, spec, files, secrets: await secretsOf(spec, host.secrets), keeper, host };
}

type CoreRequest<A> = (core: CoreProcess, options: { signal: AbortSignal; onEvent: (event: Event) => void }) => Promise<A>;

/** One request on a leased core, its failure as the end of the work. */
export async function askCore<A extends { readonly failed: Failed | null; readonly done: unknown }>(
  { keeper, host }: PlanJob,
  ask: CoreRequest<A>,
  onSegment: (segment: PlanSegment) => void = () => {},
): Promise<Extract<A, { failed: null }> | WorkEnd> {
  let leased: CoreLease | null = null;
  let stopWatching = (): void => {};
  try {
    leased = await keeper.whileWaiting(() => host.cores.lease(keeper.signal));
    const { core } = leased;
    stopWatching = keeper.watch(core);
    const onEvent = (event: Event): void => {
      keeper.note(event, core);
      if (event.type === 'PlanSegment') onSegment(event);
    };
    const answer = await ask(core, { signal: keeper.signal, onEvent });
    if (answer.failed === null) return answer as Extract<A, { failed: null }>;
    return isObeyedStop(answer.failed, keeper.stoppedFor) ? stoppedWork(keeper.stoppedFor) : failedWork(classifyFailed(answer.failed));
  } catch (error) {
    if (keeper.stoppedFor !== null) return stoppedWork(keeper.stoppedFor);
    throw error;
  } finally {
    stopWatching();
    leased?.release();
  }
}

export function stoppedWork(reason: StopReason | null): WorkEnd {
  if (reason === 'cancel') return { outcome: 'cancelled' };
  if (reason === 'drain') return { outcome: 'released' };
  if (reason === 'fence') return failedWork(classifyCode('LEASE_LOST', 'the host could not prove its lease any more'));
  return failedWork(classifyCode('CORE_TIME_LIMIT', 'planning took longer than its time limit'));
}
