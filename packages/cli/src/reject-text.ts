/** Words about a reject, and its bytes as text. Pure. */
import type { RejectRow } from '@millrace/journal';

/** What was wrong, and with what: the offending value where there is one. */
export function messageOf(row: Pick<RejectRow, 'message' | 'value'>): string {
  return row.value === null ? row.message : `${row.message}, got ${JSON.stringify(row.value.length > 80 ? `${row.value.slice(0, 80)}…` : row.value)}`;
}

/** Control characters made visible, cut to what fits on a line. */
export function visibleText(text: string, length: number): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text;
  return cut.replace(/[\u0000-\u001f\u007f]/g, (character) => (character === '\u007f' ? '␡' : String.fromCharCode(0x2400 + character.charCodeAt(0))));
}
