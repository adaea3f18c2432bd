import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, createClient, UnreachableError } from './client.ts';

/** Answers as a server would and keeps what it was asked. */
function server(answer: Response) {
  const asked: { url: string; init: RequestInit | undefined }[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    asked.push({ url: String(url), init });
    return answer.clone();
  };
  return { asked, fetch };
}

test('a call is method, path and JSON, and its answer is read', async () => {
  const { asked, fetch } = server(Response.json({ by: 'user:ada' }, { status: 201, headers: { etag: '"1"', 'x-request-id': 'r1' } }));
  const client = createClient({ baseUrl: 'http://localhost:8080/', token: 'mrt_x', fetch });
  const reply = await client.reply('POST /sessions', { body: { user: 'ada', password: 'correct horse' } }, { idempotencyKey: 'k' });
  assert.deepEqual([reply.status, reply.etag, reply.requestId, reply.replayed], [201, '"1"', 'r1', false]);
  const [{ url, init } = assert.fail('nothing was asked')] = asked;
  assert.equal(url, 'http://localhost:8080/v1/sessions');
  assert.equal(init?.method, 'POST');
  assert.deepEqual(JSON.parse(String(init?.body)), { user: 'ada', password: 'correct horse' });
  const headers = new Headers(init?.headers);
  assert.equal(headers.get('authorization'), 'Bearer mrt_x');
  assert.equal(headers.get('idempotency-key'), 'k');
  assert.equal(headers.get('content-type'), 'application/json');
});

test('a step of the path and a query are written so that they stay what they are', async () => {
  const { asked, fetch } = server(Response.json({ jobId: 'j', state: 'running', generation: 1 }, { status: 202 }));
  const client = createClient({ fetch });
  const data = await client.call('GET /jobs/{jobId}/result', { params: { jobId: 'j/../x?y' }, query: { wait: '30s' } });
  assert.equal(asked[0]?.url, '/v1/jobs/j%2F..%2Fx%3Fy/result?wait=30s');
  // Both answers of 2xx are data; which one it is shows in a field.
  assert.equal('state' in data ? data.state : data.rows, 'running');
  assert.equal(client.url('GET /jobs', { query: { q: 'state:failed age:<2d', limit: 20 } }), '/v1/jobs?q=state%3Afailed+age%3A%3C2d&limit=20');
  await client.call('POST /jobs/{jobId}/pause', { params: { jobId: 'j1' } });
  assert.equal(asked[1]?.init?.body, '{}');
});

test('an act without a body still says that it is JSON, and an empty answer is null', async () => {
  const { asked, fetch } = server(new Response(null, { status: 204 }));
  assert.equal(await createClient({ fetch }).call('DELETE /sessions/current', {}), null);
  assert.equal(new Headers(asked[0]?.init?.headers).get('content-type'), 'application/json');
});

test('a problem is thrown with its code, anything else that is no answer as unreachable', async () => {
  const problem = { type: '/docs/errors/RATE_LIMITED', title: 't', status: 429, code: 'RATE_LIMITED', detail: 'd', retryable: true, requestId: 'r1' };
  const limited = server(Response.json(problem, { status: 429, headers: { 'retry-after': '7' } }));
  await assert.rejects(createClient({ fetch: limited.fetch }).call('GET /me', {}), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.status, error.retryable, error.retryAfterSeconds, error.message], ['RATE_LIMITED', 429, true, 7, 'd']);
    return true;
  });
  const proxy = server(new Response('<h1>Bad Gateway</h1>', { status: 502 }));
  await assert.rejects(createClient({ fetch: proxy.fetch }).call('GET /me', {}), UnreachableError);
  const page = server(new Response('<html>', { status: 200 }));
  await assert.rejects(createClient({ fetch: page.fetch }).call('GET /me', {}), UnreachableError);
  const fetch = (): Promise<Response> => Promise.reject(new TypeError('fetch failed'));
  await assert.rejects(createClient({ fetch }).call('GET /me', {}), UnreachableError);
});
