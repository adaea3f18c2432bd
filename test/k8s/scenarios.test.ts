/**
 * `npm run test:k8s`: an installation in a cluster, put up as `k8s/README.md` says with `k8s/overlays/test`, while its pool grows, shrinks and loses pods.
 * The cluster is the one that KUBECONFIG names; without one every scenario is skipped and says so. Nothing is installed or removed but pods of the pool.
 *
 * `MILLRACE_URL` and `MILLRACE_TOKEN` (an operator's): its API. `MILLRACE_TEST_SPEC`: a job spec as JSON whose input lies where the cluster reaches it and
 * gives some hundred chunks of seconds each; every scenario writes below its output in a folder of its own. A timeline of each is kept in `.cache/k8s`.
 * `MILLRACE_TEST_BREAK`, `MILLRACE_TEST_HEAL`: commands that let the storage of the inputs answer 503 to every read, and no more; without them scenario 4 is skipped.
 * `MILLRACE_TEST_NODE`: a node of several that may be drained of this pool's pods, by eviction, and is made schedulable again; without it scenario 7 is skipped.
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

const { KUBECONFIG, MILLRACE_URL, MILLRACE_TOKEN, MILLRACE_TEST_SPEC, MILLRACE_TEST_BREAK, MILLRACE_TEST_HEAL, MILLRACE_TEST_NODE } = process.env;
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
const ofPool = ['-l', `millrace.dev/pool=${pool}`] as const;
const pods = (): Pod[] => podsOf(kubectl('get', 'pods', ...ofPool, '-o', 'json'));

/** The job of the spec, with outputs of its own. */
async function submit(api: Client, name: string, more: Record<string, unknown> = {}): Promise<string> {
  const spec = JSON.parse(readFileSync(MILLRACE_TEST_SPEC ?? '', 'utf8')) as { output: { uri: string }; execution?: object } & Record<string, unknown>;
  const output = { ...spec.output, uri: `${spec.output.uri.replace(/\/*$/, '')}/${name}-${Date.now()}/` };
  return (await api.call('POST /jobs', { body: { spec: { ...spec, output, execution: { ...spec.execution, ...more } } } })).jobId;
}

