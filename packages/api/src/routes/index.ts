/** Who does what each route asks for: one file a resource. A route of a resource here without a handler does not compile. */
import type { AnyHandler } from '../handler.ts';
import { installationHandlers } from './installation.ts';
import { jobHandlers } from './jobs.ts';
import { sessionHandlers } from './sessions.ts';
import { tokenHandlers } from './tokens.ts';

const resources = [sessionHandlers, tokenHandlers, jobHandlers, installationHandlers];

/** By `METHOD /path`. */
export const handlers: ReadonlyMap<string, AnyHandler> = new Map(
  resources.flatMap((resource) => Object.entries(resource as unknown as Readonly<Record<string, AnyHandler>>)),
);
