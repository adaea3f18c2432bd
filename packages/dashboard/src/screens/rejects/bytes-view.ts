/** Raw bytes as people look at them: rows of sixteen, as hexadecimal digits and as letters. Pure. */

export interface BytesRow {
  /** Of its first byte, in the file. */
  readonly offset: number;
  readonly hex: readonly string[];
  /** One letter for each byte: printable ones as they are, others as marks. */
  readonly letters: readonly string[];
  /** Index in the row of the byte where the fault is; -1: not in this row. */
  readonly culprit: number;
}

const perRow = 16;
/** Rows of a window of 64 KiB are 4,096: more than that is never asked for. */
const mostRows = 4_096;

export function decodeBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** `start`: offset of the first byte in the file. `culprit`: offset of the byte at fault; null: none is known. */
export function bytesRows(bytes: Uint8Array, start: number, culprit: number | null): BytesRow[] {
  const rows: BytesRow[] = [];
  for (let at = 0; at < bytes.length && rows.length < mostRows; at += perRow) {
    const piece = [...bytes.subarray(at, at + perRow)];
    const index = culprit === null ? -1 : culprit - start - at;
    rows.push({
      offset: start + at,
      hex: piece.map((byte) => byte.toString(16).padStart(2, '0')),
      letters: piece.map(letterOf),
      culprit: index >= 0 && index < piece.length ? index : -1,
    });
  }
  return rows;
}

function letterOf(byte: number): string {
  if (byte < 0x20) return String.fromCodePoint(0x2400 + byte);
  if (byte === 0x7f) return '␡';
  return byte < 0x7f ? String.fromCharCode(byte) : '·';
}
