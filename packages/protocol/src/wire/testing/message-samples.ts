/** Valid messages of every type, made from the schema's description: the smallest, a full one, and any at random. */

import fc from 'fast-check';
import type { Message } from '../messages.ts';
import { describeTable, enumValues, type FieldDescription, unionMembers } from '../table-description.ts';

const largest = { ubyte: 0xff, ushort: 0xffff, uint: 0xffffffff, ulong: Number.MAX_SAFE_INTEGER } as const;
const digest = fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: 64, maxLength: 64 }).map((digits) => digits.join(''));
/** Texts of whole characters, with control characters, a byte order mark and characters beyond the basic plane among them. */
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('', '\ufeff', 'Straße', '日本\u0000語', '😀'));

/** Any valid message of this type. */
export function arbitraryMessage(type: string): fc.Arbitrary<Message> {
  return arbitraryTable(type) as unknown as fc.Arbitrary<Message>;
}

/** Any valid message. */
export function arbitraryBody(): fc.Arbitrary<Message> {
  return fc.oneof(...unionMembers('Body').map(arbitraryMessage));
}

function arbitraryTable(name: string | null): fc.Arbitrary<Record<string, unknown>> {
  const description = describeTable(name);
  const fields = Object.fromEntries(description.fields.map((field) => [field.name, arbitraryField(field)]));
  return fc.record(description.message === true ? { type: fc.constant(name), ...fields } : fields, { noNullPrototype: true });
}

function arbitraryField(field: FieldDescription): fc.Arbitrary<unknown> {
  const present = field.vector ? arbitraryVector(field) : arbitraryValue(field);
  return field.optional ? fc.option(present) : present;
}

function arbitraryVector(field: FieldDescription): fc.Arbitrary<unknown> {
  const [minLength, maxLength] = [field.exactly ?? field.atLeast ?? 0, field.exactly ?? Math.min(field.atMost ?? 4, 4)];
  if (field.type === 'ubyte') return fc.uint8Array({ minLength, maxLength: field.exactly ?? 40 });
  return fc.array(arbitraryValue({ ...field, atLeast: null, atMost: null }), { minLength, maxLength });
}

function arbitraryValue(field: FieldDescription): fc.Arbitrary<unknown> {
  switch (field.type) {
    case 'bool':
      return fc.boolean();
    case 'enum':
      return fc.constantFrom(...enumValues(field.of));
    case 'string':
      return field.digest ? digest : text.filter((value) => !field.filled || value !== '');
    case 'table':
      return arbitraryTable(field.of);
    case 'union':
      return fc.oneof(...unionMembers(field.of).map(arbitraryTable));
    default:
      return fc.integer({ min: field.atLeast ?? 0, max: field.atMost ?? largest[field.type] });
  }
}

/** The message with nothing in it that may be left out, and 0 wherever 0 may stand. Unions give one message a member. */
export function minimalMessage(type: string): Message {
  return sampleTable(type, 'minimal') as unknown as Message;
}

/** The message with everything in it, and the largest numbers. */
export function fullMessage(type: string): Message {
  return sampleTable(type, 'full') as unknown as Message;
}

type Size = 'minimal' | 'full';

function sampleTable(name: string | null, size: Size): Record<string, unknown> {
  const description = describeTable(name);
  const fields = description.fields.map((field) => [field.name, sampleField(field, size)]);
  return { ...(description.message === true ? { type: name } : {}), ...Object.fromEntries(fields) };
}

function sampleField(field: FieldDescription, size: Size): unknown {
  if (size === 'minimal' && field.optional) return null;
  if (!field.vector) return sampleValue(field, size);
  if (field.type === 'ubyte') return Uint8Array.from({ length: field.exactly ?? (size === 'full' ? 5 : 0) }, (_, index) => (index * 37) % 256);
  const single = { ...field, vector: false, atLeast: null, atMost: null };
  return Array.from({ length: field.exactly ?? (size === 'full' ? Math.max(field.atLeast ?? 0, 2) : (field.atLeast ?? 0)) }, () => sampleValue(single, size));
}

function sampleValue(field: FieldDescription, size: Size): unknown {
  const isFull = size === 'full';
  switch (field.type) {
    case 'bool':
      return isFull;
    case 'enum':
      return enumValues(field.of).at(isFull ? -1 : 0);
    case 'string':
      if (field.digest) return (isFull ? 'f' : '0').repeat(64);
      return isFull ? `${field.name} Straße 日本 😀` : field.filled ? field.name : '';
    case 'table':
      return sampleTable(field.of, size);
    case 'union':
      return sampleTable(unionMembers(field.of).at(isFull ? -1 : 0) ?? null, size);
    default:
      return isFull ? (field.atMost ?? largest[field.type]) : (field.atLeast ?? 0);
  }
}
