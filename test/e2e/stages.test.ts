/**
 * Exchange and reduce stages through the whole: planned when their inputs are complete, reduced partition by partition, accounted for. DuckDB, or Node's
 * own HMAC, says what must come out. Hosts that die and a Redis that forgets in the middle of a reduce stage change nothing.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobStatus, Manifest } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { flushRedis, killRole } from './support/accidents.ts';
import { expectSameRows, partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters, verdictCount } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench, type WrittenSpec } from './support/workbench.ts';

const orders = 24_000;
const customers = 900;
const secret = 'a key that nobody else has';

let bench: Workbench;
let data: string;
const url = (name: string): string => pathToFileURL(join(data, name)).href;

/** Every eleventh order comes twice, the second time later and with another amount. */
function writeData(): void {
  const lines = ['id,customer,amount,ts'];
  for (let id = 0; id < orders; id += 1) {
    const day = String((id % 28) + 1).padStart(2, '0');
    lines.push(`${id},c${(id * 7919) % customers},${id % 1000}.${String(id % 100).padStart(2, '0')},2026-01-${day}T00:00:00Z`);
    if (id % 11 === 0) lines.push(`${id},c${(id * 7919) % customers},${(id % 1000) + 1}.50,2026-02-${day}T00:00:00Z`);
  }
  const half = Math.floor(lines.length / 2);
  writeFileSync(join(data, 'orders-1.csv'), `${lines.slice(0, half).join('\n')}\n`);
  writeFileSync(join(data, 'orders-2.csv'), `${[lines[0], ...lines.slice(half)].join('\n')}\n`);
  // Some customers are unknown, and some have no order.
  const known = Array.from({ length: customers }, (_, at) => at + 100).map((at) => `{"customer":"c${at}","segment":"s${at % 5}"}`);
  writeFileSync(join(data, 'customers.ndjson'), `${known.join('\n')}\n`);
  writeFileSync(join(data, 'segments.csv'), 'segment,label\ns0,zero\ns1,one\ns2,two\ns3,three\n');
}

before(() => {
  bench = new Workbench('stages');
  data = bench.path('data');
  mkdirSync(join(bench.path('secrets'), 'privacy'), { recursive: true });
  mkdirSync(data);
  writeFileSync(join(bench.path('secrets'), 'privacy', 'orders'), `${secret}\n`);
  process.env['MILLRACE_SECRETS'] = bench.path('secrets');
  writeData();
});
after(async () => {
  delete process.env['MILLRACE_SECRETS'];
  await bench.close();
});

const orderInput = () => ({
  name: 'orders',
  uri: url('orders-*.csv'),
  schema: {
    fields: [
      { name: 'id', type: 'integer' },
      { name: 'customer' },
      { name: 'amount', type: 'number', precision: 12, scale: 2 },
      { name: 'ts', type: 'datetime' },
    ],
  },
});
const customerInput = () => ({ name: 'customers', uri: url('customers.ndjson'), schema: { fields: [{ name: 'customer' }, { name: 'segment' }] } });

type Accident = (local: LocalStack, out: string, jobId: string) => Promise<void>;

const undisturbed: Accident = async () => {};

async function run(name: string, spec: WrittenSpec, hostSlots: readonly number[] = [1], accident: Accident = undisturbed): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [data], hostSlots });
  let status: JobStatus;
  let jobId: string;
  try {
    const written = { name: 'staged', ...spec, output: { uri: `${pathToFileURL(out).href}/` }, execution: { chunkSize: '64KiB' } };
    const handle = await local.producer.submit(written as never, { idempotencyKey: name });
    jobId = handle.jobId;
    const following = followToEnd(handle);
    following.catch(() => {});
    await accident(local, out, jobId);
    // A host that is killed on purpose must not end the test.
    status = await (accident === undisturbed ? Promise.race([following, local.failed]) : following);
  } finally {
    await local.stop();
  }
  assert.equal(status.state, 'completed', `${status.failure?.message} ${deadLetters(out, jobId).map(({ message }) => message)}`);
  const manifest = expectTidy(out, jobId);
  assert.ok(!existsSync(join(out, '_journal', 'jobs', jobId, 'work')) || filesIn(join(out, '_journal', 'jobs', jobId, 'work')) === 0, 'work objects are left');
  return manifest;
}

const filesIn = (directory: string): number => readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;

