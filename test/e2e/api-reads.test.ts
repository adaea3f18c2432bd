/**
 * What the API tells of a job in detail, over real processes: while it runs, when it ended with rejects and dead chunks, after a redrive and after a replay of
 * corrected rejects. The journal's files say what is true; every answer is held against its schema by the server of the test.
 */
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Manifest } from '@millrace/protocol';
import { startApi } from '../../packages/api/src/start-api.ts';
import { ApiError, type Client, createClient, type DataOf } from '../../packages/api-contract/src/client.ts';
import { parseCsv } from '../../packages/journal/src/rejects/edited-export.ts';
import { type ApiStack, newToken, startApiStack } from './support/api-stack.ts';
import { followToEnd } from './support/follow.ts';
import { whileChunksWait } from './support/hold-chunks.ts';
import { deadLetters, isSealed, manifest } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { generatedSpec, Workbench } from './support/workbench.ts';

const bench = new Workbench('api-reads');
const out = bench.path('out');
let stack: ApiStack;
let client: Client;
let viewer: Client;
let stranger: Client;
let jobId: string;
let ended: Manifest;
let data: string;
/** Of clients, for requests by hand. */
const tokens = new Map<Client, string>();
const [moved, away] = ['orders-02.csv', 'away-02'];

before(async () => {
  stack = await startApiStack({ out, readRoots: [bench.home] });
  ({ client } = stack);
  const clientOf = async (role: 'viewer' | 'steward', tenants: string[] | null): Promise<Client> => {
    const { secret } = await client.call('POST /tokens', { body: { name: role, role, tenants, reason: 'a test' } });
    const made = createClient({ baseUrl: stack.url, token: secret });
    tokens.set(made, secret);
    return made;
  };
  tokens.set(client, stack.token);
  viewer = await clientOf('viewer', ['default']);
  stranger = await clientOf('steward', ['other']);
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const isProblem =
  (code: string, status: number, pointer?: string) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.code, error.status], [code, status], error.message);
    if (pointer !== undefined)
      assert.ok(
        error.problem.errors?.some((issue) => issue.pointer === pointer),
        JSON.stringify(error.problem),
      );
    return true;
  };

const of = <Params extends object>(more: Params) => ({ params: { jobId, ...more } });
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

type Strip = DataOf<'GET /jobs/{jobId}/strip'>;

function expectWhole({ cells, chunks }: Strip): void {
  const { total, ...states } = chunks;
  assert.equal(sum(Object.values(states)), total);
  assert.equal(sum(cells.map((cell) => cell.chunks)), total);
  for (const [at, cell] of cells.entries()) if (at > 0) assert.ok(cell.start >= (cells[at - 1]?.end ?? 0), 'cells stand one behind another');
}

async function allPages<Row>(page: (cursor: string | undefined) => Promise<{ data: readonly Row[]; nextCursor: string | null }>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let cursor: string | undefined; ; ) {
    const { data: some, nextCursor } = await page(cursor);
    rows.push(...some);
    if (nextCursor === null) return rows;
    cursor = nextCursor;
  }
}

/** Answers the states of chunks that are not committed. */
async function lookAround(): Promise<string[]> {
  const strip = await client.call('GET /jobs/{jobId}/strip', { ...of({}), query: { file: 0, cells: 20 } });
  expectWhole(strip);
  const { data: chunks, total } = await client.call('GET /jobs/{jobId}/chunks', { ...of({}), query: { q: '-state:committed', limit: 200 } });
  for (const { attempts } of chunks) assert.notEqual(attempts, null);
  assert.equal(chunks.length, Math.min(200, total ?? 0));
  const { data: stages } = await client.call('GET /jobs/{jobId}/stages', of({}));
  assert.deepEqual(stages.map(({ kind, sealed }) => [kind, sealed])[0], ['map', true]);
  const { data: files } = await client.call('GET /jobs/{jobId}/files', of({}));
  assert.equal(sum(files.map(({ chunks: { total: planned } }) => planned)), stages[0]?.chunks.total);
  await client.call('GET /jobs/{jobId}/rejects', of({}));
  return chunks.map(({ state }) => state);
}

