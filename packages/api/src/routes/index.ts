/** Who does what each route asks for: one file a resource. A route of a resource here without a handler does not compile. */
import type { AnyHandler } from '../handler.ts';
import { chunkHandlers } from './chunks.ts';
import { deadLetterHandlers } from './dead-letters.ts';
import { errorHandlers } from './errors.ts';
import { installationHandlers } from './installation.ts';
import { jobDetailHandlers } from './job-details.ts';
import { jobHandlers } from './jobs.ts';
import { rejectHandlers } from './rejects.ts';
import { sessionHandlers } from './sessions.ts';
import { tokenHandlers } from './tokens.ts';

const reads = [jobDetailHandlers, chunkHandlers, rejectHandlers, errorHandlers, deadLetterHandlers];
const resources = [sessionHandlers, tokenHandlers, jobHandlers, installationHandlers, ...reads];

/** By `METHOD /path`. */
export const handlers: ReadonlyMap<string, AnyHandler> = new Map(
  resources.flatMap((resource) => Object.entries(resource as unknown as Readonly<Record<string, AnyHandler>>)),
);
