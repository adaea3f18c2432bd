import { loadConfig, setting, telemetrySettings, told, withFileVariables } from '@millrace/service-kit';
import { z } from 'zod';

/** Variables whose value may lie in a file instead, named by `<name>_FILE`. */
export const workerHostFileVariables = ['MILLRACE_TASK_KEY'] as const;

/** Everything a worker host is told from outside. */
export const workerHostSettings = {
  MILLRACE_REDIS: setting.text().describe('Redis of this installation: unix:///path or redis://host:port'),
  MILLRACE_REDIS_PASSWORD_FILE: setting.text().optional().describe('file with the password of Redis, read before every connection'),
  MILLRACE_JOURNAL: setting.text().describe('the journal: file:///absolute/directory, or s3://bucket/prefix, gs:// or az:// that a connection covers'),
  MILLRACE_CORE: setting.text().optional().describe('the core binary; the one of this checkout when not given'),
  MILLRACE_TASK_KEY: setting.text().describe('keys of task signatures, <keyId>:<64 hex>, the first signs'),
  MILLRACE_POOL: setting.text(63).default('default').describe('pool of this host'),
  MILLRACE_SLOTS: told('`auto`, or an integer from 1 to 256', z.union([z.literal('auto'), setting.integer(1, 256)]))
    .prefault('1')
    .describe('cores of this host, one process each; auto: as many as its memory and processors allow'),
  MILLRACE_TIME_SCALE: setting.number(0.001, 100).prefault('1').describe('multiplies leases and every time that goes with them'),
  MILLRACE_READ_ROOTS: setting.directories().prefault('').describe('directories that inputs may lie in'),
  MILLRACE_WRITE_ROOTS: setting.directories().prefault('').describe('directories that outputs may go to'),
  MILLRACE_SECRETS: setting.text().optional().describe('directory with one file for each secret that specs may name: secret://a/b is its file a/b'),
  MILLRACE_CONNECTIONS: setting.text().optional().describe('JSON file that lists the stores jobs may use and where their credentials are found'),
  MILLRACE_HTTP_ALLOW: setting
    .list()
    .prefault('')
    .describe('hosts, each with a port unless it is 443, whose https:// objects may be inputs, separated by commas'),
  MILLRACE_SCRATCH: setting.text().describe('directory for what cores spill; emptied by them'),
  MILLRACE_LOG_LEVEL: setting.choice('debug', 'info', 'warn', 'error', 'silent').default('info').describe('least level that is logged'),
  MILLRACE_PARENT_PID: setting.integer(1, 4_194_304).optional().describe('the process ends when this one is gone'),
  MILLRACE_WORKER_ID: setting.text(64).optional().describe('name of this host in records; made up when not given'),
  MILLRACE_CORE_VERSION: setting.text(64).optional().describe('version the core must have, else this host does not start'),
  MILLRACE_RESULT_VERSION: setting.integer(1, 1_000_000).optional().describe('result version the core must have, else this host does not start'),
  MILLRACE_SANDBOX: setting
    .choice('required', 'bestEffort', 'off')
    .default('bestEffort')
    .describe('what becomes of a core that this computer cannot shut in completely: refused, or a warning'),
  MILLRACE_CORE_MEMORY: setting.integer(268_435_456, 1_099_511_627_776).prefault('1073741824').describe('bytes a core may use'),
  MILLRACE_TERMINATION_GRACE_MS: setting
    .integer(1_000, 86_400_000)
    .optional()
    .describe('after SIGTERM the system kills this process so much later; checked to hold the drain and what follows it'),
  ...telemetrySettings,
  MILLRACE_DRAIN_MS: setting.integer(0, 3_600_000).prefault('5000').describe('how long running attempts may go on after SIGTERM before they are released'),
} as const;

export type WorkerHostConfig = ReturnType<typeof loadWorkerHostConfig>;

/** After the drain, in ms: handing back, closing, ending cores. */
export const stopMs = 10_000;
/** Between the process's own end and the kill of the system, in ms. */
const spareMs = 5_000;

/** Throws with every problem at once. */
export function loadWorkerHostConfig(env: Readonly<Record<string, string | undefined>>) {
  return loadConfig(
    workerHostSettings,
    withFileVariables(env, workerHostFileVariables),
    ({ MILLRACE_DRAIN_MS: drainMs, MILLRACE_TERMINATION_GRACE_MS: graceMs }) => {
      const needed = drainMs + stopMs + spareMs;
      if (graceMs === undefined || needed <= graceMs) return [];
      return [
        `MILLRACE_TERMINATION_GRACE_MS: expected at least ${needed} (MILLRACE_DRAIN_MS ${drainMs} and ${stopMs + spareMs} for what follows), got ${graceMs}`,
      ];
    },
  );
}
