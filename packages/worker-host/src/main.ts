import {
  createLogger,
  Health,
  logHealth,
  placeFields,
  processMetrics,
  runService,
  settingsOrEnd,
  systemClock,
  systemRandom,
  telemetryServer,
} from '@millrace/service-kit';
import { loadWorkerHostConfig, stopMs } from './config.ts';
import { hostFolding, hostMetrics } from './metrics.ts';
import { workerHost } from './worker-host.ts';

const config = settingsOrEnd('worker-host', () => loadWorkerHostConfig(process.env));
const { MILLRACE_POOL: pool, MILLRACE_TELEMETRY_PORT: port, MILLRACE_TELEMETRY_HOST: host } = config;
const telling = processMetrics(hostFolding);
const fields = { pool, ...placeFields(config) };
const log = createLogger({ service: 'worker-host', level: config.MILLRACE_LOG_LEVEL, fields, onMessage: telling.recordLogMessage });
const health = new Health(systemClock);
logHealth(health, log);
const telemetry = telemetryServer({ port, host, health, metrics: telling.metrics });
const metrics = hostMetrics(telling, pool);
const service = workerHost({ config, log, clock: systemClock, random: systemRandom, metrics, health, environment: process.env });
const parentPid = config.MILLRACE_PARENT_PID ?? null;

process.exit(
  await runService([telemetry, service], {
    log,
    stopWithinMs: config.MILLRACE_DRAIN_MS + stopMs,
    parentPid,
    watchStdin: parentPid !== null,
    failure: service.unsound,
    hurry: () => service.hurry(),
  }),
);
