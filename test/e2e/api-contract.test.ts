/**
 * Every route of the table over HTTP against real parts: who may call it, what it refuses and how it says so, and that what it answers fits its own schema
 * (the stack checks each answer). Made from the table, so that a route that comes is tested with it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { handlers } from '../../packages/api/src/routes/index.ts';
import { problemShape } from '../../packages/api-contract/src/problem.ts';
import { keyOf, type Role, type Route, roles } from '../../packages/api-contract/src/route.ts';
import { routes as table } from '../../packages/api-contract/src/routes.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { badBodies, pathOf, queryOf, sampleOf } from './support/samples.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const routes: readonly Route[] = table.filter((route) => handlers.has(keyOf(route)));
const bench = new Workbench('contract');
/** Of tenant `default`, and an admin's of another one. */
const tokens = new Map<Role | 'other', string>();
/** Of all tenants. */
const global = new Map<Role, string>();
let api: ApiStack;
let jobId: string;

before(async () => {
  api = await startApiStack({ out: bench.path('out'), readRoots: [bench.home] });
  for (const role of roles) tokens.set(role, await newToken(role, ['default']));
  for (const role of roles) global.set(role, await newToken(role, null));
  tokens.set('other', await newToken('admin', ['other']));
  const { directory } = bench.generate('orders', { records: 500 });
  const submitted = await api.client.call('POST /jobs', { body: { spec: generatedSpec(directory, bench.path('out', 'orders'), '64KiB') } });
  jobId = submitted.jobId;
  await api.client.call('GET /jobs/{jobId}/result', { params: { jobId }, query: { wait: '60s' } });
});
after(async () => {
  await api?.stop();
  await bench.close();
});

async function newToken(role: Role, tenants: string[] | null): Promise<string> {
  const made = await api.client.call('POST /tokens', { body: { name: `test ${role}`, role, tenants, reason: 'test' } });
  return made.secret;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Null: not JSON, or nothing. */
  readonly json: Record<string, unknown> | null;
}

async function send(method: string, path: string, token: string | null, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const stop = new AbortController();
  const response = await fetch(api.url + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body ?? {}) }),
    signal: stop.signal,
  });
  const isJson = /json$/.test((response.headers.get('content-type') ?? '').split(';')[0] ?? '');
  const json = isJson ? ((await response.json()) as Record<string, unknown>) : null;
  // An event stream has no end of its own.
  if (!isJson) stop.abort();
  return { status: response.status, headers: response.headers, json };
}

/** A call that is well formed as far as who asks is concerned, of things that do not exist. */
const call = (route: Route, token: string | null): Promise<Answer> =>
  send(route.method, pathOf(route) + queryOf(route), token, {}, { ...(route.ifMatch ? { 'if-match': '"v1"' } : {}), ...mediaOf(route) });
const mediaOf = (route: Route): Record<string, string> => (route.accepts === undefined ? {} : { 'content-type': route.accepts[0] ?? '' });

function isProblem({ status, headers, json }: Answer, code?: string): void {
  assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/);
  const problem = problemShape.parse(json);
  assert.equal(problem.status, status);
  assert.equal(problem.requestId, headers.get('x-request-id'));
  if (code !== undefined) assert.equal(problem.code, code, JSON.stringify(problem));
}

describe('who may call', () => {
  for (const route of routes) {
    test(keyOf(route), async () => {
      const anonymous = await call(route, null);
      if (route.role === 'public') assert.notEqual(anonymous.status, 500);
      else isProblem(anonymous, 'AUTH_REQUIRED');
      const forged = await call(route, `mrt_${'A'.repeat(43)}`);
      isProblem(forged, 'AUTH_REQUIRED');
      const limited = roles.map((one) => [one, tokens.get(one) ?? ''] as const);
      for (const [role, token] of [...limited, ...global]) {
        const answer = await call(route, token);
        const isLimited = tokens.get(role) === token;
        const isHighEnough = route.role === 'public' || roles.indexOf(role) >= roles.indexOf(route.role);
        const may = isHighEnough && !(isLimited && route.everyTenant === true);
        const said = `${role} of ${isLimited ? 'a tenant' : 'all tenants'}: ${answer.status} ${JSON.stringify(answer.json)?.slice(0, 300)}`;
        if (may) assert.ok(answer.status !== 403 && (answer.status !== 401 || route.role === 'public') && answer.status !== 500, said);
        else isProblem(answer, 'AUTH_FORBIDDEN');
        assert.ok(answer.status < 500 || answer.status === 503, said);
      }
    });
  }
});

