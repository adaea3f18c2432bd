/** Settings of the API, each from one variable. Read once, in `main.ts`. */
import { corePath } from '@millrace/core-client';
import { leaseTimes } from '@millrace/protocol';
import { type ConfigOf, type ConfigShape, loadConfig, logLevels, setting, telemetrySettings, withFileVariables } from '@millrace/service-kit';
import { isLoopbackAddress } from './security.ts';

export const apiSettings = {
  MILLRACE_REDIS: setting.text().describe('unix:///path/redis.sock or redis://host:port'),
  MILLRACE_REDIS_PASSWORD_FILE: setting.text().optional().describe('file with the password of Redis, read before every connection'),
  MILLRACE_JOURNAL: setting.text().describe('the journal: file:///absolute/directory, or s3://bucket/prefix, gs:// or az:// that a connection covers'),
  MILLRACE_CORE: setting.text().prefault(corePath()).describe('path of the core binary'),
  MILLRACE_HTTP_HOST: setting.text(255).prefault('127.0.0.1').describe('address to listen on; a loopback address serves this computer alone'),
  MILLRACE_HTTP_PORT: setting.integer(0, 65_535).prefault('8080').describe('port to listen on; 0 takes any that is free'),
  MILLRACE_PUBLIC_URL: setting
    .text(500)
    .optional()
    .describe('the address that browsers use, such as https://millrace.example.com; needed for sign-ins from other computers'),
  MILLRACE_TRUSTED_PROXIES: setting.list().prefault('').describe('addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas'),
  MILLRACE_ENVIRONMENT: setting.text(63).prefault('development').describe('name of the installation; production asks for a reason with every act'),
  MILLRACE_RATE_LIMIT: setting.integer(10, 1_000_000).prefault('1200').describe('requests a minute of one token, session or address'),
  MILLRACE_DEV_TOKEN: setting.text(128).optional().describe('mrt_ and 43 characters: an admin token that lives with the process, on a loopback address alone'),
  MILLRACE_DASHBOARD: setting.text().optional().describe('directory of the built dashboard; none is served when it is not there'),
  MILLRACE_TIME_SCALE: setting.number(0.001, 100).prefault('1').describe('multiplies leases and what goes with them; below 1 for tests and demos'),
  MILLRACE_READ_ROOTS: setting.directories().prefault('').describe('absolute directories that inputs may lie in, separated by colons'),
  MILLRACE_WRITE_ROOTS: setting.directories().prefault('').describe('absolute directories that outputs may lie in, separated by colons'),
  MILLRACE_CONNECTIONS: setting.text().optional().describe('JSON file that lists the stores jobs may use and where their credentials are found'),
  MILLRACE_HTTP_ALLOW: setting
    .list()
    .prefault('')
    .describe('hosts, each with a port unless it is 443, whose https:// objects may be inputs, separated by commas'),
  MILLRACE_SANDBOX: setting
    .choice('required', 'bestEffort', 'off')
    .prefault('bestEffort')
    .describe('what becomes of a core that this computer cannot shut in completely: refused, or a warning'),
  MILLRACE_SCRATCH: setting.text().describe('directory for files that do not outlive the process'),
  ...telemetrySettings,
  MILLRACE_LOG_LEVEL: setting
    .choice(...logLevels)
    .prefault('info')
    .describe('least level that is logged'),
  MILLRACE_PARENT_PID: setting
    .integer(1, 2 ** 31)
    .optional()
    .describe('the process ends when this one is gone'),
} satisfies ConfigShape;

/** Variables that may name a file instead. */
export const apiFileVariables: readonly string[] = ['MILLRACE_DEV_TOKEN'];

export type ApiConfig = ConfigOf<typeof apiSettings>;

/** Throws `ConfigError` with every problem. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ApiConfig {
  return loadConfig(apiSettings, withFileVariables(env, apiFileVariables), problemsOf, {
    alsoKnown: [
      'MILLRACE_SLOTS',
      'MILLRACE_CORE_MEMORY',
      'MILLRACE_DRAIN_MS',
      'MILLRACE_TASK_KEY',
      'MILLRACE_POOL',
      'MILLRACE_TENANTS',
      'MILLRACE_SECRETS',
      'MILLRACE_WORKER_ID',
    ],
  });
}

function problemsOf(config: ApiConfig): string[] {
  const problems: string[] = [];
  const { MILLRACE_DEV_TOKEN: devToken, MILLRACE_PUBLIC_URL: url } = config;
  try {
    leaseTimes(config.MILLRACE_TIME_SCALE);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  if (devToken !== undefined && !/^mrt_[A-Za-z0-9_-]{43}$/.test(devToken)) problems.push('MILLRACE_DEV_TOKEN: expected mrt_ and 43 letters, digits, - or _');
  if (devToken !== undefined && !isLoopbackAddress(config.MILLRACE_HTTP_HOST)) {
    problems.push('MILLRACE_DEV_TOKEN: expected a loopback address in MILLRACE_HTTP_HOST beside it: a token in a variable is for this computer alone');
  }
  if (url !== undefined && !isOrigin(url))
    problems.push(`MILLRACE_PUBLIC_URL: expected https://host or http://host without a path, got ${JSON.stringify(url)}`);
  return problems;
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === text.replace(/\/$/, '');
}
