import { drawFault, type FaultKind, type FaultRates } from './faults.ts';
import type { GeneratedRecord, RecordWriter } from './kinds.ts';
import { INVALID_MARK } from './mark.ts';
import type { SeededRandom } from './random.ts';

/** Events as NDJSON: numbers, instants, text with escapes, a nested value kept as JSON, and the faults that one line at a time can have. */
export const EVENT_COLUMNS = ['event_id', 'kind', 'at', 'customer_id', 'price', 'title', 'context'] as const;

const KINDS = ['view', 'cart', 'purchase', 'heartbeat'];
const TITLES = ['Kettle "Nova"', 'Lámpara', 'Desk\nset', 'Tea', 'Café \\ Noir', 'Stuhl', 'Book'];
const CODES: Partial<Record<FaultKind, { code: string; column: string | null }>> = {
  strayQuote: { code: 'JSON_SYNTAX', column: null },
  unclosedQuote: { code: 'JSON_SYNTAX', column: null },
  badNumber: { code: 'TYPE_INTEGER', column: 'customer_id' },
  commaDecimal: { code: 'TYPE_NUMBER', column: 'price' },
  badDate: { code: 'TYPE_DATETIME', column: 'at' },
  badUtf8: { code: 'ENCODING_INVALID_BYTES', column: null },
  missingRequired: { code: 'CONSTRAINT_REQUIRED', column: 'event_id' },
  outOfRange: { code: 'CONSTRAINT_MAXIMUM', column: 'customer_id' },
  enumMiss: { code: 'CONSTRAINT_ENUM', column: 'kind' },
};
const FAULTS = Object.keys(CODES) as FaultKind[];

export const EVENT_SCHEMA = {
  fields: [
    { name: 'event_id', type: 'integer', constraints: { required: true, minimum: 1 } },
    { name: 'kind', type: 'string', constraints: { enum: KINDS } },
    { name: 'at', type: 'datetime', constraints: { required: true } },
    { name: 'customer_id', type: 'integer', constraints: { minimum: 0, maximum: 1_000_000 } },
    { name: 'price', type: 'number', precision: 10, scale: 2 },
    { name: 'title', type: 'string' },
    { name: 'context', type: 'any' },
  ],
} as const;

export const EVENT_SQL = `SELECT event_id, kind, at, customer_id, price, upper(title) AS title, context, _record AS source_record
FROM input WHERE kind <> 'heartbeat'`;
export const EVENT_OUTPUT_COLUMNS = [...EVENT_COLUMNS, 'source_record'] as const;

interface Event {
  readonly id: number;
  readonly kind: string;
  readonly at: string;
  readonly customer: number;
  readonly price: string;
  readonly title: string | null;
  readonly page: number;
}

export class EventWriter implements RecordWriter {
  readonly #random: SeededRandom;
  readonly #rates: FaultRates;

  constructor(random: SeededRandom, rates: FaultRates) {
    this.#random = random;
    this.#rates = rates;
  }

  header(): string {
    return '';
  }

  record(id: number, last: boolean): GeneratedRecord {
    const event = this.#event(id);
    const kind = last ? null : drawFault(this.#random, this.#rates, FAULTS);
    const text = `${line(event, kind)}\n`;
    if (kind === null) return { text, lines: 1, fault: null, row: outputRow(event) };
    return { text, lines: 1, fault: { kind, ...(CODES[kind] as { code: string; column: string | null }) }, row: null };
  }

  #event(id: number): Event {
    const random = this.#random;
    return {
      id,
      kind: random.pick(KINDS),
      at: `2026-${two(1 + random.below(12))}-${two(1 + random.below(28))}T${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}Z`,
      customer: random.below(1_000_000),
      price: `${random.below(10_000)}.${two(random.below(100))}`,
      title: random.next() < 0.05 ? null : random.pick(TITLES),
      page: random.below(50),
    };
  }
}

function line(event: Event, kind: FaultKind | null): string {
  const id = kind === 'missingRequired' ? 'null' : String(event.id);
  const name = kind === 'enumMiss' ? 'unknown' : event.kind;
  const at = kind === 'badDate' ? '2026-13-01T00:00:00Z' : event.at;
  const customer = kind === 'badNumber' ? `"${event.customer}x"` : kind === 'outOfRange' ? '5000000' : String(event.customer);
  const price = kind === 'commaDecimal' ? `"${event.price.replace('.', ',')}"` : event.price;
  return `{"event_id":${id},"kind":"${name}","at":"${at}","customer_id":${customer},"price":${price},"title":${titleText(event, kind)},"context":{"page":${event.page}}}`;
}

function titleText(event: Event, kind: FaultKind | null): string {
  if (kind === 'strayQuote') return '"a "quoted" word"';
  if (kind === 'unclosedQuote') return '"never closed';
  if (kind === 'badUtf8') return `"cut ${INVALID_MARK} off"`;
  return JSON.stringify(event.title);
}

function outputRow(event: Event): (string | null)[] | null {
  if (event.kind === 'heartbeat') return null;
  return [String(event.id), event.kind, event.at, String(event.customer), event.price, event.title?.toUpperCase() ?? null, `{"page":${event.page}}`];
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));
