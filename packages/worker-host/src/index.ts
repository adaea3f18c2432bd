/** A worker host as a service; `main.ts` runs it as a process of its own. */
export { loadWorkerHostConfig, type WorkerHostConfig } from './config.ts';
export { workerHost, type WorkerHostParts } from './worker-host.ts';
