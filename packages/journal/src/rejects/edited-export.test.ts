import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { EditedExportError, parseCsv, readEditedExport, readEditedExportInTurns } from './edited-export.ts';
import type { ExportShape } from './export-rejects.ts';

const shape: ExportShape = { columns: ['id', 'name'], headers: new Map(), dialect: null, dialects: new Map(), encodings: new Map() };

/** The rule character by character, as plain as it can be written. */
function plainly(text: string, delimiter: string): { cells: string[]; line: number }[] {
  const lines: { cells: string[]; line: number }[] = [];
  let cells: string[] = [];
  let cell = '';
  let [line, begun, isQuoted] = [1, 1, false];
  const endLine = (): void => {
    lines.push({ cells: [...cells, cell], line: begun });
    [cells, cell, begun] = [[], '', line];
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\n' || (character === '\r' && text[at + 1] !== '\n')) line += 1;
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (character === '"' && cell === '') isQuoted = true;
    else if (text.startsWith(delimiter, at)) {
      cells.push(cell);
      cell = '';
      at += delimiter.length - 1;
    } else if (character === '\n' || character === '\r') {
      if (character === '\r' && text[at + 1] === '\n') {
        at += 1;
        line += 1;
      }
      endLine();
    } else cell += character;
  }
  if (cell !== '' || cells.length > 0) endLine();
  return lines;
}

test('property: lines and cells are those of the rule read character by character', () => {
  const pieces = fc.array(fc.constantFrom('a', 'b c', '"', '""', ',', ';', '||', '\n', '\r\n', '\r', '“', ''), { maxLength: 40 });
  fc.assert(
    fc.property(pieces, fc.constantFrom(',', ';', '\t', '||'), (parts, delimiter) => {
      const text = parts.join('');
      assert.deepEqual(parseCsv(text, delimiter), plainly(text, delimiter));
    }),
    { numRuns: 3_000 },
  );
});

test('rows are the same read at once and in turns, of CSV and of NDJSON', async () => {
  const ids = Array.from({ length: 5_000 }, (_, at) => `j.read.0.r${at}`);
  const csv = Buffer.from(`_reject_id,id,name\r\n${ids.map((id, at) => `${id},${at},"n ${at}"`).join('\r\n')}`);
  const ndjson = Buffer.from(ids.map((_reject_id, at) => JSON.stringify({ _reject_id, id: String(at), name: `n ${at}` })).join('\n'));
  for (const bytes of [csv, ndjson]) {
    const rows = await readEditedExportInTurns(bytes, shape);
    assert.deepEqual(rows, readEditedExport(bytes, shape));
    assert.deepEqual(
      [rows.size, rows.get('j.read.0.r7')?.cells],
      [
        5_000,
        new Map([
          ['id', '7'],
          ['name', 'n 7'],
        ]),
      ],
    );
  }
});

test('what cannot be an export names its line', () => {
  const told = (text: string): string => {
    try {
      readEditedExport(Buffer.from(text), shape);
    } catch (error) {
      assert.ok(error instanceof EditedExportError);
      return error.message;
    }
    return assert.fail('it was read');
  };
  assert.match(told('a,b\n1,2\n'), /no column _reject_id/);
  assert.match(told('_reject_id,other\nx,1\n'), /no column "other", only id, name/);
  assert.match(told('_reject_id,id\nx,"1\n2"\n,3\n'), /line 4: its _reject_id is empty/);
  assert.match(told('_reject_id,id\nx,1\nx,2\n'), /line 3: x stands there twice/);
  assert.match(told(`_reject_id,id\n${','.repeat(100_001)}\n`), /line 2: expected at most 100000 cells/);
  assert.match(told('{"_reject_id":1}\n'), /line 1: expected a _reject_id/);
});
