/**
 * An object store that keeps its objects as files of a directory and answers whatever a test wants: S3's words, path-style, signatures not looked at.
 * Conditions are kept to as S3 does. A fault is chosen for each request; the checks read the directory, past every fault.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';

export type Verb = 'get' | 'range' | 'stat' | 'list' | 'create' | 'replace' | 'put' | 'delete' | 'startUpload' | 'piece' | 'finishUpload' | 'abortUpload';

export interface StubRequest {
  readonly verb: Verb;
  readonly key: string;
  /** Counted from 1, over all requests. */
  readonly number: number;
}

/** `doneThen…`: what was asked is done, and the answer says otherwise. `hold`: done when the promise resolves, whoever still waits for the answer. */
export type StubFault =
  | { readonly kind: 'status'; readonly status: number; readonly code?: string }
  | { readonly kind: 'doneThenStatus'; readonly status: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'doneThenReset' }
  | { readonly kind: 'shortBody' }
  | { readonly kind: 'hold'; readonly until: Promise<void> };

export interface StubOptions {
  /** A store that accepts every conditional put, as some do. */
  readonly ignoresConditions?: boolean;
  /** Another bucket than `stubBucket`, for a second store beside the first. */
  readonly bucket?: string;
}

interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export const stubBucket = 'lake';
const date = 'Mon, 23 Nov 2026 10:00:00 GMT';

export class StoreStub {
  readonly directory: string;
  readonly bucket: string;
  readonly #server: Server;
  readonly #uploads = new Map<string, Map<number, Buffer>>();
  readonly #options: StubOptions;
  readonly requests: StubRequest[] = [];
  /** Chooses the fault of a request; null for none. */
  fault: (request: StubRequest) => StubFault | null = () => null;
  faults = 0;
  /** How requests that were held were answered in the end. */
  readonly landed: number[] = [];

