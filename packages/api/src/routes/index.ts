/** Who does what each route asks for: one file a resource. A route of a resource here without a handler does not compile. */
import type { AnyHandler } from '../handler.ts';
import { chunkHandlers } from './chunks.ts';
import { deadLetterHandlers } from './dead-letters.ts';
import { errorHandlers } from './errors.ts';
import { installationHandlers } from './installation.ts';
import { jobDetailHandlers } from './job-details.ts';
import { jobHandlers } from './jobs.ts';
import { operationHandlers } from './operations.ts';
import { queueHandlers } from './queues.ts';
import { redriveHandlers } from './redrives.ts';
import { rejectHandlers } from './rejects.ts';
import { scheduleHandlers } from './schedules.ts';
import { sessionHandlers } from './sessions.ts';
import { statsHandlers } from './stats.ts';
import { streamHandlers } from './stream.ts';
import { tokenHandlers } from './tokens.ts';
import { waiverHandlers } from './waivers.ts';
import { workerHandlers } from './workers.ts';

const reads = [jobDetailHandlers, chunkHandlers, rejectHandlers, errorHandlers, deadLetterHandlers];
const steering = [redriveHandlers, waiverHandlers, operationHandlers, scheduleHandlers, queueHandlers, workerHandlers, statsHandlers, streamHandlers];
const resources = [sessionHandlers, tokenHandlers, jobHandlers, installationHandlers, ...reads, ...steering];

/** By `METHOD /path`. */
export const handlers: ReadonlyMap<string, AnyHandler> = new Map(
  resources.flatMap((resource) => Object.entries(resource as unknown as Readonly<Record<string, AnyHandler>>)),
);
