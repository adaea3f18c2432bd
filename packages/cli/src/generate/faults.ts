import type { SeededRandom } from './random.ts';

/** What can be planted in generated data, with the share of records that get it when nothing is said. */
export const FAULT_RATES = {
  shortRow: 0.000_2,
  longRow: 0.000_2,
  strayQuote: 0.000_1,
  unclosedQuote: 0.000_05,
  quotedNewline: 0.02,
  badNumber: 0.000_4,
  commaDecimal: 0.000_2,
  badDate: 0.000_3,
  badUtf8: 0.000_1,
  nul: 0.000_05,
  bom: 0,
  blankLine: 0.000_1,
  missingRequired: 0.000_2,
  outOfRange: 0.000_2,
  enumMiss: 0.000_2,
  coreCrash: 0,
} as const;

export type FaultKind = keyof typeof FAULT_RATES;
export type FaultRates = Record<FaultKind, number>;

const KINDS = Object.keys(FAULT_RATES) as FaultKind[];
const NOT_AVAILABLE = ['duplicateKey', 'duplicateRecord', 'truncatedFile', 'crc', 'bomb'];

/** Parses `kind=rate,kind=rate`; `none` is no fault at all. Kinds that are not named are off. Throws with what was expected. */
export function parseFaults(text: string | undefined): FaultRates {
  if (text === undefined) return { ...FAULT_RATES };
  const rates = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as FaultRates;
  if (text === 'none') return rates;
  for (const item of text.split(',')) {
    const [kind, rate] = item.split('=');
    if (kind !== undefined && NOT_AVAILABLE.includes(kind)) throw new Error(`fault ${kind} is not available in this version`);
    if (!KINDS.includes(kind as FaultKind)) throw new Error(`expected a fault kind of ${KINDS.join(', ')}, got "${kind}"`);
    const value = Number(rate);
    if (!(value >= 0 && value <= 1)) throw new Error(`expected a rate from 0 to 1 for fault ${kind}, got "${rate}"`);
    rates[kind as FaultKind] = value;
  }
  return rates;
}

/** One planted fault as `truth.ndjson` holds it. Record and line count from 1, bytes from 0, `byteEnd` is exclusive. */
export interface PlantedFault {
  readonly kind: FaultKind;
  readonly file: string;
  readonly record: number;
  readonly line: number;
  readonly byte: number;
  readonly byteEnd: number;
  readonly column: string | null;
  readonly code: string;
}

/** Which of `kinds` one record gets, by one throw of the dice; null is none. */
export function drawFault(random: SeededRandom, rates: FaultRates, kinds: readonly FaultKind[]): FaultKind | null {
  let dice = random.next();
  for (const kind of kinds) {
    dice -= rates[kind];
    if (dice < 0) return kind;
  }
  return null;
}
