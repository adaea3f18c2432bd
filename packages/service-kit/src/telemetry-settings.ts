/** Settings that every service has, whatever its role: where it tells of itself, and where it says it runs. */
import { setting } from './config.ts';

export const telemetrySettings = {
  MILLRACE_TELEMETRY_PORT: setting
    .integer(0, 65_535)
    .prefault('8081')
    .describe('port of health and metrics; each process on one machine needs its own; 0: nothing is served'),
  MILLRACE_TELEMETRY_HOST: setting.text(255).optional().describe('address that port is opened at; all addresses of the machine when not given'),
  MILLRACE_POD_NAME: setting.text(253).optional().describe('pod this process runs in, for logs and records of attempts'),
  MILLRACE_NODE_NAME: setting.text(253).optional().describe('node this process runs on; the name of the machine when not given'),
} as const;

/** In every log line of a process that was told where it runs. */
export function placeFields(config: {
  readonly MILLRACE_POD_NAME?: string | undefined;
  readonly MILLRACE_NODE_NAME?: string | undefined;
}): Record<string, string> {
  const { MILLRACE_POD_NAME: pod, MILLRACE_NODE_NAME: node } = config;
  return { ...(pod === undefined ? {} : { pod }), ...(node === undefined ? {} : { node }) };
}
