/** A worker host as a service; `main.ts` runs it as a process of its own. */
export { loadWorkerHostConfig, type WorkerHostConfig } from './config.ts';
export { type WorkerHostParts, type WorkerHostService, workerHost } from './worker-host.ts';
