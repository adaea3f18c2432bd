import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FAULT_RATES, type FaultKind, type PlantedFault, parseFaults } from './faults.ts';
import { writeData } from './write-data.ts';

const everything = (rate: number): string =>
  Object.keys(FAULT_RATES)
    .filter((kind) => kind !== 'bom')
    .map((kind) => `${kind}=${rate}`)
    .join(',');

function inFreshDirectory<T>(act: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-generate-'));
  try {
    return act(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const digestOf = (directory: string): string => {
  const digest = createHash('sha256');
  for (const name of readdirSync(directory).sort()) digest.update(name).update(readFileSync(join(directory, name)));
  return digest.digest('hex');
};

test('the same seed gives the same bytes, another one others', () => {
  const make = (seed: number): string =>
    inFreshDirectory((directory) => {
      writeData({ kind: 'orders', directory, seed, records: 2_000, sizeBytes: null, files: 3, faults: parseFaults(undefined) });
      return digestOf(directory);
    });
  assert.equal(make(1), make(1));
  assert.notEqual(make(1), make(2));
});

for (const kind of ['orders', 'events'] as const) {
  test(`each planted fault of ${kind} points at the bytes of its record, and the sums hold`, () =>
    inFreshDirectory((directory) => {
      const expected = writeData({ kind, directory, seed: 3, records: 4_000, sizeBytes: null, files: 2, faults: parseFaults(everything(0.03)) });
      const { recordsIn, emitted, filtered, rejected } = expected.balance;
      assert.equal(recordsIn, emitted + filtered + rejected);
      assert.equal(expected.rows.rows, emitted);
      const faults = readFileSync(join(directory, 'truth.ndjson'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as PlantedFault);
      assert.equal(faults.length, rejected);
      const seen = new Set<FaultKind>();
      for (const fault of faults) {
        const bytes = readFileSync(join(directory, fault.file));
        assert.equal(bytes.subarray(0, fault.byte).filter((byte) => byte === 10).length + 1, fault.line);
        assert.equal(bytes[fault.byteEnd - 1], 10);
        assert.ok(fault.byteEnd > fault.byte);
        seen.add(fault.kind);
      }
      assert.ok(seen.size >= (kind === 'orders' ? 12 : 9), `kinds planted: ${[...seen].join(' ')}`);
    }));
}

test('fault kinds and rates that do not exist are refused by name', () => {
  assert.throws(() => parseFaults('shortRows=0.1'), /expected a fault kind of shortRow/);
  assert.throws(() => parseFaults('shortRow=2'), /expected a rate from 0 to 1/);
  assert.throws(() => parseFaults('bomb=0.1'), /not available in this version/);
});
