/**
 * Pure: the bytes of a rejected record as text that can be cut and put together again. Encodings that contain ASCII are cut byte by byte (each byte one
 * character), so that what nobody changed keeps its bytes, invalid ones too; others are decoded as a whole.
 */

export interface RecordText {
  /** What is cut: one character for each byte, or for each unit of UTF-16. */
  of(bytes: Uint8Array): string;
  /** A piece of that as people read it. */
  show(piece: string): string;
  /** The inverse of `show` for what a person wrote; null: the encoding has no such character, or cannot be written by us. */
  write(shown: string): string | null;
  bytes(text: string): Uint8Array;
}

export function recordText(encoding: string): RecordText {
  const label = encoding.toLowerCase();
  if (label === 'utf-16le' || label === 'utf-16be' || label === 'utf-16') return wideText(label === 'utf-16be' ? 'utf-16be' : 'utf-16le');
  return byteText(label);
}

function byteText(label: string): RecordText {
  const of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  if (label === 'utf-8' || label === 'utf8' || label === 'auto') {
    return { of, bytes, show: (piece) => Buffer.from(piece, 'latin1').toString('utf8'), write: (shown) => Buffer.from(shown, 'utf8').toString('latin1') };
  }
  // The true ISO 8859-1, which the Encoding Standard does not have.
  if (label === 'latin-1' || label === 'iso-8859-1') {
    return { of, bytes, show: (piece) => piece, write: (shown) => (/^[\0-\u00ff]*$/.test(shown) ? shown : null) };
  }
  const decoder = new TextDecoder(label);
  const known = singleBytes(label);
  return { of, bytes, show: (piece) => decoder.decode(Buffer.from(piece, 'latin1')), write: (shown) => writeBytes(shown, known) };
}

/** Characters that one byte stands for. Of encodings with longer characters these are the ASCII ones and a few more. */
function singleBytes(label: string): ReadonlyMap<string, string> {
  const decoder = new TextDecoder(label, { fatal: true });
  const known = new Map<string, string>();
  for (let byte = 0; byte < 256; byte += 1) {
    try {
      const character = decoder.decode(Uint8Array.of(byte));
      if (character.length === 1 && !known.has(character)) known.set(character, String.fromCharCode(byte));
    } catch {
      // The byte begins a longer character, or is none of this encoding.
    }
  }
  return known;
}

function writeBytes(shown: string, known: ReadonlyMap<string, string>): string | null {
  let text = '';
  for (const character of shown) {
    const byte = known.get(character);
    if (byte === undefined) return null;
    text += byte;
  }
  return text;
}

function wideText(label: 'utf-16le' | 'utf-16be'): RecordText {
  const swapped = (bytes: Uint8Array): Buffer => (label === 'utf-16be' ? Buffer.from(bytes.subarray(0, bytes.length & ~1)).swap16() : Buffer.from(bytes));
  return {
    of: (bytes) => swapped(bytes).toString('utf16le'),
    show: (piece) => piece,
    write: (shown) => shown,
    bytes: (text) => swapped(Buffer.from(text, 'utf16le')),
  };
}
