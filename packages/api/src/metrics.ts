/** The numbers of an API server: requests by route, open event streams, who was refused. */
import { routes } from '@millrace/api-contract';
import { dependencyMetrics, type ProcessMetrics, type RecordCall } from '@millrace/service-kit';

const results = ['2xx', '3xx', '4xx', '5xx'] as const;
const reasons = ['missing', 'invalid', 'role', 'csrf', 'stale', 'rate'] as const;
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const paths = [...new Set(routes.map(({ path }) => path))].sort();
const pairs = new Set(routes.map(({ method, path }) => `${method} ${path}`));

export type AuthRefusal = (typeof reasons)[number];

export interface ApiMetrics {
  recordBuild: ProcessMetrics['recordBuild'];
  recordCall: RecordCall<'redis' | 'journal' | 'input'>;
  /** `path`: of the table, such as `/jobs/{jobId}`. */
  recordRequest(method: string, path: string, status: number, seconds: number): void;
  recordStreams(open: number): void;
  recordAuthRefusal(reason: AuthRefusal): void;
  recordAuditFailure(): void;
}

export function apiMetrics({ metrics, recordBuild }: ProcessMetrics): ApiMetrics {
  const seconds = metrics.histogram({
    name: 'millrace_http_request_duration_seconds',
    help: 'Requests answered, in seconds; event streams left out.',
    labels: { route: paths, operation: methods, result: results },
    occurs: ({ route, operation }) => pairs.has(`${operation} ${route}`),
    buckets: 'call',
  });
  const streams = metrics.gauge({ name: 'millrace_stream_clients', help: 'Open event streams.' });
  const refusals = metrics.counter({ name: 'millrace_auth_refusals_total', help: 'Requests refused because of who asked.', labels: { reason: reasons } });
  const audit = metrics.counter({ name: 'millrace_audit_failures_total', help: 'Acts not done because their audit record could not be written.' });
  const recordCall = dependencyMetrics(metrics, { redis: ['command'], journal: ['read', 'write', 'list', 'delete'], input: ['read', 'list'] });
  return {
    recordBuild,
    recordCall,
    recordRequest: (method, path, status, took) => {
      const result = results[Math.floor(status / 100) - 2];
      if (result !== undefined) seconds.observe({ route: path as (typeof paths)[number], operation: method as (typeof methods)[number], result }, took);
    },
    recordStreams: (open) => streams.set({}, open),
    recordAuthRefusal: (reason) => refusals.add({ reason }),
    recordAuditFailure: () => audit.add({}),
  };
}

/** What of a problem is about who asked; null: nothing. */
export function authRefusal(code: string, hadCredentials: boolean): AuthRefusal | null {
  switch (code) {
    case 'AUTH_REQUIRED':
      return hadCredentials ? 'invalid' : 'missing';
    case 'AUTH_FORBIDDEN':
      return 'role';
    case 'AUTH_CSRF':
      return 'csrf';
    case 'AUTH_STALE':
      return 'stale';
    case 'RATE_LIMITED':
      return 'rate';
    default:
      return null;
  }
}

/** For those who do not look. */
export const noMetrics: ApiMetrics = {
  recordBuild: () => {},
  recordCall: () => {},
  recordRequest: () => {},
  recordStreams: () => {},
  recordAuthRefusal: () => {},
  recordAuditFailure: () => {},
};