  private constructor(directory: string, server: Server, options: StubOptions) {
    this.directory = directory;
    this.bucket = options.bucket ?? stubBucket;
    this.#server = server;
    this.#options = options;
    server.on('request', (request, response) => void this.#serve(request, response).catch(() => response.destroy()));
  }

  /** Objects lie in `directory`, below the name of the bucket. */
  static async start(directory: string, options: StubOptions = {}): Promise<StoreStub> {
    mkdirSync(join(directory, options.bucket ?? stubBucket), { recursive: true });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new StoreStub(directory, server, options);
  }

  /** Variables and the file of connections for processes that use it, and `others` beside it. */
  environment(connectionsFile: string, others: readonly StoreStub[] = []): Record<string, string> {
    writeFileSync(connectionsFile, JSON.stringify([this, ...others].map((stub) => stub.#connection())));
    return { MILLRACE_CONNECTIONS: connectionsFile, AWS_ACCESS_KEY_ID: 'stub-key', AWS_SECRET_ACCESS_KEY: 'stub-canary-6f1d' };
  }

  #connection(): object {
    const address = this.#server.address();
    const endpoint = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const credentials = { accessKeyId: { env: 'AWS_ACCESS_KEY_ID' }, secretAccessKey: { env: 'AWS_SECRET_ACCESS_KEY' } };
    return { name: `stub-${this.bucket}`, kind: 's3', bucket: this.bucket, mode: 'both', endpoint, region: 'us-east-1', plainHttp: true, credentials };
  }

  get openUploads(): number {
    return this.#uploads.size;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '/', 'http://stub');
    const key = decodeURIComponent(url.pathname).replace(new RegExp(`^/${this.bucket}/?`), '');
    const asked: StubRequest = { verb: verbOf(request, url), key, number: this.requests.length + 1 };
    this.requests.push(asked);
    const fault = this.fault(asked);
    if (fault !== null) this.faults += 1;
    const act = (): Reply => this.#act(asked.verb, key, url, request, body);
    switch (fault?.kind) {
      case undefined:
        return send(response, act());
      case 'status':
        return send(response, errorReply(fault.status, fault.code ?? 'InternalError'));
      case 'doneThenStatus':
        act();
        return send(response, errorReply(fault.status, 'InternalError'));
      case 'reset':
        return void request.socket.resetAndDestroy();
      case 'doneThenReset':
        act();
        return void request.socket.resetAndDestroy();
      case 'shortBody': {
        const reply = act();
        response.writeHead(reply.status, { ...reply.headers, 'content-length': String(reply.body?.length ?? 0) });
        response.write(reply.body?.subarray(0, Math.floor((reply.body.length ?? 0) / 2)) ?? '');
        return void setTimeout(() => request.socket.resetAndDestroy(), 5);
      }
      case 'hold':
        await fault.until;
        return this.#land(response, act());
      default:
        return fault satisfies never;
    }
  }

  #land(response: ServerResponse, reply: Reply): void {
    this.landed.push(reply.status);
    if (!response.destroyed) send(response, reply);
  }

  #act(verb: Verb, key: string, url: URL, request: IncomingMessage, body: Buffer): Reply {
    const path = join(this.directory, this.bucket, key);
    switch (verb) {
      case 'get':
      case 'range':
      case 'stat':
        return this.#read(verb, path, request);
      case 'create':
      case 'replace':
      case 'put':
        return this.#put(verb, path, request, body);
      case 'list':
        return this.#list(url);
      case 'delete':
        rmSync(path, { force: true });
        return { status: 204 };
      case 'startUpload': {
        const id = `upload-${this.requests.length}`;
        this.#uploads.set(id, new Map());
        return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
      }
      case 'piece': {
        const number = Number(url.searchParams.get('partNumber'));
        this.#uploads.get(url.searchParams.get('uploadId') ?? '')?.set(number, body);
        return { status: 200, headers: { etag: `"piece-${number}"` } };
      }
      case 'finishUpload': {
        const id = url.searchParams.get('uploadId') ?? '';
        const pieces = this.#uploads.get(id);
        if (pieces === undefined) return errorReply(404, 'NoSuchUpload');
        this.#uploads.delete(id);
        const bytes = Buffer.concat([...pieces].sort(([one], [other]) => one - other).map(([, piece]) => piece));
        write(path, bytes);
        return xml(`<CompleteMultipartUploadResult><ETag>${etagOf(bytes).replaceAll('"', '&quot;')}</ETag></CompleteMultipartUploadResult>`);
      }
      case 'abortUpload':
        this.#uploads.delete(url.searchParams.get('uploadId') ?? '');
        return { status: 204 };
      default:
        return verb satisfies never;
    }
  }

  #read(verb: Verb, path: string, request: IncomingMessage): Reply {
    if (!isFile(path)) return errorReply(404, 'NoSuchKey');
    const bytes = readFileSync(path);
    const etag = etagOf(bytes);
    const wanted = request.headers['if-match'];
    if (wanted !== undefined && wanted !== etag) return errorReply(412, 'PreconditionFailed');
    const headers = { etag, 'last-modified': date, 'accept-ranges': 'bytes' };
    if (verb === 'stat') return { status: 200, headers: { ...headers, 'content-length': String(bytes.length) } };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(String(request.headers.range ?? '')) ?? [];
    if (verb === 'get' || from === undefined) return { status: 200, headers, body: bytes };
    const start = Number(from);
    if (start >= bytes.length) return errorReply(416, 'InvalidRange');
    const end = Math.min(to === '' || to === undefined ? bytes.length - 1 : Number(to), bytes.length - 1);
    return { status: 206, headers: { ...headers, 'content-range': `bytes ${start}-${end}/${bytes.length}` }, body: bytes.subarray(start, end + 1) };
  }

