/** How long a host waits for its core. Scaled with the other times of a test, with floors: starting and killing a process take what they take. */
export interface CoreTimes {
  /** From spawn to the core's `Hello`. */
  readonly startMs: number;
  /** From `Cancel` to the kill. */
  readonly cancelMs: number;
  /** From the end of stdin to the kill. */
  readonly stopMs: number;
  /** From the process's end to giving up on what may still lie in its pipes. */
  readonly closeMs: number;
}

export function coreTimes(timeScale = 1): CoreTimes {
  const scaled = (ms: number, floorMs: number): number => Math.max(Math.round(ms * timeScale), floorMs);
  return { startMs: scaled(10_000, 5_000), cancelMs: scaled(5_000, 500), stopMs: scaled(2_000, 1_000), closeMs: scaled(5_000, 1_000) };
}
