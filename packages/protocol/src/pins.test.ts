import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type InputPins, inputPinsShape, type Pins } from './pins.ts';
import { encodeRecord, parseRecord } from './record.ts';

function pinsOf(columns: number): Pins {
  const fields = Array.from({ length: columns }, (_, n) => ({ name: `column ${n}`, type: n % 2 === 0 ? 'integer' : 'string' }));
  const input: InputPins = inputPinsShape.parse({
    name: 'input',
    format: 'csv',
    compression: 'none',
    encoding: 'utf-8',
    invalidBytes: 'reject',
    maxRecordBytes: 1 << 24,
    maxInflation: 100,
    keepIntactPrefix: false,
    dialect: null,
    columns: fields.map(({ name }) => name),
    schema: { fields, missingValues: [''], match: 'name', caseSensitive: true, missingColumns: 'fail', extraColumns: 'drop', primaryKey: [] },
    inferred: fields.map(({ name }) => name),
    json: { duplicateKeys: 'reject', maxDepth: 64 },
    evidence: fields.map(({ name }) => ({ path: `schema.${name}`, how: 'detected', value: 'integer', confidence: 1, runnerUp: null, note: null })),
    notes: [],
  });
  return { record: 'pins', version: 1, jobId: 'j0123456789abcdefghjkmnpqrs' as never, rules: 1, inputs: [input], partitions: {}, lookups: [] };
}

describe('pins', () => {
  it('of 20,000 columns fit into a record, and are read back whole', () => {
    const pins = pinsOf(20_000);
    assert.deepEqual(parseRecord('pins', encodeRecord('pins', pins)), pins);
  });

  it('keep what a field has that others do not', () => {
    const pins = pinsOf(2);
    const [first] = pins.inputs[0]?.schema.fields ?? [];
    Object.assign(first ?? {}, { decimalChar: ',', trueValues: [], missingValues: ['-'], timezone: 'Europe/Zurich' });
    assert.deepEqual(parseRecord('pins', encodeRecord('pins', pins)), pins);
  });
});
