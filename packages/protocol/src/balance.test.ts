import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import {
  addSums,
  type Balance,
  balanceOfStages,
  checkBalance,
  checkReceipt,
  checkSums,
  type ReceiptSums,
  sumAll,
  sumsOfChunk,
  sumsOfReceipt,
  zeroBalance,
  zeroSums,
} from './balance.ts';
import { jobIdFromKey } from './derived-ids.ts';
import { parseRecord } from './record.ts';
import type { Receipt } from './verdict.ts';

const digest = 'ab'.repeat(32);
const codes = ['TYPE_NUMBER', 'CSV_LONG_ROW', '__proto__', 'constructor'];

/** Receipts that agree with themselves. */
const receipts = fc
  .record({
    chunk: fc.nat(99),
    files: fc.array(fc.record({ file: fc.nat(3), emitted: fc.nat(99), filtered: fc.nat(99), deduplicated: fc.nat(9), rejected: fc.nat(99) }), {
      minLength: 1,
      maxLength: 3,
    }),
    code: fc.constantFrom(...codes),
    rowsOut: fc.nat(500),
  })
  .map(({ chunk, files, code, rowsOut }): Receipt => {
    const full = files.map((file) => ({ ...file, key: null, recordsIn: file.emitted + file.filtered + file.deduplicated + file.rejected }));
    const sum = (name: 'recordsIn' | 'emitted' | 'filtered' | 'deduplicated' | 'rejected') => full.reduce((total, file) => total + file[name], 0);
    const rejected = sum('rejected');
    return {
      record: 'verdict',
      version: 1,
      outcome: 'committed',
      jobId: jobIdFromKey('t', 'k'),
      stage: 'read',
      chunk,
      generation: 1,
      attemptId: `a${'0'.repeat(26)}` as Receipt['attemptId'],
      specDigest: digest,
      segmentDigest: digest,
      resultVersion: 1,
      coreVersion: '0',
      counts: {
        recordsIn: sum('recordsIn'),
        emitted: sum('emitted'),
        filtered: sum('filtered'),
        deduplicated: sum('deduplicated'),
        rejected,
        rowsOut,
        repaired: 0,
        bytesIn: 10,
        blankLines: 1,
        commentLines: 0,
        suspectRecords: 0,
        damagedBytes: 0,
        damagedLines: 0,
      },
      byCode: Object.fromEntries([[code, rejected]]),
      byColumn: { amount: Object.fromEntries([[code, rejected]]) },
      repairs: {},
      files: full,
      parts: [{ uri: 'file:///p', rows: rowsOut, bytes: 5, sha256: digest }],
      rejects: rejected ? [{ uri: 'file:///r', rows: rejected, bytes: 1, sha256: digest }] : [],
    };
  });

/** Adds in the grouping that `cuts` gives. */
function grouped(sums: readonly ReceiptSums[], cuts: readonly number[]): ReceiptSums {
  if (sums.length <= 1 || cuts.length === 0) return sums.reduce(addSums, zeroSums);
  const [cut = 0, ...rest] = cuts;
  const at = cut % sums.length;
  return addSums(grouped(sums.slice(0, at), rest), grouped(sums.slice(at), rest));
}

test('any grouping and order of receipts gives the same sums, and they balance', () => {
  fc.assert(
    fc.property(fc.array(receipts, { maxLength: 12 }), fc.array(fc.nat(12), { maxLength: 4 }), fc.nat(11), (list, cuts, turn) => {
      const sums = list.map(sumsOfReceipt);
      const plain = sums.reduce(addSums, zeroSums);
      assert.deepEqual(sumAll(sums), plain);
      const turned = [...sums.slice(turn % (sums.length || 1)), ...sums.slice(0, turn % (sums.length || 1))];
      assert.deepEqual(sorted(grouped(sums, cuts)), sorted(plain));
      assert.deepEqual(sorted(grouped(turned.reverse(), cuts)), sorted(plain));
      assert.equal(checkSums(plain), null);
      for (const receipt of list) assert.equal(checkReceipt(receipt), null);
    }),
  );
});

test('a receipt survives its way through bytes', () => {
  fc.assert(
    fc.property(receipts, (receipt) => {
      const read = parseRecord('verdict', Buffer.from(JSON.stringify(receipt)));
      assert.equal(read.outcome === 'committed' && checkReceipt(read), null);
    }),
  );
});

test('a receipt that loses one record anywhere is found out', () => {
  fc.assert(
    fc.property(receipts, fc.constantFrom('recordsIn', 'emitted', 'rejected', 'rowsOut'), (receipt, name) => {
      const wrong = { ...receipt, counts: { ...receipt.counts, [name]: receipt.counts[name] + 1 } };
      assert.notEqual(checkReceipt(wrong), null);
    }),
  );
});

