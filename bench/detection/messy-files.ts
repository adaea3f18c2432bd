/** Made-up CSV files of a known dialect: two thirds tidy, one third with what real files suffer from. The same seed gives the same bytes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../packages/cli/src/generate/random.ts';

type Random = ReturnType<typeof seededRandom>;

export interface Labelled {
  readonly path: string;
  /** Empty: one column. Null: not asked. */
  readonly delimiter: string | null;
  readonly quoteChar: string | null;
  readonly header: boolean | null;
  readonly encoding: string;
  readonly isMessy: boolean;
}

interface Dialect {
  readonly delimiter: string;
  readonly quoteChar: string;
  readonly escapeBy: 'double' | 'backslash';
  readonly lineEnd: string;
}

const WORDS = ['river', 'stone', 'paper', 'cloud', 'north', 'garden', 'window', 'silver', 'market', 'winter', 'copper', 'harbour'];
const NAMES = ['Ada Holt', "Mia O'Neil", 'Tom Reed', 'Liv Berg', 'Jon Falk', "D'Arcy Lane", 'Eva Stein', 'Max Wolf'];
const FAULTS = ['ragged', 'preamble', 'footer', 'strayQuote', 'blankLines', 'emptyCells', 'freeText'] as const;

const two = (number: number): string => String(number).padStart(2, '0');

/** Kinds of columns: the name, and a value of it. */
const KINDS: Readonly<Record<string, (random: Random) => string>> = {
  id: (random) => String(1 + random.below(90_000)),
  price: (random) => `${random.below(900)}.${two(random.below(100))}`,
  betrag: (random) => `${random.below(900)},${two(random.below(100))}`,
  day: (random) => `20${10 + random.below(15)}-${two(1 + random.below(12))}-${two(1 + random.below(28))}`,
  datum: (random) => `${two(1 + random.below(28))}.${two(1 + random.below(12))}.20${10 + random.below(15)}`,
  at: (random) => `${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}`,
  name: (random) => random.pick(NAMES),
  word: (random) => random.pick(WORDS),
  note: (random) => Array.from({ length: 2 + random.below(6) }, () => random.pick(WORDS)).join(random.pick([' ', ', ', ' ', '; '])),
  said: (random) => `he said "${random.pick(WORDS)}" twice`,
  mail: (random) => `${random.pick(WORDS)}@example.org`,
  link: (random) => `https://example.org/${random.pick(WORDS)}?a=${random.below(9)}&b=${random.pick(WORDS)}`,
  flag: (random) => random.pick(['true', 'false']),
  ip: (random) => `10.${random.below(256)}.${random.below(256)}.${random.below(256)}`,
  address: (random) => `${1 + random.below(99)} ${random.pick(WORDS)} street, ${random.pick(WORDS)}`,
};

export function writeMessyFiles(directory: string, count: number, seed: number): Labelled[] {
  mkdirSync(directory, { recursive: true });
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, index) => writeOne(join(directory, `${String(index).padStart(4, '0')}.csv`), random, index % 3 === 2));
}

function writeOne(path: string, random: Random, isMessy: boolean): Labelled {
  const dialect: Dialect = {
    delimiter: random.pick([',', ',', ',', ';', ';', '\t', '|', ':', '^', '~']),
    quoteChar: random.pick(['"', '"', '"', "'"]),
    escapeBy: random.pick(['double', 'double', 'double', 'backslash']),
    lineEnd: random.pick(['\n', '\n', '\r\n', '\r']),
  };
  // A column of times between colons cannot be told from two.
  const kinds = Object.keys(KINDS).filter((kind) => dialect.delimiter !== ':' || (kind !== 'at' && kind !== 'link'));
  const columns = Array.from({ length: 2 + random.below(9) }, () => random.pick(kinds));
  if (!columns.some((kind) => ['id', 'price', 'day', 'at', 'flag'].includes(kind))) columns[0] = 'id';
  const hasHeader = random.below(4) !== 0;
  const fault = isMessy ? random.pick([...FAULTS]) : null;
  const rows = Array.from({ length: 5 + random.below(120) }, () => columns.map((kind) => (KINDS[kind] as (random: Random) => string)(random)));
  const records = [...(hasHeader ? [columns.map((kind, at) => `${kind}${columns.indexOf(kind) === at ? '' : at}`)] : []), ...rows];
  const quoteAll = random.below(4) === 0;
  const lines = records.map((cells) => cells.map((cell) => quoted(cell, dialect, quoteAll)).join(dialect.delimiter));
  spoil(lines, dialect, fault, random, hasHeader);
  const text = lines.join(dialect.lineEnd) + dialect.lineEnd;
  writeFileSync(path, text);
  const usesQuotes =
    lines.some((line) => line.includes(dialect.quoteChar)) && records.some((cells) => quoteAll || cells.some((cell) => isSpecial(cell, dialect)));
  return {
    path,
    delimiter: dialect.delimiter,
    quoteChar: usesQuotes ? dialect.quoteChar : null,
    header: fault === 'preamble' ? null : hasHeader,
    encoding: 'utf-8',
    isMessy,
  };
}

const isSpecial = (cell: string, { delimiter, quoteChar }: Dialect): boolean => cell.includes(delimiter) || cell.includes(quoteChar) || /[\r\n]/.test(cell);

function quoted(cell: string, dialect: Dialect, always: boolean): string {
  if (!always && !isSpecial(cell, dialect)) return cell;
  const { quoteChar, escapeBy } = dialect;
  return quoteChar + cell.replaceAll(quoteChar, (escapeBy === 'double' ? quoteChar : '\\') + quoteChar) + quoteChar;
}

/** Puts the fault into the lines. */
function spoil(lines: string[], { delimiter, quoteChar }: Dialect, fault: (typeof FAULTS)[number] | null, random: Random, hasHeader: boolean): void {
  const anywhere = (): number => (hasHeader ? 1 : 0) + random.below(lines.length - 1);
  const some = 1 + Math.floor(lines.length / 15);
  if (fault === 'preamble') lines.unshift('Report of the month', `made on 2024-03-0${1 + random.below(9)}`, '');
  if (fault === 'footer') lines.push('', 'Total: see above');
  for (let n = 0; n < some; n += 1) {
    const at = anywhere();
    const line = lines[at] as string;
    if (fault === 'ragged')
      lines[at] = random.below(2) === 0 ? `${line}${delimiter}${random.pick(WORDS)}` : line.slice(0, Math.max(1, line.lastIndexOf(delimiter)));
    if (fault === 'strayQuote') lines[at] = `${line}${quoteChar}`;
    if (fault === 'blankLines') lines.splice(at, 0, '');
    if (fault === 'emptyCells')
      lines[at] = line
        .split(delimiter)
        .map((cell, index) => (index > 0 && !line.includes(quoteChar) ? '' : cell))
        .join(delimiter);
    if (fault === 'freeText' && !line.includes(quoteChar)) lines[at] = `${line} (see: ${random.pick(WORDS)} & ${random.pick(WORDS)})`;
  }
}
