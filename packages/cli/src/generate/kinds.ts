import { EVENT_OUTPUT_COLUMNS, EVENT_SCHEMA, EVENT_SQL, EventWriter } from './events.ts';
import type { FaultKind, FaultRates } from './faults.ts';
import { ORDER_COLUMNS, ORDER_OUTPUT_COLUMNS, ORDER_SCHEMA, ORDER_SQL, OrderWriter, SHUFFLED_COLUMNS } from './orders.ts';
import type { SeededRandom } from './random.ts';

export interface GeneratedRecord {
  /** The record's text with its terminator; `INVALID_MARK` becomes a byte that is no UTF-8 once encoded. */
  readonly text: string;
  /** Physical lines of the text. */
  readonly lines: number;
  readonly fault: { readonly kind: FaultKind; readonly code: string; readonly column: string | null } | null;
  /** Values of the output row without `source_record`, or null where the record is filtered or rejected. */
  readonly row: readonly (string | null)[] | null;
}

/** Makes one file's records, whole first and damaged then, so it knows what a right reader must say about each. */
export interface RecordWriter {
  /** What stands before the first record; one line, or nothing. */
  header(): string;
  /** Record number `id` of the whole set; `last` of a file is always clean, so that no fault reaches over its end. */
  record(id: number, last: boolean): GeneratedRecord;
}

/** One kind of generated data, and the job that it is made for. */
export interface DataKind {
  readonly format: 'csv' | 'ndjson';
  readonly extension: string;
  readonly schema: unknown;
  readonly sql: string;
  /** Columns of the output that are compared, in the order of the canonical row; the last is `source_record`. */
  readonly outputColumns: readonly string[];
  writer(random: SeededRandom, rates: FaultRates, fileIndex: number): RecordWriter;
}

export const dataKinds = {
  orders: {
    format: 'csv',
    extension: 'csv',
    schema: ORDER_SCHEMA,
    sql: ORDER_SQL,
    outputColumns: ORDER_OUTPUT_COLUMNS,
    writer: (random, rates, fileIndex) => new OrderWriter(random, rates, fileIndex % 2 === 0 ? ORDER_COLUMNS : SHUFFLED_COLUMNS),
  },
  events: {
    format: 'ndjson',
    extension: 'ndjson',
    schema: EVENT_SCHEMA,
    sql: EVENT_SQL,
    outputColumns: EVENT_OUTPUT_COLUMNS,
    writer: (random, rates) => new EventWriter(random, rates),
  },
} as const satisfies Readonly<Record<string, DataKind>>;

export type DataKindName = keyof typeof dataKinds;
