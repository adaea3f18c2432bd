/**
 * Labels of encodings, as in the Encoding Standard; those of several bytes a character are converted before anything looks at them. `latin-1` and
 * `iso-8859-1` are the true ISO 8859-1 (0x80 to 0x9F are controls), not, as there, another name of windows-1252.
 */

const isoNumbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16];
const windowsNumbers = [0, 1, 2, 3, 4, 5, 6, 7, 8];

const readable = new Set([
  'auto',
  'utf-8',
  'utf8',
  'unicode-1-1-utf-8',
  'latin-1',
  'latin1',
  'l1',
  'ascii',
  'us-ascii',
  'latin2',
  'l2',
  'latin3',
  'l3',
  'latin4',
  'l4',
  'latin5',
  'l5',
  'latin6',
  'l6',
  'l9',
  'arabic',
  'cyrillic',
  'greek',
  'hebrew',
  'iso-8859-8-i',
  'windows-874',
  'dos-874',
  'tis-620',
  'ibm866',
  'cp866',
  '866',
  'koi8-r',
  'koi8',
  'koi',
  'koi8-u',
  'koi8-ru',
  'macintosh',
  'mac',
  'x-mac-roman',
  'x-mac-cyrillic',
  'x-mac-ukrainian',
  'utf-16',
  'utf-16le',
  'utf-16be',
  'gbk',
  'gb2312',
  'chinese',
  'gb18030',
  'big5',
  'big5-hkscs',
  'euc-jp',
  'shift_jis',
  'shift-jis',
  'sjis',
  'ms_kanji',
  'windows-31j',
  'euc-kr',
  'ks_c_5601-1987',
  'windows-949',
  ...isoNumbers.flatMap((number) => [`iso-8859-${number}`, `iso8859-${number}`, `iso8859${number}`]),
  ...windowsNumbers.flatMap((number) => [`windows-125${number}`, `cp125${number}`, `x-cp125${number}`]),
]);

const later = new Set(['iso-2022-jp']);

/** `available` to read, `later`: known but not read by this version, `unknown`. Case does not count. */
export function encodingSupport(label: string): 'available' | 'later' | 'unknown' {
  const wanted = label.trim().toLowerCase();
  if (readable.has(wanted)) return 'available';
  return later.has(wanted) ? 'later' : 'unknown';
}

/** Every label there is, for suggestions. */
export function encodingLabels(): string[] {
  return [...readable, ...later];
}
