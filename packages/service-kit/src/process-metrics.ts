/** What every process tells of itself, whatever its role. */
import type { LogLevel } from './logger.ts';
import { type Histogram, Metrics } from './metrics.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
const callResults = ['ok', 'failed'] as const;
const callOperations = ['read', 'write', 'list', 'delete', 'command'] as const;
export type CallResult = (typeof callResults)[number];
export type CallOperation = (typeof callOperations)[number];

export interface Build {
  readonly service: string;
  readonly version: string;
  readonly coreVersion: string;
  readonly resultVersion: number;
}

export interface ProcessMetrics {
  readonly metrics: Metrics;
  /** For the logger. */
  recordLogMessage(level: Exclude<LogLevel, 'silent'>): void;
  /** Once the core has said what it is. */
  recordBuild(build: Build): void;
  /** Own clock minus that of Redis, in milliseconds. */
  recordClockOffset(ms: number): void;
}

/** `folding`: labels whose names come from outside. */
export function processMetrics(folding: readonly string[] = []): ProcessMetrics {
  const metrics = new Metrics(folding).withProcess();
  const logMessages = metrics.counter({ name: 'millrace_log_messages_total', help: 'Log lines written.', labels: { level: levels } });
  const clockOffset = metrics.gauge({ name: 'millrace_clock_offset_seconds', help: 'Own clock minus the clock of Redis, in seconds.' });
  return {
    metrics,
    recordLogMessage: (level) => logMessages.add({ level }),
    recordBuild: (build) => recordBuild(build, metrics),
    recordClockOffset: (ms) => clockOffset.set({}, ms / 1_000),
  };
}

/** Declared when its one series is known: the versions are the core's. */
function recordBuild({ service, version, coreVersion, resultVersion }: Build, metrics: Metrics): void {
  const labels = { service: [service], version: [version], core_version: [coreVersion], result_version: [String(resultVersion)] };
  const info = metrics.gauge({ name: 'millrace_build_info', help: 'Always 1; its labels say what this process was built from.', labels });
  info.set({ service, version, core_version: coreVersion, result_version: String(resultVersion) }, 1);
}

export type RecordCall<Dependency extends string> = (dependency: Dependency, operation: CallOperation, result: CallResult, seconds: number) => void;

/** Of calls to what this process depends on; `dependencies` are those that it calls. */
export function dependencyMetrics<const Dependency extends string>(
  metrics: Metrics,
  dependencies: Readonly<Record<Dependency, readonly CallOperation[]>>,
): RecordCall<Dependency> {
  const calls: Histogram<{ dependency: readonly Dependency[]; operation: readonly CallOperation[]; result: readonly CallResult[] }> = metrics.histogram({
    name: 'millrace_dependency_request_duration_seconds',
    help: 'Calls to Redis and to stores as this process saw them, in seconds.',
    labels: { dependency: Object.keys(dependencies) as Dependency[], operation: callOperations, result: callResults },
    occurs: ({ dependency, operation }) => dependencies[dependency].includes(operation),
    buckets: 'call',
  });
  return (dependency, operation, result, seconds) => calls.observe({ dependency, operation, result }, seconds);
}
