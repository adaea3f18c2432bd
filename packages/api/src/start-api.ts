/** Builds the API from its settings: a core for the journal, Redis as far as it is there, and the server over both. For `main.ts` and for those that compose services. */
import { randomBytes } from 'node:crypto';
import { routes } from '@millrace/api-contract';
import { Connections, type CoreProcess, type CoreWatch, InspectingCore, SteadyCore, startCore, watchStoreCalls } from '@millrace/core-client';
import { AuditLog, type Journal, openJournal } from '@millrace/journal';
import { leaseTimes } from '@millrace/protocol';
import { type Clock, Health, idSource, type Log, type Random, systemClock, systemRandom } from '@millrace/service-kit';
import type { Api } from './api.ts';
import { Auth } from './auth/auth.ts';
import { Cursors } from './cursors.ts';
import { ApiHealth } from './health.ts';
import { JobIndex } from './job-index.ts';
import { JobReader } from './job-reader.ts';
import { type ApiMetrics, noMetrics } from './metrics.ts';
import { RateLimits } from './rate-limits.ts';
import { RedisDoor } from './redis-door.ts';
import { handlers } from './routes/index.ts';
import { isLoopbackAddress } from './security.ts';
import { buildServer } from './server.ts';

const coreMemoryBytes = 256 * 1024 * 1024;
/** Tries of one address with what is no credential, a minute: a twentieth of what a caller may ask, at least this. */
const leastStrangersPerMinute = 60;

