/** The one table of routes. A resource has its own file; this gathers them. */
import { sessionRoutes } from './resources/sessions.ts';

export const routes = [...sessionRoutes] as const;

export type ApiRoute = (typeof routes)[number];