test('a job that runs can be looked at from all sides', async () => {
  const generated = bench.generate('data', { records: 40_000, files: 3 });
  data = generated.directory;
  const spec = generatedSpec(data, join(out, 'orders'), '64KiB', { deadLetters: { maxChunks: null, maxRatio: null } });
  const states = new Set<string>();
  await whileChunksWait(stack.stack.redisUrl, async () => {
    ({ jobId } = await client.call('POST /jobs', { body: { spec } }));
    await until('the plan', () => isSealed(out, jobId));
    renameSync(join(data, moved), join(data, away));
    for (const state of await lookAround()) states.add(state);
    assert.ok(states.has('pending') || states.has('queued'), [...states].join());
  });
  await until('the end of the job', async () => {
    for (const state of await lookAround()) states.add(state);
    return (await client.call('GET /jobs/{jobId}', of({}))).state === 'completed';
  });
  ended = manifest(out, jobId, 1);
  assert.ok(ended.chunks.dead > 1 && ended.balance.rejected > 50, JSON.stringify([ended.chunks, ended.balance]));
});

test('the strip of a file shows where it is dead, and where rejects are', async () => {
  const [gone, fine] = await Promise.all([1, 0].map((file) => client.call('GET /jobs/{jobId}/strip', { ...of({}), query: { file } })));
  assert.ok(gone && fine);
  expectWhole(gone);
  assert.equal(gone.chunks.dead, ended.chunks.dead);
  assert.deepEqual(
    fine.cells.filter(({ state }) => state === 'dead'),
    [],
  );
  const own = ended.files.find(({ file }) => file === 0);
  assert.equal(sum(fine.cells.map(({ rejects }) => rejects ?? Number.NaN)), own?.balance.rejected);
  assert.deepEqual([fine.unit, fine.length, fine.planned, fine.file?.size], ['byte', own?.size, true, own?.size]);
  const whole = await client.call('GET /jobs/{jobId}/strip', { ...of({}), query: { cells: 3 } });
  expectWhole(whole);
  assert.deepEqual([whole.cells.length, whole.unit, whole.chunks.total], [3, 'chunk', ended.chunks.total]);
});

test('chunks are paged and filtered; a dead one has its attempts, a committed one its receipt', async () => {
  const all = await allPages((cursor) => client.call('GET /jobs/{jobId}/chunks', { ...of({}), query: { limit: 5, ...(cursor && { cursor }) } }));
  assert.deepEqual(
    all.map(({ index }) => index),
    Array.from({ length: ended.chunks.total }, (_, at) => at),
  );
  assert.equal(sum(all.map(({ rejects }) => rejects ?? Number.NaN)), sum(ended.rejects.map(({ rows }) => rows)));
  const dead = await client.call('GET /jobs/{jobId}/chunks', { ...of({}), query: { q: `state:dead code:INPUT_* file:${moved}` } });
  assert.deepEqual([dead.total, dead.filter], [ended.chunks.dead, `state:dead code:INPUT_* file:${moved}`]);
  const [first = assert.fail('no dead chunk')] = dead.data;
  assert.deepEqual([first.code, first.class, first.deadLetterId], ['INPUT_NOT_FOUND', 'input', `${first.chunkId}.1`]);

  const at = { stage: first.stage, index: first.index };
  const detail = await viewer.call('GET /jobs/{jobId}/chunks/{stage}/{index}', of(at));
  assert.deepEqual([detail.state, detail.receipt, detail.history.map(({ outcome, code }) => [outcome, code])], ['dead', null, [['failed', 'INPUT_NOT_FOUND']]]);
  const { data: attempts } = await viewer.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', of(at));
  assert.ok(attempts[0]?.failure?.hint && attempts[0].failure.range?.uri.endsWith(moved));
  const attemptId = attempts[0].attemptId;
  const one = await viewer.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts/{attemptId}', of({ ...at, attemptId }));
  assert.deepEqual(one, attempts[0]);
  await assert.rejects(
    viewer.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts/{attemptId}', { ...of({ ...at, attemptId }), query: { content: true } }),
    isProblem('AUTH_FORBIDDEN', 403),
  );

  const committed = all.find(({ state }) => state === 'committed') ?? assert.fail('nothing committed');
  const { receipt } = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', of({ stage: committed.stage, index: committed.index }));
  assert.equal(receipt?.counts.recordsIn, committed.records);
  const planning = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', of({ stage: 'plan', index: 0 }));
  assert.deepEqual(planning.data, [], 'planning did not fail');
  await assert.rejects(client.call('POST /jobs/{jobId}/chunks/{stage}/{index}/retry-now', of(at)), isProblem('STATE_CONFLICT', 409));
});

