/**
 * The HTTP server made from the table of routes: exact matches, everything else is not found. Fastify carries the bytes; who may do what stands in
 * `handle-request.ts`. Whatever goes wrong is answered as a problem.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { keyOf, type Route } from '@millrace/api-contract';
import { newRequestId } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Api } from './api.ts';
import type { Caller } from './auth/caller.ts';
import { type Arrival, type Asked, act, admit, type Reply } from './handle-request.ts';
import type { AnyHandler, StreamAnswer } from './handler.ts';
import { authRefusal } from './metrics.ts';
import { servePages } from './pages/serve-pages.ts';
import { ApiProblem, problemOf } from './problem.ts';
import { dataHeaders } from './security.ts';

export interface ServerOptions {
  readonly routes: readonly Route[];
  readonly handlers: ReadonlyMap<string, AnyHandler>;
  /** Directory of the built dashboard; null: none is served. */
  readonly dashboard: string | null;
  /** Addresses of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Answers that do not fit their schema are faults: for tests. */
  readonly checkAnswers?: boolean;
}

const MiB = 1024 * 1024;
const bodyLimit = MiB;
/** For the headers and the body of one request to arrive. */
const requestTimeoutMs = 60_000;
const headersTimeoutMs = 15_000;
const keepAliveMs = 75_000;
const maxHeaderBytes = 32 * 1024;
/** Of one step of a path; the longest id has 60. */
const maxStepLength = 300;
/** How late a revocation is heard by an open event stream. */
const recheckMs = 20_000;

export async function buildServer(api: Api, options: ServerOptions): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    genReqId: () => `r${newRequestId(api.ids).slice(1)}`,
    trustProxy: options.trustedProxies.length === 0 ? false : [...options.trustedProxies],
    routerOptions: {
      maxParamLength: maxStepLength,
      caseSensitive: true,
      ignoreTrailingSlash: false,
      ignoreDuplicateSlashes: false,
      querystringParser: parseQuery,
    },
    http: { maxHeaderSize: maxHeaderBytes, headersTimeout: headersTimeoutMs },
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket),
    frameworkErrors: (error, request, reply) => answerProblem(error, request, reply, api),
  });
  parseBodies(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...dataHeaders(api.settings.site), 'x-request-id': request.id });
  });
  app.addHook('onResponse', async (request, reply) => tellOfRequest(request, reply, api));
  app.setErrorHandler((error, request, reply) => answerProblem(error, request, reply, api));
  app.setNotFoundHandler((request, reply) =>
    answerProblem(new ApiProblem('NOT_FOUND', `there is no ${request.method} ${pathOf(request)}`), request, reply, api),
  );
  for (const route of options.routes) {
    const handler = options.handlers.get(keyOf(route));
    if (handler !== undefined) addRoute(app, api, route, handler, options.checkAnswers === true);
  }
  await servePages(app, api.settings.site, options.dashboard);
  return app;
}

const pathOf = (request: FastifyRequest): string => (request.raw.url ?? '').split('?', 1)[0]?.slice(0, 200) ?? '';

/** A name that stands twice becomes a list, which no schema takes: nobody reads the one and checks the other. */
function parseQuery(text: string): Record<string, unknown> {
  const query = Object.create(null) as Record<string, unknown>;
  const seen = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(text)) seen.set(name, [...(seen.get(name) ?? []), value]);
  for (const [name, values] of seen) query[name] = values.length === 1 ? values[0] : values;
  return query;
}

/** JSON is parsed with an eye on prototypes; other types arrive as bytes where a route takes them, which was looked at before. */
function parseBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined);
    return parseJson(request, body as string, done);
  });
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

