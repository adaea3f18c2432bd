/**
 * Sums of receipts, and whether they balance: recordsIn = emitted + filtered + deduplicated + rejected, per chunk, file and job. Pure. Any grouping
 * and order of receipts gives the same sums.
 */

import { type Chunk, isReplay } from './plan-segment.ts';
import { isKeyStage } from './stages.ts';
import type { Receipt } from './verdict.ts';

/** Of a chunk, file or job. `unreadBytes` counts bytes inside tolerated dead letters. */
export interface Balance {
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly deduplicated: number;
  readonly rejected: number;
  readonly rowsOut: number;
  /** Records that a lenient option changed. */
  readonly repaired: number;
  readonly unreadBytes: number;
}

/** The fates of records. */
export type Fates = Pick<Balance, 'recordsIn' | 'emitted' | 'filtered' | 'deduplicated' | 'rejected'>;

export type Counts = Readonly<Record<string, number>>;

/** Sums over committed chunks, as the ledger and the finisher keep them. */
export interface ReceiptSums {
  readonly balance: Balance;
  readonly chunks: number;
  readonly bytesIn: number;
  /** Stored bytes of parts. */
  readonly bytesOut: number;
  readonly blankLines: number;
  readonly commentLines: number;
  readonly byCode: Counts;
  /** Column to code to count. */
  readonly byColumn: Readonly<Record<string, Counts>>;
  readonly repairs: Counts;
  /** Key: the number of the file as text, or the key of an inline payload. */
  readonly files: Readonly<Record<string, Fates>>;
}

export const zeroBalance: Balance = {
  recordsIn: 0,
  emitted: 0,
  filtered: 0,
  deduplicated: 0,
  rejected: 0,
  rowsOut: 0,
  repaired: 0,
  unreadBytes: 0,
};

export const zeroSums: ReceiptSums = {
  balance: zeroBalance,
  chunks: 0,
  bytesIn: 0,
  bytesOut: 0,
  blankLines: 0,
  commentLines: 0,
  byCode: {},
  byColumn: {},
  repairs: {},
  files: {},
};

export function addBalances(a: Balance, b: Balance): Balance {
  return {
    ...addFates(a, b),
    rowsOut: a.rowsOut + b.rowsOut,
    repaired: a.repaired + b.repaired,
    unreadBytes: a.unreadBytes + b.unreadBytes,
  };
}

export function addFates(a: Fates, b: Fates): Fates {
  return {
    recordsIn: a.recordsIn + b.recordsIn,
    emitted: a.emitted + b.emitted,
    filtered: a.filtered + b.filtered,
    deduplicated: a.deduplicated + b.deduplicated,
    rejected: a.rejected + b.rejected,
  };
}

export function addCounts(a: Counts, b: Counts): Counts {
  return addMaps(a, b, (x, y) => x + y);
}

export function addSums(a: ReceiptSums, b: ReceiptSums): ReceiptSums {
  return {
    balance: addBalances(a.balance, b.balance),
    chunks: a.chunks + b.chunks,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    blankLines: a.blankLines + b.blankLines,
    commentLines: a.commentLines + b.commentLines,
    byCode: addCounts(a.byCode, b.byCode),
    byColumn: addMaps(a.byColumn, b.byColumn, addCounts),
    repairs: addCounts(a.repairs, b.repairs),
    files: addMaps(a.files, b.files, addFates),
  };
}

/** Sums that grow: each map is changed in place, so there are as many additions as entries, however many files or codes a job has. */
export class RunningSums {
  readonly #numbers = { chunks: 0, bytesIn: 0, bytesOut: 0, blankLines: 0, commentLines: 0 };
  readonly #byCode = new Map<string, number>();
  readonly #repairs = new Map<string, number>();
  readonly #byColumn = new Map<string, Map<string, number>>();
  readonly #files = new Map<string, Fates>();
  #balance = zeroBalance;