test('stages and files add up to the balance of the job', async () => {
  const { data: stages } = await client.call('GET /jobs/{jobId}/stages', of({}));
  assert.deepEqual(
    stages.map(({ name, balance, chunks }) => [name, balance?.recordsIn, chunks.dead]),
    (ended.stages ?? []).map(({ name, balance, chunks }) => [name, balance.recordsIn, chunks.dead]),
  );
  const files = await allPages((cursor) => client.call('GET /jobs/{jobId}/files', { ...of({}), query: { limit: 2, ...(cursor && { cursor }) } }));
  assert.deepEqual(
    files.map(({ file, rejected, balance, planned }) => [file, rejected, balance?.recordsIn, planned]),
    ended.files.map(({ file, balance }) => [file, balance.rejected, balance.recordsIn, true]),
  );
  assert.equal(files[1]?.chunks.dead, ended.chunks.dead);
});

test('rejects are masked until a steward asks for their content, which is recorded', async () => {
  const rows = await allPages((cursor) => viewer.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { limit: 40, ...(cursor && { cursor }) } }));
  assert.equal(rows.length, ended.balance.rejected);
  assert.equal(new Set(rows.map(({ rejectId }) => rejectId)).size, rows.length);
  assert.ok(rows.every(({ value, raw, rawBytes, state }) => value === null && raw === null && rawBytes > 0 && state === 'open'));
  assert.ok(rows.some(({ valueCharacters }) => valueCharacters !== null));
  await assert.rejects(viewer.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { content: true } }), isProblem('AUTH_FORBIDDEN', 403));
  await assert.rejects(viewer.raw('GET /jobs/{jobId}/rejects', of({}), { accept: 'text/csv' }), isProblem('AUTH_FORBIDDEN', 403));

  const shown = await client.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { content: true, limit: 3 } });
  assert.equal(shown.total, rows.length);
  const [reject = assert.fail('no reject')] = shown.data;
  const source = readFileSync(fileURLToPath(reject.file));
  assert.deepEqual(Buffer.from(reject.raw ?? '', 'base64'), source.subarray(reject.byte ?? 0, reject.byteEnd ?? 0).subarray(0, 256));

  const [code = '', wanted = 0] = Object.entries(ended.byCode).sort((a, b) => b[1] - a[1])[0] ?? [];
  const some = await allPages((cursor) => viewer.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { q: `code:${code}`, ...(cursor && { cursor }) } }));
  assert.equal(some.length, wanted);
  const { data: acts } = await client.call('GET /audit', { query: { q: 'act:rejects.show' } });
  assert.deepEqual(
    new Set(acts.map(({ outcome, by }) => `${by.startsWith('token:dev')} ${outcome}`)),
    new Set(['false null', 'false refused', 'true null', 'true done']),
  );
});

