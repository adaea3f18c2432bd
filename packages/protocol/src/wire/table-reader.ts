/**
 * Reads a header's tables from bytes that may be hostile. Every offset, length, vtable and text is held to the bytes at hand before it is followed, and the
 * walk as a whole to a depth, a number of tables and a sum of bytes, because tables may share parts and a small header could unfold into a huge value.
 */

import { maxHeaderBytes } from './frame.ts';
import { fileIdentifier } from './generated/tables.ts';
import type { Message } from './messages.ts';
import { describeTable, enumValues, type FieldDescription, unionMembers } from './table-description.ts';
import { checkValue } from './value-bounds.ts';
import { WireError } from './wire-error.ts';

const maxDepth = 32;
const maxTables = 10_000;
const maxWalkedBytes = 4 * maxHeaderBytes;

/** `ignoreBOM` keeps a leading U+FEFF; `fatal` refuses what is not UTF-8. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The walk so far. */
interface Walk {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  tables: number;
  walkedBytes: number;
}

/** A table found at `start`: its vtable entries are read on demand. */
interface TableAt {
  readonly start: number;
  readonly bytes: number;
  readonly vtable: number;
  readonly vtableBytes: number;
}

/** Reads a whole header. Throws `WireError` with the path of the field that is wrong. */
export function readHeader(bytes: Uint8Array): { readonly payloadCrc: number | null; readonly body: Message } {
  if (bytes.length < 8 || identifierOf(bytes) !== fileIdentifier) throw new WireError(`cannot decode a header: expected the identifier ${fileIdentifier}`);
  const walk: Walk = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), bytes, tables: 0, walkedBytes: 0 };
  const start = follow(walk, 0, 'header');
  return readTable(walk, 'Header', start, 'header', 1) as unknown as { payloadCrc: number | null; body: Message };
}

function identifierOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(4, 8));
}

function readTable(walk: Walk, name: string | null, start: number, path: string, depth: number): Record<string, unknown> {
  walk.tables += 1;
  if (depth > maxDepth) fail(`nested deeper than ${maxDepth}`, path);
  if (walk.tables > maxTables) fail(`more than ${maxTables} tables`, path);
  const table = openTable(walk, start, path);
  const description = describeTable(name);
  const value: Record<string, unknown> = description.message ? { type: name } : {};
  for (const field of description.fields) {
    const at = `${path}.${field.name}`;
    const read = readField(walk, table, field, at, depth);
    checkValue(field, read, at);
    value[field.name] = read;
  }
  return value;
}

function openTable(walk: Walk, start: number, path: string): TableAt {
  need(walk, start, 4, 4, path);
  const vtable = start - walk.view.getInt32(start, true);
  need(walk, vtable, 4, 2, path);
  const vtableBytes = walk.view.getUint16(vtable, true);
  const bytes = walk.view.getUint16(vtable + 2, true);
  if (vtableBytes < 4 || vtableBytes % 2 !== 0) fail(`a vtable of ${vtableBytes} bytes`, path);
  if (bytes < 4) fail(`a table of ${bytes} bytes`, path);
  need(walk, vtable, vtableBytes, 2, path);
  need(walk, start, bytes, 4, path);
  walk.walkedBytes += bytes + vtableBytes;
  return { start, bytes, vtable, vtableBytes };
}

/** Where a field's own bytes lie, or null when the table leaves it out. */
function locate(walk: Walk, table: TableAt, slot: number, size: number, path: string): number | null {
  const entry = 4 + 2 * slot;
  if (entry + 2 > table.vtableBytes) return null;
  const offset = walk.view.getUint16(table.vtable + entry, true);
  if (offset === 0) return null;
  if (offset < 4 || offset + size > table.bytes) fail('a field outside its table', path);
  need(walk, table.start + offset, size, size, path);
  return table.start + offset;
}

function readField(walk: Walk, table: TableAt, field: FieldDescription, path: string, depth: number): unknown {
  if (field.type === 'union') return readUnion(walk, table, field, path, depth);
  if (!field.vector && isInline(field)) {
    const at = locate(walk, table, field.slot, sizeOf(field), path);
    if (at !== null) return readInline(walk, field, at, path);
    return field.optional ? null : absentInline(field);
  }
  const at = locate(walk, table, field.slot, 4, path);
  if (at === null) return field.optional ? null : fail('required and absent', path);
  const target = follow(walk, at, path);
  if (field.vector) return readVector(walk, field, target, path, depth);
  return field.type === 'string' ? readText(walk, target, path) : readTable(walk, field.of, target, path, depth + 1);
}

