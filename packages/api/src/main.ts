/** The API as a process: settings → parts → start → wait for a signal. */
import { readFileSync } from 'node:fs';
import { stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Connections } from '@millrace/core-client';
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
import { readConfig } from './config.ts';
import { apiMetrics } from './metrics.ts';
import { type RunningApi, startApi } from './start-api.ts';

const stopWithinMs = 20_000;

const config = settingsOrEnd('api', () => readConfig(process.env));
const telling = processMetrics();
const log = createLogger({ service: 'api', level: config.MILLRACE_LOG_LEVEL, fields: placeFields(config), onMessage: telling.recordLogMessage });
const metrics = apiMetrics(telling);
const health = new Health(systemClock);
logHealth(health, log);
const telemetry = telemetryServer({ port: config.MILLRACE_TELEMETRY_PORT, host: config.MILLRACE_TELEMETRY_HOST, health, metrics: telling.metrics });
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
let running: RunningApi | null = null;

const api = service(
  'api',
  async () => {
    running = await startApi({
      redis: config.MILLRACE_REDIS,
      redisPasswordFile: config.MILLRACE_REDIS_PASSWORD_FILE ?? null,
      journal: config.MILLRACE_JOURNAL,
      core: config.MILLRACE_CORE,
      host: config.MILLRACE_HTTP_HOST,
      port: config.MILLRACE_HTTP_PORT,
      publicUrl: config.MILLRACE_PUBLIC_URL ?? null,
      trustedProxies: config.MILLRACE_TRUSTED_PROXIES,
      environment: config.MILLRACE_ENVIRONMENT,
      requestsPerMinute: config.MILLRACE_RATE_LIMIT,
      devToken: config.MILLRACE_DEV_TOKEN,
      dashboard: config.MILLRACE_DASHBOARD ?? fileURLToPath(new URL('../../dashboard/dist', import.meta.url)),
      timeScale: config.MILLRACE_TIME_SCALE,
      readRoots: config.MILLRACE_READ_ROOTS,
      writeRoots: config.MILLRACE_WRITE_ROOTS,
      connections: Connections.read(config.MILLRACE_CONNECTIONS, process.env),
      httpAllow: config.MILLRACE_HTTP_ALLOW,
      sandbox: config.MILLRACE_SANDBOX,
      scratch: config.MILLRACE_SCRATCH,
      version,
      log,
      health,
      metrics,
    });
    log.info({ url: running.url }, 'api listening');
    if (config.MILLRACE_DEV_TOKEN === undefined) running.firstSignIn().then(printLink, (err: unknown) => log.warn({ err }, 'link of the first start not made'));
  },
  async () => running?.stop(),
);

/** To a person at the terminal, not to the log: whoever holds it becomes the admin. */
function printLink(link: string | null): void {
  if (link !== null) stdout.write(`No account is there yet. Create the admin's within 15 minutes: ${link}\n`);
}

process.exit(await runService([telemetry, api], { log, stopWithinMs, parentPid: config.MILLRACE_PARENT_PID ?? null }));