function addRoute(app: FastifyInstance, api: Api, route: Route, handler: AnyHandler, checkAnswers: boolean): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.route({
    method: route.method,
    config: { route },
    url: `/v1${route.path.replace(/\{(\w+)\}/g, ':$1')}`,
    ...(route.bodyLimit === undefined ? {} : { bodyLimit: route.bodyLimit }),
    onRequest: async (request) => {
      callers.set(request, await admit(arrivalOf(request, route), api, api.settings.site));
    },
    handler: async (request, reply) => {
      const caller = callers.get(request);
      if (caller === undefined) throw new AppError('INTERNAL', 'cannot serve a request that was not admitted');
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort(new Error('the caller has gone')));
      const { params, query, body } = request;
      const asked: Asked = { ...arrivalOf(request, route), caller, params, query, body, signal: gone.signal };
      const answer = await act(asked, handler, api).catch((error: unknown) => Promise.reject(countStranger(error, asked, api)));
      if (checkAnswers) checkAnswer(route, answer);
      return 'stream' in answer ? sendStream(answer, asked, reply, api) : sendJson(route, answer, request, reply);
    },
  });
}

function arrivalOf(request: FastifyRequest, route: Route): Arrival {
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return { route, requestId: request.id, from: request.ip, header };
}

/** Somebody who tries passwords is a stranger like one who tries tokens. */
function countStranger(error: unknown, { caller, from }: Asked, api: Api): unknown {
  const isTry = caller.kind === 'nobody' && error instanceof ApiProblem && error.code === 'AUTH_REQUIRED';
  if (isTry) api.rateLimits.take(`stranger ${from}`, api.settings.limits.strangersPerMinute);
  return error;
}

function sendJson(route: Route, answer: Extract<Reply, { body: unknown }>, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (answer.replayed) reply.header('idempotency-replayed', 'true');
  reply.headers(answer.headers ?? {});
  if (answer.body === null) return reply.code(answer.status).send();
  const text = JSON.stringify(answer.body);
  const etag = answer.etag ?? (route.etag === true ? createHash('sha256').update(text).digest('base64url').slice(0, 27) : undefined);
  if (etag !== undefined) {
    reply.header('etag', `"${etag}"`);
    const known = (request.headers['if-none-match'] ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''));
    if (request.method === 'GET' && answer.status === 200 && (known.includes(`"${etag}"`) || known.includes('*'))) return reply.code(304).send();
  }
  linkNext(answer.body, request, reply);
  return reply.code(answer.status).type('application/json; charset=utf-8').send(text);
}

function linkNext(body: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (typeof body !== 'object' || body === null || !('nextCursor' in body) || typeof body.nextCursor !== 'string') return;
  const [path = '', search = ''] = (request.raw.url ?? '').split('?', 2);
  const query = new URLSearchParams(search);
  query.set('cursor', body.nextCursor);
  reply.header('link', `<${path}?${query}>; rel="next"`);
}

/** Written no faster than it is read. An event stream ends when its caller may no longer see it. */
function sendStream(answer: StreamAnswer, asked: Asked, reply: FastifyReply, api: Api): FastifyReply {
  const stream = answer.stream instanceof Readable ? answer.stream : Readable.from(answer.stream, { objectMode: false });
  reply.headers(answer.headers ?? {});
  const isText = answer.media !== 'application/octet-stream';
  reply.header('content-type', isText ? `${answer.media}; charset=utf-8` : answer.media);
  if (answer.media === 'text/event-stream') {
    // Neither may a proxy hold events back, nor press them into a buffer.
    reply.headers({ 'x-accel-buffering': 'no', 'cache-control': 'no-store, no-transform' });
    recheck(stream, asked, api);
    countStream(stream, api);
  }
  stream.once('error', (err) => api.log.warn({ err, requestId: asked.requestId }, 'stream of an answer ended early'));
  return reply.code(answer.status).send(stream);
}

const openStreams = new WeakMap<Api, number>();

function countStream(stream: Readable, api: Api): void {
  const count = (change: number): void => {
    openStreams.set(api, (openStreams.get(api) ?? 0) + change);
    api.metrics.recordStreams(openStreams.get(api) ?? 0);
  };
  count(1);
  stream.once('close', () => count(-1));
}

function recheck(stream: Readable, asked: Asked, api: Api): void {
  const again = (): (() => void) =>
    api.clock.after(recheckMs, () => {
      admit(asked, api, api.settings.site).then(
        ({ role, tenants }) => {
          // Somebody who may see less now, or more, begins anew.
          if (role !== asked.caller.role || JSON.stringify(tenants) !== JSON.stringify(asked.caller.tenants)) stream.destroy();
          else cancel = again();
        },
        () => stream.destroy(),
      );
    });
  let cancel = again();
  stream.once('close', () => cancel());
}