test('sums of rejects are those of the manifest', async () => {
  const summary = await viewer.call('GET /rejects/summary', { query: { q: `job:${jobId}`, by: 'code,column,file,job,day' } });
  const named = (groups: readonly { key: string; rejects: number }[] = []) => Object.fromEntries(groups.map(({ key, rejects }) => [key, rejects]));
  assert.deepEqual([summary.rejects, summary.recordsIn, summary.jobs, summary.complete], [ended.balance.rejected, ended.balance.recordsIn, 1, true]);
  assert.deepEqual(named(summary.by.code), ended.byCode);
  assert.deepEqual(named(summary.by.column), Object.fromEntries(Object.entries(ended.byColumn).map(([column, codes]) => [column, sum(Object.values(codes))])));
  assert.deepEqual(
    named(summary.by.file),
    Object.fromEntries(ended.files.filter(({ balance }) => balance.rejected > 0).map(({ uri, balance }) => [uri, balance.rejected])),
  );
  assert.deepEqual(named(summary.by.job), { [jobId]: ended.balance.rejected });
  const [code = ''] = Object.keys(ended.byCode);
  const one = await viewer.call('GET /rejects/summary', { query: { q: `code:${code} name:orders*`, by: 'code,file' } });
  assert.deepEqual([named(one.by.code), one.complete], [{ [code]: ended.byCode[code] }, false]);
});

test('from one reject the next and the one before are reached, over chunks, to both ends', async () => {
  const { data: rows } = await client.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { limit: 200 } });
  const read = (rejectId: string, content = false) => client.call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content } });
  let [at, before] = [rows[0]?.rejectId ?? null, null as string | null];
  for (const { rejectId } of rows) {
    assert.equal(at, rejectId);
    const detail = await read(rejectId);
    assert.deepEqual([detail.previous, detail.fields, detail.replay], [before, null, null]);
    [at, before] = [detail.next, rejectId];
  }
  const withFields = await Promise.all(rows.slice(0, 5).map(({ rejectId }) => read(rejectId, true)));
  assert.ok(withFields.some(({ fields }) => fields !== null && fields.length > 1));
});

test('raw bytes are those of the file at the version that the job read, and nothing behind its end', async () => {
  const source = readFileSync(fileURLToPath(ended.files[0]?.uri ?? ''));
  const window = (query: object) => client.raw('GET /jobs/{jobId}/bytes', { ...of({}), query: { file: 0, ...query } });
  const answer = await window({ offset: 100, length: 300 });
  assert.deepEqual(
    [answer.status, answer.headers.get('content-range'), answer.headers.get('content-type')],
    [206, `bytes 100-399/${source.length}`, 'application/octet-stream'],
  );
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), source.subarray(100, 400));
  const last = await window({ offset: source.length - 10, length: 65_536 });
  assert.equal((await last.arrayBuffer()).byteLength, 10);
  await assert.rejects(window({ offset: source.length }), isProblem('RANGE_NOT_SATISFIABLE', 416, '/query/offset'));
  await assert.rejects(window({ length: 65_537 }), isProblem('REQUEST_INVALID', 400, '/query/length'));
  await assert.rejects(window({ file: 9 }), isProblem('NOT_FOUND', 404, '/query/file'));
  await assert.rejects(window({ file: 1 }), isProblem('INPUT_NOT_FOUND', 410));
  await assert.rejects(viewer.raw('GET /jobs/{jobId}/bytes', of({})), isProblem('AUTH_FORBIDDEN', 403));

  const record = await client.call('GET /jobs/{jobId}/record', { ...of({}), query: { file: 0, record: 7 } });
  assert.deepEqual([record.record, record.fields[0]?.name !== null], [7, true]);
  assert.deepEqual(Buffer.from(record.raw, 'base64'), source.subarray(record.byte ?? 0, record.byteEnd ?? 0));
  await assert.rejects(client.call('GET /jobs/{jobId}/record', { ...of({}), query: { file: 0 } }), isProblem('REQUEST_INVALID', 400, '/query/record'));
  await assert.rejects(client.call('GET /jobs/{jobId}/record', { ...of({}), query: { record: 10_000_000 } }), isProblem('RANGE_NOT_SATISFIABLE', 416));
});

