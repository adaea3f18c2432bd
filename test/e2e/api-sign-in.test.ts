/** How people come in: the one-time link, passwords, sessions and their cookies, and what a page of another site cannot do with them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startTestRedis } from '@millrace/queues/testing';
import { systemClock } from '@millrace/service-kit';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { until } from './support/until.ts';
import { root, Workbench } from './support/workbench.ts';

const bench = new Workbench('sign-in');
const out = bench.path('out');
let aheadMs = 0;
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
let api: ApiStack;

before(async () => {
  api = await startApiStack({ out, readRoots: [bench.home], api: { clock, requestsPerMinute: 1_200 } });
});
after(async () => {
  await api?.stop();
  await bench.close();
});

const password = 'correct horse battery';

interface Said {
  readonly status: number;
  readonly json: Record<string, unknown>;
  readonly cookie: string | null;
}

/** As a page of the server's own does it. */
const ownPage = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };

async function call(method: string, path: string, body: unknown, headers: Record<string, string> = ownPage): Promise<Said> {
  const response = await fetch(`${api.url}/v1${path}`, { method, headers, ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }) });
  const text = await response.text();
  return { status: response.status, json: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>), cookie: response.headers.get('set-cookie') };
}

const cookieOf = ({ cookie }: Said): string => cookie?.split(';')[0] ?? '';
const acts = async (filter: string): Promise<(readonly [string, string | null, string | null])[]> => {
  const { data } = await api.client.call('GET /audit', { query: { q: filter, limit: 200 } });
  return data.filter(({ outcome }) => outcome !== null).map(({ by, outcome, code }) => [by, outcome, code] as const);
};