function checkAnswer(route: Route, answer: Reply): void {
  if ('stream' in answer) {
    if (!route.media?.includes(answer.media)) throw new AppError('INTERNAL', `${keyOf(route)} answered ${answer.media}, which its entry does not list`);
    return;
  }
  if (!Object.hasOwn(route.answers, answer.status)) throw new AppError('INTERNAL', `${keyOf(route)} answered ${answer.status}, which its entry does not list`);
  const shape = route.answers[answer.status];
  if (shape === null || shape === undefined) {
    if (answer.body !== null) throw new AppError('INTERNAL', `${keyOf(route)} answered ${answer.status} with a body`);
    return;
  }
  const read = shape.safeParse(JSON.parse(JSON.stringify(answer.body)));
  if (!read.success) throw new AppError('INTERNAL', `${keyOf(route)} answered what its schema does not allow: ${read.error.message}`);
}

function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply, api: Api): void {
  const traceId = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(String(request.headers.traceparent ?? ''))?.[1] ?? null;
  const { status, headers, problem, isFault } = problemOf(foreign(thrown), { requestId: request.id, traceId });
  const reason = authRefusal(problem.code, request.headers.authorization !== undefined || request.headers.cookie !== undefined);
  if (reason !== null) {
    api.metrics.recordAuthRefusal(reason);
    api.log.warn({ code: problem.code, from: request.ip, requestId: request.id, method: request.method, path: pathOf(request) }, 'http request refused');
  }
  if (isFault) api.log.error({ err: thrown, requestId: request.id, method: request.method, path: pathOf(request) }, 'http request failed');
  reply.headers({ ...dataHeaders(api.settings.site), 'x-request-id': request.id, ...headers });
  void reply.code(status).type('application/problem+json; charset=utf-8').send(JSON.stringify(problem));
}

/** Streams are told of when they open and close: how long they are open says nothing of the server. */
function tellOfRequest(request: FastifyRequest, reply: FastifyReply, api: Api): void {
  const { route } = request.routeOptions.config as { readonly route?: Route };
  if (route === undefined || String(reply.getHeader('content-type') ?? '').startsWith('text/event-stream')) return;
  api.metrics.recordRequest(route.method, route.path, reply.statusCode, reply.elapsedTime / 1_000);
  const [status, durationMs] = [reply.statusCode, Math.round(reply.elapsedTime)];
  api.log.debug({ route: keyOf(route), status, durationMs, requestId: request.id }, 'http request answered');
}

/** What is no HTTP, or too much of it, never becomes a request: answered on the socket, which is then closed. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const isOverflow = error.code === 'HPE_HEADER_OVERFLOW';
  const [status, words] = isOverflow
    ? [431, 'Request Header Fields Too Large']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? [408, 'Request Timeout']
      : [400, 'Bad Request'];
  const thrown = new ApiProblem(
    isOverflow ? 'REQUEST_TOO_LARGE' : 'REQUEST_INVALID',
    isOverflow ? `the headers are larger than ${maxHeaderBytes} bytes` : 'the request cannot be read',
  );
  const body = JSON.stringify({ ...problemOf(thrown, { requestId: '-', traceId: null }).problem, status });
  const head = `HTTP/1.1 ${status} ${words}\r\ncontent-type: application/problem+json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  socket.end(head + body);
}

/** What Fastify refuses by itself, in our codes. */
function foreign(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !('code' in thrown) || typeof thrown.code !== 'string') return thrown;
  switch (thrown.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiProblem('REQUEST_TOO_LARGE', 'the body is larger than this route takes');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiProblem('REQUEST_MEDIA_TYPE', 'the media type of the body cannot be read');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ApiProblem('REQUEST_INVALID', 'the body is no JSON document', {
        issues: [{ pointer: '', code: 'REQUEST_INVALID', message: 'expected a JSON document' }],
      });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_ASYNC_CONSTRAINT':
      return new ApiProblem('REQUEST_INVALID', 'the address cannot be read');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ApiProblem('NOT_FOUND', `there is nothing whose name has more than ${maxStepLength} characters`);
    default:
      return thrown;
  }
}
