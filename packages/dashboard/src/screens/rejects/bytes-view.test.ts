import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesRows, decodeBase64 } from './bytes-view.ts';

test('bytes stand sixteen to a row with their place, their letters and the one at fault', () => {
  const bytes = new TextEncoder().encode('order;"9,90\r\n<b>é');
  const rows = bytesRows(bytes, 1_000, 1_016);
  assert.deepEqual(
    rows.map(({ offset, culprit }) => [offset, culprit]),
    [
      [1_000, -1],
      [1_016, 0],
    ],
  );
  assert.equal(rows[0]?.letters.join(''), 'order;"9,90␍␊<b>');
  assert.deepEqual(rows[1]?.hex, ['c3', 'a9']);
  assert.equal(rows[1]?.letters.join(''), '··');
  assert.deepEqual(bytesRows(new Uint8Array(), 0, null), []);
  assert.deepEqual([...decodeBase64(btoa('a\u00ff'))], [0x61, 0xff]);
});
