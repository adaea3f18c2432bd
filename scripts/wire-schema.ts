/** Reads the part of the FlatBuffers schema language that schemas/core.fbs uses. flatc judges the file; this only takes it apart. */

export interface Bounds {
  readonly exactly: number | null;
  readonly atLeast: number | null;
  readonly atMost: number | null;
  readonly digest: boolean;
  readonly filled: boolean;
}

export interface Field {
  readonly name: string;
  /** Name of a scalar, `string`, an enum, a table or a union. */
  readonly type: string;
  readonly vector: boolean;
  readonly required: boolean;
  /** A scalar that may be absent. */
  readonly nullable: boolean;
  readonly bounds: Bounds;
  /** Never printed. */
  readonly secret: boolean;
  readonly comment: readonly string[];
}

export interface Table {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly comment: readonly string[];
}
export interface Choice {
  readonly name: string;
  readonly members: readonly string[];
  readonly comment: readonly string[];
}

export interface Schema {
  readonly tables: readonly Table[];
  readonly enums: readonly Choice[];
  readonly unions: readonly Choice[];
  readonly identifier: string;
}

const blocks = /((?:^[ \t]*\/\/\/.*\n)*)^(table|enum|union)\s+(\w+)[^{\n]*\{([^}]*)\}/gm;
const fieldLine = /^(\w+):(\[?)(\w+)\]?(\s*=\s*null)?(?:\s*\((.*)\))?;$/;

export function parseSchema(text: string): Schema {
  const tables: Table[] = [];
  const enums: Choice[] = [];
  const unions: Choice[] = [];
  for (const [, above = '', keyword = '', name = '', body = ''] of text.matchAll(blocks)) {
    const comment = commentLines(above);
    if (keyword === 'table') tables.push({ name, comment, fields: parseFields(body) });
    else (keyword === 'enum' ? enums : unions).push({ name, comment, members: body.split(',').map((member) => member.trim()) });
  }
  const identifier = /file_identifier "(.{4})"/.exec(text)?.[1];
  if (identifier === undefined) throw new Error('the schema names no file_identifier');
  return { tables, enums, unions, identifier };
}

function parseFields(body: string): Field[] {
  const fields: Field[] = [];
  let comment: string[] = [];
  for (const line of body
    .split('\n')
    .map((raw) => raw.trim())
    .filter((raw) => raw !== '')) {
    if (line.startsWith('///')) {
      comment.push(...commentLines(line));
      continue;
    }
    fields.push(parseField(line, comment));
    comment = [];
  }
  return fields;
}

function parseField(line: string, comment: readonly string[]): Field {
  const found = fieldLine.exec(line);
  if (found === null) throw new Error(`cannot read the field "${line}"`);
  const [, name = '', bracket, type = '', nullable, attributes] = found;
  const given = new Map((attributes ?? '').split(',').map((pair) => attributeOf(pair)));
  const number = (key: string): number | null => (given.has(key) ? Number(given.get(key)) : null);
  return {
    name,
    type,
    vector: bracket === '[',
    required: given.has('required'),
    nullable: nullable !== undefined,
    comment,
    secret: given.has('secret'),
    bounds: { exactly: number('exactly'), atLeast: number('at_least'), atMost: number('at_most'), digest: given.has('digest'), filled: given.has('filled') },
  };
}

function commentLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.includes('///'))
    .map((line) => line.replace(/^\s*\/\/\/\s?/, ''));
}

export const scalars: Readonly<Record<string, { readonly bytes: number; readonly rust: string }>> = {
  bool: { bytes: 1, rust: 'bool' },
  ubyte: { bytes: 1, rust: 'u8' },
  ushort: { bytes: 2, rust: 'u16' },
  uint: { bytes: 4, rust: 'u32' },
  ulong: { bytes: 8, rust: 'u64' },
};

export function camelCase(name: string): string {
  const joined = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return joined.charAt(0).toLowerCase() + joined.slice(1);
}

/** Optional in the struct: absent is spelled `null` in TypeScript and `None` in Rust. */
export function mayBeAbsent(field: Field, schema: Schema): boolean {
  if (field.nullable) return true;
  const inline = !field.vector && (field.type in scalars || schema.enums.some((choice) => choice.name === field.type));
  return !inline && !field.required;
}

/** Tables that are members of a union carry their name as `type` in TypeScript. */
export function isMessage(name: string, schema: Schema): boolean {
  return schema.unions.some((union) => union.members.includes(name));
}

/** `name` or `name: "value"`. */
function attributeOf(pair: string): readonly [string, string | undefined] {
  const [name = '', value] = pair.split(':').map((part) => part.trim().replaceAll('"', ''));
  return [name, value];
}
