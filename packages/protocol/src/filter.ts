/**
 * The filter language of lists, plans and the command line: `state:dead code:CSV_*,TYPE_* age:<2d -class:lost "no space"`. Terms are ANDed, commas are OR,
 * `-` negates, `*` matches any text, `< > <= >= ..` compare numbers, sizes, ages, instants and offsets, bare words search. Pure.
 */
import { nearestName } from './nearest-name.ts';

/**
 * How a field is compared. `size`: bytes, written `64MiB` or `1.2GB`. `offset`: whether a byte, or any of a range, lies in the item. `age`: how long ago an
 * instant was, written `2d`. `instant`: RFC 3339, or a day.
 */
export type FieldKind = 'text' | 'number' | 'size' | 'offset' | 'age' | 'instant';

/** Field → kind. A name that ends in `.*` stands for all that begin so. */
export type FilterFields = Readonly<Record<string, FieldKind>>;

/** Both bounds belong to it unless they are open; in the unit of the field: a number, bytes, milliseconds. */
interface Span {
  readonly least: number | null;
  readonly leastOpen: boolean;
  readonly most: number | null;
  readonly mostOpen: boolean;
}

/** A pattern is in lower case. */
type Wanted = { readonly pattern: string } | { readonly span: Span };

interface Term {
  /** Null: a bare word. */
  readonly field: string | null;
  readonly kind: FieldKind;
  readonly negated: boolean;
  /** One of them must hold. */
  readonly wanted: readonly Wanted[];
}

export interface Filter {
  readonly terms: readonly Term[];
  /** As it was understood. */
  readonly text: string;
}

/** What of an item a filter can see. An absent field matches nothing, so its negation holds. */
export interface FilterItem {
  /** By field: text or several, a number, an instant as text, or the range of an offset. */
  readonly [field: string]: string | number | readonly string[] | ByteRange | null | undefined;
}

interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Key of an item under which bare words search; several texts. */
export const wordsField = 'words';

export class FilterError extends Error {
  override readonly name = 'FilterError';
  readonly code = 'FILTER_INVALID';
  /** A name that was probably meant. */
  readonly suggestion: string | null;
  constructor(message: string, suggestion: string | null = null) {
    super(suggestion === null ? message : `${message}; did you mean ${suggestion}?`);
    this.suggestion = suggestion;
  }
}

export const maxFilterLength = 4_096;
const maxTerms = 100;

/** Throws `FilterError` naming the term that cannot be read. The empty text is the filter that holds for everything. */
export function parseFilter(text: string, fields: FilterFields): Filter {
  if (text.length > maxFilterLength) throw new FilterError(`cannot read the filter: expected at most ${maxFilterLength} characters, got ${text.length}`);
  const terms = splitTerms(text).map((raw) => parseTerm(raw, fields));
  if (terms.length > maxTerms) throw new FilterError(`cannot read the filter: expected at most ${maxTerms} terms, got ${terms.length}`);
  return { terms: terms.map(({ term }) => term), text: terms.map(({ shown }) => shown).join(' ') };
}

/** A field of an item, asked for only where a term needs it. */
export type FieldOf = (field: string) => FilterItem[string];

/** `nowMs` is what ages are counted from. */
export function matchesFilter({ terms }: Filter, of: FilterItem | FieldOf, nowMs: number): boolean {
  const item = typeof of === 'function' ? of : (field: string): FilterItem[string] => of[field];
  return terms.every((term) => term.wanted.some((wanted) => holds(wanted, term, item, nowMs)) !== term.negated);
}

// Reading

/** A piece between blanks: its letters, and which of them stood in quotes. */
interface RawTerm {
  readonly letters: string;
  readonly quoted: readonly boolean[];
}

function splitTerms(text: string): RawTerm[] {
  const terms: RawTerm[] = [];
  let letters = '';
  let quoted: boolean[] = [];
  let hasQuotes = false;
  let inQuotes = false;
  const end = (): void => {
    if (letters !== '' || hasQuotes) terms.push({ letters, quoted });
    [letters, quoted, hasQuotes] = ['', [], false];
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text.charAt(at);
    const escapes = inQuotes && letter === '\\' && at + 1 < text.length;
    if (escapes) at++;
    else if (letter === '"') {
      inQuotes = !inQuotes;
      hasQuotes = true;
      continue;
    } else if (!inQuotes && /\s/.test(letter)) {
      end();
      continue;
    }
    letters += text.charAt(at);
    quoted.push(inQuotes);
  }
  if (inQuotes) throw new FilterError('cannot read the filter: a quote is not closed');
  end();
  return terms;
}