test('failures of one cause are a group with a spread, samples and decisions that do not cross', async () => {
  await until('the index of dead letters', async () => {
    const page = await viewer.call('GET /errors', { query: { q: 'code:INPUT_NOT_FOUND' } }).catch(() => null);
    return (page?.total ?? 0) > 0;
  });
  const list = await viewer.call('GET /errors', { query: { q: 'code:INPUT_NOT_FOUND' } });
  const [group = assert.fail('no group')] = list.data;
  assert.deepEqual([group.dead, group.failures, group.state, group.version], [ended.chunks.dead, ended.chunks.dead, 'open', 0]);
  assert.equal(sum(group.activity.map(({ failures }) => failures)), group.failures);
  const params = { fingerprint: group.fingerprint };
  const { data: detail, etag } = await viewer.reply('GET /errors/{fingerprint}', { params });
  assert.deepEqual([detail.spread.counted, detail.spread.files.length, detail.groupedBy], [ended.chunks.dead, 1, ['code', 'job name', 'input name']]);
  const samples = await viewer.call('GET /errors/{fingerprint}/samples', { params });
  assert.ok(samples.data.length > 0 && samples.data.every(({ attempt }) => attempt.failure?.code === 'INPUT_NOT_FOUND'));

  const looked = { ifMatch: etag?.replaceAll('"', '') ?? '' };
  const quoted = { ifMatch: `"${looked.ifMatch}"` };
  await assert.rejects(viewer.call('POST /errors/{fingerprint}/resolve', { params }, quoted), isProblem('AUTH_FORBIDDEN', 403));
  await assert.rejects(client.call('POST /errors/{fingerprint}/resolve', { params }), isProblem('REQUEST_INVALID', 400, '/headers/if-match'));
  const assigned = await client.reply('POST /errors/{fingerprint}/assign', { params, body: { owner: 'ada' } }, quoted);
  assert.deepEqual([assigned.data.owner, assigned.data.state, assigned.data.version], ['ada', 'open', 1]);
  await assert.rejects(client.call('POST /errors/{fingerprint}/resolve', { params }, quoted), isProblem('ETAG_MISMATCH', 412));
  const noted = await client.reply('POST /errors/{fingerprint}/note', { params, body: { text: 'asked the sender' } }, { ifMatch: assigned.etag ?? '' });
  const ignored = await client.reply('POST /errors/{fingerprint}/ignore', { params, body: { note: 'until tonight' } }, { ifMatch: noted.etag ?? '' });
  assert.deepEqual(
    [ignored.data.state, ignored.data.owner, ignored.data.notes.map(({ text, by }) => [text, by]), ignored.data.triage?.note],
    ['ignored', 'ada', [['asked the sender', 'token:dev']], 'until tonight'],
  );
  assert.equal((await viewer.call('GET /errors', { query: { q: 'code:INPUT_NOT_FOUND state:open' } })).total, 0);
  const open = await client.reply('POST /errors/{fingerprint}/reopen', { params }, { ifMatch: ignored.etag ?? '' });
  const resolved = await client.call('POST /errors/{fingerprint}/resolve', { params, body: { note: 'file is back' } }, { ifMatch: open.etag ?? '' });
  assert.equal(resolved.state, 'resolved');
});

test('logs tell of each failed attempt, the first first, in pages; lines of the core are for stewards', async () => {
  const params = { jobId: jobId as never };
  const lines = await allPages((cursor) => viewer.call('GET /jobs/{jobId}/logs', { params, query: { limit: 2, ...(cursor && { cursor }) } }));
  const ends = lines.filter(({ code }) => code !== null);
  assert.equal(new Set(ends.map(({ attemptId }) => attemptId)).size, ended.chunks.dead);
  assert.ok(ends.every(({ code, level }) => code === 'INPUT_NOT_FOUND' && level === 'error'));
  assert.deepEqual(
    ends.map(({ attemptId }) => attemptId),
    ends.map(({ attemptId }) => attemptId).toSorted(),
  );
  const chunk = ends[0]?.chunkId.split('.').slice(1).join('.') ?? '';
  const one = await viewer.call('GET /jobs/{jobId}/logs', { params, query: { chunk } });
  assert.deepEqual([...new Set(one.data.map(({ chunkId }) => chunkId))], [`${jobId}.${chunk}`]);
  const asLines = { accept: 'application/x-ndjson' };
  await assert.rejects(viewer.raw('GET /jobs/{jobId}/logs', { params }, asLines), isProblem('AUTH_FORBIDDEN', 403));
  const all = await (await client.raw('GET /jobs/{jobId}/logs', { params }, asLines)).text();
  const told = all
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { code: string | null });
  assert.equal(told.filter(({ code }) => code !== null).length, ends.length);
  await assert.rejects(viewer.call('GET /jobs/{jobId}/logs', { params, query: { chunk: 'clean' } }), isProblem('REQUEST_INVALID', 400, '/query/chunk'));
});

