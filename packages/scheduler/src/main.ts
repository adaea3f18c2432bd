/** The scheduler as a process: settings → parts → start → wait for a signal. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Connections } from '@millrace/core-client';
import { parseTaskKeys, parseTenants } from '@millrace/protocol';
import {
  createLogger,
  Health,
  logHealth,
  placeFields,
  processMetrics,
  runService,
  service,
  settingsOrEnd,
  systemClock,
  telemetryServer,
} from '@millrace/service-kit';
import { poolSizes, readConfig } from './config.ts';
import type { Control } from './control.ts';
import { schedulerFolding, schedulerMetrics } from './metrics.ts';
import { type ScalingServer, scalingServer } from './scaling-server.ts';
import { type RunningScheduler, startScheduler } from './start-scheduler.ts';

// New objects get no more room than they had while the process started: what lives is small, and a heap that grows with what came and went is kept.
setFlagsFromString('--semi-space-growth-factor=1');
// Of 25 MB that live the heap would grow to 120 before it is looked through, and what it once had stays resident.
setFlagsFromString('--heap-growing-percent=50');

const stopWithinMs = 20_000;

const config = settingsOrEnd('scheduler', () => readConfig(process.env));
const telling = processMetrics(schedulerFolding);
const fields = { pool: config.MILLRACE_POOL, ...placeFields(config) };
const log = createLogger({ service: 'scheduler', level: config.MILLRACE_LOG_LEVEL, fields, onMessage: telling.recordLogMessage });
const health = new Health(systemClock);
logHealth(health, log);
const metrics = schedulerMetrics(telling, config.MILLRACE_POOL);
const { MILLRACE_TELEMETRY_PORT: port, MILLRACE_TELEMETRY_HOST: host } = config;
const telemetry = telemetryServer({ port, host, health, metrics: telling.metrics });
let running: RunningScheduler | null = null;

let scaling: ScalingServer | null = null;

/** For autoscalers; on a laptop there is none. */
async function serveScaling(control: Control): Promise<void> {
  if (config.MILLRACE_HTTP_PORT === 0) return;
  scaling = scalingServer(control, { port: config.MILLRACE_HTTP_PORT, host: config.MILLRACE_TELEMETRY_HOST });
  await scaling.start();
}

const scheduler = service(
  'scheduler',
  async () => {
    running = await startScheduler({
      redis: config.MILLRACE_REDIS,
      redisPasswordFile: config.MILLRACE_REDIS_PASSWORD_FILE ?? null,
      journal: config.MILLRACE_JOURNAL,
      core: config.MILLRACE_CORE,
      taskKeys: parseTaskKeys(config.MILLRACE_TASK_KEY),
      pool: config.MILLRACE_POOL,
      ...(config.MILLRACE_POOLS === undefined ? {} : { poolSizes: poolSizes(readFileSync(config.MILLRACE_POOLS, 'utf8'), config.MILLRACE_POOL) }),
      ...(config.MILLRACE_TENANTS === undefined ? {} : { tenants: parseTenants(readFileSync(config.MILLRACE_TENANTS, 'utf8')) }),
      timeScale: config.MILLRACE_TIME_SCALE,
      readRoots: config.MILLRACE_READ_ROOTS,
      writeRoots: config.MILLRACE_WRITE_ROOTS,
      connections: Connections.read(config.MILLRACE_CONNECTIONS, process.env),
      httpAllow: config.MILLRACE_HTTP_ALLOW,
      scratch: config.MILLRACE_SCRATCH,
      sandbox: config.MILLRACE_SANDBOX,
      secrets: config.MILLRACE_SECRETS ?? null,
      log,
      metrics,
      health,
      ...(config.MILLRACE_WORKER_ID === undefined ? {} : { schedulerId: config.MILLRACE_WORKER_ID }),
    });
    await serveScaling(running.control);
  },
  async () => {
    await scaling?.stop();
    await running?.stop();
  },
);

process.exit(await runService([telemetry, scheduler], { log, stopWithinMs, parentPid: config.MILLRACE_PARENT_PID ?? null }));
