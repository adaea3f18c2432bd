import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { correctRecord, quotedCell, unchangedRecord } from './correct-record.ts';
import { EditedExportError, parseCsv, readEditedExport } from './edited-export.ts';
import { cutRecord, type ExportShape, exportCsvHeader, exportCsvRow, exportedFields, exportNdjsonRow, guarded, unguarded } from './export-rejects.ts';
import type { RejectRow } from './read-rejects.ts';
import { recordText } from './record-text.ts';

const dialect = { delimiter: ';', quoteChar: '"', doubleQuote: true, escapeChar: '' };
const shapeOf = (encoding = 'utf-8'): ExportShape => ({
  columns: ['id', 'note', 'amount'],
  headers: new Map([['file:///b.csv', ['amount', 'id']]]),
  dialect: dialect as NonNullable<ExportShape['dialect']>,
  dialects: new Map(),
  encodings: new Map([['file:///a.csv', encoding]]),
});
const shape = shapeOf();

const row = (raw: string | Uint8Array, changes: Partial<RejectRow> = {}): RejectRow => ({
  rejectId: 'j1.read.0.r1',
  stage: 'read',
  chunk: 0,
  file: 'file:///a.csv',
  etag: '1',
  record: 7,
  line: 9,
  byte: 120,
  byteEnd: 130,
  errorLine: 9,
  errorByte: 121,
  column: 'id',
  columnIndex: 1,
  code: 'TYPE_INTEGER',
  message: 'expected an integer',
  expected: 'integer',
  value: 'x',
  raw: Buffer.from(raw).toString(),
  rawBase64: Buffer.from(raw).toString('base64'),
  rawTruncated: false,
  errors: [],
  ...changes,
});

/** The export of one row, with these cells changed, read and corrected. */
function corrected(
  raw: string | Uint8Array,
  cells: Record<string, string>,
  of: ExportShape = shape,
  changes: Partial<RejectRow> = {},
): string | { cannot: string } {
  const reject = row(raw, changes);
  const [header = [], line = []] = parseCsv(exportCsvHeader(of).slice(1) + exportCsvRow(of, reject), ';').map((one) => [...one.cells]);
  for (const [name, value] of Object.entries(cells)) line[header.indexOf(name)] = value;
  const text = [header, line].map((one) => one.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(';')).join('\n');
  const edited = readEditedExport(Buffer.from(text), of).get(reject.rejectId);
  assert.ok(edited);
  const correction = correctRecord(of, reject, edited);
  return 'cannot' in correction ? correction : Buffer.from(correction.bytes).toString('latin1');
}

test('a changed cell is written in the dialect of the file, the others keep their bytes', () => {
  assert.equal(corrected('x;"a;b"; 7 \r\n', { id: '1' }), '1;"a;b"; 7 \r\n');
  assert.equal(corrected('x;b;7\n', { note: 'say "hi"; now' }), 'x;"say ""hi""; now";7\n');
  assert.equal(corrected('x;b', { id: '2' }), '2;b;\n', 'a short record gets all its columns, and its line end');
  assert.equal(corrected('1;b;7;surplus;more\n', { _extra: '' }), '1;b;7\n');
  assert.equal(corrected('1;b;7;"sur;plus"\n', { id: '2' }), '2;b;7;"sur;plus"\n');
  assert.equal(corrected('1;"open\n', { _raw: '1;open;7' }), '1;open;7\n');
  assert.equal(corrected('1;"open\n', { id: '1', note: 'open', amount: '7' }), '1;open;7\n', 'what could not be cut may be given field by field');
});

test('what nobody changed keeps its bytes, invalid ones too', () => {
  const raw = Buffer.from([0x78, 0x3b, 0xff, 0xfe, 0x3b, 0x37, 0x0a]);
  assert.equal(corrected(raw, {}), raw.toString('latin1'));
  assert.equal(corrected(raw, { id: '1' }), `1;\u00ff\u00fe;7\n`);
});

