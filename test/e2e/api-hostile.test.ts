/**
 * What somebody who means harm sends to the API, over real parts: addresses that almost fit, methods in headers, forms and scripts of other sites, names that
 * mean something to a queue or an object, cells that a spreadsheet would run, floods. Made from the table of routes where it can be.
 */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { JobId } from '@millrace/protocol';
import { type RunningApi, startApi } from '../../packages/api/src/start-api.ts';
import { ApiError, type Client } from '../../packages/api-contract/src/client.ts';
import type { JobResult } from '../../packages/api-contract/src/resources/jobs.ts';
import { keyOf, type Role, type Route } from '../../packages/api-contract/src/route.ts';
import { routes as table } from '../../packages/api-contract/src/routes.ts';
import { type ApiStack, newToken, startApiStack } from './support/api-stack.ts';
import { pathOf, queryOf } from './support/samples.ts';
import { Workbench } from './support/workbench.ts';

const routes: readonly Route[] = table;
const bench = new Workbench('api-hostile');
const out = bench.path('out');
let stack: ApiStack;
let client: Client;

before(async () => {
  stack = await startApiStack({ out, readRoots: [bench.home], hostSlots: [2] });
  ({ client } = stack);
  writeFileSync(bench.path('one.csv'), 'id,name\n1,ada\n');
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const uriOf = (...path: string[]): string => pathToFileURL(bench.path(...path)).href;
const tokenOf = async (role: Role): Promise<string> =>
  (await client.call('POST /tokens', { body: { name: `a ${role}`, role, tenants: ['default'], reason: 'a test' } })).secret;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

interface Said {
  readonly status: number;
  readonly text: string;
}

/** As it is written: `fetch` would tidy the path and refuse some headers. */
function raw(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body = ''): Promise<Said> {
  const { hostname, port } = new URL(stack.url);
  return new Promise((resolve, reject) => {
    const asked = request({
      hostname,
      port,
      method,
      path,
      headers: { ...headers, ...(method === 'GET' ? {} : { 'content-length': Buffer.byteLength(body) }) },
    });
    asked.once('error', reject).once('response', (response) => {
      const pieces: Buffer[] = [];
      const isEndless = String(response.headers['content-type']).startsWith('text/event-stream');
      const end = (): void => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() });
      response.on('data', (piece: Buffer) => pieces.push(piece)).once('end', end);
      if (isEndless) {
        end();
        asked.destroy();
      }
    });
    asked.end(body);
  });
}

const isRefusal = ({ status, text }: Said, said: string): void => {
  assert.ok(status >= 400 && status < 500, `${said}: ${status} ${text.slice(0, 200)}`);
  assert.doesNotMatch(text, /\n\s+at |node_modules|\.ts:\d/, said);
};

/** Throws the problem of a job that failed. */
async function resultOf(jobId: JobId): Promise<JobResult> {
  for (;;) {
    const answer = await client.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '60s' } });
    if ('rows' in answer) return answer;
  }
}

const jsonHeaders = { 'content-type': 'application/json' };

/** Some of a list for each route, so that all routes together see all of it. */
const inTurn = <T>(all: readonly T[], most: number, route: number): T[] => Array.from({ length: most }, (_, at) => all[(route * most + at) % all.length] as T);

test('an address that almost fits is no route, for nobody and for an admin', async () => {
  const almost = ['/', '//', ';a=b', '.json', '%20', '%00', '%2f', '/health', '/..;/', '/.', '%2e%2e', '~', '*'];
  const odd: readonly ((path: string) => string)[] = [
    (path) => `/${path}`,
    (path) => path.replace('/v1/', '/V1/'),
    (path) => path.replace('/v1/', '/v1//'),
    (path) => path.replace('/v1/', '/v1/./'),
    (path) => `/v1/x/..${path.slice(3)}`,
  ];
  for (const [at, route] of routes.entries()) {
    const path = pathOf(route);
    for (const suffix of inTurn(almost, 5, at)) {
      isRefusal(await raw(route.method, path + suffix + queryOf(route), jsonHeaders, '{}'), `${route.method} ${path}${suffix}`);
    }
    for (const change of inTurn(odd, 2, at)) {
      const changed = change(path);
      isRefusal(await raw(route.method, changed + queryOf(route), { ...jsonHeaders, ...bearer(stack.token) }, '{}'), `${route.method} ${changed}`);
    }
  }
});

