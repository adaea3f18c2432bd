/** Pure: how long a generation has been at work, for the time limit of its job. */
import type { Command } from '@millrace/protocol';

/**
 * Milliseconds since the job was accepted or, later, since the command that opened this generation, without the time it stood paused. By wall clocks,
 * which is all that outlives a process; a limit of seconds is not meant to be exact.
 */
export function activeMs(job: { readonly acceptedAt: string; readonly generation: number }, commands: readonly Command[], nowMs: number): number {
  const opening = commands.find(({ opens }) => opens === job.generation);
  const sinceMs = Date.parse(opening?.at ?? job.acceptedAt);
  let pausedMs = 0;
  let pausedAtMs: number | null = null;
  for (const { command, generation, at } of commands) {
    if (generation !== job.generation) continue;
    if (command === 'pause') pausedAtMs ??= Date.parse(at);
    if (command !== 'resume' || pausedAtMs === null) continue;
    pausedMs += Math.max(0, Date.parse(at) - pausedAtMs);
    pausedAtMs = null;
  }
  if (pausedAtMs !== null) pausedMs += Math.max(0, nowMs - pausedAtMs);
  return Math.max(0, nowMs - sinceMs - pausedMs);
}