/** Index of the first of `letter` that does not stand in quotes, or -1. */
function bareIndex({ letters, quoted }: RawTerm, letter: string, from = 0): number {
  for (let at = letters.indexOf(letter, from); at >= 0; at = letters.indexOf(letter, at + 1)) if (quoted[at] !== true) return at;
  return -1;
}

const cut = ({ letters, quoted }: RawTerm, from: number, to?: number): RawTerm => ({ letters: letters.slice(from, to), quoted: quoted.slice(from, to) });

function parseTerm(raw: RawTerm, fields: FilterFields): { term: Term; shown: string } {
  const negated = raw.letters.startsWith('-') && raw.quoted[0] !== true && raw.letters.length > 1;
  const rest = negated ? cut(raw, 1) : raw;
  const colon = bareIndex(rest, ':');
  const minus = negated ? '-' : '';
  if (colon < 0) {
    const wanted = { pattern: rest.letters.toLowerCase() };
    return { term: { field: null, kind: 'text', negated, wanted: [wanted] }, shown: `${minus}${shownText(rest)}` };
  }
  const field = rest.letters.slice(0, colon);
  const kind = kindOf(field, fields);
  const values = splitValues(cut(rest, colon + 1));
  if (values.some(({ letters, quoted }) => letters === '' && quoted.length === 0)) throw new FilterError(`cannot read the filter: ${field}: needs a value`);
  const wanted = values.map((value) => (kind === 'text' ? { pattern: patternOf(value).toLowerCase() } : { span: spanOf(value.letters, kind, field) }));
  return { term: { field, kind, negated, wanted }, shown: `${minus}${field}:${values.map(shownText).join(',')}` };
}

function kindOf(field: string, fields: FilterFields): FieldKind {
  const family = field.replace(/\..*$/, '.*');
  const kind = Object.hasOwn(fields, field) ? fields[field] : Object.hasOwn(fields, family) && family !== field ? fields[family] : undefined;
  if (kind !== undefined) return kind;
  const names = Object.keys(fields);
  throw new FilterError(
    `cannot read the filter: unknown field ${JSON.stringify(field)}, expected one of ${names.join(' ')}`,
    nearestName(field, names) ?? null,
  );
}

function splitValues(value: RawTerm): RawTerm[] {
  const values: RawTerm[] = [];
  let from = 0;
  for (let comma = bareIndex(value, ','); comma >= 0; comma = bareIndex(value, ',', from)) {
    values.push(cut(value, from, comma));
    from = comma + 1;
  }
  return [...values, cut(value, from)];
}

/** A `*` in quotes is the letter; it becomes one that no text holds by chance, and `globMatches` knows it. */
const plainStar = '\u0000';

function patternOf({ letters, quoted }: RawTerm): string {
  return [...letters].map((letter, at) => (letter === '*' && quoted[at] === true ? plainStar : letter)).join('');
}

function shownText({ letters, quoted }: RawTerm): string {
  const plain = letters !== '' && quoted.every((is, at) => !is || /[\w./:-]/.test(letters.charAt(at)));
  return plain ? letters : `"${letters.replace(/["\\]/g, '\\$&')}"`;
}

const comparison = /^(<=|>=|<|>)?(.*)$/s;

function spanOf(text: string, kind: Exclude<FieldKind, 'text'>, field: string): Span {
  const dots = text.indexOf('..');
  const measure = (written: string): readonly [number, number] => measureOf(written, kind, field);
  if (dots >= 0) {
    const [low, high] = [text.slice(0, dots), text.slice(dots + 2)];
    const least = low === '' ? null : measure(low)[0];
    const most = high === '' ? null : measure(high)[1];
    if (least !== null && most !== null && least > most) throw new FilterError(`cannot read the filter: ${field}:${text} is a range from more to less`);
    return { least, leastOpen: false, most, mostOpen: false };
  }
  const [, sign, written] = comparison.exec(text) ?? [];
  const [first, last] = measure(written ?? '');
  switch (sign) {
    case '<':
      return { least: null, leastOpen: false, most: first, mostOpen: true };
    case '<=':
      return { least: null, leastOpen: false, most: last, mostOpen: false };
    case '>':
      return { least: last, leastOpen: true, most: null, mostOpen: false };
    case '>=':
      return { least: first, leastOpen: false, most: null, mostOpen: false };
    default:
      return { least: first, leastOpen: false, most: last, mostOpen: false };
  }
}