test('no header makes another request of one', async () => {
  const viewer = await tokenOf('viewer');
  const made = await client.call('POST /tokens', { body: { name: 'victim', role: 'viewer', reason: 'a test' } });
  const override = { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-method-override': 'DELETE' };
  isRefusal(await raw('GET', `/v1/tokens/${made.tokenId}`, { ...bearer(stack.token), ...override }), 'a method in a header');
  isRefusal(
    await raw('POST', `/v1/tokens/${made.tokenId}?_method=DELETE`, { ...bearer(stack.token), ...jsonHeaders }, '{"_method":"DELETE"}'),
    'a method in a query',
  );
  assert.equal((await raw('GET', '/v1/me', bearer(made.secret))).status, 200);
  const elsewhere = { 'x-original-url': '/v1/me', 'x-rewrite-url': '/v1/me', 'x-forwarded-prefix': '/v1/me', forwarded: 'for=6.6.6.6;host=evil' };
  const body = JSON.stringify({ name: 'mine', role: 'admin', reason: 'a test' });
  const refused = await raw('POST', '/v1/tokens', { ...bearer(viewer), ...jsonHeaders, ...elsewhere, 'x-forwarded-for': '6.6.6.6', 'x-role': 'admin' }, body);
  assert.deepEqual([refused.status, JSON.parse(refused.text).code], [403, 'AUTH_FORBIDDEN']);
  const { data } = await client.call('GET /audit', { query: { q: 'act:token.create code:AUTH_FORBIDDEN' } });
  assert.deepEqual(
    data.map(({ from, outcome }) => [from, outcome]),
    [['127.0.0.1', 'refused']],
  );
});

test('a page of another site changes nothing with a cookie, by a form or by a script, and each try is recorded', async () => {
  const link = (await stack.running.firstSignIn())?.split('#link=')[1] ?? '';
  const own = { ...jsonHeaders, 'sec-fetch-site': 'same-origin' };
  const signIn = await fetch(`${stack.url}/v1/sessions`, {
    method: 'POST',
    headers: own,
    body: JSON.stringify({ user: 'ada', password: 'correct horse battery', link }),
  });
  const cookie = signIn.headers.get('set-cookie')?.split(';')[0] ?? '';
  assert.equal((await raw('GET', '/v1/me', { cookie })).status, 200);
  const changing = routes.filter(({ method, role }) => method !== 'GET' && role !== 'public');
  assert.ok(changing.length > 25);
  const forged = [
    { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' },
    { ...jsonHeaders, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { ...jsonHeaders, 'sec-fetch-site': 'same-site' },
    { ...jsonHeaders, origin: 'null' },
    jsonHeaders,
  ];
  for (const [at, route] of changing.entries()) {
    const path = pathOf(route) + queryOf(route);
    for (const headers of inTurn(forged, 3, at)) {
      const { status, text } = await raw(route.method, path, { ...headers, cookie, ...(route.ifMatch ? { 'if-match': '"1"' } : {}) }, '{}');
      assert.deepEqual([status, JSON.parse(text).code], [403, 'AUTH_CSRF'], `${keyOf(route)} ${JSON.stringify(headers)}`);
    }
  }
  let recorded = 0;
  for (let cursor: string | undefined; ; ) {
    const page = await client.call('GET /audit', { query: { q: 'code:AUTH_CSRF by:user:ada', limit: 200, ...(cursor === undefined ? {} : { cursor }) } });
    recorded += page.data.length;
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  assert.equal(recorded, changing.length * 3);
  // The session itself is as good as before.
  assert.equal((await raw('GET', '/v1/me', { cookie })).status, 200);
});

const crafted = ['active', 'wait', 'repeat:a:1', '__proto__', 'constructor', '..', '../../tokens', 'a/b', 'a.b.c', '{m}:intake', '%00', '*'];
const specOf = (name: string, place: string) => ({ name, inputs: uriOf('one.csv'), output: { uri: `${uriOf('out', place)}/` } });

test('names that mean something to a queue, a path or an object are refused or are only names', async () => {
  const jobs = await Promise.all(
    crafted.map(async (key, at) => {
      const sent = { body: { spec: specOf('active', `crafted-${at}`) } };
      return (await client.call('POST /jobs', sent, { idempotencyKey: key })).jobId;
    }),
  );
  assert.equal(new Set(jobs).size, crafted.length);
  for (const jobId of jobs) assert.equal((await resultOf(jobId)).rows, 1);
  for (const name of [...crafted, 'x'.repeat(10_240)]) {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH'] as const) {
      for (const kind of ['schedules', 'queues', 'jobs', 'errors', 'workers', 'operations']) {
        const headers = { ...bearer(stack.token), ...(method === 'GET' ? {} : jsonHeaders), 'if-match': '"1"' };
        const { status, text } = await raw(method, `/v1/${kind}/${encodeURIComponent(name)}`, headers, '{}');
        assert.ok(status >= 400 && status < 500, `${method} ${kind}/${name.slice(0, 20)}: ${status} ${text.slice(0, 200)}`);
      }
    }
  }
  for (const name of crafted.filter((one) => !/^[a-z]+$/.test(one))) {
    await assert.rejects(client.call('POST /jobs', { body: { spec: specOf(name, 'never') } }), (error) => {
      assert.ok(error instanceof ApiError && error.status === 422, String(error));
      assert.deepEqual(
        error.problem.errors?.map(({ pointer }) => pointer),
        ['/spec/name'],
      );
      return true;
    });
  }
  // What would become the prototype of something is not even read.
  for (const member of ['"__proto__": {"valid": true}', '"labels": {"__proto__": "x"}', '"labels": {"constructor": {"prototype": {}}}']) {
    const text = `{"spec": {"name": "p", "inputs": "file:///x", "output": {"uri": "file:///y/"}, ${member}}}`;
    isRefusal(await raw('POST', '/v1/jobs', { ...bearer(stack.token), ...jsonHeaders }, text), member);
  }
  const long = await raw(
    'POST',
    '/v1/jobs',
    { ...bearer(stack.token), ...jsonHeaders, 'idempotency-key': 'k'.repeat(10_240) },
    JSON.stringify({ spec: specOf('long', 'long') }),
  );
  assert.deepEqual([long.status, JSON.parse(long.text).errors?.[0]?.pointer], [400, '/headers/idempotency-key']);
  // The queue is as healthy as before: what comes now is done.
  const { jobId } = await client.call('POST /jobs', { body: { spec: specOf('plain', 'plain') } });
  assert.equal((await resultOf(jobId)).rows, 1);
  const { data: queues } = await client.call('GET /queues', { query: {} });
  assert.ok(queues.length > 0);
});

test('cells that a spreadsheet would run are marked in exports, and byte for byte the same in data', async () => {
  const cells = ['=1+1', '+49 30 1', '-2+3', '@SUM(A1)', "'quoted", "=cmd|' /C calc'!A0", '\u0000=1', '\t=1', 'plain'];
  const lines = cells.flatMap((cell, at) => [`${at},"${cell}"`, `bad${at},"${cell}"`]);
  writeFileSync(bench.path('formulas.csv'), `id,text\n${lines.join('\n')}\n`);
  const fields = [
    { name: 'id', type: 'integer' },
    { name: 'text', type: 'string' },
  ];
  const dialect = { delimiter: ',', quoteChar: '"', header: true };
  const { jobId } = await client.call('POST /jobs', {
    body: {
      spec: {
        name: 'formulas',
        inputs: { uri: uriOf('formulas.csv'), format: 'csv', encoding: 'utf-8', dialect, schema: { fields, missingValues: [] } },
        output: { uri: `${uriOf('out', 'formulas')}/`, format: 'csv' },
        rejects: { maxRatio: 1 },
      },
    },
  });
  assert.equal((await resultOf(jobId)).rows, cells.length);
  const manifest = await client.call('GET /jobs/{jobId}/manifest', { params: { jobId }, query: {} });
  const [part] = manifest['parts'] as { uri: string }[];
  const data = readFileSync(fileURLToPath(part?.uri ?? ''), 'utf8');
  for (const cell of cells) assert.ok(data.includes(cell) && !data.includes(`'${cell}`), `${JSON.stringify(cell)} in ${JSON.stringify(data)}`);

  const exported = await client.raw('GET /jobs/{jobId}/rejects', { params: { jobId }, query: {} }, { accept: 'text/csv' });
  assert.match(exported.headers.get('content-disposition') ?? '', /^attachment/);
  const csv = await exported.text();
  for (const cell of cells) {
    if (cell === 'plain') assert.ok(csv.includes(',plain') && !csv.includes("'plain"), csv);
    else assert.ok(csv.includes(`'${cell}`), `${JSON.stringify(cell)} is not marked in ${JSON.stringify(csv)}`);
  }
  const plain = await (await client.raw('GET /jobs/{jobId}/rejects', { params: { jobId }, query: {} }, { accept: 'application/x-ndjson' })).text();
  const texts = plain
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).text);
  assert.deepEqual(texts, cells);
});

test('a hundred submits of one key at once are one job, and another spec under it names what differs', async () => {
  const submit = (spec: object) => client.call('POST /jobs', { body: { spec: spec as never } }, { idempotencyKey: 'parallel' });
  const ends = await Promise.allSettled(Array.from({ length: 100 }, () => submit(specOf('parallel', 'parallel'))));
  // On a slow machine some are told to ask again.
  for (const end of ends) if (end.status === 'rejected') assert.match((end.reason as ApiError).code, /^(KEY_IN_FLIGHT|BUSY)$/, String(end.reason));
  const ids = new Set(ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.jobId] : [])));
  assert.equal(ids.size, 1);
  assert.equal((await client.call('GET /jobs', { query: { q: 'name:parallel' } })).total, 1);
  await assert.rejects(submit({ ...specOf('parallel', 'parallel'), rejects: { maxRows: 7 } }), (error) => {
    assert.ok(error instanceof ApiError && error.code === 'KEY_CONFLICT' && error.status === 422, String(error));
    assert.match(JSON.stringify(error.problem.details?.['differences']), /"\/rejects\/maxRows"/);
    return true;
  });
});

