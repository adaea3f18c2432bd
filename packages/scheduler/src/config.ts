/** Settings of the scheduler, each from one variable. Read once, in `main.ts`. */
import { corePath } from '@millrace/core-client';
import { leaseTimes, parsePools, parseTaskKeys } from '@millrace/protocol';
import { type ConfigOf, type ConfigShape, loadConfig, logLevels, setting, telemetrySettings, withFileVariables } from '@millrace/service-kit';
import type { PoolSizes } from './scaling-keeper.ts';

/** Variables whose value may lie in a file instead, named by `<name>_FILE`. */
export const schedulerFileVariables = ['MILLRACE_TASK_KEY'] as const;

export const schedulerSettings = {
  MILLRACE_REDIS: setting.text().describe('unix:///path/redis.sock or redis://host:port'),
  MILLRACE_REDIS_PASSWORD_FILE: setting.text().optional().describe('file with the password of Redis, read before every connection'),
  MILLRACE_JOURNAL: setting.text().describe('the journal: file:///absolute/directory, or s3://bucket/prefix, gs:// or az:// that a connection covers'),
  MILLRACE_CORE: setting.text().prefault(corePath()).describe('path of the core binary'),
  MILLRACE_TASK_KEY: setting.text().describe('<key id>:<64 hex digits>, several separated by commas; the first signs'),
  MILLRACE_POOL: setting.text(63).prefault('default').describe('pool whose queues are filled'),
  MILLRACE_HTTP_PORT: setting.integer(0, 65_535).prefault('0').describe('port of /v1/stats/scaling for autoscalers; 0: it is not served'),
  MILLRACE_POOLS: setting
    .text()
    .optional()
    .describe('JSON file of pools: [{ "pool", "slotsPerPod", "minPods", "maxPods", "maxSlots"? }]; MILLRACE_POOL is one of them'),
  MILLRACE_TENANTS: setting.text().optional().describe('JSON file of tenants: { "<tenant>": { "weight", "maxChunks", "maxBytes" } }'),
  MILLRACE_TIME_SCALE: setting.number(0.001, 100).prefault('1').describe('multiplies leases and sweeps; below 1 for tests and demos'),
  MILLRACE_READ_ROOTS: setting.directories().prefault('').describe('absolute directories that inputs may lie in, separated by colons'),
  MILLRACE_WRITE_ROOTS: setting.directories().prefault('').describe('absolute directories that outputs may lie in, separated by colons'),
  MILLRACE_CONNECTIONS: setting.text().optional().describe('JSON file that lists the stores jobs may use and where their credentials are found'),
  MILLRACE_HTTP_ALLOW: setting
    .list()
    .prefault('')
    .describe('hosts, each with a port unless it is 443, whose https:// objects may be inputs, separated by commas'),
  MILLRACE_SECRETS: setting.text().optional().describe('directory with one file for each secret that webhooks are signed with: secret://a/b is its file a/b'),
  MILLRACE_SANDBOX: setting
    .choice('required', 'bestEffort', 'off')
    .prefault('bestEffort')
    .describe('what becomes of a core that this computer cannot shut in completely: refused, or a warning'),
  MILLRACE_SCRATCH: setting.text().describe('directory for files that do not outlive the process'),
  MILLRACE_LOG_LEVEL: setting
    .choice(...logLevels)
    .prefault('info')
    .describe('least level that is logged'),
  ...telemetrySettings,
  MILLRACE_PARENT_PID: setting
    .integer(1, 2 ** 31)
    .optional()
    .describe('the process ends when this one is gone'),
  MILLRACE_WORKER_ID: setting.text(64).optional().describe('name of this scheduler in logs and in the leader lease'),
} satisfies ConfigShape;

export type SchedulerConfig = ConfigOf<typeof schedulerSettings>;

/** Throws `ConfigError` with every problem. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): SchedulerConfig {
  return loadConfig(schedulerSettings, withFileVariables(env, schedulerFileVariables), problemsOf, {
    alsoKnown: ['MILLRACE_SLOTS', 'MILLRACE_CORE_MEMORY', 'MILLRACE_DRAIN_MS'],
  });
}

function problemsOf(config: SchedulerConfig): string[] {
  const problems: string[] = [];
  for (const check of [() => leaseTimes(config.MILLRACE_TIME_SCALE), () => parseTaskKeys(config.MILLRACE_TASK_KEY)]) {
    try {
      check();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  return problems;
}

/** The settings of one pool among those of the file. Throws a TypeError when it is not there. */
export function poolSizes(text: string, pool: string): PoolSizes {
  const pools = parsePools(text);
  const found = pools.find((one) => one.pool === pool);
  if (found === undefined) throw new TypeError(`cannot find pool ${pool} (MILLRACE_POOL) in MILLRACE_POOLS: it has ${pools.map((one) => one.pool).join(', ')}`);
  const { slotsPerPod, minPods, maxPods, maxSlots = null } = found;
  return { slotsPerPod, minPods, maxPods, maxSlots };
}