/** A scalar that is left out has the schema's default: 0, false, or the enum's first value. */
function absentInline(field: FieldDescription): unknown {
  if (field.type === 'bool') return false;
  return field.type === 'enum' ? enumValues(field.of)[0] : 0;
}

function readInline(walk: Walk, field: FieldDescription, at: number, path: string): unknown {
  switch (field.type) {
    case 'bool': {
      const byte = walk.view.getUint8(at);
      return byte <= 1 ? byte === 1 : fail(`${byte} is no bool`, path);
    }
    case 'enum': {
      const number = walk.view.getUint8(at);
      return enumValues(field.of)[number] ?? fail(`${number} is no ${field.of}`, path);
    }
    case 'ubyte':
      return walk.view.getUint8(at);
    case 'ushort':
      return walk.view.getUint16(at, true);
    case 'uint':
      return walk.view.getUint32(at, true);
    default: {
      const number = walk.view.getBigUint64(at, true);
      return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : fail(`${number} is above 2^53 - 1`, path);
    }
  }
}

function readVector(walk: Walk, field: FieldDescription, at: number, path: string, depth: number): unknown {
  need(walk, at, 4, 4, path);
  const count = walk.view.getUint32(at, true);
  const size = sizeOf(field);
  need(walk, at + 4, count * size, size, path);
  walk.walkedBytes += 4 + count * size;
  if (walk.walkedBytes > maxWalkedBytes) fail('unfolds beyond the bound of a header', path);
  if (field.type === 'ubyte') return walk.bytes.slice(at + 4, at + 4 + count);
  const entries: unknown[] = [];
  for (let index = 0; index < count; index += 1) {
    const entry = at + 4 + index * size;
    const entryPath = `${path}[${index}]`;
    if (isInline(field)) entries.push(readInline(walk, field, entry, entryPath));
    else if (field.type === 'string') entries.push(readText(walk, follow(walk, entry, entryPath), entryPath));
    else entries.push(readTable(walk, field.of, follow(walk, entry, entryPath), entryPath, depth + 1));
  }
  return entries;
}

function readText(walk: Walk, at: number, path: string): string {
  need(walk, at, 4, 4, path);
  const length = walk.view.getUint32(at, true);
  need(walk, at + 4, length + 1, 1, path);
  walk.walkedBytes += 5 + length;
  if (walk.walkedBytes > maxWalkedBytes) fail('unfolds beyond the bound of a header', path);
  if (walk.bytes[at + 4 + length] !== 0) fail('a text without its final zero', path);
  try {
    return utf8.decode(walk.bytes.subarray(at + 4, at + 4 + length));
  } catch {
    return fail('a text that is not UTF-8', path);
  }
}

function readUnion(walk: Walk, table: TableAt, field: FieldDescription, path: string, depth: number): unknown {
  const typeAt = locate(walk, table, field.slot - 1, 1, path);
  const at = locate(walk, table, field.slot, 4, path);
  const number = typeAt === null ? 0 : walk.view.getUint8(typeAt);
  const name = number === 0 ? undefined : unionMembers(field.of)[number - 1];
  if (name === undefined) return fail(`${number} is no ${field.of}`, path);
  if (at === null) return fail('required and absent', path);
  return readTable(walk, name, follow(walk, at, path), `${path}.${name}`, depth + 1);
}

/** The place that the offset at `at` points to. Its own bytes are checked by whoever reads there. */
function follow(walk: Walk, at: number, path: string): number {
  const offset = walk.view.getUint32(at, true);
  if (offset === 0) fail('an offset that points at itself', path);
  return at + offset;
}

/** Holds a read of `size` bytes at `at` to the header, and to the alignment that every writer keeps. */
function need(walk: Walk, at: number, size: number, alignment: number, path: string): void {
  if (at < 0 || at + size > walk.bytes.length) fail(`${size} bytes at ${at} of ${walk.bytes.length}`, path);
  if (at % alignment !== 0) fail(`not aligned to ${alignment} bytes at ${at}`, path);
}

function isInline(field: FieldDescription): boolean {
  return field.type !== 'string' && field.type !== 'table' && field.type !== 'union';
}

function sizeOf(field: FieldDescription): number {
  return ({ bool: 1, ubyte: 1, enum: 1, ushort: 2, uint: 4, ulong: 8, string: 4, table: 4, union: 4 } as const)[field.type];
}

function fail(what: string, path: string): never {
  throw new WireError(`cannot decode a header: ${what}`, path);
}