/** Tables of DuckDB for what the job reads. */
const tables = (): string => `WITH orders AS (
    SELECT * FROM read_csv(['${data}/orders-1.csv', '${data}/orders-2.csv'],
      columns = {id: 'BIGINT', customer: 'VARCHAR', amount: 'DECIMAL(12, 2)', ts: 'TIMESTAMPTZ'}, header = true)),
  customers AS (SELECT * FROM read_json('${data}/customers.ndjson', columns = {customer: 'VARCHAR', segment: 'VARCHAR'})),
  segments AS (SELECT * FROM read_csv('${data}/segments.csv', header = true))`;
const truth = (sql: string): string => `(${tables()} ${sql})`;

const groups = 'SELECT customer, count(*) AS n, CAST(sum(amount) AS DECIMAL(18, 2)) AS total';
const byCustomer = (): WrittenSpec => ({
  inputs: orderInput(),
  pipeline: [{ name: 'total', exchange: { keys: ['customer'], partitions: 12 }, sql: `${groups} FROM input GROUP BY customer` }],
});
const expectByCustomer = (manifest: Manifest): Promise<void> =>
  expectSameRows('groups', `SELECT * FROM (${partsOf(manifest)})`, `SELECT * FROM ${truth(`${groups} FROM orders GROUP BY customer`)}`);

const twice = Math.ceil(orders / 11);

describe('reduce stages', () => {
  it('group, and every row read is accounted for', async () => {
    const manifest = await run('groups', byCustomer());
    await expectByCustomer(manifest);
    const rows = orders + twice;
    assert.deepEqual(
      manifest.stages?.map(({ name, kind, balance: { recordsIn, emitted, rowsOut } }) => [name, kind, recordsIn, emitted, rowsOut]),
      [
        ['read', 'map', rows, rows, rows],
        ['total', 'reduce', rows, rows, customers],
      ],
    );
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted, manifest.balance.rowsOut], [rows, rows, customers]);
    assert.ok(manifest.parts.every(({ chunk }) => chunk.startsWith('total.')));
  });

  it('keep one record of each key, by the order that is asked for, and count the others', async () => {
    const pipeline = [{ name: 'once', exchange: { keys: ['id'], partitions: 5 }, dedupe: { orderBy: 'ts', keep: 'last' } }];
    const manifest = await run('dedupe', { inputs: orderInput(), pipeline });
    const last = 'SELECT id, customer, amount, ts FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts DESC) = 1';
    await expectSameRows('rows', partsOf(manifest), `SELECT * FROM ${truth(last)}`);
    const { recordsIn, emitted, deduplicated } = manifest.balance;
    assert.deepEqual([recordsIn, emitted, deduplicated], [orders + twice, orders, twice]);
  });

  const joined: WrittenSpec['pipeline'] = [
    { name: 'sold', from: 'orders', sql: 'SELECT id, customer, amount, ts FROM input' },
    { name: 'known', from: 'customers', sql: 'SELECT customer, segment FROM input' },
    { name: 'once', from: 'sold', exchange: { keys: ['id'], partitions: 4 }, dedupe: { orderBy: 'ts' } },
    {
      name: 'bought',
      from: ['once', 'known'],
      exchange: { keys: ['customer'], partitions: 6 },
      sql: `SELECT k.segment, o.customer, count(*) AS n, CAST(sum(o.amount) AS DECIMAL(18, 2)) AS total
            FROM once AS o LEFT JOIN known AS k ON o.customer = k.customer GROUP BY k.segment, o.customer`,
    },
    {
      name: 'total',
      exchange: { keys: ['segment'], partitions: 3 },
      sql: 'SELECT segment, count(*) AS customers, CAST(sum(n) AS BIGINT) AS n, CAST(sum(total) AS DECIMAL(18, 2)) AS total FROM input GROUP BY segment',
    },
  ];

  it('follow one another: dedupe, a join of two inputs, a total', async () => {
    const manifest = await run('chain', { inputs: [orderInput(), customerInput()], pipeline: joined }, [2]);
    const expected = `, once AS (SELECT * FROM orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY ts) = 1)
      SELECT k.segment, count(DISTINCT o.customer) AS customers, count(*) AS n, CAST(sum(o.amount) AS DECIMAL(18, 2)) AS total
      FROM once AS o LEFT JOIN customers AS k ON o.customer = k.customer GROUP BY k.segment`;
    await expectSameRows('totals', partsOf(manifest), `SELECT * FROM ${truth(expected)}`);
    assert.deepEqual(
      manifest.stages?.map(({ name, balance: { recordsIn } }) => [name, recordsIn]),
      [
        ['sold', orders + twice],
        ['known', customers],
        ['once', orders + twice],
        ['bought', orders + customers],
        ['total', customers],
      ],
    );
    assert.equal(manifest.balance.deduplicated, twice);
  });
});

