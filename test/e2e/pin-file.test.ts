/** `pin: file`: files of one input that are each read in their own way, under one schema. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Pins } from '@millrace/protocol';
import { expectSameRows, partsOf } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters } from './support/journal-files.ts';
import { Workbench } from './support/workbench.ts';

const PER_FILE = 4_000;

let bench: Workbench;
let data: string;
before(() => {
  bench = new Workbench('pin-file');
  data = bench.path('data');
  mkdirSync(data);
  const rows = (file: number): [number, string, string][] =>
    Array.from({ length: PER_FILE }, (_, at) => [file * PER_FILE + at, `näme ${at % 97}`, `${at % 50}.5`]);
  const text = (file: number, header: string, join: string): string =>
    `${header}\n${rows(file)
      .map((row) => row.join(join))
      .join('\n')}\n`;
  writeFileSync(join(data, '0.csv'), text(0, 'id,name,amount', ','));
  writeFileSync(join(data, '1.csv'), Buffer.from(text(1, 'id;name;amount', ';'), 'latin1'));
  writeFileSync(join(data, '2.csv.gz'), gzipSync(text(2, 'id\tname\tamount', '\t')));
  writeFileSync(
    join(data, '3.ndjson'),
    `${rows(3)
      .map(([id, name, amount]) => JSON.stringify({ id, name, amount: Number(amount) }))
      .join('\n')}\n`,
  );
  writeFileSync(join(data, '4.csv'), `written by hand\n\n${text(4, '"amount"|"name"|"id"', '|').replace(/^(\d+)\|([^|]*)\|(.*)$/gm, '"$3"|"$2"|"$1"')}`);
});
after(() => bench.close());

describe('pin: file', () => {
  for (const unique of [false, true]) {
    it(`reads each file with its own dialect, encoding, compression and format${unique ? ', also where keys are read first' : ''}`, async () => {
      const out = bench.path(`out-${unique}`);
      const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1, 1] });
      try {
        const fields = [{ name: 'id', type: 'integer', constraints: { unique } }, { name: 'name' }, { name: 'amount', type: 'number', precision: 8, scale: 1 }];
        const inputs = { uri: `${pathToFileURL(data).href}/`, pin: 'file', schema: { fields } };
        const spec = { name: 'mixed', inputs, output: { uri: `${pathToFileURL(out).href}/` }, execution: { chunkSize: '64KiB' } };
        const handle = await local.producer.submit(spec as never, { idempotencyKey: `mixed-${unique}` });
        const status = await followToEnd(handle);
        assert.equal(status.state, 'completed', `${status.failure?.message} ${deadLetters(out, handle.jobId).map(({ message }) => message)}`);
        const manifest = expectTidy(out, handle.jobId);
        const expected = `SELECT CAST(f * ${PER_FILE} + n AS BIGINT) AS id, 'näme ' || (n % 97) AS name, CAST((n % 50) || '.5' AS DECIMAL(8, 1)) AS amount
          FROM range(5) AS files(f), range(${PER_FILE}) AS rows(n)`;
        await expectSameRows('rows', partsOf(manifest), expected);
        assert.deepEqual([manifest.balance.recordsIn, manifest.balance.rejected], [5 * PER_FILE, 0]);
        const pins = JSON.parse(readFileSync(join(out, '_journal', 'jobs', handle.jobId, 'pins.json'), 'utf8')) as Pins;
        assert.deepEqual(
          pins.files?.map(({ format, compression, dialect }) => `${format} ${compression} ${dialect?.delimiter}`),
          ['csv none ,', 'csv none ;', 'csv gzip \t', 'ndjson none undefined', 'csv none |'],
        );
      } finally {
        await local.stop();
      }
    });
  }
});