test('dead letters are an inbox in pages, and one of them says what can be done', async () => {
  const rows = await allPages((cursor) => viewer.call('GET /dead-letters', { query: { q: `job:${jobId}`, limit: 2, ...(cursor && { cursor }) } }));
  assert.deepEqual(
    rows.map(({ deadLetterId }) => deadLetterId).sort(),
    deadLetters(out, jobId)
      .map(({ deadLetterId }) => deadLetterId)
      .sort(),
  );
  const [row = assert.fail('no dead letter')] = rows;
  const letter = await viewer.call('GET /dead-letters/{deadLetterId}', { params: { deadLetterId: row.deadLetterId } });
  assert.deepEqual([letter.state, letter.redrivable, letter.attempts.length, letter.code], ['open', true, 1, 'INPUT_NOT_FOUND']);
  await assert.rejects(viewer.call('GET /dead-letters', { query: { q: 'cod:X' } }), (error) => {
    isProblem('FILTER_INVALID', 400)(error);
    return true;
  });
});

test('without Redis the same is told from the journal, and what only Redis knows is not there for now', async () => {
  const token = newToken();
  const alone = await startApi({ ...stack.options, redis: 'redis://127.0.0.1:1', devToken: token });
  try {
    const other = createClient({ baseUrl: alone.url, token });
    const queries = { strip: { file: 1, cells: 3 }, chunks: { q: 'state:dead code:INPUT_NOT_FOUND', limit: 200 } };
    const look = async (as: Client) => ({
      strip: await as.call('GET /jobs/{jobId}/strip', { ...of({}), query: queries.strip }),
      chunks: await as.call('GET /jobs/{jobId}/chunks', { ...of({}), query: queries.chunks }),
      stages: await as.call('GET /jobs/{jobId}/stages', of({})),
      files: await as.call('GET /jobs/{jobId}/files', of({})),
      rejects: (await as.call('GET /jobs/{jobId}/rejects', of({}))).data,
    });
    assert.deepEqual(await look(other), await look(client));
    const entries = await other.call('GET /jobs/{jobId}/timeline', of({}));
    assert.deepEqual(
      entries.data.map(({ kind }) => kind),
      ['ended', 'accepted'],
    );
    await assert.rejects(other.call('GET /errors', {}), isProblem('BUSY', 503));
    await assert.rejects(other.call('GET /dead-letters', {}), isProblem('BUSY', 503));
  } finally {
    await alone.stop();
  }
});

