/** The contract of the HTTP API. The client is `@millrace/api-contract/client`: it loads no schema. */

export * from './problem.ts';
export * from './resources/chunks.ts';
export * from './resources/dead-letters.ts';
export * from './resources/errors.ts';
export * from './resources/installation.ts';
export * from './resources/job-details.ts';
export * from './resources/job-fields.ts';
export * from './resources/jobs.ts';
export * from './resources/logs.ts';
export * from './resources/operations.ts';
export * from './resources/queues.ts';
export * from './resources/redrives.ts';
export * from './resources/rejects.ts';
export * from './resources/schedules.ts';
export * from './resources/sessions.ts';
export * from './resources/specs.ts';
export * from './resources/stats.ts';
export * from './resources/stream.ts';
export * from './resources/tokens.ts';
export * from './resources/users.ts';
export * from './resources/waivers.ts';
export * from './resources/workers.ts';
export * from './route.ts';
export { type ApiRoute, routes } from './routes.ts';
export * from './shapes.ts';
