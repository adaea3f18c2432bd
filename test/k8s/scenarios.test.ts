/**
 * `npm run test:k8s`: an installation in a cluster, put up as `k8s/README.md` says with `k8s/overlays/test`, while its pool grows, shrinks and loses pods.
 * The cluster is the one that KUBECONFIG names; without one every scenario is skipped and says so. Nothing is installed or removed but pods of the pool.
 *
 * `MILLRACE_URL` and `MILLRACE_TOKEN` (an operator's): its API. `MILLRACE_TEST_SPEC`: a job spec as JSON whose input lies where the cluster reaches it and
 * gives some hundred chunks of seconds each; every scenario writes below its output in a folder of its own. A timeline of each is kept in `.cache/k8s`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '../../packages/api-contract/src/client.ts';
import { attemptFaults, type Look, type Pod, podsOf, type SeenAttempt, scalingFaults } from './judge.ts';

const { KUBECONFIG, MILLRACE_URL, MILLRACE_TOKEN, MILLRACE_TEST_SPEC } = process.env;
const namespace = process.env['MILLRACE_TEST_NAMESPACE'] ?? 'millrace';
const pool = process.env['MILLRACE_TEST_POOL'] ?? 'default';
const lookEveryMs = 2_000;
const limitMs = 20 * 60_000;

function missing(): string | false {
  const absent = Object.entries({ KUBECONFIG, MILLRACE_URL, MILLRACE_TOKEN, MILLRACE_TEST_SPEC }).filter(([, value]) => !value);
  return absent.length === 0 ? false : `no cluster: ${absent.map(([name]) => name).join(', ')} not set (docs: k8s/README.md)`;
}
const skip = missing();
if (skip !== false) console.log(`test:k8s skipped: ${skip}`);
const options = { skip, timeout: limitMs };
const client = (): Client => createClient({ baseUrl: MILLRACE_URL ?? '', token: MILLRACE_TOKEN ?? '' });

const kubectl = (...words: string[]): string => execFileSync('kubectl', ['-n', namespace, ...words], { encoding: 'utf8', maxBuffer: 64 << 20 });
const pods = (): Pod[] => podsOf(kubectl('get', 'pods', '-l', `millrace.dev/pool=${pool}`, '-o', 'json'));

/** The job of the spec, with outputs of its own. */
async function submit(api: Client, name: string): Promise<string> {
  const spec = JSON.parse(readFileSync(MILLRACE_TEST_SPEC ?? '', 'utf8')) as { output: { uri: string } } & Record<string, unknown>;
  const output = { ...spec.output, uri: `${spec.output.uri.replace(/\/*$/, '')}/${name}-${Date.now()}/` };
  return (await api.call('POST /jobs', { body: { spec: { ...spec, output } } })).jobId;
}

async function look(api: Client): Promise<Look> {
  const { podsWanted, inHand } = await api.call('GET /stats/scaling', { query: { pool } });
  return { atMs: Date.now(), wanted: podsWanted, inHand, pods: pods().filter(({ isLeaving }) => !isLeaving).length };
}

/** Looks until it holds; every look is kept, for what failed must be seen afterwards. */
async function looksUntil(api: Client, name: string, holds: (look: Look) => boolean | Promise<boolean>): Promise<Look[]> {
  const looks: Look[] = [];
  const directory = fileURLToPath(new URL('../../.cache/k8s', import.meta.url));
  mkdirSync(directory, { recursive: true });
  for (const endMs = Date.now() + limitMs; Date.now() < endMs; await sleep(lookEveryMs)) {
    const now = await look(api);
    looks.push(now);
    writeFileSync(join(directory, `${name}.json`), JSON.stringify(looks));
    if (await holds(now)) return looks;
  }
  throw new Error(`${name}: not within ${limitMs / 60_000} minutes, last ${JSON.stringify(looks.at(-1))}`);
}

async function isOver(api: Client, jobId: string): Promise<boolean> {
  const { state } = await api.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } });
  assert.notEqual(state, 'failed');
  assert.notEqual(state, 'cancelled');
  return state === 'completed';
}

async function attemptsOf(api: Client, id: string): Promise<SeenAttempt[]> {
  const jobId = id as never;
  const seen: SeenAttempt[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.call('GET /jobs/{jobId}/chunks', { params: { jobId }, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } });
    for (const { chunkId } of page.data) {
      const [stage = '', index = ''] = chunkId.split('.').slice(1);
      const { data } = await api.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', { params: { jobId, stage, index }, query: {} });
      seen.push(...data.map(({ outcome, failure }) => ({ chunk: `${stage}.${index}`, outcome, code: failure?.code ?? null })));
    }
    if (page.nextCursor === null) return seen;
    cursor = page.nextCursor;
  }
}

/** Every record has one fate, and every chunk one commit. */
async function expectWhole(api: Client, jobId: string): Promise<void> {
  const { balance, chunks } = await api.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } });
  assert.equal(balance.recordsIn, balance.emitted + balance.filtered + balance.deduplicated + balance.rejected);
  assert.deepEqual([chunks.committed, chunks.dead], [chunks.total, 0]);
}

test('1, 2: the pool follows a job up and comes back without losing what is in hand', options, async () => {
  const api = client();
  const { minPods, maxPods } = await api.call('GET /stats/scaling', { query: { pool } });
  const jobId = await submit(api, 'scale');
  const looks = await looksUntil(api, 'scale', async (now) => now.pods <= minPods && now.inHand === 0 && (await isOver(api, jobId)));
  assert.deepEqual(scalingFaults(looks, { least: minPods, most: maxPods }), []);
  assert.deepEqual(attemptFaults(await attemptsOf(api, jobId), 'drained'), []);
  assert.ok(pods().every(({ restarts }) => restarts === 0));
  await expectWhole(api, jobId);
});

for (const [number, leaving, grace] of [
  [3, 'drained', []],
  [5, 'killed', ['--grace-period=0', '--force']],
] as const) {
  test(`${number}: a pod that is ${leaving} in the middle of its work uses up no attempt and loses nothing`, options, async () => {
    const api = client();
    const jobId = await submit(api, leaving);
    // Chunks in hand: what is in hand first is the plan, over before the pod has left.
    await looksUntil(api, `${leaving}-before`, async () => (await api.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } })).chunks.running > 0);
    const [victim] = pods().filter(({ isReady, isLeaving }) => isReady && !isLeaving);
    assert.ok(victim, 'no pod of the pool is ready');
    kubectl('delete', 'pod', victim.name, '--wait=false', ...grace);
    await looksUntil(api, leaving, () => isOver(api, jobId));
    assert.deepEqual(attemptFaults(await attemptsOf(api, jobId), leaving), []);
    await expectWhole(api, jobId);
  });
}
