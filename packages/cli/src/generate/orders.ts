import { drawFault, type FaultKind, type FaultRates } from './faults.ts';
import type { GeneratedRecord, RecordWriter } from './kinds.ts';
import { INVALID_MARK } from './mark.ts';
import type { SeededRandom } from './random.ts';

/**
 * Orders as CSV: ten columns of every common type, with the faults people send. Each record is made whole first and then damaged, so the
 * generator knows what a right reader must say about it, without reading anything.
 */
export const ORDER_COLUMNS = ['order_id', 'booked_on', 'placed_at', 'customer', 'email', 'country', 'status', 'quantity', 'amount', 'note'] as const;

/** Header order of the files that do not follow the schema's. */
export const SHUFFLED_COLUMNS = ['note', 'amount', 'order_id', 'status', 'booked_on', 'country', 'customer', 'quantity', 'placed_at', 'email'] as const;

export type OrderColumn = (typeof ORDER_COLUMNS)[number];
type Order = Record<OrderColumn, string>;

const FIRST = ['Anna', 'Björn', 'Chloé', 'Dmitri', 'Ewa', 'Farid', 'Greta', 'Hugo', 'Inês', 'Jörg', 'Karla', 'Luca', 'Mira', 'Noël', 'Olga', 'Piet'];
const LAST = ['Müller', 'Novak', 'Rossi', 'Silva', 'Jansen', 'Kowalska', 'Dubois', 'Schmidt', 'Weber', 'Horvat', 'Larsen', 'Costa'];
const COUNTRIES = ['DE', 'AT', 'CH', 'FR', 'NL', 'PL'];
const STATUSES = ['new', 'paid', 'sent', 'cancelled'];
const WORDS = ['deliver', 'to', 'the', 'back', 'door', 'please', 'call', 'before', 'noon', 'fragile', 'gift', 'wrap', 'invoice', 'by', 'post', 'urgent'];
const ORDER_SCHEMA_CODES: Partial<Record<FaultKind, { code: string; column: OrderColumn | null }>> = {
  shortRow: { code: 'CSV_SHORT_ROW', column: null },
  longRow: { code: 'CSV_LONG_ROW', column: null },
  strayQuote: { code: 'CSV_STRAY_QUOTE', column: 'customer' },
  // The quote that ends up closing it opens the next record's note: text follows it, and that proves the error.
  unclosedQuote: { code: 'CSV_STRAY_QUOTE', column: null },
  badNumber: { code: 'TYPE_INTEGER', column: 'quantity' },
  commaDecimal: { code: 'TYPE_NUMBER', column: 'amount' },
  badDate: { code: 'TYPE_DATE', column: 'booked_on' },
  badUtf8: { code: 'ENCODING_INVALID_BYTES', column: 'note' },
  nul: { code: 'TYPE_INTEGER', column: 'quantity' },
  missingRequired: { code: 'CONSTRAINT_REQUIRED', column: 'order_id' },
  outOfRange: { code: 'CONSTRAINT_MAXIMUM', column: 'quantity' },
  enumMiss: { code: 'CONSTRAINT_ENUM', column: 'country' },
  coreCrash: { code: 'CORE_CRASH', column: null },
};

/** The table schema that the generated records were made by. */
export const ORDER_SCHEMA = {
  fields: [
    { name: 'order_id', type: 'integer', constraints: { required: true, minimum: 1 } },
    { name: 'booked_on', type: 'date', constraints: { required: true } },
    { name: 'placed_at', type: 'datetime' },
    { name: 'customer', type: 'string', constraints: { required: true, maxLength: 60 } },
    { name: 'email', type: 'string', format: 'email' },
    { name: 'country', type: 'string', constraints: { enum: COUNTRIES } },
    { name: 'status', type: 'string', constraints: { enum: STATUSES } },
    { name: 'quantity', type: 'integer', constraints: { minimum: 1, maximum: 500 } },
    { name: 'amount', type: 'number', precision: 12, scale: 2 },
    { name: 'note', type: 'string' },
  ],
} as const;

export const ORDER_SQL = `SELECT order_id, booked_on, placed_at, customer, lower(email) AS email, country, status, quantity, amount, note,
       _record AS source_record
FROM input WHERE status <> 'cancelled'`;

/** Columns of the output that are compared, in the order of the canonical row. */
export const ORDER_OUTPUT_COLUMNS = [...ORDER_COLUMNS, 'source_record'] as const;

