import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutRecord, type ExportShape, exportCsvHeader, exportCsvRow, exportNdjsonRow, guarded } from './export-rejects.ts';
import type { RejectRow } from './read-rejects.ts';

const dialect = { delimiter: ';', quoteChar: '"', doubleQuote: true, escapeChar: '' };
const shape: ExportShape = {
  columns: ['id', 'note'],
  headers: new Map([['file:///b.csv', ['note', 'id']]]),
  dialect: { ...dialect } as NonNullable<ExportShape['dialect']>,
  dialects: new Map(),
  encodings: new Map(),
};

const row = (raw: string): RejectRow => ({
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
  raw,
  rawBase64: Buffer.from(raw).toString('base64'),
  rawTruncated: false,
  errors: [],
});

test('a record is cut at delimiters outside quotes, and doubled quotes are one', () => {
  assert.deepEqual(cutRecord('1;"a;b";"say ""hi"""', dialect), ['1', 'a;b', 'say "hi"']);
  assert.deepEqual(cutRecord('', dialect), ['']);
  assert.deepEqual(cutRecord('1;', dialect), ['1', '']);
});

test('a record whose quoting cannot be followed is not cut', () => {
  for (const text of ['1;"open', '1;a"b', '1;"a"b;c']) assert.equal(cutRecord(text, dialect), null, text);
});

test('cutting undoes quoting, whatever the fields hold', () => {
  const field = fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\u0000', ''));
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), (fields) => {
      const text = fields.map((one) => `"${one.replaceAll('"', '""')}"`).join(';');
      assert.deepEqual(cutRecord(text, dialect), fields);
    }),
  );
});

test('cells that a spreadsheet would run get a leading apostrophe, plain numbers do not', () => {
  for (const cell of ['=1+1', '+49', '@x', '\t=1', '-cmd', "'quoted", '\u0000=1', ' =1']) assert.equal(guarded(cell), `'${cell}`);
  for (const cell of ['-12.5', '12', 'text', '', 'a=b', '-7']) assert.equal(guarded(cell), cell);
});

test('an export opens right in a spreadsheet: byte order mark, the delimiter of the input, fields behind place and reason', () => {
  assert.equal(exportCsvHeader(shape), '\u{feff}_reject_id;_file;_record;_line;_byte;_code;_column;_message;id;note;_extra;_raw\r\n');
  assert.equal(exportCsvRow(shape, row('x;"a;b";more\n')), 'j1.read.0.r1;file:///a.csv;7;9;120;TYPE_INTEGER;id;expected an integer;x;"a;b";more;\r\n');
  assert.match(exportCsvRow(shape, row('=1;"open')), /;;;;"=1;""open"|;"'=1;""open"/);
});

test('fields of a file with another column order stand under their own names', () => {
  assert.match(exportCsvRow(shape, { ...row('words;7'), file: 'file:///b.csv' }), /;7;words;;\r\n$/);
});

test('NDJSON exports name fields by column and keep what could not be cut as text', () => {
  assert.deepEqual(JSON.parse(exportNdjsonRow(shape, row('1;b\r\n'))), {
    _reject_id: 'j1.read.0.r1',
    _file: 'file:///a.csv',
    _record: 7,
    _line: 9,
    _byte: 120,
    _code: 'TYPE_INTEGER',
    _column: 'id',
    _message: 'expected an integer',
    id: '1',
    note: 'b',
  });
  assert.equal(JSON.parse(exportNdjsonRow(shape, row('1;"open')))._raw, '1;"open');
});
