/** The one table of routes. A resource has its own file; this gathers them. */
import { chunkRoutes } from './resources/chunks.ts';
import { deadLetterRoutes } from './resources/dead-letters.ts';
import { errorRoutes } from './resources/errors.ts';
import { jobDetailRoutes } from './resources/job-details.ts';
import { rejectRoutes } from './resources/rejects.ts';
import { sessionRoutes } from './resources/sessions.ts';

export const routes = [...sessionRoutes, ...jobDetailRoutes, ...chunkRoutes, ...rejectRoutes, ...errorRoutes, ...deadLetterRoutes] as const;

export type ApiRoute = (typeof routes)[number];
