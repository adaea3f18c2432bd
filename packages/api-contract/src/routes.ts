/** The one table of routes. A resource has its own file; this gathers them. */
import { chunkRoutes } from './resources/chunks.ts';
import { deadLetterRoutes } from './resources/dead-letters.ts';
import { errorRoutes } from './resources/errors.ts';
import { installationRoutes } from './resources/installation.ts';
import { jobDetailRoutes } from './resources/job-details.ts';
import { jobRoutes } from './resources/jobs.ts';
import { logRoutes } from './resources/logs.ts';
import { operationRoutes } from './resources/operations.ts';
import { queueRoutes } from './resources/queues.ts';
import { redriveRoutes } from './resources/redrives.ts';
import { rejectRoutes } from './resources/rejects.ts';
import { scheduleRoutes } from './resources/schedules.ts';
import { sessionRoutes } from './resources/sessions.ts';
import { specRoutes } from './resources/specs.ts';
import { statsRoutes } from './resources/stats.ts';
import { streamRoutes } from './resources/stream.ts';
import { tokenRoutes } from './resources/tokens.ts';
import { userRoutes } from './resources/users.ts';
import { waiverRoutes } from './resources/waivers.ts';
import { workerRoutes } from './resources/workers.ts';

export const routes = [
  ...sessionRoutes,
  ...tokenRoutes,
  ...userRoutes,
  ...jobRoutes,
  ...specRoutes,
  ...chunkRoutes,
  ...deadLetterRoutes,
  ...errorRoutes,
  ...jobDetailRoutes,
  ...logRoutes,
  ...operationRoutes,
  ...queueRoutes,
  ...redriveRoutes,
  ...rejectRoutes,
  ...scheduleRoutes,
  ...statsRoutes,
  ...streamRoutes,
  ...waiverRoutes,
  ...workerRoutes,
  ...installationRoutes,
] as const;

export type ApiRoute = (typeof routes)[number];