test('after a redrive the dead letter is resolved, every attempt is there, and the timeline tells it', async () => {
  const { data: letters } = await viewer.call('GET /dead-letters', { query: { q: `job:${jobId}` } });
  const [letter = assert.fail('no dead letter')] = letters;
  renameSync(join(data, away), join(data, moved));
  const handle = stack.stack.producer.job(jobId);
  await handle.redrive('the file is back');
  assert.equal((await followToEnd(handle, 2)).state, 'completed');
  ended = manifest(out, jobId, 2);
  const after = await viewer.call('GET /dead-letters/{deadLetterId}', { params: { deadLetterId: letter.deadLetterId } });
  assert.deepEqual([after.state, after.redrivable], ['resolved', false]);
  const { data: attempts } = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', of({ stage: letter.stage, index: letter.index }));
  assert.deepEqual(
    attempts.map(({ outcome, generation }) => [outcome, generation]),
    [
      ['committed', 2],
      ['failed', 1],
    ],
  );
  const strip = await client.call('GET /jobs/{jobId}/strip', { ...of({}), query: { file: 1 } });
  assert.deepEqual([strip.chunks.dead, strip.chunks.committed], [0, strip.chunks.total]);
  const timeline = await allPages((cursor) => viewer.call('GET /jobs/{jobId}/timeline', { ...of({}), query: { limit: 3, ...(cursor && { cursor }) } }));
  const kinds = timeline.filter(({ kind }) => kind !== 'state' && kind !== 'dead' && kind !== 'warning').map(({ kind, generation }) => `${kind} ${generation}`);
  assert.deepEqual(kinds, ['ended 2', 'command 1', 'ended 1', 'accepted 1']);
});

test('an edited export is taken, counted by column, and replayed; what became of a reject is told', async () => {
  const csv = await (await client.raw('GET /jobs/{jobId}/rejects', { ...of({}), query: { q: 'code:TYPE_*' } }, { accept: 'text/csv' })).text();
  const [header = assert.fail('no header'), ...lines] = parseCsv(csv.replace(/^\u{feff}/u, ''), ',').map(({ cells }) => [...cells]);
  assert.ok(lines.length > 1);
  const at = (name: string): number => header.indexOf(name);
  const [row = assert.fail('no row')] = lines;
  const [rejectId = '', column = ''] = [row[at('_reject_id')], row[at('_column')]];
  row[at(column)] = '1';
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const written = (rows: readonly (readonly string[])[]): string => [header, ...rows].map((cells) => cells.map(cell).join(',')).join('\r\n');
  const put = (body: string, as: Client = client) => as.call('POST /jobs/{jobId}/corrections', { ...of({}), body, contentType: 'text/csv' });

  await assert.rejects(put(written([row]), viewer), isProblem('AUTH_FORBIDDEN', 403));
  await assert.rejects(put('a,b\n1,2\n'), isProblem('REQUEST_INVALID', 400));
  const unknown = [...row];
  unknown[at('_reject_id')] = `${jobId}.read.0.r99999`;
  await assert.rejects(put(written([unknown])), (error) => {
    isProblem('REJECT_UNKNOWN', 422)(error);
    assert.deepEqual((error as ApiError).problem.details, { ids: [`${jobId}.read.0.r99999`], total: 1 });
    return true;
  });
  const set = await put(written([row, ...lines.slice(1, 3)]));
  assert.deepEqual([set.matched, set.unchanged, set.changedCells], [3, 2, { [column]: 1 }]);
  const open = await client.call('GET /rejects/{rejectId}', { params: { rejectId } });
  assert.deepEqual([open.state, open.replay], ['open', null], 'a set alone changes nothing');

  const handle = stack.stack.producer.job(jobId);
  await handle.replay(set.correctionId, 'corrected');
  assert.equal((await followToEnd(handle, 3)).state, 'completed');
  const replayed = await client.call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content: true } });
  assert.equal(replayed.state, 'replayed');
  assert.deepEqual([replayed.replay?.correctionId, replayed.replay?.corrected, replayed.replay?.generation], [set.correctionId, true, 3]);
  const { total } = await client.call('GET /jobs/{jobId}/rejects', of({}));
  assert.equal(total, manifest(out, jobId, 3).balance.rejected);
  const taken = await client.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { q: 'state:replayed' } });
  assert.equal(taken.data.length, 3);
});

