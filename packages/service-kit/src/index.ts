/** What every process needs. Times of leases come from `@millrace/protocol` and are handed on here for those that only configure. */

export { checkLeaseTimes, type LeaseTimes, leaseTimes } from '@millrace/protocol';
export { type BackoffPolicy, fullJitter } from './backoff.ts';
export { type Clock, idSource, type Random, systemClock, systemRandom } from './clock.ts';
export {
  ConfigError,
  type ConfigOf,
  type ConfigShape,
  describeSettings,
  type LoadOptions,
  loadConfig,
  redactedConfig,
  type SettingDescription,
  setting,
  told,
} from './config.ts';
export { type EndReason, type EndSignal, type EndSignalOptions, watchForEnd } from './end-signal.ts';
export { AppError, type AppErrorOptions, describeError, type ErrorDescription } from './errors.ts';
export { withFileVariables } from './file-variables.ts';
export {
  type CheckReport,
  degraded,
  type Finding,
  failed,
  Health,
  type HealthReport,
  LastSuccess,
  type Look,
  logHealth,
  ok,
  type Question,
  type StartStep,
  within,
} from './health.ts';
export { type Service, service, startAll, stopAll } from './lifecycle.ts';
export { createLogger, type Log, type LoggerOptions, type LogLevel, logLevels, silentLog } from './logger.ts';
export {
  type Buckets,
  buckets,
  type Counter,
  type Gauge,
  type Histogram,
  type LabelSet,
  type LabelSets,
  type MetricDescription,
  Metrics,
  OpenNames,
  otherName,
} from './metrics.ts';
export {
  type Build,
  type CallOperation,
  type CallResult,
  dependencyMetrics,
  type ProcessMetrics,
  processMetrics,
  type RecordCall,
} from './process-metrics.ts';
export { type RunOptions, runService } from './run-service.ts';
export { readSecret } from './secret-file.ts';
export { settingsOrEnd } from './settings-or-end.ts';
export { type TelemetryOptions, type TelemetryServer, telemetryServer } from './telemetry-server.ts';
export { placeFields, telemetrySettings } from './telemetry-settings.ts';
