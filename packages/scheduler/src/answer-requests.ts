/** Serves the intake queue: take the question, do what it asks, write the answer, then acknowledge. A repeated task finds everything done. */
import { type Answer, parseTaskId, type Request, type RequestKind } from '@millrace/protocol';
import type { ClaimedTask, TaskConsumer, TaskOutcome } from '@millrace/queues';
import { failpoint } from '@millrace/service-kit/failpoints';
import { checkSubmit } from './answer-check.ts';
import { audited } from './audited.ts';
import { commandJob } from './commands.ts';
import type { Control } from './control.ts';
import { enqueueChunks } from './enqueue-chunks.ts';
import { openJobStream, submitJob } from './intake.ts';
import { answerResult, answerStatus } from './read-status.ts';
import { redriveJob } from './redrive.ts';
import { answerItems, answerOperation, answerOperations, steerOperation } from './redrives/answer-operations.ts';
import { answerAttempts, answerDeadLetters, answerErrorGroup, answerErrorGroups, triageGroup } from './redrives/answer-trouble.ts';
import { answerPlan, planRedrive } from './redrives/freeze-plan.ts';
import { planReplay } from './redrives/plan-replay.ts';
import { startRedrive } from './redrives/start-plan.ts';
import { refusal, refusalOf } from './refusal.ts';
import { replayRejects } from './replay.ts';
import { retryNow } from './retry-now.ts';
import { answerSchedules, putSchedule, steerSchedule } from './schedules/answer-schedules.ts';
import { sealStream } from './seal-stream.ts';

const atOnce = 8;

type Handlers = { readonly [Kind in RequestKind]: (request: Extract<Request, { kind: Kind }>, control: Control) => Promise<Answer> };

const handlers: Handlers = {
  submit: submitJob,
  check: checkSubmit,
  open: openJobStream,
  chunks: enqueueChunks,
  seal: sealStream,
  command: commandJob,
  redrive: redriveJob,
  replay: replayRejects,
  putSchedule,
  steerSchedule,
  schedules: answerSchedules,
  status: answerStatus,
  result: answerResult,
  planRedrive,
  planReplay,
  redrivePlan: answerPlan,
  startRedrive,
  operations: answerOperations,
  operation: answerOperation,
  operationItems: answerItems,
  steerOperation,
  deadLetters: answerDeadLetters,
  attempts: answerAttempts,
  retryNow,
  errorGroups: answerErrorGroups,
  errorGroup: answerErrorGroup,
  triage: triageGroup,
};

export function consumeRequests(control: Control): TaskConsumer {
  return control.queues.tasks.consume('intake', { concurrency: atOnce }, (task) => whileRenewing(task, control, () => serve(task, control)));
}

async function serve(task: ClaimedTask, control: Control): Promise<TaskOutcome> {
  const id = readId(task.taskId);
  if (id === null || task.tenant === null) {
    control.log.warn({ taskId: task.taskId }, 'intake task not readable');
    return 'failed';
  }
  const { requests } = control.queues;
  // An answer that stands is the answer: the entry came back because its acknowledgement was lost.
  if (await requests.answered(task.tenant, id)) return 'acknowledge';
  const answer = await answerOf(task.tenant, id, control);
  await failpoint('accept.d-answer', task.taskId);
  if (answer !== null) await requests.answer(task.tenant, id, answer);
  await failpoint('accept.answer-f', task.taskId);
  return 'acknowledge';
}

/** Null: the question is gone, and so is whoever asked it. */
async function answerOf(tenant: string, id: string, control: Control): Promise<Answer | null> {
  let request: Request | null;
  try {
    request = await control.queues.requests.take(tenant, id);
  } catch (error) {
    return refusal('REQUEST_INVALID', error instanceof Error ? error.message : String(error));
  }
  if (request === null) return null;
  try {
    return await answer(request, control);
  } catch (err) {
    control.log.warn({ err, kind: request.kind, requestId: request.requestId }, 'request failed');
    return refusalOf(err);
  }
}

function answer<Kind extends RequestKind>(request: Extract<Request, { kind: Kind }>, control: Control): Promise<Answer> {
  const handle = handlers[request.kind] as Handlers[Kind];
  return audited(request, control, () => handle(request, control));
}

function readId(taskId: string): string | null {
  try {
    const parts = parseTaskId(taskId);
    return parts.kind === 'intake' ? parts.id : null;
  } catch {
    return null;
  }
}

/** A listing of many inputs may outlast a lease. A lost one only means that another scheduler does the same. */
async function whileRenewing(task: ClaimedTask, control: Control, act: () => Promise<TaskOutcome>): Promise<TaskOutcome> {
  let stopped = false;
  let cancel = (): void => {};
  const again = (): void => {
    cancel = control.clock.after(control.times.renewMs, () => {
      task
        .renew()
        .catch(() => 'lost')
        .finally(() => (stopped ? undefined : again()));
    });
  };
  again();
  try {
    return await act();
  } finally {
    stopped = true;
    cancel();
  }
}
