/** Writes a plain object as the table that the schema describes. Every field must be there: a message that lacks one is refused, not completed. */

import type { Builder, Offset } from 'flatbuffers';
import { describeTable, enumValues, type FieldDescription, unionMembers } from './table-description.ts';
import { checkValue } from './value-bounds.ts';
import { WireError } from './wire-error.ts';

const largest = { ubyte: 0xff, ushort: 0xffff, uint: 0xffffffff, ulong: Number.MAX_SAFE_INTEGER } as const;

export function writeTable(builder: Builder, name: string | null, value: unknown, path: string): Offset {
  if (typeof value !== 'object' || value === null) throw refused(`expected ${name}, got ${String(value)}`, path);
  const given = value as Readonly<Record<string, unknown>>;
  const { fields } = describeTable(name);
  // Parts first: FlatBuffers cannot begin one inside another.
  const offsets = fields.map((field) => writePart(builder, field, given[field.name], `${path}.${field.name}`));
  const last = fields.at(-1);
  builder.startObject(last === undefined ? 0 : last.slot + 1);
  for (const [index, field] of fields.entries()) addField(builder, field, given[field.name], offsets[index] ?? null);
  return builder.endObject();
}

/** Checks a field, and writes it where it is a part of its own. Inline values give null. */
function writePart(builder: Builder, field: FieldDescription, value: unknown, path: string): Offset | null {
  if (value === undefined) throw refused(field.optional ? 'expected a value or null' : 'expected a value', path);
  if (value === null) {
    if (field.optional) return null;
    throw refused('expected a value, got null', path);
  }
  checkType(field, value, path);
  checkValue(field, value, path);
  if (field.vector) return writeVector(builder, field, value as ArrayLike<unknown>, path);
  return isPart(field) ? writePartValue(builder, field, value, path) : null;
}

function writePartValue(builder: Builder, field: FieldDescription, value: unknown, path: string): Offset {
  if (field.type === 'string') return builder.createString(value as string);
  if (field.type === 'table') return writeTable(builder, field.of, value, path);
  const { type } = value as { readonly type: string };
  return writeTable(builder, type, value, `${path}.${type}`);
}

function writeVector(builder: Builder, field: FieldDescription, values: ArrayLike<unknown>, path: string): Offset {
  if (values instanceof Uint8Array) return builder.createByteVector(values);
  const entries = Array.from(values);
  const single = { ...field, vector: false };
  for (const [index, entry] of entries.entries()) checkType(single, entry, `${path}[${index}]`);
  if (!isPart(field)) {
    builder.startVector(2, entries.length, 2);
    for (const entry of entries.reverse()) builder.addInt16(entry as number);
    return builder.endVector();
  }
  const offsets = entries.map((entry, index) => writePartValue(builder, field, entry, `${path}[${index}]`));
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.reverse()) builder.addOffset(offset);
  return builder.endVector();
}

function addField(builder: Builder, field: FieldDescription, value: unknown, offset: Offset | null): void {
  if (offset !== null) {
    if (field.type === 'union') builder.addFieldInt8(field.slot - 1, unionMembers(field.of).indexOf((value as { type: string }).type) + 1, 0);
    builder.addFieldOffset(field.slot, offset, 0);
    return;
  }
  if (value === null) return;
  switch (field.type) {
    case 'bool':
      builder.addFieldInt8(field.slot, value === true ? 1 : 0, 0);
      return;
    case 'enum':
      builder.addFieldInt8(field.slot, enumValues(field.of).indexOf(value as string), 0);
      return;
    case 'ubyte':
      builder.addFieldInt8(field.slot, value as number, 0);
      return;
    case 'ushort':
      builder.addFieldInt16(field.slot, value as number, 0);
      return;
    case 'uint':
      builder.addFieldInt32(field.slot, value as number, 0);
      return;
    default:
      builder.addFieldInt64(field.slot, BigInt(value as number), 0n);
      return;
  }
}

/** TypeScript has checked this for callers in TypeScript; a number that is no integer or too large it cannot see. */
function checkType(field: FieldDescription, value: unknown, path: string): void {
  if (field.vector) {
    const fits = field.type === 'ubyte' ? value instanceof Uint8Array : Array.isArray(value);
    if (!fits) throw refused('expected a list', path);
    return;
  }
  switch (field.type) {
    case 'bool':
      if (typeof value !== 'boolean') throw refused('expected a bool', path);
      return;
    case 'enum':
      if (!enumValues(field.of).includes(value as string)) throw refused(`${String(value)} is no ${field.of}`, path);
      return;
    case 'union':
      if (!unionMembers(field.of).includes((value as { readonly type: string }).type)) throw refused(`expected a ${field.of}`, path);
      return;
    case 'string':
      if (typeof value !== 'string' || !value.isWellFormed()) throw refused('expected a text of whole characters', path);
      return;
    case 'table':
      return;
    default:
      if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > largest[field.type]) {
        throw refused(`expected a whole number up to ${largest[field.type]}, got ${String(value)}`, path);
      }
  }
}

function isPart(field: FieldDescription): boolean {
  return field.type === 'string' || field.type === 'table' || field.type === 'union';
}

function refused(what: string, path: string): WireError {
  return new WireError(`cannot encode a message: ${what}`, path);
}