export interface ApiOptions {
  readonly redis: string;
  readonly redisPasswordFile?: string | null;
  /** Of all keys in Redis; the default is right but for tests. */
  readonly prefix?: string;
  readonly journal: string;
  /** Path of the core binary. */
  readonly core: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly publicUrl?: string | null;
  readonly trustedProxies?: readonly string[];
  readonly environment: string;
  /** A minute, of one caller. */
  readonly requestsPerMinute: number;
  readonly devToken?: string | undefined;
  /** Directory of the built dashboard. */
  readonly dashboard?: string | null;
  readonly timeScale: number;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  readonly connections?: Connections;
  readonly httpAllow?: readonly string[];
  readonly sandbox?: 'required' | 'bestEffort' | 'off';
  readonly scratch: string;
  readonly version: string;
  /** Answers that do not fit their schema are faults: for tests. */
  readonly checkAnswers?: boolean;
  readonly log: Log;
  readonly health?: Health;
  readonly metrics?: ApiMetrics;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RunningApi {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** For those that run in the same process, such as tests. */
  readonly api: Api;
  /** A link that creates the first account, as soon as Redis is there; null when there is an account. */
  firstSignIn(): Promise<string | null>;
  /** Takes no new requests, ends those that are open, closes connections and ends the core. */
  stop(): Promise<void>;
}

/** Resolves when requests are served. Redis may be away; the journal may not. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { log } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const connections = (options.connections ?? Connections.none).withJournal(options.journal);
  const steady = new SteadyCore(() => startOwnCore(options, connections, watchStoreCalls((options.metrics ?? noMetrics).recordCall)));
  const core = new InspectingCore(steady);
  const redis = new RedisDoor(
    {
      redis: options.redis,
      times: leaseTimes(options.timeScale),
      log,
      onCommand: (seconds, worked) => options.metrics?.recordCall('redis', 'command', worked ? 'ok' : 'failed', seconds),
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
      ...(options.redisPasswordFile ? { passwordFile: options.redisPasswordFile } : {}),
    },
    { clock, log },
  );
  const stopParts = async (): Promise<void> => {
    await redis.stop();
    await steady.stop();
  };
  try {
    const journal = openJournal(core);
    await redis.start();
    const { coreVersion, resultVersion } = (await steady.current()).hello;
    options.metrics?.recordBuild({ service: 'api', version: options.version, coreVersion, resultVersion });
    const health = new ApiHealth(options.health ?? new Health(clock), clock);
    const api = await assemble({ options, clock, random, core, connections, redis, journal });
    const { dashboard = null, trustedProxies = [], checkAnswers = false } = options;
    const server = await buildServer(api, { routes, handlers, dashboard, trustedProxies, checkAnswers });
    await journal.putWitness();
    await health.start({ journal: () => journal.readWitness(), redis: async () => void (await redis.queues().sentinel.read()) });
    const url = await server.listen({ host: options.host, port: options.port });
    api.index.warm();
    const stop = async (): Promise<void> => {
      health.stopping();
      api.index.stop();
      await server.close();
      await stopParts();
    };
    return { url, api, firstSignIn: () => firstSignIn(api, options.publicUrl ?? url), stop };
  } catch (error) {
    await stopParts();
    throw error;
  }
}

interface Parts {
  readonly options: ApiOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly core: InspectingCore;
  readonly connections: Connections;
  readonly redis: RedisDoor;
  readonly journal: Journal;
}

async function assemble({ options, clock, random, core, connections, redis, journal }: Parts): Promise<Api> {
  const { log } = options;
  const ids = idSource(clock, random);
  const jobs = new JobReader(journal, redis);
  return {
    journal,
    core,
    connections,
    redis,
    jobs,
    index: new JobIndex({ journal, reader: jobs, clock, log }),
    auth: new Auth({ journal, redis, clock, random, log, devToken: options.devToken }),
    audit: new AuditLog(journal, ids),
    cursors: new Cursors(await cursorKey(journal, clock), () => clock.nowMs()),
    metrics: options.metrics ?? noMetrics,
    rateLimits: new RateLimits(() => clock.monotonicMs()),
    settings: {
      version: options.version,
      environment: options.environment,
      limits: { requestsPerMinute: options.requestsPerMinute, strangersPerMinute: Math.max(leastStrangersPerMinute, options.requestsPerMinute / 20) },
      site: { origin: options.publicUrl?.replace(/\/+$/, '') ?? null, isLoopback: isLoopbackAddress(options.host) },
      journalUri: options.journal.replace(/\/+$/, ''),
      readRoots: options.readRoots,
      writeRoots: options.writeRoots,
    },
    clock,
    random,
    ids,
    log,
  };
}

/** One for all servers of an installation, so that a cursor is good at each of them. Whoever starts first makes it. */
async function cursorKey(journal: Journal, clock: Clock): Promise<Buffer> {
  const known = await journal.readRegistered('api', 'cursors');
  if (known !== null) return Buffer.from(known.body.key, 'hex');
  const body = { key: randomBytes(32).toString('hex') };
  const { stored } = await journal.putRegistered('api', 'cursors', 1, { at: clock.nowIso(), by: 'api', reason: 'first start', body });
  return Buffer.from(stored.body.key, 'hex');
}

async function firstSignIn(api: Api, url: string): Promise<string | null> {
  await api.redis.opened;
  const secret = await api.auth.offerFirstSignIn();
  // Behind the hash: a browser does not send it to any server, and no log of a proxy has it.
  return secret === null ? null : `${url.replace(/\/+$/, '')}/login#link=${secret}`;
}

function startOwnCore(options: ApiOptions, connections: Connections, watch: CoreWatch): Promise<CoreProcess> {
  const { journalDirectory } = connections;
  return startCore({
    binary: options.core,
    hello: {
      hostVersion: 'api',
      slot: 0,
      memoryBytes: coreMemoryBytes,
      scratchBytes: 0,
      scratchDir: options.scratch,
      readRoots: [...options.readRoots, ...options.writeRoots],
      writeRoots: journalDirectory === null ? [] : [journalDirectory],
      connections: connections.forHello(),
      httpAllow: [...(options.httpAllow ?? [])],
      ports: [],
      sandbox: options.sandbox ?? 'bestEffort',
      logLevel: 'warn',
    },
    connections,
    log: options.log,
    watch,
    timeScale: Math.max(1, options.timeScale),
  });
}
