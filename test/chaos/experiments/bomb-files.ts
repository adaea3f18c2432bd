/** Files that promise much more than they hold, at full size. None of them is ever held as a whole, neither here nor, if all is well, by who reads them. */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, gzipSync } from 'node:zlib';

const memberBytes = 64 << 20;
const membersPerGibibyte = 2 ** 30 / memberBytes;

/** One text again and again, in members of 64 MiB each: as small as gzip makes them, and unfolded as large as it is said. */
export async function repeatedAsGzip(path: string, text: string, gibibytes: number): Promise<void> {
  const member = gzipSync(Buffer.alloc(memberBytes, text), { level: 9 });
  await pipeline(
    Readable.from(
      (function* () {
        for (let index = 0; index < gibibytes * membersPerGibibyte; index += 1) yield member;
      })(),
    ),
    createWriteStream(path),
  );
}

/** An archive in an archive in an archive: the innermost file is fine. */
export async function nestedZip(path: string, depth: number): Promise<void> {
  let bytes = zipOf('rows.csv', Buffer.from('a,b\n1,2\n'));
  for (let level = 1; level < depth; level += 1) bytes = zipOf(`level-${level}.zip`, bytes);
  await writeFile(path, bytes);
}

/** One stored file: local header, bytes, directory, end (APPNOTE 4.3). */
function zipOf(name: string, content: Buffer): Buffer {
  const title = Buffer.from(name);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt32LE(crc32(content), 10);
  common.writeUInt32LE(content.length, 14);
  common.writeUInt32LE(content.length, 18);
  common.writeUInt16LE(title.length, 22);
  const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), common, title]);
  const entry = Buffer.concat([Buffer.from('PK\u0001\u0002', 'latin1'), Buffer.from([20, 0]), common, Buffer.alloc(14), title]);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length + content.length, 16);
  return Buffer.concat([local, content, entry, end]);
}

/** A header and one record of so many columns. */
export async function wideCsv(path: string, columns: number): Promise<void> {
  const line = function* (cell: (index: number) => string): Generator<string> {
    for (let from = 0; from < columns; from += 10_000) {
      const some = Array.from({ length: Math.min(10_000, columns - from) }, (_, index) => cell(from + index));
      yield `${from === 0 ? '' : ','}${some.join(',')}`;
    }
    yield '\n';
  };
  await pipeline(
    Readable.from(
      (function* () {
        yield* line((index) => `column_${index}`);
        yield* line((index) => String(index));
      })(),
    ),
    createWriteStream(path),
  );
}

/** A Parquet file of a few hundred bytes whose footer says that it holds this many rows, in as many bytes eight times over. */
export async function parquetThatDeclares(path: string, rows: bigint): Promise<void> {
  const bytes = rows * 8n;
  const text = (value: string): Field => ({ type: 8, bytes: Buffer.concat([varint(BigInt(value.length)), Buffer.from(value)]) });
  const i32 = (value: number): Field => ({ type: 5, bytes: zigzag(BigInt(value)) });
  const i64 = (value: bigint): Field => ({ type: 6, bytes: zigzag(value) });
  const list = (type: number, items: readonly Buffer[]): Field => ({ type: 9, bytes: Buffer.concat([Buffer.from([(items.length << 4) | type]), ...items]) });
  const struct = (fields: Readonly<Record<number, Field>>): Field => ({ type: 12, bytes: structOf(fields) });
  const root = structOf({ 4: text('schema'), 5: i32(1) });
  const column = structOf({ 1: i32(2), 3: i32(0), 4: text('a') });
  const place = text('a').bytes;
  const meta = { 1: i32(2), 2: list(5, [zigzag(0n)]), 3: list(8, [place]), 4: i32(0), 5: i64(rows), 6: i64(bytes), 7: i64(bytes), 9: i64(4n) };
  const chunk = structOf({ 2: i64(4n), 3: struct(meta) });
  const group = structOf({ 1: list(12, [chunk]), 2: i64(bytes), 3: i64(rows) });
  const footer = structOf({ 1: i32(1), 2: list(12, [root, column]), 3: i64(rows), 4: list(12, [group]) });
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  await writeFile(path, Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(64), footer, length, Buffer.from('PAR1')]));
}

/** Of Thrift's compact protocol: a type and what follows it. */
interface Field {
  readonly type: number;
  readonly bytes: Buffer;
}

function structOf(fields: Readonly<Record<number, Field>>): Buffer {
  const pieces: Buffer[] = [];
  let last = 0;
  for (const [name, { type, bytes }] of Object.entries(fields)) {
    pieces.push(Buffer.from([((Number(name) - last) << 4) | type]), bytes);
    last = Number(name);
  }
  return Buffer.concat([...pieces, Buffer.from([0])]);
}

const zigzag = (value: bigint): Buffer => varint(value >= 0n ? value * 2n : -value * 2n - 1n);

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>= 7n) {
    if (left < 128n) return Buffer.from([...bytes, Number(left)]);
    bytes.push(Number(left & 127n) | 128);
  }
}
