/** Starts Rust cores, speaks the wire with them, ends them. The only package that knows that the core is a child process. */

export { Connections, fileConnection } from './connections.ts';
export type { Answer, RequestInput, RequestOptions } from './core-client.ts';
export type { CoreGoneCode, KillReason } from './core-gone-error.ts';
export { CoreGoneError } from './core-gone-error.ts';
export type { CoreLog } from './core-log.ts';
export { corePath } from './core-path.ts';
export type { CoreLease, CorePoolOptions } from './core-pool.ts';
export { CorePool } from './core-pool.ts';
export type { CoreOptions, CoreProcess, HelloOptions } from './core-process.ts';
export { startCore } from './core-process.ts';
export type { CoreTimes } from './core-times.ts';
export { coreTimes } from './core-times.ts';
export type { CoreWatch } from './core-watch.ts';
export { InspectingCore } from './inspecting-core.ts';
export { SteadyCore } from './steady-core.ts';
export { storeOperations, watchStoreCalls } from './store-calls.ts';