const units: Readonly<Record<'size' | 'age', Readonly<Record<string, number>>>> = {
  size: { '': 1, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 },
  age: { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 },
};
const expected = {
  number: 'a number',
  size: 'a size such as 64MiB or 1.2GB',
  offset: 'a byte such as 9114203646 or 1.2GB',
  age: 'an age such as 2h or 3d',
  instant: 'an instant such as 2026-11-23T14:00:00Z, or a day',
} as const;

/** The first and the last number that a written value stands for: they differ for a day. */
function measureOf(written: string, kind: Exclude<FieldKind, 'text'>, field: string): readonly [number, number] {
  const value = kind === 'instant' ? instantOf(written) : numberOf(written, kind);
  if (value === null) throw new FilterError(`cannot read the filter: expected ${expected[kind]} for ${field}, got ${JSON.stringify(written)}`);
  return value;
}

function numberOf(written: string, kind: Exclude<FieldKind, 'text' | 'instant'>): readonly [number, number] | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([A-Za-z]{0,3})$/.exec(written.replaceAll('_', ''));
  if (match === null) return null;
  const table = kind === 'number' ? { '': 1 } : units[kind === 'age' ? 'age' : 'size'];
  const unit = Object.hasOwn(table, match[2] ?? '') ? (table as Record<string, number>)[match[2] ?? ''] : undefined;
  if (unit === undefined) return null;
  const value = Number(match[1]) * unit;
  return [value, value];
}

function instantOf(written: string): readonly [number, number] | null {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(written);
  if (!isDay && !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/.test(written)) return null;
  const first = Date.parse(written);
  return Number.isNaN(first) ? null : [first, isDay ? first + 86_399_999 : first];
}

// Comparing

function holds(wanted: Wanted, term: Term, item: FieldOf, nowMs: number): boolean {
  if ('span' in wanted) return inSpan(wanted.span, term.kind, item(term.field ?? ''), nowMs);
  if (term.field === null) return textsOf(item(wordsField)).some((text) => text.toLowerCase().includes(wanted.pattern));
  return textsOf(item(term.field)).some((text) => globMatches(wanted.pattern, text.toLowerCase()));
}

function inSpan(span: Span, kind: FieldKind, value: FilterItem[string], nowMs: number): boolean {
  if (value === null || value === undefined) return false;
  if (isRange(value)) return overlaps(span, value);
  const number = typeof value === 'number' ? value : Date.parse(String(value));
  const measured = kind === 'age' ? nowMs - number : number;
  if (Number.isNaN(measured)) return false;
  if (span.least !== null && (span.leastOpen ? measured <= span.least : measured < span.least)) return false;
  return span.most === null || !(span.mostOpen ? measured >= span.most : measured > span.most);
}

const isRange = (value: NonNullable<FilterItem[string]>): value is ByteRange => typeof value === 'object' && 'start' in value;

/** Any byte of the item lies in the span; the item's end is the first byte behind it. */
function overlaps(span: Span, { start, end }: ByteRange): boolean {
  if (span.least !== null && (span.leastOpen ? end - 1 <= span.least : end <= span.least)) return false;
  return span.most === null || !(span.mostOpen ? start >= span.most : start > span.most);
}

function textsOf(value: FilterItem[string]): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** Whether the whole text is of the pattern; steps grow with the product of the lengths at most. */
export function globMatches(pattern: string, text: string): boolean {
  let [at, from] = [0, 0];
  let [star, resume] = [-1, 0];
  while (from < text.length) {
    if (pattern[at] === '*') {
      [star, resume] = [at, from];
      at++;
    } else if (at < pattern.length && (pattern[at] === text[from] || (pattern[at] === plainStar && text[from] === '*'))) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star + 1;
      resume++;
      from = resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
