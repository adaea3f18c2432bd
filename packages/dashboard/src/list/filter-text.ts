/** The text of a filter while it is written: its terms, and what could stand at the caret. Reading it is the server's. Pure. */

export interface FilterField {
  /** `state`, or `label.*` for a family. */
  readonly name: string;
  /** What it means, in a few words. */
  readonly about: string;
  /** All values there are, or some examples of how one is written. */
  readonly values?: readonly string[];
}

interface TermPlace {
  readonly text: string;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** Terms as they are written; blanks in quotes do not part them. An open quote runs to the end. */
export function termsOf(filter: string): TermPlace[] {
  const terms: TermPlace[] = [];
  const pattern = /(?:"(?:[^"\\]|\\.)*(?:"|$)|[^\s"])+/g;
  for (const match of filter.matchAll(pattern)) terms.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  return terms;
}

export function withoutTerm(filter: string, index: number): string {
  return termsOf(filter)
    .filter((_, at) => at !== index)
    .map(({ text }) => text)
    .join(' ');
}

/** The filter with `field:value` in place of what it says of that field; null takes it out. */
export function withField(filter: string, field: string, value: string | null): string {
  const rest = termsOf(filter)
    .map(({ text }) => text)
    .filter((text) => !text.startsWith(`${field}:`));
  return [...rest, ...(value === null ? [] : [`${field}:${quoted(value)}`])].join(' ');
}

/** What the filter says of a field; null when nothing. */
export function fieldOf(filter: string, field: string): string | null {
  const term = termsOf(filter).find(({ text }) => text.startsWith(`${field}:`));
  return term === undefined ? null : term.text.slice(field.length + 1);
}

/** A value as it stands in a filter: in quotes where it has letters that mean something. */
export function quoted(value: string): string {
  return /^[\w./:@-]+$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

export interface Suggestion {
  /** Shown, and put in place of the term. */
  readonly text: string;
  readonly about: string;
  /** A value follows: the caret stays behind it. */
  readonly isField: boolean;
}

const most = 12;

/** What could stand where the caret is: fields, or values of the field that is being written. */
export function suggestionsAt(
  filter: string,
  caret: number,
  fields: readonly FilterField[],
): { readonly from: number; readonly to: number; readonly suggestions: readonly Suggestion[] } {
  const term = termsOf(filter).find(({ start, end }) => start <= caret && caret <= end) ?? { text: '', start: caret, end: caret };
  const minus = term.text.startsWith('-') ? '-' : '';
  const written = term.text.slice(minus.length);
  const colon = written.indexOf(':');
  const suggestions = colon < 0 ? fieldSuggestions(written, minus, fields) : valueSuggestions(written.slice(0, colon), written.slice(colon + 1), minus, fields);
  return { from: term.start, to: term.end, suggestions: suggestions.slice(0, most) };
}

function fieldSuggestions(written: string, minus: string, fields: readonly FilterField[]): Suggestion[] {
  const start = written.toLowerCase();
  return fields
    .filter(({ name }) => name.startsWith(start))
    .map(({ name, about }) => ({ text: `${minus}${name.endsWith('.*') ? name.slice(0, -1) : `${name}:`}`, about, isField: true }));
}

function valueSuggestions(field: string, written: string, minus: string, fields: readonly FilterField[]): Suggestion[] {
  const known = fields.find(({ name }) => name === field);
  if (known === undefined) return [];
  const comma = written.lastIndexOf(',') + 1;
  const [before, last] = [written.slice(0, comma), written.slice(comma).toLowerCase()];
  const taken = before.split(',');
  return (known.values ?? [])
    .filter((value) => value.toLowerCase().startsWith(last) && value.toLowerCase() !== last && !taken.includes(value))
    .map((value) => ({ text: `${minus}${field}:${before}${value}`, about: known.about, isField: false }));
}
