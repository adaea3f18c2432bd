/** The scheduler, for those that compose services. Run by itself it is `main.ts`. */
export { startScheduler, type RunningScheduler, type SchedulerOptions } from './start-scheduler.ts';
export { decideNextTry, type NextTry, type RetryMode, type RetryPolicy } from './retry-policy.ts';
