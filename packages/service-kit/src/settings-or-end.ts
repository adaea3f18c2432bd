/** The first step of every `main.ts`. */
import { ConfigError } from './config.ts';
import { createLogger } from './logger.ts';

/** What was wrong with the settings is for whoever started the process, and nothing that happens later would mend it. */
const refusedExitCode = 2;

/** The settings of a service; without them the process ends, with one line that names every problem. */
export function settingsOrEnd<Config>(service: string, read: () => Config): Config {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const log = createLogger({ service, level: 'error' });
    log.error({ problems: error.problems }, 'configuration refused');
    process.exit(refusedExitCode);
  }
}