  #put(verb: Verb, path: string, request: IncomingMessage, body: Buffer): Reply {
    const standing = isFile(path) ? etagOf(readFileSync(path)) : null;
    const isRefused = (verb === 'create' && standing !== null) || (verb === 'replace' && standing !== request.headers['if-match']);
    if (isRefused && this.#options.ignoresConditions !== true) return errorReply(412, 'PreconditionFailed');
    write(path, body);
    return { status: 200, headers: { etag: etagOf(body) } };
  }

  #list(url: URL): Reply {
    const text = (name: string): string => url.searchParams.get(name) ?? '';
    const prefix = text('prefix');
    const after = [text('start-after'), text('continuation-token')].sort().at(-1) ?? '';
    const most = Number(text('max-keys') || 1_000);
    const folders = new Set<string>();
    let contents = '';
    let last = '';
    let count = 0;
    let more = false;
    for (const key of this.#keys().filter((one) => one.startsWith(prefix) && one > after)) {
      const cut = text('delimiter') === '' ? -1 : key.indexOf('/', prefix.length);
      const folder = cut < 0 ? null : key.slice(0, cut + 1);
      if (folder !== null && folders.has(folder)) {
        last = key;
        continue;
      }
      if (count === most) {
        more = true;
        break;
      }
      count += 1;
      last = key;
      if (folder !== null) folders.add(folder);
      else contents += this.#entry(key);
    }
    const token = more ? `<NextContinuationToken>${escaped(last)}</NextContinuationToken>` : '';
    const prefixes = [...folders].map((folder) => `<CommonPrefixes><Prefix>${escaped(folder)}</Prefix></CommonPrefixes>`).join('');
    return xml(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${contents}${prefixes}</ListBucketResult>`);
  }

  #entry(key: string): string {
    const bytes = readFileSync(join(this.directory, this.bucket, key));
    const etag = escaped(etagOf(bytes));
    return `<Contents><Key>${escaped(key)}</Key><LastModified>2026-11-23T10:00:00.000Z</LastModified><ETag>${etag}</ETag><Size>${bytes.length}</Size></Contents>`;
  }

  #keys(): string[] {
    const home = join(this.directory, this.bucket);
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.startsWith('.put-'));
    return files
      .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1))
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  }
}

function verbOf(request: IncomingMessage, url: URL): Verb {
  const has = (name: string): boolean => url.searchParams.has(name);
  switch (request.method) {
    case 'HEAD':
      return 'stat';
    case 'GET':
      return has('list-type') ? 'list' : request.headers.range === undefined ? 'get' : 'range';
    case 'POST':
      return has('uploads') ? 'startUpload' : 'finishUpload';
    case 'DELETE':
      return has('uploadId') ? 'abortUpload' : 'delete';
    default:
      if (has('partNumber')) return 'piece';
      return request.headers['if-none-match'] !== undefined ? 'create' : request.headers['if-match'] !== undefined ? 'replace' : 'put';
  }
}

const etagOf = (bytes: Buffer): string => `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`;
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const xml = (text: string): Reply => ({ status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(text) });
const errorReply = (status: number, code: string): Reply => ({
  status,
  body: Buffer.from(`<Error><Code>${code}</Code><Message>by the stub</Message></Error>`),
});
const isFile = (path: string): boolean => existsSync(path) && readdirQuietly(path) === null;

function readdirQuietly(path: string): string[] | null {
  try {
    return readdirSync(path);
  } catch {
    return null;
  }
}

/** Whole or not at all, for whoever looks at the directory. */
function write(path: string, bytes: Buffer): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.put-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`);
  writeFileSync(temporary, bytes);
  renameSync(temporary, path);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function send(response: ServerResponse, { status, headers = {}, body = Buffer.alloc(0) }: Reply): void {
  response.writeHead(status, {
    'last-modified': date,
    ...(headers['content-length'] === undefined ? { 'content-length': String(body.length) } : {}),
    ...headers,
  });
  response.end(body);
}
