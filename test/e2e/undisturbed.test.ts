/** Undisturbed runs: what was planted comes out, for any cut of the input and any number of hosts, and DuckDB reads the same from clean data. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Manifest } from '@millrace/protocol';
import { expectSameRows, partsOf, rejectsOf } from './support/duckdb.ts';
import { expectTidy, expectTruth } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { generatedSpec, Workbench, type WrittenSpec } from './support/workbench.ts';

let bench: Workbench;
let data: string;

before(() => {
  bench = new Workbench('undisturbed');
  data = bench.generate('data', { records: 30_000, files: 3 }).directory;
});
after(() => bench.close());

async function run(spec: WrittenSpec, out: string, readRoots: readonly string[], hostSlots: readonly number[] = [1]): Promise<Manifest> {
  const local = await bench.stack({ out, readRoots, hostSlots });
  try {
    const handle = await local.producer.submit(spec as never, { idempotencyKey: out });
    const status = await Promise.race([followToEnd(handle), local.failed]);
    assert.equal(status.state, 'completed', status.failure?.message);
    const result = await handle.result();
    const manifest = expectTidy(out, handle.jobId);
    assert.deepEqual(result.balance, manifest.balance);
    assert.deepEqual([result.parts, result.gaps], [manifest.parts.length, 0]);
    return manifest;
  } finally {
    await local.stop();
  }
}

describe('an undisturbed run of dirty data', () => {
  let first: Manifest | null = null;

  for (const [chunkSize, hostSlots] of [
    ['64KiB', [1, 1]],
    ['1MiB', [2]],
    ['64MiB', [1]],
  ] as const) {
    it(`gives what was planted, in chunks of ${chunkSize} on ${hostSlots.length} host(s) of ${hostSlots[0]} slot(s)`, async () => {
      const out = bench.path(`out-${chunkSize}`);
      const manifest = await run(generatedSpec(data, out, chunkSize), out, [data], hostSlots);
      await expectTruth(data, out);
      if (first !== null) {
        assert.deepEqual(manifest.balance, first.balance);
        assert.deepEqual([manifest.byCode, manifest.byColumn], [first.byCode, first.byColumn]);
        assert.deepEqual(manifest.files, first.files);
        await expectSameRows('rows', partsOf(manifest), partsOf(first));
        await expectSameRows('rejects', rejectsOf(manifest), rejectsOf(first));
      }
      first ??= manifest;
      await bench.expectNothingRuns();
    });
  }
});

describe('NDJSON', () => {
  it('gives what was planted too', async () => {
    const events = bench.generate('events', { kind: 'events', records: 8_000, files: 2 }).directory;
    const out = bench.path('out-events');
    await run(generatedSpec(events, out, '256KiB'), out, [events]);
    await expectTruth(events, out);
  });
});

describe('clean data', () => {
  it('are read as DuckDB reads them, with the same types', async () => {
    const clean = bench.generate('clean', { records: 5_000, seed: 3, faults: 'quotedNewline=0.1' }).directory;
    const out = bench.path('out-clean');
    const manifest = await run(generatedSpec(clean, out, '64KiB', { pipeline: [] }), out, [clean]);
    assert.equal(manifest.balance.rejected, 0);
    const columns = `{order_id: 'BIGINT', booked_on: 'DATE', placed_at: 'TIMESTAMPTZ', customer: 'VARCHAR', email: 'VARCHAR', country: 'VARCHAR',
      status: 'VARCHAR', quantity: 'BIGINT', amount: 'DECIMAL(12, 2)', note: 'VARCHAR'}`;
    const duck = `SELECT * FROM read_csv('${clean}/orders-01.csv', columns = ${columns}, header = true, nullstr = '', quote = '"', escape = '"')`;
    await expectSameRows('rows', partsOf(manifest), duck);
  });
});
