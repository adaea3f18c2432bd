import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesInView, bytesOfBase64, hexRows, markedText, viewStart } from './reject-bytes.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test('rows of sixteen bytes begin at their offset in the file and mark the byte at fault in both halves', () => {
  const rows = hexRows(bytesOf('0123456789abcdefX\ty'), 100, 17);
  assert.deepEqual(
    rows.map(({ offset }) => offset),
    [100, 116],
  );
  assert.equal(rows[0]?.hex.before, '30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66');
  assert.deepEqual(rows[1], {
    offset: 116,
    hex: { before: '58 ', fault: '09', behind: ' 79' },
    letters: { before: 'X', fault: '␉', behind: 'y' },
  });
});

test('control characters and bytes that are no ASCII keep one column each', () => {
  const [row] = hexRows(Uint8Array.of(0, 0x1b, 0x7f, 0xc3, 0xa4), 0, null);
  assert.equal(row?.letters.before, '␀␛␡··');
});

test('text shows line ends and control characters, and marks the whole letter that the byte lies in', () => {
  assert.deepEqual(markedText(bytesOf('a\r\nb'), null), { before: 'a␍␊\nb', fault: '', behind: '' });
  assert.deepEqual(markedText(bytesOf('xäy'), 2), { before: 'x', fault: 'ä', behind: 'y' });
  assert.deepEqual(markedText(bytesOf('x\u202ey'), null).before, 'x⟨202E⟩y');
  assert.deepEqual(markedText(Uint8Array.of(0x61, 0xff, 0x62), 1), { before: 'a', fault: '�', behind: 'b' });
});

test('a place outside of the bytes marks nothing', () => {
  assert.deepEqual(markedText(bytesOf('ab'), 2), { before: 'ab', fault: '', behind: '' });
  assert.equal(hexRows(bytesOf('ab'), 0, 9)[0]?.hex.fault, '');
});

test('a view of a long record has the fault in it and begins at a whole row', () => {
  assert.equal(viewStart(100, 99), 0);
  const start = viewStart(60_000, 40_007);
  assert.equal(start % 16, 0);
  assert.ok(start <= 40_007 && 40_007 < start + bytesInView);
});

test('base64 becomes its bytes, also above 7 bits', () => {
  assert.deepEqual([...bytesOfBase64('AP9h')], [0, 255, 97]);
});
