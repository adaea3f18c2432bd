/**
 * `GET /v1/stats/scaling?pool=` for autoscalers, on a port of this process, so that scaling does not hang on the api. Who asks shows a token of the api, with
 * the scope `stats:read` or none. Everything else on this port is not found.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Journal } from '@millrace/journal';
import { apiTokenPattern, codeInfo, type FailureCode, newRequestId, sha256Hex, type TokenDocument, tokenIdOf } from '@millrace/protocol';
import { answerScaling, EpochUnknownError, isRedisFault } from '@millrace/queues';
import { type Service, service } from '@millrace/service-kit';
import type { Control } from './control.ts';

const path = '/v1/stats/scaling';
const requestMs = 5_000;
const mostConnections = 64;
/** A token that was revoked is heard for so long. */
const rereadMs = 10_000;
const keptTokens = 1_000;
const poolPattern = /^[a-z][a-z0-9-]{0,62}$/;

const statuses = {
  AUTH_REQUIRED: 401,
  AUTH_FORBIDDEN: 403,
  NOT_FOUND: 404,
  POOL_UNKNOWN: 404,
  REQUEST_INVALID: 400,
  BUSY: 503,
  REBUILDING: 503,
  INTERNAL: 500,
} as const;
type Code = keyof typeof statuses & FailureCode;

export interface ScalingServer extends Service {
  readonly port: number | null;
}

/** `port` 0 takes any that is free. */
export function scalingServer(control: Control, options: { readonly port: number; readonly host?: string | undefined }): ScalingServer {
  const tokens = new Tokens(control.journal, () => control.clock.nowMs());
  const server = createServer((request, response) => void serve(request, response, tokens, control));
  const running = service(
    'scaling',
    () => listen(server, options),
    () => close(server),
  );
  return {
    ...running,
    get port() {
      const address = server.address() as AddressInfo | string | null;
      return typeof address === 'object' && address !== null ? address.port : null;
    },
  };
}

function listen(server: Server, { port, host }: { readonly port: number; readonly host?: string | undefined }): Promise<void> {
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  server.maxConnections = mostConnections;
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`cannot serve ${path} at port ${port}: ${cause.message}`, { cause })));
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => resolve());
  });
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

interface Problem {
  readonly code: Code;
  readonly detail: string;
  readonly pointer?: string;
  readonly pools?: readonly string[];
}

async function serve(request: IncomingMessage, response: ServerResponse, tokens: Tokens, control: Control): Promise<void> {
  const requestId = `r${newRequestId(control.ids).slice(1)}`;
  const send = (status: number, body: object, headers: Record<string, string> = {}): void => {
    const type = status === 200 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
      ...headers,
    });
    response.end(JSON.stringify(body));
  };
  try {
    const answer = await answerOf(request, tokens, control);
    if ('scaling' in answer) return send(200, answer.scaling);
    const { code, detail, pointer, pools } = answer;
    const status = statuses[code];
    const errors = pointer === undefined ? {} : { errors: [{ pointer, code, message: detail }] };
    const details = pools === undefined ? {} : { details: { pools } };
    const headers: Record<string, string> = status === 503 ? { 'retry-after': '2' } : status === 401 ? { 'www-authenticate': 'Bearer realm="millrace"' } : {};
    const problem = { type: `/docs/errors/${code}`, title: codeInfo(code).title, status, code, detail, retryable: status === 503, requestId };
    send(status, { ...problem, ...errors, ...details }, headers);
  } catch (err) {
    control.log.error({ err, requestId }, 'scaling not answered');
    send(500, {
      type: '/docs/errors/INTERNAL',
      title: codeInfo('INTERNAL').title,
      status: 500,
      code: 'INTERNAL',
      detail: 'something unforeseen happened',
      retryable: false,
      requestId,
    });
  }
}

async function answerOf(request: IncomingMessage, tokens: Tokens, control: Control): Promise<{ readonly scaling: object } | Problem> {
  const [at = '', search = ''] = (request.url ?? '').split('?', 2);
  if (request.method !== 'GET' || at !== path) return { code: 'NOT_FOUND', detail: `there is no ${request.method} ${at.slice(0, 200)}` };
  const refused = await tokens.check(request.headers.authorization);
  if (refused !== null) return refused;
  const query = new URLSearchParams(search);
  const [pool = '', ...more] = query.getAll('pool');
  const unknown = [...query.keys()].find((name) => name !== 'pool');
  if (unknown !== undefined)
    return { code: 'REQUEST_INVALID', detail: `expected pool alone, got ${JSON.stringify(unknown.slice(0, 100))}`, pointer: `/query/${unknown.slice(0, 100)}` };
  if (more.length > 0 || !poolPattern.test(pool)) return { code: 'REQUEST_INVALID', detail: 'expected the name of one pool', pointer: '/query/pool' };
  try {
    const answer = await answerScaling(control.queues.scaling, pool);
    return answer.ok ? { scaling: answer.scaling } : { code: answer.code, detail: answer.message, pools: answer.pools };
  } catch (error) {
    if (!isRedisFault(error) && !(error instanceof EpochUnknownError)) throw error;
    return { code: 'BUSY', detail: 'Redis is away: what is wanted is not known' };
  }
}

/** Tokens as the registry has them, read again after ten seconds. */
class Tokens {
  readonly #journal: Pick<Journal, 'readRegistered'>;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, { readonly atMs: number; readonly token: TokenDocument | null }>();

  constructor(journal: Pick<Journal, 'readRegistered'>, nowMs: () => number) {
    this.#journal = journal;
    this.#nowMs = nowMs;
  }

  /** Null: may ask. */
  async check(authorization: string | undefined): Promise<Problem | null> {
    const secret = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(authorization ?? '')?.[1] ?? '';
    const token = apiTokenPattern.test(secret) ? await this.#read(tokenIdOf(secret)) : null;
    const isRight = token !== null && isSame(token.sha256, sha256Hex(secret)) && Date.parse(token.expiresAt) > this.#nowMs();
    if (!isRight) return { code: 'AUTH_REQUIRED', detail: 'who asks is not known: a token in Authorization: Bearer is needed' };
    if (token.scopes !== null && !token.scopes.includes('stats:read')) return { code: 'AUTH_FORBIDDEN', detail: 'the token has not the scope stats:read' };
    return null;
  }

  async #read(tokenId: string): Promise<TokenDocument | null> {
    const nowMs = this.#nowMs();
    const known = this.#known.get(tokenId);
    if (known !== undefined && nowMs - known.atMs < rereadMs) return known.token;
    const found = await this.#journal.readRegistered('tokens', tokenId);
    const token = found === null || found.removed ? null : found.body;
    this.#known.set(tokenId, { atMs: nowMs, token });
    const oldest = this.#known.keys().next();
    if (this.#known.size > keptTokens && !oldest.done) this.#known.delete(oldest.value);
    return token;
  }
}

/** In the same time wherever they differ. */
function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
