/**
 * Logs: JSON lines on stderr. A message is a constant, what varies stands in fields; errors stand under `err`. Secrets are taken out by the name of
 * their field.
 */
import { type DestinationStream, destination, type Logger, pino, stdSerializers } from 'pino';

import { type Clock, systemClock } from './clock.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

export interface Log {
  /** Steps. */
  readonly debug: Write;
  /** One line per job state and attempt end. */
  readonly info: Write;
  /** We coped; watch the count. */
  readonly warn: Write;
  /** A person must look. */
  readonly error: Write;
  /** The same log with these fields in every line. */
  child(fields: Readonly<Record<string, unknown>>): Log;
}

export interface LoggerOptions {
  readonly service: string;
  readonly clock?: Pick<Clock, 'nowIso'>;
  readonly level: LogLevel;
  /** In every line. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Told of each line that is written. */
  readonly onMessage?: ((level: Exclude<LogLevel, 'silent'>) => void) | undefined;
  /** Where lines go; stderr unless a test wants them. */
  readonly destination?: DestinationStream;
}

const secretNames = ['password', 'secret', 'token', 'taskKey', 'authorization', 'cookie', 'credentials'];
const redactedPaths = secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export function createLogger(options: LoggerOptions): Log {
  const clock = options.clock ?? systemClock;
  const logger = pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid, ...options.fields },
      timestamp: () => `,"time":"${clock.nowIso()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
      redact: { paths: redactedPaths, censor: '[redacted]' },
    },
    // Written at once: the last lines before an end are the ones that matter.
    options.destination ?? destination({ dest: 2, sync: true }),
  );
  return asLog(logger, options.onMessage ?? (() => {}));
}

/** Writes nothing. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silentLog };

function asLog(logger: Logger, onMessage: NonNullable<LoggerOptions['onMessage']>): Log {
  const write =
    (level: Exclude<LogLevel, 'silent'>): Write =>
    (fields, message) => {
      if (logger.isLevelEnabled(level)) onMessage(level);
      logger[level](fields, message);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), child: (fields) => asLog(logger.child(fields), onMessage) };
}
