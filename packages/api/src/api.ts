/** What handlers work with. Built once by `start-api.ts`. */
import type { Connections, InspectingCore } from '@millrace/core-client';
import type { AuditLog, Journal } from '@millrace/journal';
import type { IdSource } from '@millrace/protocol';
import type { Clock, Log, Random } from '@millrace/service-kit';
import type { Auth } from './auth/auth.ts';
import type { Cursors } from './cursors.ts';
import type { Limits } from './handle-request.ts';
import type { JobIndex } from './job-index.ts';
import type { JobReader } from './job-reader.ts';
import type { ApiMetrics } from './metrics.ts';
import type { RateLimits } from './rate-limits.ts';
import type { RedisDoor } from './redis-door.ts';
import type { Site } from './security.ts';

export interface Api {
  readonly journal: Journal;
  /** Its own core: for the journal, and for reads of inputs and rejects, which wait for one another. */
  readonly core: InspectingCore;
  readonly connections: Connections;
  readonly redis: RedisDoor;
  readonly jobs: JobReader;
  /** All jobs, for lists. */
  readonly index: JobIndex;
  readonly auth: Auth;
  readonly audit: AuditLog;
  readonly cursors: Cursors;
  readonly rateLimits: RateLimits;
  readonly metrics: ApiMetrics;
  readonly settings: ApiSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly log: Log;
}

/** Settings that handlers need. */
export interface ApiSettings {
  readonly version: string;
  /** `production` asks for a reason with every act. */
  readonly environment: string;
  readonly limits: Limits;
  readonly site: Site;
  /** Without a slash at its end. */
  readonly journalUri: string;
  /** Directories that inputs may lie in. */
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
}
