import { ConfigError, createLogger, runService, systemClock, systemRandom } from '@millrace/service-kit';
import { loadWorkerHostConfig, stopMs } from './config.ts';
import { workerHost } from './worker-host.ts';

async function main(): Promise<number> {
  try {
    const config = loadWorkerHostConfig(process.env);
    const log = createLogger({ service: 'worker-host', level: config.MILLRACE_LOG_LEVEL });
    const service = workerHost({ config, log, clock: systemClock, random: systemRandom, environment: process.env });
    const parentPid = config.MILLRACE_PARENT_PID ?? null;
    return await runService([service], {
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
