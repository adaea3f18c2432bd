/**
 * Health and metrics of one process on a port of its own, which no ingress leads to: no authentication, exact paths, answers from memory. It starts before
 * everything else and stops after it, so that a process that hangs at its start or in its drain can still say so.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Health, Question } from './health.ts';
import { type Service, service } from './lifecycle.ts';
import type { Metrics } from './metrics.ts';

export interface TelemetryOptions {
  /** 0: nothing is served. */
  readonly port: number;
  /** The address listened at; all of this machine's unless told. */
  readonly host?: string | undefined;
  readonly health: Health;
  readonly metrics: Metrics;
}

export interface TelemetryServer extends Service {
  /** The port that is listened at, null before the start and when nothing is served. */
  readonly port: number | null;
}

const questions: Readonly<Record<string, Question>> = { '/startupz': 'startup', '/readyz': 'ready', '/healthz': 'live' };
/** A scrape or probe that takes longer to ask is none of ours. */
const requestMs = 5_000;
/** Connections at once; probes and a scraper need a few. */
const mostConnections = 64;

/** `anyPort`: for tests, which take whatever port is free. */
export function telemetryServer(options: TelemetryOptions, anyPort = false): TelemetryServer {
  const { health } = options;
  const isServed = anyPort || options.port !== 0;
  const server = isServed ? createServer((request, response) => void answer(request, response, options)) : null;
  const running = service(
    'telemetry',
    async () => {
      health.start();
      if (server !== null) await listen(server, options);
    },
    async () => {
      if (server !== null) await close(server);
      health.stop();
    },
  );
  return {
    ...running,
    get port() {
      const address = server?.address() as AddressInfo | string | null | undefined;
      return typeof address === 'object' && address !== null ? address.port : null;
    },
  };
}

function listen(server: Server, { port, host }: TelemetryOptions): Promise<void> {
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  server.keepAliveTimeout = requestMs;
  server.maxConnections = mostConnections;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const code = 'code' in cause && cause.code === 'EADDRINUSE' ? 'the port is taken; set MILLRACE_TELEMETRY_PORT to another, or to 0 to serve nothing' : '';
      reject(new Error(`cannot serve health and metrics at port ${port}: ${code || cause.message}`, { cause }));
    });
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => resolve());
    // Nothing waits for a probe.
    server.unref();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(request: IncomingMessage, response: ServerResponse, options: TelemetryOptions): Promise<void> {
  const path = request.url ?? '';
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'only GET and HEAD\n', { allow: 'GET, HEAD' });
  const question = Object.hasOwn(questions, path) ? questions[path] : undefined;
  if (question !== undefined) {
    const report = options.health.report(question);
    const isFine = report.status === 'ok' || report.status === 'degraded';
    return send(response, isFine ? 200 : 503, 'application/json', `${JSON.stringify(report)}\n`);
  }
  if (path !== '/metrics') return send(response, 404, 'text/plain', `only ${[...Object.keys(questions), '/metrics'].join(' ')}\n`);
  try {
    const { text, contentType } = await options.metrics.exposition();
    send(response, 200, contentType, text);
  } catch (error) {
    send(response, 500, 'text/plain', `cannot tell metrics: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...headers });
  response.end(body);
}
