/** The numbers of a worker host, by what happened. Counted where a verdict is won or an attempt closed, a batch at a time, and never twice. */
import {
  type AttemptFailureClass,
  type AttemptOutcome,
  attemptClasses,
  attemptCodes,
  type Chunk,
  type ClassLabel,
  classLabels,
  type FailureCode,
  isClassOf,
  maxJobNameLabels,
  outcomeLabels,
  type Receipt,
  recordCodes,
  type TaskKindLabel,
  taskKinds,
} from '@millrace/protocol';
import type { Phases } from '@millrace/protocol/wire';
import type { RefusalReason } from '@millrace/queues';
import { dependencyMetrics, type ProcessMetrics } from '@millrace/service-kit';

const workKindLabels = ['plan', 'chunk', 'finish'] as const;
const phaseLabels = ['read', 'decode', 'transform', 'encode', 'write', 'commit'] as const;
const refusals = [
  'signature',
  'committed',
  'paused',
  'cancelled',
  'generation',
  'version',
  'dispatch',
  'ended',
  'rebuilding',
  'unknown',
  'crashed_here',
] as const;
const slotStates = ['busy', 'idle', 'draining'] as const;
const coreStarts = ['first', 'crash', 'memory', 'hang', 'protocol', 'fence', 'recycle'] as const;
const coreRequests = ['probe', 'plan', 'process', 'reduce', 'inspect', 'store'] as const;
const sandboxes = ['full', 'partial', 'none'] as const;

export type CoreStartReason = (typeof coreStarts)[number];
export type CoreRequestLabel = (typeof coreRequests)[number];
type Refusal = (typeof refusals)[number];

/** The ledger's reasons in the words of the metric. */
const refusalOf: Readonly<Record<RefusalReason, Refusal>> = {
  'has-outcome': 'committed',
  paused: 'paused',
  cancelled: 'cancelled',
  'old-generation': 'generation',
  'result-version': 'version',
  'old-task': 'dispatch',
  ended: 'ended',
  rebuilding: 'rebuilding',
  'unknown-job': 'unknown',
  'crashed-here': 'crashed_here',
};

export type HostMetrics = ReturnType<typeof hostMetrics>;

/** Labels whose names come from outside, for the constructor of the registry. */
export const hostFolding = ['job_name'] as const;

const isFailure = (outcome: AttemptOutcome): boolean => outcome === 'failed' || outcome === 'lost';