export class OrderWriter implements RecordWriter {
  readonly #random: SeededRandom;
  readonly #rates: FaultRates;
  readonly #columns: readonly OrderColumn[];
  #afterUnclosed = false;

  constructor(random: SeededRandom, rates: FaultRates, columns: readonly OrderColumn[]) {
    this.#random = random;
    this.#rates = rates;
    this.#columns = columns;
  }

  header(): string {
    return `${this.#columns.join(',')}\n`;
  }

  record(id: number, last: boolean): GeneratedRecord {
    const order = this.#order(id);
    const kind = last || this.#afterUnclosed ? null : drawFault(this.#random, this.#rates, FAULTS);
    if (this.#afterUnclosed) order.note = 'plain words after a broken one';
    const quoteNote = this.#afterUnclosed;
    this.#afterUnclosed = kind === 'unclosedQuote';
    if (kind === null && !quoteNote && this.#random.next() < this.#rates.quotedNewline) order.note = `${order.note}\n"${order.note}"`;
    return this.#render(order, kind, quoteNote);
  }

  #order(id: number): Order {
    const random = this.#random;
    const first = random.pick(FIRST);
    const last = random.pick(LAST);
    const day = `2026-${two(1 + random.below(12))}-${two(1 + random.below(28))}`;
    const words = 1 + random.below(6);
    let note = random.pick(WORDS);
    for (let index = 1; index < words; index += 1) note += ` ${random.pick(WORDS)}`;
    return {
      order_id: String(id),
      booked_on: day,
      placed_at: `${day}T${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}Z`,
      customer: `${first} ${last}`,
      email: `User${random.below(1_000_000)}@Example.org`,
      country: random.pick(COUNTRIES),
      status: random.pick(STATUSES),
      quantity: String(1 + random.below(500)),
      amount: `${random.below(100_000)}.${two(random.below(100))}`,
      note: random.next() < 0.1 ? '' : note,
    };
  }

  #render(order: Order, kind: FaultKind | null, quoteNote: boolean): GeneratedRecord {
    const row = kind === null ? outputRow(order) : null;
    const fields = new Map<OrderColumn, string>(ORDER_COLUMNS.map((column) => [column, quoted(order[column])]));
    if (quoteNote) fields.set('note', `"${order.note}"`);
    if (kind !== null) this.#damage(fields, order, kind);
    let cells = this.#columns.map((column) => fields.get(column) as string);
    if (kind === 'shortRow') cells = cells.slice(0, -2);
    if (kind === 'longRow') cells.push('surplus');
    const text = `${cells.join(',')}\n`;
    const fault = kind === null ? null : { kind, ...(ORDER_SCHEMA_CODES[kind] as { code: string; column: string | null }) };
    return { text, lines: countLines(text), fault, row };
  }

  #damage(fields: Map<OrderColumn, string>, order: Order, kind: FaultKind): void {
    switch (kind) {
      case 'strayQuote':
        fields.set('customer', `${order.customer} "Jo`);
        break;
      case 'unclosedQuote':
        fields.set('note', `"${order.note} never closed`);
        break;
      case 'badNumber':
        fields.set('quantity', `${order.quantity}x`);
        break;
      case 'commaDecimal':
        fields.set('amount', `"${order.amount.replace('.', ',')}"`);
        break;
      case 'badDate':
        fields.set('booked_on', '2026-02-30');
        break;
      case 'badUtf8':
        fields.set('note', `${order.note}${INVALID_MARK} end`);
        break;
      case 'nul':
        fields.set('quantity', `${order.quantity}\u0000`);
        break;
      case 'missingRequired':
        fields.set('order_id', '');
        break;
      case 'outOfRange':
        fields.set('quantity', '99999');
        break;
      case 'enumMiss':
        fields.set('country', 'XX');
        break;
      case 'coreCrash':
        fields.set('customer', 'MILLRACE_CORE_CRASH');
        break;
      default: // shortRow and longRow change the row as a whole; the others are no faults of a record
    }
  }
}

const FAULTS = Object.keys(ORDER_SCHEMA_CODES) as FaultKind[];

function outputRow(order: Order): (string | null)[] | null {
  if (order.status === 'cancelled') return null;
  return ORDER_COLUMNS.map((column) => (column === 'email' ? order.email.toLowerCase() : order[column] === '' ? null : order[column]));
}

function quoted(value: string): string {
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));