  add(sums: ReceiptSums): void {
    this.#balance = addBalances(this.#balance, sums.balance);
    for (const field of ['chunks', 'bytesIn', 'bytesOut', 'blankLines', 'commentLines'] as const) this.#numbers[field] += sums[field];
    countInto(this.#byCode, sums.byCode);
    countInto(this.#repairs, sums.repairs);
    for (const [file, fates] of Object.entries(sums.files)) {
      const held = this.#files.get(file);
      this.#files.set(file, held === undefined ? fates : addFates(held, fates));
    }
    for (const [column, counts] of Object.entries(sums.byColumn)) {
      const held = this.#byColumn.get(column) ?? new Map<string, number>();
      countInto(held, counts);
      this.#byColumn.set(column, held);
    }
  }

  total(): ReceiptSums {
    return {
      balance: this.#balance,
      ...this.#numbers,
      byCode: Object.fromEntries(this.#byCode),
      byColumn: Object.fromEntries([...this.#byColumn].map(([column, counts]) => [column, Object.fromEntries(counts)])),
      repairs: Object.fromEntries(this.#repairs),
      files: Object.fromEntries(this.#files),
    };
  }
}

/** All of them together. */
export function sumAll(all: Iterable<ReceiptSums>): ReceiptSums {
  const running = new RunningSums();
  for (const sums of all) running.add(sums);
  return running.total();
}

function countInto(counts: Map<string, number>, more: Counts): void {
  for (const [name, count] of Object.entries(more)) counts.set(name, (counts.get(name) ?? 0) + count);
}

/**
 * The job's balance from those of its stages in running order: the sum of its map stages, with what reduce stages deduplicated or rejected moved out of
 * `emitted`, as long as rows are still records. Behind a stage that makes other rows than it was handed (`unnest`, `GROUP BY`) they are not, and such
 * moves show in the stage alone. `rowsOut` is that of the last stage. A pass over keys has records that another stage counts.
 */
export function balanceOfStages(all: readonly { readonly name: string; readonly kind: 'map' | 'reduce'; readonly balance: Balance }[]): Balance {
  const stages = all.filter(({ name }) => !isKeyStage(name));
  const maps = stages.filter(({ kind }) => kind === 'map').reduce((sum, { balance }) => addBalances(sum, balance), zeroBalance);
  let areRecords = maps.rowsOut === maps.emitted;
  let job = maps;
  for (const { kind, balance } of stages) {
    if (kind === 'map') continue;
    const { deduplicated, rejected, rowsOut } = balance;
    if (areRecords) {
      job = {
        ...job,
        emitted: job.emitted - deduplicated - rejected,
        deduplicated: job.deduplicated + deduplicated,
        rejected: job.rejected + rejected,
      };
    }
    areRecords &&= rowsOut === balance.emitted;
    job = { ...job, rowsOut, repaired: job.repaired + balance.repaired, unreadBytes: job.unreadBytes + balance.unreadBytes };
  }
  return job;
}

/** What one receipt adds. A pass over keys adds nothing to files: the fates of their records are found out later. */
export function sumsOfReceipt(receipt: Receipt): ReceiptSums {
  const { counts } = receipt;
  return {
    balance: {
      recordsIn: counts.recordsIn,
      emitted: counts.emitted,
      filtered: counts.filtered,
      deduplicated: counts.deduplicated,
      rejected: counts.rejected,
      rowsOut: counts.rowsOut,
      repaired: counts.repaired,
      unreadBytes: 0,
    },
    chunks: 1,
    bytesIn: counts.bytesIn,
    bytesOut: receipt.parts.reduce((bytes, part) => bytes + part.bytes, 0),
    blankLines: counts.blankLines,
    commentLines: counts.commentLines,
    byCode: receipt.byCode,
    byColumn: receipt.byColumn,
    repairs: receipt.repairs,
    files: isKeyStage(receipt.stage) ? {} : filesOf(receipt),
  };
}

function filesOf(receipt: Receipt): ReceiptSums['files'] {
  const files = new Map<string, Fates>();
  for (const file of receipt.files) {
    const key = fileKey(file);
    files.set(key, addFates(files.get(key) ?? zeroBalance, file));
  }
  return Object.fromEntries(files);
}

/**
 * What the receipt of this chunk adds to the sums of its job. A replayed record was read before, and counted as rejected for what its origin says: both are
 * taken off, so it is counted once, with its newest fate. A pass over keys decides no fate: the chunk behind it takes them off.
 */
export function sumsOfChunk(chunk: Chunk, receipt: Receipt): ReceiptSums {
  const own = sumsOfReceipt(receipt);
  return isReplay(chunk) && !isKeyStage(receipt.stage) ? addSums(own, replayedSums(chunk)) : own;
}

function replayedSums(chunk: Chunk): ReceiptSums {
  const origins = chunk.kind === 'inline' ? chunk.payloads.flatMap(({ origin }) => origin ?? []) : [];
  const once = { ...zeroBalance, recordsIn: -1, rejected: -1 };
  const sums = origins.map(({ file, errors }): ReceiptSums => {
    // As the core counts them: once a record for each column and code. By way of maps, for a column may have any name.
    const columns = Map.groupBy(
      errors.filter(({ column }) => column !== null),
      ({ column }) => column ?? '',
    );
    const byColumn = Object.fromEntries([...columns].map(([column, found]) => [column, Object.fromEntries(found.map(({ code }) => [code, -1]))]));
    const [main] = errors;
    const byCode = main === undefined ? {} : { [main.code]: -1 };
    return { ...zeroSums, balance: once, byCode, byColumn, files: { [String(file)]: once } };
  });
  return sumAll(sums);
}

/** Where a file's records went, or an inline payload's. */
export function fileKey(file: { readonly file: number | null; readonly key?: string | null | undefined }): string {
  return file.file === null ? (file.key ?? '-') : String(file.file);
}

/** Null when the fates add up, else a sentence with both sides. */
export function checkBalance(fates: Fates): string | null {
  const out = fates.emitted + fates.filtered + fates.deduplicated + fates.rejected;
  if (fates.recordsIn === out) return null;
  return `${fates.recordsIn} records in, but ${fates.emitted} emitted + ${fates.filtered} filtered + ${fates.deduplicated} deduplicated + ${fates.rejected} rejected = ${out}`;
}

/** Null when a receipt agrees with itself: its fates add up in total and per file, and its parts and reject files hold as many rows as it says. */
export function checkReceipt(receipt: Receipt): string | null {
  const { counts } = receipt;
  const rows =
    differing('rows handed on or in the parts', handedOn(receipt), counts.rowsOut) ??
    differing('rows of the reject files', totalRows(receipt.rejects), counts.rejected);
  // A reduce chunk reads rows of other stages and no files.
  if (receipt.inputsDigest) return checkBalance(counts) ?? rows;
  const files = receipt.files.reduce<Fates>((sum, file) => addFates(sum, fatesOf(file)), zeroBalance);
  return (
    checkBalance(counts) ??
    receipt.files.map((file) => prefixed(`file ${fileKey(file)}`, checkBalance(file))).find((problem) => problem !== null) ??
    differing('records in of the files', files.recordsIn, counts.recordsIn) ??
    differing('rejected records of the files', files.rejected, counts.rejected) ??
    differing('emitted records of the files', files.emitted, counts.emitted) ??
    rows
  );
}

/** Null when the sums of a job balance, in total and per file, and the files add up to the total. */
export function checkSums(sums: ReceiptSums): string | null {
  const files = Object.entries(sums.files);
  const total = files.reduce<Fates>((sum, [, fates]) => addFates(sum, fates), zeroBalance);
  return (
    checkBalance(sums.balance) ??
    files.map(([key, fates]) => prefixed(`file ${key}`, checkBalance(fates))).find((problem) => problem !== null) ??
    differing('records in of the files', total.recordsIn, sums.balance.recordsIn)
  );
}

function fatesOf(fates: Fates): Fates {
  return addFates(fates, zeroBalance);
}

function handedOn({ exchange, parts }: Receipt): number {
  return exchange ? exchange.runs.reduce((rows, run) => rows + run.rows, 0) : totalRows(parts);
}

function totalRows(parts: readonly { readonly rows: number }[]): number {
  return parts.reduce((rows, part) => rows + part.rows, 0);
}

function differing(what: string, got: number, expected: number): string | null {
  return got === expected ? null : `${what}: expected ${expected}, got ${got}`;
}

function prefixed(where: string, problem: string | null): string | null {
  return problem === null ? null : `${where}: ${problem}`;
}

function addMaps<Value>(a: Readonly<Record<string, Value>>, b: Readonly<Record<string, Value>>, add: (x: Value, y: Value) => Value): Record<string, Value> {
  const sum = new Map(Object.entries(a));
  for (const [key, value] of Object.entries(b)) {
    const held = sum.get(key);
    sum.set(key, held === undefined ? value : add(held, value));
  }
  return Object.fromEntries(sum);
}
