/** Objects and arrays with a declared shape: typed down to their members, a wrong one named by its path, structs and lists in the output. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Manifest } from '@millrace/protocol';
import { expectSameRows, partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters } from './support/journal-files.ts';
import { Workbench, type WrittenSpec } from './support/workbench.ts';

const ORDERS = 4_000;

let bench: Workbench;
let data: string;
const url = (path: string): string => pathToFileURL(path).href;

interface Order {
  readonly id: number;
  readonly customer: object | null;
  readonly lines: readonly object[] | null;
}

/** Every order says something wrong in one way, or nothing. */
function orderOf(id: number): Order {
  const customer =
    id % 10 === 3
      ? null
      : { name: `c${id % 50}`, since: id % 401 === 9 ? '2026-02-30' : `2026-01-${String((id % 28) + 1).padStart(2, '0')}`, vip: id % 2 === 0 };
  const lines = Array.from({ length: id % 4 }, (_, at) => ({ sku: `S${at}`, price: id % 503 === 11 ? 'free' : `${id % 90}.25`, n: at }));
  return { id, customer, lines: id % 10 === 7 ? null : lines };
}
const isWrong = (id: number): boolean => (id % 401 === 9 && id % 10 !== 3) || (id % 503 === 11 && id % 4 > 0 && id % 10 !== 7);

before(() => {
  bench = new Workbench('nested');
  data = bench.path('data');
  mkdirSync(data);
  const orders = Array.from({ length: ORDERS }, (_, id) => orderOf(id));
  writeFileSync(join(data, 'orders.ndjson'), `${orders.map((order) => JSON.stringify(order)).join('\n')}\n`);
  const cell = (value: unknown): string => (value === null ? '' : `"${JSON.stringify(value).replaceAll('"', '""')}"`);
  writeFileSync(
    join(data, 'orders.csv'),
    `id,customer,lines\n${orders.map(({ id, customer, lines }) => `${id},${cell(customer)},${cell(lines)}`).join('\n')}\n`,
  );
});
after(() => bench.close());

const schema = {
  fields: [
    { name: 'id', type: 'integer' },
    {
      name: 'customer',
      type: 'object',
      fields: [
        { name: 'name', constraints: { required: true } },
        { name: 'since', type: 'date' },
        { name: 'vip', type: 'boolean' },
      ],
    },
    {
      name: 'lines',
      type: 'array',
      items: { type: 'object', fields: [{ name: 'sku' }, { name: 'price', type: 'number', precision: 8, scale: 2 }, { name: 'n', type: 'integer' }] },
    },
  ],
};

async function run(name: string, file: string, output: WrittenSpec = {}, changes: WrittenSpec = {}): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [bench.home] });
  try {
    const written = {
      name: 'nested',
      inputs: url(join(data, file)),
      schema,
      output: { uri: `${url(out)}/`, ...output },
      execution: { chunkSize: '64KiB' },
      ...changes,
    };
    const handle = await local.producer.submit(written as never, { idempotencyKey: name });
    const status = await followToEnd(handle);
    assert.equal(status.state, 'completed', `${status.failure?.message} ${deadLetters(out, handle.jobId).map(({ message }) => message)}`);
    return expectTidy(out, handle.jobId);
  } finally {
    await local.stop();
  }
}

const columns = `columns = {id: 'BIGINT', customer: 'STRUCT(name VARCHAR, since VARCHAR, vip BOOLEAN)', lines: 'STRUCT(sku VARCHAR, price VARCHAR, n BIGINT)[]'}`;
const good = (): string => `SELECT id, TRY_CAST(customer AS STRUCT(name VARCHAR, since DATE, vip BOOLEAN)) AS customer,
    TRY_CAST(lines AS STRUCT(sku VARCHAR, price DECIMAL(8, 2), n BIGINT)[]) AS lines
  FROM read_json('${join(data, 'orders.ndjson')}', ${columns})
  WHERE coalesce(customer.since, '') <> '2026-02-30' AND coalesce(lines[1].price, '') <> 'free'`;
const wrong = Array.from({ length: ORDERS }, (_, id) => id).filter(isWrong).length;

describe('objects and arrays with a shape', () => {
  for (const file of ['orders.ndjson', 'orders.csv']) {
    it(`of ${file} are structs and lists in Parquet, and what is wrong inside names its path`, async () => {
      const manifest = await run(`parquet-${file}`, file);
      await expectSameRows('orders', partsOf(manifest), good());
      assert.ok(wrong > 10);
      assert.deepEqual([manifest.balance.recordsIn, manifest.balance.rejected], [ORDERS, wrong]);
      const rejects = manifest.rejects.map(({ uri }) => `'${new URL(uri).pathname}'`).join(', ');
      const places = await query(`SELECT DISTINCT "column", path, code, value FROM read_parquet([${rejects}]) ORDER BY ALL`);
      assert.deepEqual(places, [
        ['customer', '/since', 'TYPE_DATE', '2026-02-30'],
        ['lines', '/0/price', 'TYPE_NUMBER', 'free'],
      ]);
    });
  }

  it('are JSON in NDJSON, where they read back the same', async () => {
    const manifest = await run('ndjson', 'orders.ndjson', { format: 'ndjson' });
    const parts = manifest.parts.map(({ uri }) => new URL(uri).pathname);
    const first = JSON.parse(readFileSync(parts[0] ?? '', 'utf8').split('\n')[2] ?? '') as Order;
    assert.deepEqual(first, {
      id: 2,
      customer: { name: 'c2', since: '2026-01-03', vip: true },
      lines: [
        { sku: 'S0', price: 2.25, n: 0 },
        { sku: 'S1', price: 2.25, n: 1 },
      ],
    });
    const read = `SELECT id, CAST(customer AS STRUCT(name VARCHAR, since DATE, vip BOOLEAN)) AS customer, CAST(lines AS STRUCT(sku VARCHAR, price DECIMAL(8, 2), n BIGINT)[]) AS lines
      FROM read_json([${parts.map((path) => `'${path}'`).join(', ')}], ${columns})`;
    await expectSameRows('orders', read, good());
  });

  it('pass through queries, exchanges and reduce stages', async () => {
    const pipeline = [
      { name: 'named', sql: "SELECT id, customer, lines, customer['name'] AS who FROM input WHERE customer IS NOT NULL" },
      { name: 'once', exchange: { keys: ['who'], partitions: 3 }, dedupe: { keys: ['who'] } },
    ];
    const manifest = await run('queried', 'orders.ndjson', {}, { pipeline });
    const expected = `SELECT *, customer.name AS who FROM (${good()}) WHERE customer IS NOT NULL QUALIFY row_number() OVER (PARTITION BY customer.name ORDER BY id) = 1`;
    await expectSameRows('orders', partsOf(manifest), expected);
  });
});
