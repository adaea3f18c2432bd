/** What an autoscaler asks of a scheduler, over HTTP, with tokens as the api makes them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256Hex, type TokenDocument, tokenIdOf } from '@millrace/protocol';
import { type ScalingServer, scalingServer } from './scaling-server.ts';
import type { RunningScheduler } from './start-scheduler.ts';
import { Bench } from './testing/fixture.ts';

let bench: Bench;
let scheduler: RunningScheduler;
let server: ScalingServer;
before(async () => {
  bench = await Bench.set();
  scheduler = await bench.startScheduler();
  server = scalingServer(scheduler.control, { port: 0, host: '127.0.0.1' });
  await server.start();
});
after(async () => {
  await server.stop();
  await bench.clear();
});

async function tokenWith(changes: Partial<TokenDocument>): Promise<string> {
  const secret = `mrt_${randomBytes(32).toString('base64url')}`;
  const { clock, journal } = scheduler.control;
  const [now, later] = [clock.nowIso(), new Date(clock.nowMs() + 60_000).toISOString()];
  const who = { name: 'keda', role: 'viewer', tenants: null, scopes: ['stats:read'], createdAt: now, createdBy: 'test', expiresAt: later } as const;
  const body: TokenDocument = { tokenId: tokenIdOf(secret), sha256: sha256Hex(secret), ...who, scopes: [...who.scopes], ...changes };
  await journal.putRegistered('tokens', body.tokenId, 1, { at: now, by: 'test', reason: '', body });
  return secret;
}

async function get(path: string, token?: string, method = 'GET') {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers, method });
  return { status: response.status, body: (await response.json()) as Record<string, unknown>, headers: response.headers };
}

describe('scaling over HTTP', () => {
  test('is told to a token with the scope: the same numbers as the api tells', async () => {
    const token = await tokenWith({});
    let found = await get('/v1/stats/scaling?pool=default', token);
    for (const startMs = performance.now(); found.status === 503 && performance.now() - startMs < 120_000; await sleep(50))
      found = await get('/v1/stats/scaling?pool=default', token);
    assert.equal(found.status, 200, JSON.stringify(found.body));
    const { pool, podsWanted, bands, notCounted, ageMs, isRebuilding } = found.body;
    assert.deepEqual([pool, podsWanted, (bands as unknown[]).length, isRebuilding], ['default', 1, 3, undefined]);
    assert.ok(Number(ageMs) < 15_000 && notCounted !== undefined);
    const unknown = await get('/v1/stats/scaling?pool=gpu', token);
    assert.deepEqual([unknown.status, unknown.body['code'], unknown.body['details']], [404, 'POOL_UNKNOWN', { pools: ['default'] }]);
    assert.equal(unknown.headers.get('content-type'), 'application/problem+json');
  });

  const refused: readonly (readonly [string, Partial<TokenDocument> | null, number, string])[] = [
    ['nobody', null, 401, 'AUTH_REQUIRED'],
    ['a token that is over', { expiresAt: '2020-01-01T00:00:00.000Z' }, 401, 'AUTH_REQUIRED'],
    ['a token of another secret', { sha256: '0'.repeat(64) }, 401, 'AUTH_REQUIRED'],
    ['a token with other scopes', { scopes: [] }, 403, 'AUTH_FORBIDDEN'],
  ];
  for (const [name, changes, status, code] of refused) {
    test(`is not told to ${name}`, async () => {
      const { status: got, body } = await get('/v1/stats/scaling?pool=default', changes === null ? undefined : await tokenWith(changes));
      assert.deepEqual([got, body['code']], [status, code]);
    });
  }

  test('a token that is no text of ours, a pool that is none, and other paths', async () => {
    const token = await tokenWith({ scopes: null });
    assert.equal((await get('/v1/stats/scaling?pool=default', 'x')).status, 401);
    for (const [query, pointer] of [
      ['', '/query/pool'],
      ['?pool=A', '/query/pool'],
      ['?pool=default&pool=x', '/query/pool'],
      ['?pool=default&window=1h', '/query/window'],
    ] as const) {
      const { status, body } = await get(`/v1/stats/scaling${query}`, token);
      assert.deepEqual([status, (body['errors'] as { pointer: string }[])[0]?.pointer], [400, pointer]);
    }
    for (const path of ['/', '/v1/stats/scaling/', '/v1/stats', '/metrics']) assert.equal((await get(path, token)).status, 404);
    assert.equal((await get('/v1/stats/scaling?pool=default', token, 'POST')).status, 404);
  });

  test('while nobody leads it is not known, and never a zero', async () => {
    const token = await tokenWith({});
    await bench.redis.restart();
    const { status, body, headers } = await get('/v1/stats/scaling?pool=default', token);
    assert.ok(status === 503 || body['podsWanted'] === 1, JSON.stringify(body));
    if (status === 503) assert.deepEqual([body['retryable'], headers.get('retry-after')], [true, '2']);
  });
});