test('an imbalance is told with both sides', () => {
  const message = checkBalance({ recordsIn: 10, emitted: 5, filtered: 2, deduplicated: 0, rejected: 1 });
  assert.equal(message, '10 records in, but 5 emitted + 2 filtered + 0 deduplicated + 1 rejected = 8');
});

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([key, member]) => [key, sorted(member)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const figures = fc.record({ emitted: fc.nat(99), filtered: fc.nat(99), deduplicated: fc.nat(20), rejected: fc.nat(20), rowsOut: fc.nat(200) });
const balanceFrom = (of: Partial<Balance>): Balance => {
  const { emitted, filtered, deduplicated, rejected } = { ...zeroBalance, ...of };
  return { ...zeroBalance, ...of, recordsIn: emitted + filtered + deduplicated + rejected };
};

test('the balance of a job holds for any stages that balance, and its rows are those of the last one', () => {
  const stages = fc.tuple(fc.array(figures, { minLength: 1, maxLength: 3 }), fc.array(figures, { maxLength: 4 }));
  fc.assert(
    fc.property(stages, ([maps, reduces]) => {
      const all = [
        ...maps.map((of) => ({ name: 'm', kind: 'map' as const, balance: balanceFrom(of) })),
        ...reduces.map((of) => ({ name: 'r', kind: 'reduce' as const, balance: balanceFrom(of) })),
      ];
      const job = balanceOfStages(all);
      assert.equal(checkBalance(job), null);
      assert.equal(
        job.recordsIn,
        maps.reduce((sum, of) => sum + balanceFrom(of).recordsIn, 0),
      );
      assert.equal(job.rowsOut, reduces.at(-1)?.rowsOut ?? maps.reduce((sum, { rowsOut }) => sum + rowsOut, 0));
    }),
  );
});

test('what reduce stages drop leaves the emitted as long as rows are records', () => {
  const map = { name: 'm', kind: 'map', balance: balanceFrom({ emitted: 100, filtered: 5, rowsOut: 100 }) } as const;
  const dedupe = { name: 'r', kind: 'reduce', balance: balanceFrom({ emitted: 80, deduplicated: 18, rejected: 2, rowsOut: 80 }) } as const;
  const groups = { name: 'r', kind: 'reduce', balance: balanceFrom({ emitted: 80, rowsOut: 7 }) } as const;
  const ofGroups = { name: 'r', kind: 'reduce', balance: balanceFrom({ emitted: 5, deduplicated: 2, rowsOut: 5 }) } as const;
  const shown = (stages: Parameters<typeof balanceOfStages>[0]) => {
    const { emitted, deduplicated, rejected, rowsOut } = balanceOfStages(stages);
    return [emitted, deduplicated, rejected, rowsOut];
  };
  assert.deepEqual(shown([map, dedupe]), [80, 18, 2, 80]);
  assert.deepEqual(shown([map, dedupe, groups, ofGroups]), [80, 18, 2, 5], 'groups are no records');
  const unnested = { name: 'm', kind: 'map', balance: balanceFrom({ emitted: 40, rowsOut: 100 }) } as const;
  assert.deepEqual(shown([unnested, dedupe]), [40, 0, 0, 80], 'rows of a record that yields several are no records');
});

test('a replayed record is counted once, with its newest fate', () => {
  const origin = (record: number, code: string, column: string | null) => ({
    file: 0,
    record,
    line: record + 1,
    byte: record * 10,
    errors: [{ code, column }],
  });
  const payload = (record: number, code: string, column: string | null) => ({ key: `r${record}`, offset: 0, length: 5, origin: origin(record, code, column) });
  const replay = {
    chunk: 9,
    kind: 'inline' as const,
    key: 'k',
    offset: 0,
    length: 15,
    sha256: digest,
    payloads: [payload(3, 'TYPE_NUMBER', 'amount'), payload(5, 'CSV_LONG_ROW', null), payload(8, 'TYPE_NUMBER', '__proto__')],
  };
  fc.assert(
    fc.property(receipts, (receipt) => {
      const before = { ...zeroSums, balance: { ...zeroBalance, recordsIn: 10, emitted: 7, rejected: 3 }, byCode: { TYPE_NUMBER: 2, CSV_LONG_ROW: 1 } };
      const counts = { ...receipt.counts, recordsIn: 3, emitted: 2, filtered: 0, deduplicated: 0, rejected: 1 };
      const files = [{ file: 0, key: null, recordsIn: 3, emitted: 2, filtered: 0, deduplicated: 0, rejected: 1 }];
      const after = addSums(before, sumsOfChunk(replay, { ...receipt, counts, files, byCode: { TYPE_NUMBER: 1 }, byColumn: {} }));
      assert.equal(checkBalance(after.balance), null);
      assert.deepEqual([after.balance.recordsIn, after.balance.emitted, after.balance.rejected], [10, 9, 1]);
      assert.deepEqual(after.byCode, { TYPE_NUMBER: 1, CSV_LONG_ROW: 0 });
      const pass = { ...receipt, stage: 'unique', counts, files, byCode: {}, byColumn: {} };
      assert.deepEqual([sumsOfChunk(replay, pass).balance.recordsIn, sumsOfChunk(replay, pass).byCode], [3, {}], 'a pass over keys decides no fate');
      assert.equal(Object.getOwnPropertyDescriptor(after.byColumn, '__proto__')?.value['TYPE_NUMBER'], -1);
    }),
  );
});
