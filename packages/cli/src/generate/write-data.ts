import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { canonicalRow, type RowDigest, RowDigester } from './digest.ts';
import type { FaultRates, PlantedFault } from './faults.ts';
import { type DataKind, type DataKindName, dataKinds, type RecordWriter } from './kinds.ts';
import { INVALID_MARK } from './mark.ts';
import { type SeededRandom, seededRandom } from './random.ts';

/** How much to write: stops at whichever is reached first. Sizes in bytes, of all files together. */
export interface GenerateOptions {
  readonly kind: DataKindName;
  readonly directory: string;
  readonly seed: number;
  readonly records: number | null;
  readonly sizeBytes: number | null;
  readonly files: number;
  readonly faults: FaultRates;
  readonly onProgress?: (bytes: number) => void;
}

export interface FileTruth {
  readonly file: string;
  readonly bytes: number;
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly rejected: number;
  readonly blankLines: number;
}

/** What a right run must report; lies in `expected.json`. */
export interface Expected {
  readonly kind: DataKindName;
  readonly seed: number;
  readonly columns: readonly string[];
  readonly balance: { recordsIn: number; emitted: number; filtered: number; deduplicated: number; rejected: number };
  readonly files: readonly FileTruth[];
  readonly rows: RowDigest;
}

const BUFFER_BYTES = 1 << 20;

/** Writes data files, `spec.yaml`, `truth.ndjson` and `expected.json`. The same options give the same bytes. */
export function writeData(options: GenerateOptions): Expected {
  mkdirSync(options.directory, { recursive: true });
  const random = seededRandom(options.seed);
  const digester = new RowDigester();
  const truth = openSync(join(options.directory, 'truth.ndjson'), 'w');
  const files: FileTruth[] = [];
  let nextId = 1;
  for (let index = 0; index < options.files; index += 1) {
    const share = shareOfFile(index, options.files);
    const limit = { records: portion(options.records, share), bytes: portion(options.sizeBytes, share) };
    const file = new DataFile(options, random, digester, truth, index, nextId);
    files.push(file.write(limit));
    nextId += file.recordCount;
  }
  closeSync(truth);
  const expected = {
    kind: options.kind,
    seed: options.seed,
    columns: dataKinds[options.kind].outputColumns,
    balance: sumOf(files),
    files,
    rows: digester.digest(),
  } as const;
  writeFileSync(join(options.directory, 'expected.json'), `${JSON.stringify(expected, null, 2)}\n`);
  writeFileSync(
    join(options.directory, 'spec.yaml'),
    jobSpec(
      options.kind,
      files.map((file) => file.file),
    ),
  );
  return expected;
}

/** The last file is a quarter of the others, so that a set always has a smaller one. */
function shareOfFile(index: number, files: number): number {
  if (files === 1) return 1;
  const unit = 1 / (files - 0.75);
  return index === files - 1 ? unit / 4 : unit;
}

const portion = (total: number | null, share: number): number => (total === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil(total * share)));

class DataFile {
  readonly #options: GenerateOptions;
  readonly #digester: RowDigester;
  readonly #truth: number;
  readonly #writer: RecordWriter;
  readonly #random: SeededRandom;
  readonly #name: string;
  readonly #descriptor: number;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  readonly #counts = { emitted: 0, filtered: 0, rejected: 0, blankLines: 0 };
  #used = 0;
  #byte = 0;
  #line = 1;
  #firstId: number;
  recordCount = 0;

  constructor(options: GenerateOptions, random: SeededRandom, digester: RowDigester, truth: number, index: number, firstId: number) {
    this.#options = options;
    this.#digester = digester;
    this.#truth = truth;
    this.#random = random;
    this.#firstId = firstId;
    const kind: DataKind = dataKinds[options.kind];
    this.#name = `${options.kind}-${String(index + 1).padStart(2, '0')}.${kind.extension}`;
    this.#writer = kind.writer(random, options.faults, index);
    this.#descriptor = openSync(join(options.directory, this.#name), 'w');
  }

  write(limit: { records: number; bytes: number }): FileTruth {
    if (this.#options.faults.bom > 0) this.#append('\u{feff}');
    const header = this.#writer.header();
    this.#append(header);
    if (header !== '') this.#line += 1;
    for (let last = false; !last; ) {
      last = this.recordCount + 1 >= limit.records || this.#byte >= limit.bytes;
      this.#record(last);
    }
    this.#flush();
    closeSync(this.#descriptor);
    return { file: this.#name, bytes: this.#byte, recordsIn: this.recordCount, ...this.#counts };
  }

  #record(last: boolean): void {
    if (this.#random.next() < this.#options.faults.blankLine) this.#blankLine();
    const made = this.#writer.record(this.#firstId + this.recordCount, last);
    const place = { record: this.recordCount + 1, line: this.#line, byte: this.#byte };
    this.#append(made.text);
    this.recordCount += 1;
    this.#line += made.lines;
    if (made.fault !== null) {
      this.#counts.rejected += 1;
      const { kind, code, column } = made.fault;
      const planted: PlantedFault = { kind, file: this.#name, ...place, byteEnd: this.#byte, column, code };
      writeSync(this.#truth, `${JSON.stringify(planted)}\n`);
    } else if (made.row === null) {
      this.#counts.filtered += 1;
    } else {
      this.#counts.emitted += 1;
      this.#digester.add(canonicalRow([...made.row, String(place.record)]));
    }
  }

  #blankLine(): void {
    this.#append('\n');
    this.#line += 1;
    this.#counts.blankLines += 1;
  }

  #append(text: string): void {
    if (this.#used + text.length * 3 > BUFFER_BYTES) this.#flush();
    const start = this.#used;
    const written = this.#buffer.write(text, start);
    const mark = text.indexOf(INVALID_MARK);
    if (mark >= 0) this.#buffer[this.#buffer.indexOf(INVALID_MARK, start)] = 0xff;
    this.#used += written;
    this.#byte += written;
  }

  #flush(): void {
    writeSync(this.#descriptor, this.#buffer, 0, this.#used);
    this.#used = 0;
    this.#options.onProgress?.(this.#byte);
  }
}

function sumOf(files: readonly FileTruth[]): Expected['balance'] {
  const sum = { recordsIn: 0, emitted: 0, filtered: 0, deduplicated: 0, rejected: 0 };
  for (const file of files) {
    sum.recordsIn += file.recordsIn;
    sum.emitted += file.emitted;
    sum.filtered += file.filtered;
    sum.rejected += file.rejected;
  }
  return sum;
}

/** The job that the data were made for; places are relative to the spec file. */
function jobSpec(name: DataKindName, files: readonly string[]): string {
  const { format, schema, sql } = dataKinds[name];
  return stringify({
    millrace: 1,
    name: `${name}-import`,
    inputs: { uri: [...files], format },
    schema,
    pipeline: [{ name: 'clean', sql }],
    output: { uri: 'out/', compression: 'snappy' },
    execution: { chunkSize: '8MiB' },
  });
}