export function hostMetrics({ metrics, recordBuild, recordClockOffset }: ProcessMetrics, pool: string) {
  const pools = [pool] as const;
  const jobNames = metrics.openNames('job_name', maxJobNameLabels);
  const taskWait = metrics.histogram({
    name: 'millrace_task_wait_seconds',
    help: 'From enqueued to claimed, in seconds.',
    labels: { queue: workKindLabels, pool: pools },
    buckets: 'wait',
  });
  const attempts = metrics.counter({
    name: 'millrace_attempts_total',
    help: 'Attempts that ended; lost ones are counted by whoever closes them.',
    labels: { task_kind: taskKinds, outcome: outcomeLabels, class: classLabels },
    occurs: (labels) => isFailure(labels.outcome) === (labels.class !== 'none') && (labels.outcome !== 'lost' || labels.class === 'lost'),
  });
  const attemptFailures = metrics.counter({
    name: 'millrace_attempt_failures_total',
    help: 'Attempts that failed or were lost, by the code of the failure.',
    labels: { class: attemptClasses, code: attemptCodes },
    occurs: (labels) => isClassOf(labels.class, labels.code),
    fromStart: false,
  });
  const attemptDuration = metrics.histogram({
    name: 'millrace_attempt_duration_seconds',
    help: 'From the opening of an attempt on this host to its end, in seconds.',
    labels: { task_kind: taskKinds, outcome: outcomeLabels },
    occurs: ({ outcome }) => outcome !== 'lost',
    buckets: 'run',
  });
  const phaseSeconds = metrics.counter({
    name: 'millrace_attempt_phase_seconds_total',
    help: 'Seconds of committed attempts by what the core did in them.',
    labels: { phase: phaseLabels },
  });
  const attemptsRunning = metrics.gauge({ name: 'millrace_attempts_running', help: 'Attempts in hand on this host.', labels: { pool: pools } });
  const records = metrics.counter({
    name: 'millrace_records_total',
    help: 'Records of committed chunks by what became of them.',
    labels: { job_name: jobNames, fate: ['emitted', 'filtered', 'deduplicated', 'rejected'] },
  });
  const rowsWritten = metrics.counter({ name: 'millrace_rows_written_total', help: 'Rows in the output of committed chunks.', labels: { job_name: jobNames } });
  const inputBytes = metrics.counter({
    name: 'millrace_input_bytes_total',
    help: 'Bytes that committed chunks read, counted after decompression.',
    labels: { job_name: jobNames },
  });
  const outputBytes = metrics.counter({
    name: 'millrace_output_bytes_total',
    help: 'Bytes of the parts, rejects and exchange objects of committed chunks.',
    labels: { job_name: jobNames },
  });
  const wastedBytes = metrics.counter({
    name: 'millrace_wasted_bytes_total',
    help: 'Bytes read by attempts that did not commit.',
    labels: { outcome: ['failed', 'lost', 'superseded', 'released', 'cancelled'] },
  });
  const rejects = metrics.counter({
    name: 'millrace_rejects_total',
    help: 'Rejects of committed chunks by code.',
    labels: { job_name: jobNames, code: recordCodes },
    fromStart: false,
  });
  const repairs = metrics.counter({
    name: 'millrace_repairs_total',
    help: 'Records of committed chunks that a lenient option changed, by the code they would have been rejected with.',
    labels: { job_name: jobNames, code: recordCodes },
    fromStart: false,
  });
  const bisections = metrics.counter({
    name: 'millrace_bisections_total',
    help: 'Bisections of chunks that kill or exhaust the core.',
    labels: { result: ['isolated', 'gave_up'] },
  });
  const leaseRenewals = metrics.counter({
    name: 'millrace_lease_renewals_total',
    help: 'Lease renewals; a late one came after two periods without any.',
    labels: { result: ['renewed', 'late', 'refused', 'error'] },
  });
  const leaseFences = metrics.counter({ name: 'millrace_lease_fences_total', help: 'Attempts that were stopped because their lease could not be proven.' });
  const tasksRefused = metrics.counter({ name: 'millrace_tasks_refused_total', help: 'Claimed tasks that were not run.', labels: { reason: refusals } });
  const balanceFailures = metrics.counter({
    name: 'millrace_balance_failures_total',
    help: 'Generations whose records in were not their records out.',
  });
  const workerSlots = metrics.gauge({ name: 'millrace_worker_slots', help: 'Slots of this host.', labels: { pool: pools, state: slotStates } });
  const drains = metrics.counter({
    name: 'millrace_drains_total',
    help: 'Drains by how the last attempt in hand ended.',
    labels: { result: ['finished', 'released', 'killed'] },
  });
  const coreStartsTotal = metrics.counter({ name: 'millrace_core_starts_total', help: 'Core processes started, by why.', labels: { reason: coreStarts } });
  const coreRequestDuration = metrics.histogram({
    name: 'millrace_core_request_duration_seconds',
    help: 'From a request to the answer of the core, in seconds.',
    labels: { request: coreRequests },
    buckets: 'run',
  });
  const pipeBytes = metrics.counter({
    name: 'millrace_core_pipe_bytes_total',
    help: 'Bytes over the stdin (out) and stdout (in) of cores.',
    labels: { direction: ['in', 'out'] },
  });
  const residentMemory = metrics.gauge({
    name: 'millrace_core_resident_memory_bytes',
    help: 'Resident memory of the cores of this host, in bytes.',
    labels: { pool: pools },
  });
  const spillBytes = metrics.gauge({
    name: 'millrace_core_spill_bytes',
    help: 'Bytes that the cores of this host hold in their scratch space.',
    labels: { pool: pools },
  });
  const sandbox = metrics.gauge({ name: 'millrace_core_sandbox', help: 'Cores of this host by what their sandbox reached.', labels: { state: sandboxes } });
  const recordCall = dependencyMetrics(metrics, {
    redis: ['command'],
    journal: ['read', 'write', 'list', 'delete'],
    output: ['read', 'write', 'list', 'delete'],
  });

  const auditFailures = metrics.counter({
    name: 'millrace_audit_failures_total',
    help: 'Acts not done because their audit record could not be written.',
  });

  return {
    recordAuditFailure: (): void => auditFailures.add({}),
    recordBuild,
    recordClockOffset,
    recordCall,

    /** A task of this kind was claimed after so long. A negative wait is two clocks that differ. */
    recordClaim: (queue: (typeof workKindLabels)[number], waitMs: number): void => taskWait.observe({ queue, pool }, Math.max(0, waitMs) / 1_000),
    recordAttemptsRunning: (count: number): void => attemptsRunning.set({ pool }, count),

    /** `seconds`: null of an attempt of another host that this one has closed. */
    recordAttemptEnded(
      taskKind: TaskKindLabel,
      outcome: AttemptOutcome,
      seconds: number | null,
      failure: { class: AttemptFailureClass; code: string } | null,
    ): void {
      attempts.add({ task_kind: taskKind, outcome, class: (failure?.class ?? 'none') as ClassLabel });
      if (failure !== null) attemptFailures.add({ class: failure.class, code: failure.code as FailureCode });
      if (seconds !== null && outcome !== 'lost') attemptDuration.observe({ task_kind: taskKind, outcome }, seconds);
    },
    recordWasted(outcome: Exclude<AttemptOutcome, 'committed'>, bytes: number): void {
      if (bytes > 0) wastedBytes.add({ outcome }, bytes);
    },
    recordPhases(phases: Phases): void {
      for (const phase of phaseLabels) phaseSeconds.add({ phase }, phases[`${phase}Us`] / 1e6);
    },

    /** From here on the job's series stand with 0. */
    knowJob: (name: string): void => void jobNames.know(name),
    /** Once for each verdict that an attempt of this host has won. */
    recordReceipt(jobName: string, receipt: Receipt): void {
      const job_name = jobNames.know(jobName);
      const { counts } = receipt;
      for (const fate of ['emitted', 'filtered', 'deduplicated', 'rejected'] as const) records.add({ job_name, fate }, counts[fate]);
      rowsWritten.add({ job_name }, counts.rowsOut);
      inputBytes.add({ job_name }, counts.bytesIn);
      outputBytes.add({ job_name }, bytesWritten(receipt));
      for (const [code, count] of Object.entries(receipt.byCode)) rejects.add({ job_name, code: code as FailureCode }, count);
      for (const [code, count] of Object.entries(receipt.repairs)) repairs.add({ job_name, code: code as FailureCode }, count);
    },

    recordBisection: (result: 'isolated' | 'gave_up'): void => bisections.add({ result }),
    recordRenewal: (result: 'renewed' | 'late' | 'refused' | 'error'): void => leaseRenewals.add({ result }),
    recordFence: (): void => leaseFences.add({}),
    recordRefusedTask: (reason: RefusalReason | 'signature'): void => tasksRefused.add({ reason: reason === 'signature' ? reason : refusalOf[reason] }),
    recordImbalance: (): void => balanceFailures.add({}),

    recordSlots(of: { readonly slots: number; readonly busy: number; readonly isDraining: boolean }): void {
      const busy = Math.min(of.busy, of.slots);
      workerSlots.set({ pool, state: 'busy' }, busy);
      workerSlots.set({ pool, state: 'idle' }, of.isDraining ? 0 : of.slots - busy);
      workerSlots.set({ pool, state: 'draining' }, of.isDraining ? of.slots - busy : 0);
    },
    recordDrain: (result: 'finished' | 'released' | 'killed'): void => drains.add({ result }),

    recordCoreStarted: (reason: CoreStartReason): void => coreStartsTotal.add({ reason }),
    recordCoreRequest: (request: CoreRequestLabel, seconds: number): void => coreRequestDuration.observe({ request }, seconds),
    recordPipeBytes: (direction: 'in' | 'out', bytes: number): void => pipeBytes.add({ direction }, bytes),
    recordCores(of: { readonly residentBytes: number; readonly spillBytes: number; readonly sandboxes: readonly (typeof sandboxes)[number][] }): void {
      residentMemory.set({ pool }, of.residentBytes);
      spillBytes.set({ pool }, of.spillBytes);
      for (const state of sandboxes) sandbox.set({ state }, of.sandboxes.filter((one) => one === state).length);
    },
  };
}

/** A partition is reduced, everything else is mapped. */
export const taskKindOf = (chunk: Pick<Chunk, 'kind'>): TaskKindLabel => (chunk.kind === 'partition' ? 'reduce' : 'map');

function bytesWritten({ parts, rejects, exchange }: Receipt): number {
  return [...parts, ...rejects].reduce((sum, { bytes }) => sum + bytes, exchange?.bytes ?? 0);
}
