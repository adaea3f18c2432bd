/**
 * The typed client of the API, for browsers and Node. It needs nothing at run time but `fetch`: routes are named by method and path, their types come from
 * the route table, and no schema is loaded.
 */
import type { z } from 'zod';
import type { Problem } from './problem.ts';
import type { KeyOf } from './route.ts';
import type { ApiRoute } from './routes.ts';

/** `GET /jobs/{jobId}` */
export type RouteKey = KeyOf<ApiRoute>;
type Table = { readonly [R in ApiRoute as KeyOf<R>]: R };
export type RouteOf<Key extends RouteKey> = Table[Key];

type Optional<Name extends string, Value> = Record<string, never> extends Value ? { readonly [Key in Name]?: Value } : { readonly [Key in Name]: Value };
type ParamsIn<R> = R extends { readonly params: infer S extends z.ZodType } ? { readonly params: z.input<S> } : unknown;
type QueryIn<R> = R extends { readonly query: infer S extends z.ZodType } ? Optional<'query', z.input<S>> : unknown;
type BodyIn<R> = R extends { readonly accepts: readonly (infer Media)[] }
  ? { readonly body: string | Uint8Array<ArrayBuffer> | Blob; readonly contentType: Media }
  : R extends { readonly body: infer S extends z.ZodType }
    ? R extends { readonly bodyOptional: true }
      ? { readonly body?: z.input<S> }
      : { readonly body: z.input<S> }
    : unknown;

/** What a call of a route takes besides the options of every call. */
export type InputOf<Key extends RouteKey> = AddressOf<Key> & BodyIn<RouteOf<Key>>;
/** What the address of a route takes. */
export type AddressOf<Key extends RouteKey> = ParamsIn<RouteOf<Key>> & QueryIn<RouteOf<Key>>;

/** Answers of 2xx: the one where there is one, else a union. */
export type DataOf<Key extends RouteKey> = AnswerBody<RouteOf<Key>['answers']>;
type AnswerBody<Answers> = { [Status in keyof Answers]: Answers[Status] extends z.ZodType ? z.output<Answers[Status]> : null }[keyof Answers];

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Same key, same body: the first answer. */
  readonly idempotencyKey?: string;
  /** The version that was looked at. */
  readonly ifMatch?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Reply<Data> {
  readonly data: Data;
  readonly status: number;
  readonly etag: string | null;
  /** The answer is that of an earlier call with the same key. */
  readonly replayed: boolean;
  readonly requestId: string | null;
}

/** The server answered with a problem. Nobody matches on the message: `code` says what it is. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly problem: Problem;
  /** Null: ask when you like. */
  readonly retryAfterSeconds: number | null;

  constructor(problem: Problem, retryAfterSeconds: number | null) {
    super(problem.detail);
    this.code = problem.code;
    this.status = problem.status;
    this.retryable = problem.retryable;
    this.problem = problem;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The server could not be reached, or what answered is not it. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly code = 'UNREACHABLE';
}

export interface ClientOptions {
  /** Of the server, such as `https://millrace.example.com`; empty in a browser: the page's own. */
  readonly baseUrl?: string;
  /** `mrt_…`; without one the browser's cookie says who asks. */
  readonly token?: string;
  readonly fetch?: typeof globalThis.fetch;
}

export interface Client {
  /** Throws `ApiError` for a problem, `UnreachableError` when there is no server, the signal's reason when it is raised. */
  call<Key extends RouteKey>(key: Key, input: InputOf<Key>, options?: CallOptions): Promise<DataOf<Key>>;
  /** The same, with what stands around the data. */
  reply<Key extends RouteKey>(key: Key, input: InputOf<Key>, options?: CallOptions): Promise<Reply<DataOf<Key>>>;
  /** The raw answer, for exports, bytes and event streams; a problem is thrown. `accept`: the media type that is asked for. */
  raw<Key extends RouteKey>(key: Key, input: InputOf<Key>, options?: CallOptions & { readonly accept?: string }): Promise<Response>;
  /** Address of a route, for links and `EventSource`. */
  url<Key extends RouteKey>(key: Key, input: AddressOf<Key>): string;
}

interface AnyInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly contentType?: string;
}

export function createClient(options: ClientOptions = {}): Client {
  const base = `${(options.baseUrl ?? '').replace(/\/+$/, '')}/v1`;
  const raw = async (key: string, input: AnyInput, call: CallOptions & { accept?: string } = {}): Promise<Response> => {
    const response = await send(options, base, key, input, call);
    if (response.ok || response.status === 304) return response;
    throw await errorFrom(response);
  };
  const reply = async (key: string, input: AnyInput, call?: CallOptions): Promise<Reply<unknown>> => {
    const response = await raw(key, input, call);
    const text = await response.text();
    return {
      data: text === '' ? null : readJson(text, response),
      status: response.status,
      etag: response.headers.get('etag'),
      replayed: response.headers.get('idempotency-replayed') === 'true',
      requestId: response.headers.get('x-request-id'),
    };
  };
  const client = {
    raw,
    reply,
    call: async (key: string, input: AnyInput, call?: CallOptions) => (await reply(key, input, call)).data,
    url: (key: string, input: AnyInput) => base + pathOf(key, input),
  };
  return client as unknown as Client;
}

async function send({ fetch = globalThis.fetch, token }: ClientOptions, base: string, key: string, input: AnyInput, call: CallOptions & { accept?: string }) {
  const method = key.slice(0, key.indexOf(' '));
  const headers: Record<string, string> = { accept: call.accept ?? 'application/json', ...call.headers };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (call.idempotencyKey !== undefined) headers['idempotency-key'] = call.idempotencyKey;
  if (call.ifMatch !== undefined) headers['if-match'] = call.ifMatch;
  // A request with a cookie that changes something must say that it is JSON, even where it has no body.
  if (method !== 'GET') headers['content-type'] = input.contentType ?? 'application/json';
  const body =
    input.contentType === undefined
      ? method === 'GET'
        ? undefined
        : JSON.stringify(input.body ?? {})
      : (input.body as string | Uint8Array<ArrayBuffer> | Blob);
  const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body }), ...(call.signal === undefined ? {} : { signal: call.signal }) };
  try {
    return await fetch(base + pathOf(key, input), init);
  } catch (error) {
    call.signal?.throwIfAborted();
    throw new UnreachableError(`cannot reach the server: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function pathOf(key: string, { params = {}, query = {} }: AnyInput): string {
  const path = key.slice(key.indexOf(' ') + 1).replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) search.set(name, String(value));
  return search.size === 0 ? path : `${path}?${search}`;
}

function readJson(text: string, response: Response): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreachableError(`expected JSON from ${response.url}, got ${response.headers.get('content-type') ?? 'no media type'}`);
  }
}

async function errorFrom(response: Response): Promise<Error> {
  const text = await response.text().catch(() => '');
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.code === 'string' && typeof problem.status === 'number') return new ApiError(problem, Number.isFinite(retryAfter) ? retryAfter : null);
  } catch {
    // A proxy answered, not the server: told below.
  }
  return new UnreachableError(`expected a problem from ${response.url}, got status ${response.status} without one`);
}