test('more chunks than a job may have are refused before anything is planned', async () => {
  writeFileSync(bench.path('huge.csv'), 'id,name\n1,ada\n');
  // Holes: it takes no room. 100 GB in chunks of 64 KiB are one and a half million.
  truncateSync(bench.path('huge.csv'), 100e9);
  const spec = { ...specOf('huge', 'huge'), inputs: uriOf('huge.csv'), execution: { chunkSize: '64KiB' } };
  await assert.rejects(client.call('POST /jobs', { body: { spec } }), (error) => {
    assert.ok(error instanceof ApiError && error.code === 'SPEC_OUT_OF_RANGE' && error.status === 422, String(error));
    assert.match(error.message, /at most 1000000 chunks/);
    return true;
  });
  assert.equal((await client.call('GET /jobs', { query: { q: 'name:huge' } })).total, 0);
});

test('who floods is made to wait, who is slow holds nobody up, and streams are counted', async () => {
  const sockets: Socket[] = [];
  let other: RunningApi | null = null;
  const [loud, calm] = [await tokenOf('operator'), await tokenOf('viewer')];
  try {
    other = await startApi({ ...stack.options, port: 0, requestsPerMinute: 20, devToken: newToken(), scratch: bench.temporary });
    const { url } = other;
    const { hostname, port } = new URL(url);
    // Requests that never end.
    for (let number = 0; number < 100; number++) {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      socket.write(`POST /v1/jobs HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${loud}\r\ncontent-`);
      sockets.push(socket);
    }
    const ask = (token: string): Promise<Response> => fetch(`${url}/v1/me`, { headers: bearer(token) });
    const statuses = new Set<number>();
    for (const answer of await Promise.all(Array.from({ length: 200 }, () => ask(loud)))) {
      statuses.add(answer.status);
      if (answer.status === 429) assert.ok(Number(answer.headers.get('retry-after')) >= 1);
      await answer.arrayBuffer();
    }
    assert.deepEqual([...statuses].sort(), [200, 429]);
    assert.equal((await ask(calm)).status, 200);
  } finally {
    for (const socket of sockets) socket.destroy();
    await other?.stop();
  }
  const open: AbortController[] = [];
  const stream = async (): Promise<number> => {
    const stop = new AbortController();
    open.push(stop);
    return (await fetch(`${stack.url}/v1/stream?topics=jobs`, { headers: bearer(calm), signal: stop.signal })).status;
  };
  try {
    const seen: number[] = [];
    for (let number = 0; number < 8; number++) seen.push(await stream());
    assert.deepEqual(seen, [200, 200, 200, 200, 200, 200, 429, 429]);
  } finally {
    for (const stop of open) stop.abort();
  }
});