describe('a map stage', () => {
  it('joins a lookup that was pinned when the job was planned', async () => {
    const sql = 'SELECT i.customer, l.label FROM input AS i JOIN segments AS l ON i.segment = l.segment';
    const pipeline = [{ name: 'labelled', lookups: [{ name: 'segments', uri: url('segments.csv') }], sql }];
    const manifest = await run('lookup', { inputs: customerInput(), pipeline });
    await expectSameRows(
      'rows',
      partsOf(manifest),
      `SELECT * FROM ${truth('SELECT c.customer, s.label FROM customers AS c JOIN segments AS s USING (segment)')}`,
    );
    assert.equal(manifest.balance.filtered, customers / 5);
  });

  it('joins a lookup in Parquet, and one in an array of JSON', async () => {
    await query(`COPY (SELECT * FROM read_csv('${data}/segments.csv', header = true)) TO '${data}/segments.parquet'`);
    writeFileSync(join(data, 'ranks.json'), '[ {"label": "zero", "rank": 0},\n{"label": "three", "rank": 3} ]\n');
    const lookups = [
      { name: 'segments', uri: url('segments.parquet') },
      { name: 'ranks', uri: url('ranks.json'), format: 'json', schema: { fields: [{ name: 'label' }, { name: 'rank', type: 'integer' }] } },
    ];
    const sql = `SELECT i.customer, r.rank FROM input AS i JOIN segments AS l ON i.segment = l.segment LEFT JOIN ranks AS r ON l.label = r.label`;
    const manifest = await run('lookups', { inputs: customerInput(), pipeline: [{ name: 'ranked', lookups, sql }] });
    const expected = `SELECT c.customer, CAST(CASE s.label WHEN 'zero' THEN 0 WHEN 'three' THEN 3 END AS BIGINT) AS rank FROM customers AS c JOIN segments AS s USING (segment)`;
    await expectSameRows('rows', partsOf(manifest), `SELECT * FROM ${truth(expected)}`);
  });

  it('makes pseudonyms with the key that the spec names', async () => {
    const pipeline = [{ name: 'hidden', sql: "SELECT customer, pseudonym(customer, 'c') AS hidden FROM input" }];
    const manifest = await run('pseudonym', { inputs: customerInput(), pipeline, privacy: { key: 'secret://privacy/orders' } });
    const rows = (await query(`SELECT customer, hidden FROM (${partsOf(manifest)})`)) as [string, string][];
    assert.equal(rows.length, customers);
    for (const [customer, hidden] of rows.slice(0, 50)) assert.equal(hidden, pseudonymOf(customer));
  });
});

/** Base32 of the first 128 bits of the HMAC over domain, a zero byte and the text. */
function pseudonymOf(text: string): string {
  const bits = [...createHmac('sha256', secret).update(`c\0${text}`).digest().subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.padEnd(130, '0').match(/.{5}/g) ?? [];
  return groups.map((group) => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(group, 2))).join('');
}

describe('in the middle of a reduce stage', () => {
  const underWay = (out: string, jobId: string): Promise<void> =>
    until('some partitions to commit', () => verdictCount(out, jobId, 'total') >= 2, { every: 2 });

  it('a host that is killed costs nothing but time', async () => {
    const manifest = await run('killed', byCustomer(), [1, 1], async (local, out, jobId) => {
      await underWay(out, jobId);
      await killRole(local, 'worker-host');
    });
    await expectByCustomer(manifest);
  });

  it('Redis may forget everything', async () => {
    const manifest = await run('forgotten', byCustomer(), [1], async (local, out, jobId) => {
      await underWay(out, jobId);
      await flushRedis(local);
    });
    await expectByCustomer(manifest);
    assert.deepEqual(manifest.chunks.total, manifest.chunks.committed);
  });
});