describe('a job of another tenant is no job', () => {
  for (const route of routes.filter(({ path }) => path.includes('{jobId}'))) {
    test(keyOf(route), async () => {
      const body = route.body === undefined ? {} : sampleOf(route.body);
      const headers = { ...(route.ifMatch ? { 'if-match': '"v1"' } : {}), ...mediaOf(route) };
      const ask = (id: string): Promise<Answer> => send(route.method, pathOf(route, { jobId: id }) + queryOf(route), tokens.get('other') ?? '', body, headers);
      const unknown = `j${'1'.repeat(26)}`;
      const [foreign, none] = [await ask(jobId), await ask(unknown)];
      isProblem(foreign, 'NOT_FOUND');
      const told = ({ json }: Answer, id: string): string => JSON.stringify({ ...json, requestId: '' }).replaceAll(id, 'ID');
      assert.equal(told(foreign, jobId), told(none, unknown));
    });
  }

  test('it is in no list', async () => {
    const list = await send('GET', '/v1/jobs', tokens.get('other') ?? '');
    assert.deepEqual(list.json, { data: [], nextCursor: null, total: 0, filter: '' });
    const own = await send('GET', '/v1/jobs', tokens.get('viewer') ?? '');
    assert.equal(own.json?.['total'], 1);
  });

  test('none can be submitted', async () => {
    const spec = { name: 'tidy', inputs: 'file:///nothing.csv', output: { uri: 'file:///nowhere/' }, execution: { tenant: 'default' } };
    const answer = await send('POST', '/v1/jobs', tokens.get('other') ?? '', { spec });
    isProblem(answer, 'SPEC_TENANT_DENIED');
    assert.equal(answer.status, 403);
  });
});

describe('a body that does not fit is refused at its place', () => {
  for (const route of routes) {
    if (route.body === undefined || route.accepts !== undefined) continue;
    const bad = badBodies(route.body);
    if (bad.length === 0) continue;
    test(keyOf(route), async () => {
      for (const { what, body, pointer } of bad) {
        const headers = { ...(route.ifMatch ? { 'if-match': '"v1"' } : {}) };
        const answer = await send(route.method, pathOf(route) + queryOf(route), api.token, body, headers);
        isProblem(answer, 'REQUEST_INVALID');
        const pointers = (answer.json?.['errors'] as { pointer: string }[] | undefined)?.map((one) => one.pointer) ?? [];
        assert.ok(
          pointers.some((one) => one === pointer || one.startsWith(`${pointer}/`)),
          `${what}: expected ${pointer} among ${JSON.stringify(answer.json)}`,
        );
      }
    });
  }

  for (const route of routes.filter((one) => one.method !== 'GET' && one.accepts === undefined)) {
    test(`${keyOf(route)} as text, as broken JSON, with a prototype`, async () => {
      const path = pathOf(route) + queryOf(route);
      isProblem(await send(route.method, path, api.token, 'x', { 'content-type': 'text/plain' }), 'REQUEST_MEDIA_TYPE');
      isProblem(await send(route.method, path, api.token, '{"reason": "x"'), 'REQUEST_INVALID');
      isProblem(await send(route.method, path, api.token, '{"__proto__": {"role": "admin"}}'), 'REQUEST_INVALID');
    });
  }
});

describe('a query that does not fit is refused at its place', () => {
  for (const route of routes.filter(({ method }) => method === 'GET')) {
    test(keyOf(route), async () => {
      const [path, own] = [pathOf(route), queryOf(route)];
      const answer = await send('GET', `${path}${own === '' ? '?' : `${own}&`}thereIsNoSuchField=1`, api.token);
      isProblem(answer, 'REQUEST_INVALID');
      assert.match(JSON.stringify(answer.json?.['errors']), /"\/query\/thereIsNoSuchField"/);
      for (const name of Object.keys(route.query?.shape ?? {})) {
        const twice = await send('GET', `${path}?${name}=1&${name}=2`, api.token);
        isProblem(twice, 'REQUEST_INVALID');
        assert.match(JSON.stringify(twice.json?.['errors']), new RegExp(`"/query/${name}"`));
      }
    });
  }
});

describe('a step of the path that does not fit', () => {
  for (const route of routes.filter(({ path }) => path.includes('{'))) {
    test(keyOf(route), async () => {
      for (const name of Object.keys(route.params?.shape ?? {})) {
        for (const bad of ['..%2F..%2Fetc', '%00', "'; DROP", '<script>', 'x'.repeat(250)]) {
          const raw = /%/.test(bad) ? bad : encodeURIComponent(bad);
          const path = `/v1${route.path.replace(/\{(\w+)\}/g, (_, one: string) => (one === name ? raw : (pathOf(route).split('/')[2] ?? '')))}`;
          const answer = await send(route.method, path + queryOf(route), api.token, route.body === undefined ? {} : sampleOf(route.body), {
            ...(route.ifMatch ? { 'if-match': '"v1"' } : {}),
            ...mediaOf(route),
          });
          assert.ok(answer.status === 400 || answer.status === 404, `${name}=${bad}: ${answer.status} ${JSON.stringify(answer.json)}`);
          isProblem(answer);
        }
      }
    });
  }
});