test('what is not there, or is another tenant’s, is answered alike; bad input names its place', async () => {
  const nobody = 'j00000000000000000000000000';
  const [{ rejectId = '' } = {}] = (await client.call('GET /jobs/{jobId}/rejects', { ...of({}), query: { limit: 1 } })).data;
  const paths = [
    '/timeline',
    '/stages',
    '/files',
    '/strip',
    '/chunks',
    '/chunks/clean/0',
    '/chunks/clean/0/attempts',
    '/rejects',
    '/bytes',
    '/record?record=1',
  ];
  for (const path of paths) {
    const [foreign, absent] = await Promise.all([problemAt(`/jobs/${jobId}${path}`, stranger), problemAt(`/jobs/${nobody}${path}`, stranger)]);
    assert.deepEqual([foreign.status, foreign.code, foreign.detail.replaceAll(jobId, nobody)], [404, 'NOT_FOUND', absent.detail], path);
  }
  const foreign = await problemAt(`/rejects/${rejectId}`, stranger);
  assert.deepEqual([foreign.status, foreign.code], [404, 'NOT_FOUND']);
  assert.equal((await stranger.call('GET /rejects/summary', { query: { by: 'job' } })).rejects, 0);

  const bad: readonly [path: string, code: string, status: number, pointer?: string][] = [
    ['/strip?cells=2001', 'REQUEST_INVALID', 400, '/query/cells'],
    ['/strip?cells=0', 'REQUEST_INVALID', 400, '/query/cells'],
    ['/strip?file=77', 'NOT_FOUND', 404, '/query/file'],
    ['/strip?file=-1', 'REQUEST_INVALID', 400, '/query/file'],
    ['/strip?stage=nothing', 'NOT_FOUND', 404, '/query/stage'],
    ['/chunks?q=stat:dead', 'FILTER_INVALID', 400, '/query/q'],
    ['/chunks?q=%22', 'FILTER_INVALID', 400, '/query/q'],
    ['/chunks?cursor=abc', 'CURSOR_INVALID', 400, '/query/cursor'],
    ['/chunks?limit=201', 'REQUEST_INVALID', 400, '/query/limit'],
    ['/chunks?what=1', 'REQUEST_INVALID', 400],
    ['/chunks/clean/999999', 'NOT_FOUND', 404],
    ['/chunks/clean/x', 'REQUEST_INVALID', 400, '/params/index'],
    ['/chunks/clean/0/attempts/a1', 'REQUEST_INVALID', 400, '/params/attemptId'],
    ['/chunks/clean/0/attempts/a00000000000000000000000000', 'NOT_FOUND', 404],
    ['/rejects?q=column:', 'FILTER_INVALID', 400, '/query/q'],
    ['/rejects?content=perhaps', 'REQUEST_INVALID', 400, '/query/content'],
    ['/bytes?offset=x', 'REQUEST_INVALID', 400, '/query/offset'],
    ['/record?record=0', 'REQUEST_INVALID', 400, '/query/record'],
  ];
  for (const [path, code, status, pointer] of bad) {
    const problem = await problemAt(`/jobs/${jobId}${path}`, client);
    assert.deepEqual([problem.status, problem.code], [status, code], path);
    if (pointer !== undefined)
      assert.ok(
        problem.errors?.some((issue) => issue.pointer === pointer),
        `${path}: ${JSON.stringify(problem.errors)}`,
      );
  }
  for (const path of ['/rejects/nothing', '/rejects/summary?by=weather', '/dead-letters/x', '/errors/fp1-%00', '/errors?q=failures:many']) {
    const problem = await problemAt(path, client);
    assert.ok(problem.status === 400 && problem.errors !== undefined, `${path}: ${JSON.stringify(problem)}`);
  }
  assert.equal((await problemAt('/errors/fp1-0', client)).status, 404);
  assert.equal((await problemAt(`/dead-letters/${nobody}.read.0.1`, client)).status, 404);
});

async function problemAt(path: string, as: Client): Promise<ApiError['problem']> {
  const url = new URL(as.url('GET /me', {}));
  const answer = await fetch(`${url.origin}/v1${path}`, { headers: { authorization: `Bearer ${tokens.get(as)}` } });
  const problem = (await answer.json()) as ApiError['problem'];
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, `${path}: ${JSON.stringify(problem).slice(0, 300)}`);
  return problem;
}
