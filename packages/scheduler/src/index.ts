/** The scheduler, for those that compose services. Run by itself it is `main.ts`. */

export { decideNextTry, type NextTry, type RetryMode, type RetryPolicy } from './retry-policy.ts';
export { type RunningScheduler, type SchedulerOptions, startScheduler } from './start-scheduler.ts';