test('what is not in the table is not found, whatever the method, the case, a slash too many', async () => {
  for (const [method, path] of [
    ['GET', '/v1'],
    ['GET', '/v1/jobs/'],
    ['GET', '/v1//jobs'],
    ['GET', '/V1/jobs'],
    ['GET', '/v1/Jobs'],
    ['GET', '/v1/jobs/..%2Ftokens'],
    ['GET', '/v1/health'],
    ['GET', '/v1/jobs/health'],
    ['PUT', '/v1/jobs'],
    ['OPTIONS', '/v1/jobs'],
    ['HEAD', '/v1/jobs'],
    ['TRACE', '/metrics'],
    ['GET', '/metrics'],
    ['GET', '/docs/errors/NOTHING'],
  ] as const) {
    const response = await fetch(api.url + path, { method: method === 'TRACE' ? 'POST' : method, headers: { authorization: `Bearer ${api.token}` } });
    assert.ok([400, 404].includes(response.status), `${method} ${path}: ${response.status}`);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  }
});

test('every answer forbids to be kept, framed, sniffed or run', async () => {
  const token = { authorization: `Bearer ${api.token}` };
  for (const [path, headers] of [
    ['/v1/me', token],
    ['/v1/me', {}],
    ['/v1/nothing', {}],
    ['/v1/openapi.json', {}],
  ] as const) {
    const { headers: got } = await fetch(api.url + path, { headers });
    assert.equal(got.get('cache-control'), 'no-store');
    assert.equal(got.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
    assert.equal(got.get('x-content-type-options'), 'nosniff');
    assert.equal(got.get('x-frame-options'), 'DENY');
    assert.match(got.get('x-request-id') ?? '', /^r[0-9a-z]{26}$/);
  }
});

test('the type of a problem leads to its page, on the same server and without credentials', async () => {
  const answer = await send('GET', '/v1/jobs', null);
  const page = await fetch(api.url + String(answer.json?.['type']));
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.match(await page.text(), /AUTH_REQUIRED/);
});

test('pages of a list are whole, in one order, and stable while jobs come', async () => {
  const { directory } = bench.generate('more', { records: 20 });
  const submit = (name: string) =>
    api.client.call('POST /jobs', { body: { spec: generatedSpec(directory, bench.path('out', name), '64KiB', { name }), ack: 'queue' } });
  const wanted = new Set<string>();
  for (let number = 0; number < 5; number++) wanted.add((await submit(`page-${number}`)).jobId);
  for (const id of wanted) await api.client.call('GET /jobs/{jobId}/result', { params: { jobId: id }, query: { wait: '60s' } }).catch(() => undefined);
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 20; page++) {
    const query = { q: 'name:page-*', limit: 2, ...(cursor === undefined ? {} : { cursor }) };
    const reply = await api.client.call('GET /jobs', { query });
    seen.push(...reply.data.map((one) => one.jobId));
    if (page === 0) await submit('page-later');
    if (reply.nextCursor === null) break;
    cursor = reply.nextCursor;
  }
  assert.deepEqual(new Set(seen), wanted);
  assert.equal(seen.length, wanted.size);
  const link = await fetch(`${api.url}/v1/jobs?limit=1`, { headers: { authorization: `Bearer ${api.token}` } });
  assert.match(link.headers.get('link') ?? '', /^<\/v1\/jobs\?limit=1&cursor=[^>]+>; rel="next"$/);
  const other = await send('GET', `/v1/jobs?q=name:other&cursor=${cursor}`, api.token);
  isProblem(other, 'CURSOR_INVALID');
  isProblem(await send('GET', '/v1/jobs?q=stat:failed', api.token), 'FILTER_INVALID');
});

test('a token of one scope may call nothing else', async () => {
  const made = await api.client.call('POST /tokens', { body: { name: 'scaler', role: 'viewer', scopes: ['stats:read'], reason: 'test' } });
  for (const route of routes.filter((one) => one.role !== 'public' && one.scope === undefined && one.role === 'viewer')) {
    isProblem(await call(route, made.secret), 'AUTH_FORBIDDEN');
  }
  assert.equal((await send('GET', '/v1/me', made.secret)).status, 200);
});

test('a call with a key is done once, and a revoked token is nobody at once', async () => {
  const body = { name: 'short', role: 'viewer', reason: 'test' } as const;
  const made = await api.client.call('POST /tokens', { body });
  assert.equal((await send('GET', '/v1/me', made.secret)).status, 200);
  await api.client.call('DELETE /tokens/{tokenId}', { params: { tokenId: made.tokenId } });
  isProblem(await send('GET', '/v1/me', made.secret), 'AUTH_REQUIRED');
  const { data } = await api.client.call('GET /tokens', { query: { limit: 200 } });
  const listed = data.find(({ tokenId }) => tokenId === made.tokenId);
  assert.equal(listed?.revoked, true);
  assert.doesNotMatch(JSON.stringify(data), /sha256|mrt_/);
});
