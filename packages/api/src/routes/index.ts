/** Who does what each route asks for: one file a resource. A route of the table without a handler does not compile. */
import type { routes } from '@millrace/api-contract';
import type { AnyHandler, HandlersOf } from '../handler.ts';
import { chunkHandlers } from './chunks.ts';
import { deadLetterHandlers } from './dead-letters.ts';
import { errorHandlers } from './errors.ts';
import { installationHandlers } from './installation.ts';
import { jobDetailHandlers } from './job-details.ts';
import { jobHandlers } from './jobs.ts';
import { logHandlers } from './logs.ts';
import { operationHandlers } from './operations.ts';
import { queueHandlers } from './queues.ts';
import { redriveHandlers } from './redrives.ts';
import { rejectHandlers } from './rejects.ts';
import { scheduleHandlers } from './schedules.ts';
import { sessionHandlers } from './sessions.ts';
import { specHandlers } from './specs.ts';
import { statsHandlers } from './stats.ts';
import { streamHandlers } from './stream.ts';
import { tokenHandlers } from './tokens.ts';
import { userHandlers } from './users.ts';
import { waiverHandlers } from './waivers.ts';
import { workerHandlers } from './workers.ts';

const all = {
  ...sessionHandlers,
  ...tokenHandlers,
  ...userHandlers,
  ...jobHandlers,
  ...specHandlers,
  ...jobDetailHandlers,
  ...chunkHandlers,
  ...rejectHandlers,
  ...errorHandlers,
  ...deadLetterHandlers,
  ...redriveHandlers,
  ...waiverHandlers,
  ...logHandlers,
  ...operationHandlers,
  ...scheduleHandlers,
  ...queueHandlers,
  ...workerHandlers,
  ...statsHandlers,
  ...streamHandlers,
  ...installationHandlers,
} satisfies HandlersOf<typeof routes>;

/** By `METHOD /path`. */
export const handlers: ReadonlyMap<string, AnyHandler> = new Map(Object.entries(all as unknown as Readonly<Record<string, AnyHandler>>));
