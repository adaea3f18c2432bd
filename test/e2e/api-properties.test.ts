/**
 * Requests drawn from the server's own OpenAPI document, right and wrong, in whatever order they come: none is answered with a fault, and each refusal is a
 * problem that names its place. `MILLRACE_API_SEED=7` draws others; a failure prints its seed and its request.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { problemShape } from '../../packages/api-contract/src/problem.ts';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { type DrawnRequest, type Json, RequestSource } from './support/openapi-requests.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const seed = Number(process.env['MILLRACE_API_SEED'] ?? 1);
/** Of each route. */
const draws = Number(process.env['MILLRACE_API_DRAWS'] ?? 5);
const atOnce = 4;

const bench = new Workbench('api-properties');
let stack: ApiStack;
let jobId: string;

before(async () => {
  stack = await startApiStack({ out: bench.path('out'), readRoots: [bench.home] });
  const { directory } = bench.generate('data', { records: 300 });
  const spec = generatedSpec(directory, bench.path('out', 'data'), '64KiB');
  const submitted = await stack.client.call('POST /jobs', { body: { spec } });
  jobId = submitted.jobId;
  const result = { params: { jobId: submitted.jobId }, query: { wait: '60s' } } as const;
  while (!('rows' in (await stack.client.call('GET /jobs/{jobId}/result', result))));
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

async function expectForeseen(request: DrawnRequest): Promise<number> {
  const { method, path, headers, body } = request;
  const stop = new AbortController();
  const response = await fetch(stack.url + path, {
    method,
    headers: { ...headers, authorization: `Bearer ${stack.token}` },
    signal: stop.signal,
    ...(body === null ? {} : { body }),
  });
  const said = `seed ${seed}: ${method} ${path} ${body?.slice(0, 1_000) ?? ''}`;
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
  const text = isStream ? '' : await response.text();
  stop.abort();
  // A scheduler that is slow is no fault: that is said, and when to come again.
  const isBusy = response.status === 503 && response.headers.has('retry-after');
  assert.ok(response.status < 500 || isBusy, `${said}: ${response.status} ${text.slice(0, 500)}`);
  if (response.status < 400) return response.status;
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/, said);
  const problem = problemShape.parse(JSON.parse(text));
  assert.equal(problem.status, response.status, said);
  assert.doesNotMatch(text, /\n\s+at |node_modules|\.ts:\d/, said);
  // What was wrong with the request itself is told by its place.
  if (problem.code === 'REQUEST_INVALID' || problem.code.startsWith('SPEC_'))
    assert.ok((problem.errors?.length ?? 0) > 0 || /address|headers|cannot resolve/.test(problem.detail), `${said}: ${text}`);
  for (const { pointer, message } of problem.errors ?? []) assert.ok((pointer === '' || pointer.startsWith('/')) && message.length > 0, `${said}: ${text}`);
  return response.status;
}

test('no request drawn from the document is answered with a fault', async () => {
  const document = (await (await fetch(`${stack.url}/v1/openapi.json`)).json()) as Json;
  const source = new RequestSource(document, seed, [jobId, `${jobId}.clean.0`, `${jobId}.clean.0.r1`, 'default', '0', 'clean', 'orders', 'CSV_STRAY_QUOTE']);
  const answered = new Map<number, number>();
  const requests = Array.from({ length: source.operations * draws }, (_, number) => source.draw(number));
  for (let at = 0; at < requests.length; at += atOnce) {
    for (const status of await Promise.all(requests.slice(at, at + atOnce).map(expectForeseen))) answered.set(status, (answered.get(status) ?? 0) + 1);
  }
  // A generator that is refused at once everywhere would prove little.
  assert.ok((answered.get(200) ?? 0) > requests.length / 20, JSON.stringify([...answered]));
  assert.ok((answered.get(400) ?? 0) > requests.length / 20, JSON.stringify([...answered]));
});