test('other encodings are written as they were read, or it is said that they cannot be', () => {
  assert.equal(
    corrected(Buffer.from('x;na\u00efve;7\n', 'latin1'), { id: '1', amount: 'd\u00e9j\u00e0' }, shapeOf('windows-1252')),
    '1;na\u00efve;d\u00e9j\u00e0\n',
  );
  assert.deepEqual(Object.keys(corrected('x;b;7\n', { id: '漢' }, shapeOf('windows-1252'))), ['cannot']);
  const wide = Buffer.from('x;b;7\n', 'utf16le');
  assert.equal(corrected(wide, { id: '漢' }, shapeOf('utf-16le')), Buffer.from('漢;b;7\n', 'utf16le').toString('latin1'));
  const big = Buffer.from('x;b;7\n', 'utf16le').swap16();
  assert.equal(corrected(big, { id: '1' }, shapeOf('utf-16be')), Buffer.from('1;b;7\n', 'utf16le').swap16().toString('latin1'));
});

test('a column that the file of the record does not have cannot be corrected', () => {
  assert.deepEqual(corrected('7;x\n', { note: 'words' }, shape, { file: 'file:///b.csv' }), { cannot: 'its file has no column "note"' });
  assert.equal(corrected('7;x\n', { id: '1' }, shape, { file: 'file:///b.csv' }), '7;1\n');
});

test('a record of which only the beginning was kept is replayed only when it is written anew', () => {
  const cut = { rawTruncated: true };
  assert.ok('cannot' in unchangedRecord(row('1;b;7', cut)));
  assert.ok(typeof corrected('1;b;7\n', { id: '2' }, shape, cut) === 'object');
  assert.equal(corrected('1;"open', { _raw: '1;b;7' }, shape, cut), '1;b;7\n');
});

test('an export that comes back as it went changes nothing, whatever the record holds (and whatever a spreadsheet would run)', () => {
  const cell = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('=1+1', "'quoted", '-7', '+49', ' ', '"', ';', 'é'));
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1, maxLength: 5 }), (cells) => {
      const raw = `${cells.map((one) => `"${one.replaceAll('"', '""').replaceAll('\u0000', '')}"`).join(';')}\n`;
      assert.equal(corrected(raw, {}), Buffer.from(raw).toString('latin1'));
      const reject = row(raw);
      const json = readEditedExport(Buffer.from(exportNdjsonRow(shape, reject)), shape).get(reject.rejectId);
      assert.ok(json);
      const same = correctRecord(shape, reject, json);
      assert.ok('bytes' in same && same.changed.length === 0);
    }),
  );
});

test('a corrected cell is read again as what was written', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 8 }), { minLength: 2, maxLength: 4 }), fc.boolean(), (values, doubled) => {
      const of = { delimiter: ',', quoteChar: '"', doubleQuote: doubled, escapeChar: doubled ? '' : '\\' };
      const written = values.map((value) => quotedCell(value, of));
      if (written.includes(null)) return;
      assert.deepEqual(cutRecord(written.join(','), of), values);
    }),
  );
  assert.equal(quotedCell('a,b', { delimiter: ',', quoteChar: '', doubleQuote: false, escapeChar: '' }), null);
});

test('the guard against spreadsheets comes off again', () => {
  fc.assert(fc.property(fc.string(), (cell) => assert.equal(unguarded(guarded(cell)), cell)));
});

test('an edited file without ids, with unknown columns or with a row twice is refused by its place', () => {
  const read = (text: string) => readEditedExport(Buffer.from(text), shape);
  assert.throws(() => read('id;note\n1;b\n'), EditedExportError);
  assert.throws(() => read('_reject_id,price\nr1,7\n'), /no column "price"/);
  assert.throws(() => read('_reject_id,id\nr1,7\nr1,8\n'), /line 3: r1 stands there twice/);
  assert.throws(() => read('_reject_id,id\n,8\n'), /line 2: its _reject_id is empty/);
  assert.throws(() => read('{"_reject_id":"r1"}\nnone\n'), /line 2/);
  const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('_reject_id\tid\r\nr1\t7\r\n', 'utf16le')]);
  assert.deepEqual([...readEditedExport(wide, shape).entries()], [['r1', { cells: new Map([['id', '7']]), extra: null, raw: null }]]);
});

test('text is shown and written alike in every encoding that we write', () => {
  for (const encoding of ['utf-8', 'latin-1', 'windows-1252', 'iso-8859-15', 'utf-16le', 'utf-16be']) {
    const text = recordText(encoding);
    const written = text.write('Zoë 7;');
    assert.ok(written !== null, encoding);
    assert.equal(text.show(text.of(text.bytes(written))), 'Zoë 7;', encoding);
  }
  assert.deepEqual(exportedFields(shapeOf('windows-1252'), row(Buffer.from('x;\u0080;7', 'latin1'))).fields.get('note'), '€');
});
