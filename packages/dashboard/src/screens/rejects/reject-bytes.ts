/** Raw bytes of a record as they are shown: as rows of hex beside their letters, and as text, with the byte at fault told apart. Pure. */
import { visibleText } from '../../format/texts.ts';

export const bytesInRow = 16;
/** Shown at once; more is a press away. */
export const bytesInView = 1_024;

export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Something in three pieces, the middle one being at fault. Without fault all of it stands before. */
export interface Marked {
  readonly before: string;
  readonly fault: string;
  readonly behind: string;
}

export interface HexRow {
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly hex: Marked;
  readonly letters: Marked;
}

/** `base`: offset of the first byte; `fault`: index of the byte at fault, null for none. */
export function hexRows(bytes: Uint8Array, base: number, fault: number | null): HexRow[] {
  const rows: HexRow[] = [];
  for (let from = 0; from < bytes.length; from += bytesInRow) {
    const row = [...bytes.subarray(from, from + bytesInRow)];
    const at = fault === null || fault < from || fault >= from + row.length ? null : fault - from;
    rows.push({ offset: base + from, hex: marked(row.map(hexOf), at, ' '), letters: marked(row.map(letterOf), at, '') });
  }
  return rows;
}

function marked(pieces: readonly string[], at: number | null, between: string): Marked {
  if (at === null) return { before: pieces.join(between), fault: '', behind: '' };
  const before = pieces.slice(0, at);
  const behind = pieces.slice(at + 1);
  return {
    before: before.length === 0 ? '' : before.join(between) + between,
    fault: pieces[at] ?? '',
    behind: behind.length === 0 ? '' : between + behind.join(between),
  };
}

const hexOf = (byte: number): string => byte.toString(16).padStart(2, '0');

/** One letter a byte, so that columns stay: control characters as their marks, bytes of longer letters as a dot. */
function letterOf(byte: number): string {
  if (byte >= 0x80) return '·';
  return visibleText(String.fromCharCode(byte));
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** As UTF-8 with visible control characters, one line a line of the record; bytes that are no UTF-8 show as `�`. */
export function markedText(bytes: Uint8Array, fault: number | null): Marked {
  const show = (from: number, to: number): string =>
    decoder
      .decode(bytes.subarray(from, to))
      .split('\n')
      .map((line) => visibleText(line))
      .join('␊\n');
  if (fault === null || fault < 0 || fault >= bytes.length) return { before: show(0, bytes.length), fault: '', behind: '' };
  const [from, to] = letterAround(bytes, fault);
  return { before: show(0, from), fault: show(from, to), behind: show(to, bytes.length) };
}

/** The whole letter that a byte lies in: begins before continuation bytes, ends behind them. */
function letterAround(bytes: Uint8Array, at: number): readonly [from: number, to: number] {
  const continues = (index: number): boolean => ((bytes[index] ?? 0) & 0xc0) === 0x80;
  let from = at;
  while (from > 0 && at - from < 3 && continues(from)) from -= 1;
  let to = at + 1;
  while (to < bytes.length && to - from < 4 && continues(to)) to += 1;
  return [from, to];
}

/** Where a view of `bytesInView` begins that has `fault` in it, at a whole row. */
export function viewStart(length: number, fault: number | null): number {
  if (fault === null || length <= bytesInView || fault < bytesInView / 2) return 0;
  return Math.floor((fault - bytesInView / 2) / bytesInRow) * bytesInRow;
}