/** What failed must be seen afterwards. */
function keep(name: string, seen: unknown): void {
  const directory = fileURLToPath(new URL('../../.cache/k8s', import.meta.url));
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${name}.json`), JSON.stringify(seen));
}

async function look(api: Client): Promise<Look> {
  const { podsWanted, inHand } = await api.call('GET /stats/scaling', { query: { pool } });
  return { atMs: Date.now(), wanted: podsWanted, inHand, pods: pods().filter(({ isLeaving }) => !isLeaving).length };
}

/** Looks until it holds; every look is kept. */
async function looksUntil(api: Client, name: string, holds: (look: Look) => boolean | Promise<boolean>): Promise<Look[]> {
  const looks: Look[] = [];
  for (const endMs = Date.now() + limitMs; Date.now() < endMs; await sleep(lookEveryMs)) {
    const now = await look(api);
    looks.push(now);
    keep(name, looks);
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

/** `chunk`: stage and index. */
async function attemptsAt(api: Client, jobId: string, chunk: string): Promise<SeenAttempt[]> {
  const [stage = '', index = ''] = chunk.split('.');
  const { data } = await api.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', { params: { jobId: jobId as never, stage, index }, query: {} });
  return data.map(({ attemptId, outcome, failure, pod, startedAt, endedAt }) => ({
    chunk,
    attemptId,
    outcome,
    code: failure?.code ?? null,
    pod,
    startedAt,
    endedAt,
  }));
}

async function attemptsOf(api: Client, id: string): Promise<SeenAttempt[]> {
  const jobId = id as never;
  const seen: SeenAttempt[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.call('GET /jobs/{jobId}/chunks', { params: { jobId }, query: { limit: 200, ...(cursor === undefined ? {} : { cursor }) } });
    for (const { chunkId } of page.data) seen.push(...(await attemptsAt(api, id, chunkId.split('.').slice(1).join('.'))));
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

/** A pod that is not leaving, and the attempts at chunks of a job that it has in hand. */
interface Holder {
  readonly pod: string;
  readonly attempts: readonly { readonly attemptId: string; readonly chunk: string }[];
}

async function holdersOf(api: Client, jobId: string): Promise<Holder[]> {
  const standing = new Set(pods().flatMap(({ name, isReady, isLeaving }) => (isReady && !isLeaving ? [name] : [])));
  return (await api.call('GET /workers', {})).data.flatMap(({ pod, attempts: all }) => {
    const inHand = all.filter((attempt) => attempt.jobId === jobId).map(({ attemptId, chunkId }) => ({ attemptId, chunk: chunkId.slice(jobId.length + 1) }));
    // Plans and finishes are in hand as well.
    const attempts = inHand.filter(({ chunk }) => !chunk.startsWith('plan.') && !chunk.startsWith('finish'));
    return pod !== null && standing.has(pod) && attempts.length > 0 ? [{ pod, attempts }] : [];
  });
}

/** Takes pods away in the middle of their work, one after the other, until one left a chunk with this outcome: some are just done when they are told to go. */
async function takeAwayUntil(api: Client, jobId: string, outcome: 'released' | 'lost', grace: readonly string[]): Promise<SeenAttempt[]> {
  for (let taken = 1; ; taken += 1) {
    let holder: Holder | undefined;
    await looksUntil(api, `${outcome}-${taken}-before`, async () => {
      assert.ok(!(await isOver(api, jobId)), `the job was over after ${taken - 1} pods, and no chunk was ${outcome}: its chunks are too few or too short`);
      [holder] = await holdersOf(api, jobId);
      return holder !== undefined;
    });
    const { pod, attempts } = holder as unknown as Holder;
    kubectl('delete', 'pod', pod, '--wait=false', ...grace);
    let seen: SeenAttempt[] = [];
    await looksUntil(api, `${outcome}-${taken}-after`, async () => {
      const all = (await Promise.all(attempts.map(({ chunk }) => attemptsAt(api, jobId, chunk)))).flat();
      seen = all.filter(({ attemptId }) => attempts.some((attempt) => attempt.attemptId === attemptId));
      return seen.length === attempts.length && seen.every((attempt) => attempt.outcome !== 'running');
    });
    console.log(`${pod} was taken away: ${seen.map((attempt) => `${attempt.chunk} ${attempt.outcome}`).join(', ')}`);
    const left = seen.filter((attempt) => attempt.outcome === outcome);
    if (left.length > 0) return left;
  }
}

const breaking =
  skip !== false || (MILLRACE_TEST_BREAK && MILLRACE_TEST_HEAL) ? skip : 'MILLRACE_TEST_BREAK and MILLRACE_TEST_HEAL are not set (docs: k8s/README.md)';
if (breaking !== skip) console.log(`test:k8s, scenario 4 skipped: ${breaking}`);

/** A retry is found by the sweep every 15 s at the latest; the rest is for a busy cluster. */
const retryWithinMs = 60_000;

test('4: chunks that wait for their storage to heal ask for no pods, and go on when they are due', { ...options, skip: breaking }, async () => {
  const api = client();
  const { minPods, slotsPerPod } = await api.call('GET /stats/scaling', { query: { pool } });
  await looksUntil(api, 'retries-before', (now) => now.pods <= minPods && now.inHand === 0);
  const jobId = await submit(api, 'retries', { chunkSize: 32 << 20 });
  const params = { jobId: jobId as never };
  await looksUntil(api, 'retries-running', async () => (await api.call('GET /jobs/{jobId}', { params })).chunks.running > 0);
  const { chunks } = await api.call('GET /jobs/{jobId}', { params });
  assert.ok(
    chunks.total <= minPods * slotsPerPod,
    `${chunks.total} chunks of 32 MiB are more than ${minPods} pods have slots: the input is too large for this scenario`,
  );
  const due = new Map<string, number>();
  let isHealed = false;
  const heal = (): void => {
    if (!isHealed) execFileSync('sh', ['-c', MILLRACE_TEST_HEAL ?? '']);
    isHealed = true;
  };
  execFileSync('sh', ['-c', MILLRACE_TEST_BREAK ?? '']);
  try {
    const looks = await looksUntil(api, 'retries', async () => {
      const { data } = await api.call('GET /jobs/{jobId}/chunks', { params, query: {} });
      for (const { stage, index, retryAt } of data) if (retryAt !== null) due.set(`${stage}.${index}`, Date.parse(retryAt));
      if (data.some(({ attempts }) => attempts !== null && attempts >= 2)) heal();
      return isOver(api, jobId);
    });
    assert.deepEqual(
      looks.filter(({ wanted, pods: there }) => wanted > minPods || there > minPods),
      [],
    );
  } finally {
    heal();
  }
  const attempts = await attemptsOf(api, jobId);
  keep('retries-attempts', attempts);
  assert.ok(due.size > 0, 'no chunk was ever seen to wait: storage was not broken');
  for (const [chunk, dueMs] of due) {
    const won = attempts.find((attempt) => attempt.chunk === chunk && attempt.outcome === 'committed');
    assert.ok(won, `${chunk} did not commit`);
    const lateMs = Date.parse(won.startedAt ?? '') - dueMs;
    assert.ok(lateMs < retryWithinMs, `${chunk} was due at ${new Date(dueMs).toISOString()} and began ${lateMs} ms later`);
  }
  await expectWhole(api, jobId);
});

for (const [number, leaving, outcome, grace] of [
  [3, 'drained', 'released', []],
  [5, 'killed', 'lost', ['--grace-period=0', '--force']],
] as const) {
  test(`${number}: a pod that is ${leaving} in the middle of its work uses up no attempt and loses nothing`, options, async () => {
    const api = client();
    // A chunk whose attempt were counted would be dead.
    const jobId = await submit(api, leaving, { maxAttempts: 1 });
    const left = await takeAwayUntil(api, jobId, outcome, grace);
    await looksUntil(api, leaving, () => isOver(api, jobId));
    const attempts = await attemptsOf(api, jobId);
    keep(`${leaving}-attempts`, attempts);
    assert.deepEqual(attemptFaults(attempts, leaving), []);
    for (const { chunk } of left)
      assert.ok(
        attempts.some((attempt) => attempt.chunk === chunk && attempt.outcome === 'committed'),
        `${chunk} did not commit`,
      );
    assert.ok(pods().every(({ restarts }) => restarts === 0));
    await expectWhole(api, jobId);
  });
}

const draining = skip !== false || MILLRACE_TEST_NODE ? skip : 'MILLRACE_TEST_NODE is not set (docs: k8s/README.md)';
if (draining !== skip) console.log(`test:k8s, scenario 7 skipped: ${draining}`);

test('7: a node that is drained in the middle of the work of its pods loses nothing, and they come up elsewhere', { ...options, skip: draining }, async () => {
  const api = client();
  const node = MILLRACE_TEST_NODE ?? '';
  const onNode = (): string[] => podsOf(kubectl('get', 'pods', ...ofPool, '--field-selector', `spec.nodeName=${node}`, '-o', 'json')).map(({ name }) => name);
  const jobId = await submit(api, 'node', { maxAttempts: 1 });
  await looksUntil(api, 'node-before', async () => {
    assert.ok(!(await isOver(api, jobId)), `the job was over before ${node} had a pod with a chunk in hand`);
    const there = new Set(onNode());
    return (await holdersOf(api, jobId)).some(({ pod }) => there.has(pod));
  });
  try {
    // Waits until each is gone; a pod that its budget holds back is asked again.
    kubectl('drain', node, `--pod-selector=millrace.dev/pool=${pool}`, '--delete-emptydir-data', '--ignore-daemonsets', '--timeout=600s');
    assert.deepEqual(onNode(), []);
    await looksUntil(api, 'node', () => isOver(api, jobId));
    assert.deepEqual(onNode(), []);
  } finally {
    kubectl('uncordon', node);
  }
  const attempts = await attemptsOf(api, jobId);
  keep('node-attempts', attempts);
  assert.deepEqual(attemptFaults(attempts, 'drained'), []);
  assert.ok(pods().every(({ restarts }) => restarts === 0));
  await expectWhole(api, jobId);
});
