/** For tests: time that moves when told, signals to wait for, a log that is kept. */

export { type CapturedLine, captureLog } from './captured-log.ts';
export { FakeClock } from './fake-clock.ts';
export { seededRandom } from './seeded-random.ts';
export { TestSignal } from './test-signal.ts';
