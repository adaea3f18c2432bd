/** The scheduler as a process: settings → parts → start → wait for a signal. */
import { readFileSync } from 'node:fs';
import { Connections } from '@millrace/core-client';
import { parseTaskKeys, parseTenants } from '@millrace/protocol';
import { createLogger, runService, service } from '@millrace/service-kit';
import { poolSizes, readConfig } from './config.ts';
import { type RunningScheduler, startScheduler } from './start-scheduler.ts';

const stopWithinMs = 20_000;

const config = readConfig(process.env);
const log = createLogger({ service: 'scheduler', level: config.MILLRACE_LOG_LEVEL });
let running: RunningScheduler | null = null;

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
      ...(config.MILLRACE_WORKER_ID === undefined ? {} : { schedulerId: config.MILLRACE_WORKER_ID }),
    });
  },
  async () => running?.stop(),
);

process.exit(await runService([scheduler], { log, stopWithinMs, parentPid: config.MILLRACE_PARENT_PID ?? null }));