test('the link of the first start makes the admin, once, with a password that is long enough', async () => {
  const link = (await api.running.firstSignIn())?.split('#link=')[1] ?? '';
  assert.match(link, /^[A-Za-z0-9_-]{43}$/);
  const short = await call('POST', '/sessions', { user: 'ada', password: 'short', link });
  assert.deepEqual([short.status, short.json['code']], [400, 'REQUEST_INVALID']);
  assert.match(JSON.stringify(short.json['errors']), /"\/password".*at least 12/);
  const first = await call('POST', '/sessions', { user: 'ada', password, link });
  assert.deepEqual([first.status, first.json['by'], first.json['role']], [201, 'user:ada', 'admin']);
  assert.match(first.cookie ?? '', /^millrace=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  assert.doesNotMatch(JSON.stringify(first.json), /correct horse|scrypt/);
  const again = await call('POST', '/sessions', { user: 'eve', password, link });
  assert.equal(again.status, 401);
  assert.equal(await api.running.firstSignIn(), null);
});

test('a wrong password and an unknown user are answered alike', async () => {
  const [wrong, unknown] = [
    await call('POST', '/sessions', { user: 'ada', password: 'x' }),
    await call('POST', '/sessions', { user: 'nobody', password: 'x' }),
  ];
  assert.deepEqual({ ...wrong.json, requestId: '' }, { ...unknown.json, requestId: '' });
  assert.deepEqual([wrong.status, wrong.json['code'], wrong.cookie], [401, 'AUTH_REQUIRED', null]);
  assert.ok((await acts('act:session.create outcome:refused')).some(([by, , code]) => by === 'nobody' && code === 'AUTH_REQUIRED'));
});

test('a session reads with its cookie, and acts only from a page of the server itself', async () => {
  const cookie = cookieOf(await call('POST', '/sessions', { user: 'ada', password }));
  const me = await call('GET', '/me', undefined, { cookie });
  assert.deepEqual([me.status, me.json['kind']], [200, 'session']);
  const token = { name: 'mine', role: 'viewer', reason: 'test' };
  for (const headers of [
    { cookie, 'content-type': 'application/json' },
    { cookie, 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' },
    { cookie, 'content-type': 'application/json', 'sec-fetch-site': 'same-site' },
    { cookie, 'content-type': 'application/json', origin: 'http://evil.example.com' },
    { cookie, 'content-type': 'text/plain', 'sec-fetch-site': 'same-origin' },
    { cookie, 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' },
  ]) {
    const forged = await call('POST', '/tokens', token, headers);
    assert.deepEqual([forged.status, forged.json['code']], [403, 'AUTH_CSRF'], JSON.stringify(headers));
  }
  assert.ok((await acts('act:token.create code:AUTH_CSRF')).length >= 6);
  assert.equal((await call('POST', '/tokens', token, { ...ownPage, cookie })).status, 201);
  assert.equal((await call('POST', '/tokens', token, { 'content-type': 'application/json', origin: api.url, cookie })).status, 201);
});

test('an admin lets others in by links, sets them free of a forgotten password, and takes them out', async () => {
  const admin = { ...ownPage, cookie: cookieOf(await call('POST', '/sessions', { user: 'ada', password })) };
  const linkOf = ({ json }: Said): string => new URLSearchParams(String(json['link']).split('#')[1]).get('link') ?? '';
  const bob = { user: 'bob', role: 'operator', tenants: ['default'], reason: 'night shift' };
  const invited = await call('POST', '/users', bob, admin);
  assert.deepEqual([invited.status, invited.json['user'], invited.json['role']], [201, 'bob', 'operator']);
  assert.match(String(invited.json['link']), /^\/login#link=[\w-]{43}&user=bob$/);
  const listed = async (): Promise<unknown[]> => ((await call('GET', '/users', undefined, admin)).json['data'] as { user: string }[]).map(({ user }) => user);
  assert.deepEqual(await listed(), ['ada'], 'who was invited has no account before the link is followed');

  const link = linkOf(invited);
  assert.equal((await call('POST', '/sessions', { user: 'eve', password, link })).status, 401, 'the link is for one name');
  const first = await call('POST', '/sessions', { user: 'bob', password: 'a first password', link });
  assert.deepEqual([first.status, first.json['role'], first.json['tenants']], [201, 'operator', ['default']]);
  assert.equal((await call('POST', '/sessions', { user: 'bob', password: 'a first password', link })).status, 401, 'it works once');
  assert.deepEqual((await listed()).sort(), ['ada', 'bob']);
  const twice = await call('POST', '/users', bob, admin);
  assert.deepEqual([twice.status, twice.json['code']], [409, 'STATE_CONFLICT']);

  aheadMs = 1_000;
  try {
    const forgotten = linkOf(await call('POST', '/users/bob/link', { reason: 'forgot it' }, admin));
    const second = await call('POST', '/sessions', { user: 'bob', password: 'another password', link: forgotten });
    assert.deepEqual([second.status, second.json['role']], [201, 'operator']);
    assert.equal((await call('GET', '/me', undefined, { cookie: cookieOf(first) })).status, 401, 'sessions of the old password are over');
    assert.equal((await call('POST', '/sessions', { user: 'bob', password: 'a first password' })).status, 401);

    const removed = await call('DELETE', '/users/bob', {}, admin);
    assert.equal(removed.status, 204);
    assert.equal((await call('GET', '/me', undefined, { cookie: cookieOf(second) })).status, 401);
    const last = await call('DELETE', '/users/ada', {}, admin);
    assert.deepEqual([last.status, last.json['code']], [409, 'STATE_CONFLICT'], 'the last admin stays');
    assert.equal((await call('POST', '/users', bob, admin)).status, 201, 'who was taken out may be invited again');
  } finally {
    aheadMs = 0;
  }
  assert.ok((await acts('act:user.invite outcome:done')).some(([by]) => by === 'user:ada'));
});

test('an admin of some tenants grants no more than that, and sees nobody else', async () => {
  const { secret } = await api.client.call('POST /tokens', { body: { name: 'acme', role: 'admin', tenants: ['acme'], reason: 'test' } });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${secret}` };
  const beyond = await call('POST', '/users', { user: 'mallory', role: 'admin', tenants: ['default'], reason: 'test' }, headers);
  assert.deepEqual([beyond.status, beyond.json['code']], [403, 'AUTH_FORBIDDEN']);
  const within = await call('POST', '/users', { user: 'carol', role: 'admin', reason: 'test' }, headers);
  assert.deepEqual([within.status, within.json['tenants']], [201, ['acme']]);
  assert.deepEqual((await call('GET', '/users', undefined, headers)).json['data'], []);
  assert.equal((await call('DELETE', '/users/ada', {}, headers)).status, 404);
});

test('a sign-out ends the session at once', async () => {
  const cookie = cookieOf(await call('POST', '/sessions', { user: 'ada', password }));
  const end = await call('DELETE', '/sessions/current', {}, { ...ownPage, cookie });
  assert.deepEqual([end.status, end.cookie], [204, 'millrace=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0']);
  assert.equal((await call('GET', '/me', undefined, { cookie })).status, 401);
});

test('what is grave asks for a sign-in of the last ten minutes, and no session outlives twelve hours', async () => {
  const cookie = cookieOf(await call('POST', '/sessions', { user: 'ada', password }));
  try {
    aheadMs = 11 * 60_000;
    const stale = await call('POST', '/tokens', { name: 'late', role: 'viewer', reason: 'test' }, { ...ownPage, cookie });
    assert.deepEqual([stale.status, stale.json['code']], [403, 'AUTH_STALE']);
    assert.equal((await call('GET', '/me', undefined, { cookie })).status, 200);
    aheadMs = 12 * 3_600_000 + 1_000;
    assert.equal((await call('GET', '/me', undefined, { cookie })).status, 401);
  } finally {
    aheadMs = 0;
  }
});

test('tries are counted: who guesses is made to wait, also for the right password', async () => {
  let last = 0;
  for (let tries = 0; tries < 12; tries++) last = (await call('POST', '/sessions', { user: 'victim', password: `guess ${tries}` })).status;
  assert.equal(last, 429);
});

test('an address that tries too many tokens is not looked up any more, and tokens in use go on from there', async () => {
  const statuses = new Set<number>();
  for (let tries = 0; tries < 80; tries++) {
    const token = `mrt_${String(tries).padStart(43, 'A')}`;
    statuses.add((await call('GET', '/me', undefined, { authorization: `Bearer ${token}` })).status);
  }
  assert.deepEqual([...statuses], [401, 429]);
  assert.equal((await call('GET', '/me', undefined, { authorization: `Bearer ${api.token}` })).status, 200);
});

test('an act whose record cannot be written is not done', async () => {
  const audit = join(out, '_journal', 'audit');
  rmSync(audit, { recursive: true });
  writeFileSync(audit, 'in the way');
  try {
    const before = await api.client.call('GET /tokens', { query: { limit: 200 } });
    const refused = await call(
      'POST',
      '/tokens',
      { name: 'unseen', role: 'admin', reason: 'test' },
      { 'content-type': 'application/json', authorization: `Bearer ${api.token}` },
    );
    assert.ok(refused.status >= 500, String(refused.status));
    assert.doesNotMatch(JSON.stringify(refused.json), /_journal|ENOTDIR|mrt_/);
    const now = await api.client.call('GET /tokens', { query: { limit: 200 } });
    assert.equal(now.data.length, before.data.length);
  } finally {
    rmSync(audit);
  }
});

test('a name that another site made point here is not served', async () => {
  const { hostname, port } = new URL(api.url);
  const ask = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ hostname, port, path: '/v1/openapi.json', headers }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      });
      asked.once('error', reject).end();
    });
  assert.equal(await ask({ host: 'evil.example.com' }), 403);
  assert.equal(await ask({ host: `localhost:${port}` }), 200);
  assert.equal(await ask({ host: 'localhost', 'x-padding': 'x'.repeat(40_000) }), 431);
});

test('the process prints the link for a person and not into its log, and ends in order', async () => {
  const redis = await startTestRedis();
  const journal = bench.path('fresh');
  mkdirSync(journal);
  const env = {
    PATH: process.env['PATH'],
    TMPDIR: bench.temporary,
    MILLRACE_REDIS: redis.url,
    MILLRACE_JOURNAL: pathToFileURL(journal).href,
    MILLRACE_CORE: bench.core,
    MILLRACE_SCRATCH: bench.temporary,
    MILLRACE_HTTP_PORT: '0',
    MILLRACE_TELEMETRY_PORT: '0',
    MILLRACE_PUBLIC_URL: 'https://millrace.example.com',
  };
  const child = spawn(process.execPath, [join(root, 'packages/api/src/main.ts')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, logged] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    logged += text;
  });
  const ended = once(child, 'close');
  try {
    await until('the link', () => said.includes('\n'), { describe: () => logged });
    const secret = /https:\/\/millrace\.example\.com\/[a-z-]+#link=([A-Za-z0-9_-]{43})\n$/.exec(said)?.[1] ?? assert.fail(said);
    assert.match(logged, /"msg":"api listening"/);
    assert.ok(!logged.includes(secret));
  } finally {
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    await redis.stop();
  }
});

test('a body that is too large is not read', async () => {
  const answer = await call(
    'POST',
    '/jobs',
    { spec: { name: 'x'.repeat(1_100_000) } },
    { 'content-type': 'application/json', authorization: `Bearer ${api.token}` },
  );
  assert.deepEqual([answer.status, answer.json['code']], [413, 'REQUEST_TOO_LARGE']);
});
