import { ConfigError, createLogger, Health, logHealth, processMetrics, runService, systemClock, systemRandom, telemetryServer } from '@millrace/service-kit';
import { loadWorkerHostConfig, stopMs } from './config.ts';
import { hostFolding, hostMetrics } from './metrics.ts';
import { workerHost } from './worker-host.ts';

async function main(): Promise<number> {
  try {
    const config = loadWorkerHostConfig(process.env);
    const telling = processMetrics(hostFolding);
    const log = createLogger({ service: 'worker-host', level: config.MILLRACE_LOG_LEVEL, onMessage: telling.recordLogMessage });
    const health = new Health(systemClock);
    logHealth(health, log);
    const metrics = hostMetrics(telling, config.MILLRACE_POOL);
    const service = workerHost({ config, log, clock: systemClock, random: systemRandom, metrics, health, environment: process.env });
    const { MILLRACE_TELEMETRY_PORT: port, MILLRACE_TELEMETRY_HOST: host } = config;
    const telemetry = telemetryServer({ port, host, health, metrics: telling.metrics });
    const parentPid = config.MILLRACE_PARENT_PID ?? null;
    return await runService([telemetry, service], {
      log,
      stopWithinMs: config.MILLRACE_DRAIN_MS + stopMs,
      parentPid,
      watchStdin: parentPid !== null,
      failure: service.unsound,
      hurry: () => service.hurry(),
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

process.exit(await main());
