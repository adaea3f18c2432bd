/** States of a job, and the moves between them. */

export const jobStates = ['accepted', 'planning', 'running', 'paused', 'finishing', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

/**
 * Where a job may go from each state. From the terminal ones only a redrive leads on, as the next generation. A job paused while it was planned
 * goes back to `planning`. `finishing` returns to `running` when the journal shows a chunk without outcome.
 */
export const jobMoves: { readonly [From in JobState]: readonly JobState[] } = {
  accepted: ['planning', 'running', 'paused', 'finishing', 'failed', 'cancelled'],
  planning: ['running', 'paused', 'finishing', 'failed', 'cancelled'],
  running: ['paused', 'finishing', 'failed', 'cancelled'],
  paused: ['accepted', 'planning', 'running', 'finishing', 'failed', 'cancelled'],
  finishing: ['running', 'completed', 'failed', 'cancelled'],
  completed: ['running', 'planning'],
  failed: ['running', 'planning'],
  cancelled: ['running', 'planning'],
};

export const terminalJobStates = ['completed', 'failed', 'cancelled'] as const satisfies readonly JobState[];
export type TerminalJobState = (typeof terminalJobStates)[number];

export function isTerminalJobState(state: JobState): state is TerminalJobState {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

export function canMoveJob(from: JobState, to: JobState): boolean {
  return jobMoves[from].includes(to);
}
