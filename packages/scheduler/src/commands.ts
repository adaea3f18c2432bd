/** Pause, resume, cancel: durable as a command first, then told to the ledger, then seen by the leader. What a ledger was not told, a rebuild tells it. */
import { type JobView, newestGeneration } from '@millrace/journal';
import type { AnswerTo, Command, CommandRequest } from '@millrace/protocol';
import { oweCallbacks } from './callbacks/owe-callbacks.ts';
import type { Control } from './control.ts';
import { unlessRebuilding } from './known-ledger.ts';
import { notFound, readStatus } from './read-status.ts';
import { flagsOf } from './rebuild.ts';
import { refusal } from './refusal.ts';

type CommandAnswer = AnswerTo<'command'>;

export async function commandJob(request: CommandRequest, control: Control): Promise<CommandAnswer> {
  const { jobId, command, reason, by } = request;
  const view = await control.journal.readJob(jobId);
  if (view === null || view.job.record.tenant !== request.tenant) return notFound(jobId);
  const { generation } = view;
  const result = await control.journal.appendCommand<CommandAnswer>(
    jobId,
    (log) => {
      const refused = whyNot(view, log, command);
      if (refused !== null) return { refuse: { ...refusal('STATE_CONFLICT', `cannot ${command} ${jobId}: ${refused.why}`), state: refused.state } };
      const none = { opens: null, select: [], resultVersion: null, spec: null, specDigest: null };
      return { append: { jobId, command, generation, ...none, reason, by, at: control.clock.nowIso() } };
    },
    request.requestId,
  );
  if ('refused' in result) return result.refused;
  const { number } = result.appended.record;
  await unlessRebuilding(() => control.queues.ledger.applyFlags(jobId, generation, number, flagsOf(command) ?? {}));
  if (command === 'pause') await oweCallbacks(jobId, generation, 'job.paused', { command: number, reason }, control);
  await control.queues.events.nudgeLeader(jobId);
  control.log.info({ jobId, command, by }, 'job commanded');
  const status = await readStatus(jobId, control);
  return status === null ? notFound(jobId) : { ok: true, kind: 'command', jobId, number, status };
}

/** Judged by the log itself, so that of two commands at once the second sees the first. */
function whyNot(view: JobView, log: readonly Command[], command: CommandRequest['command']): { why: string; state: string } | null {
  const manifest = view.manifests.find((one) => one.generation === view.generation);
  if (manifest) return { why: `it is ${manifest.state}`, state: manifest.state };
  if (newestGeneration(log) !== view.generation) return { why: 'a redrive has opened its next generation', state: 'running' };
  const ours = log.filter((one) => one.generation === view.generation).map((one) => one.command);
  if (ours.includes('cancel')) return { why: 'it is being cancelled', state: 'cancelled' };
  const isPaused = ours.findLast((one) => one === 'pause' || one === 'resume') === 'pause';
  if (command === 'pause' && isPaused) return { why: 'it is paused', state: 'paused' };
  return command === 'resume' && !isPaused ? { why: 'it is not paused', state: 'running' } : null;
}
