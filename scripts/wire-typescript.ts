/** Writes packages/protocol/src/wire/generated/tables.ts: interfaces for people and compilers, and descriptions for the checked reader and the writer. */
import { type Bounds, camelCase, type Field, isMessage, mayBeAbsent, type Schema, scalars, type Table } from './wire-schema.ts';

const opening = `// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.
`;

const descriptionTypes = `
/** How the bytes of a field are read. \`slot\` is its place in the vtable; a union takes the slot before its value for the type. */
export interface FieldDescription {
  readonly name: string;
  readonly slot: number;
  readonly type: 'bool' | 'ubyte' | 'ushort' | 'uint' | 'ulong' | 'string' | 'enum' | 'table' | 'union';
  /** The enum, table or union, where \`type\` is one. */
  readonly of: string | null;
  readonly vector: boolean;
  readonly optional: boolean;
  readonly exactly: number | null;
  readonly atLeast: number | null;
  readonly atMost: number | null;
  readonly digest: boolean;
  readonly filled: boolean;
}
`;

export function typescriptTables(schema: Schema, hash: string): string {
  return [
    opening,
    `/** SHA-256 of schemas/core.fbs. */\nexport const schemaHash = '${hash}';\n`,
    `/** Bytes 4 to 7 of every header. */\nexport const fileIdentifier = '${schema.identifier}';\n`,
    ...schema.enums.map((choice) => `export type ${choice.name} = ${choice.members.map((member) => `'${camelCase(member)}'`).join(' | ')};`),
    '',
    ...schema.tables.map((table) => interfaceOf(table, schema)),
    ...schema.unions.map((union) => `export type ${union.name} = ${union.members.join(' | ')};`),
    descriptionTypes,
    `/** Values of each enum in the order of their numbers, from 0. */\nexport const enums: Readonly<Record<string, readonly string[]>> = {`,
    ...schema.enums.map((choice) => `  ${choice.name}: [${choice.members.map((member) => `'${camelCase(member)}'`).join(', ')}],`),
    '};\n',
    `/** Tables of each union in the order of their numbers, from 1. */\nexport const unions: Readonly<Record<string, readonly string[]>> = {`,
    ...schema.unions.map((union) => `  ${union.name}: [${union.members.map((member) => `'${member}'`).join(', ')}],`),
    '};\n',
    'export const tables: Readonly<Record<string, { readonly message: boolean; readonly fields: readonly FieldDescription[] }>> = {',
    ...schema.tables.map((table) => describe(table, schema)),
    '};\n',
  ].join('\n');
}

function interfaceOf(table: Table, schema: Schema): string {
  const tag = isMessage(table.name, schema) ? [`  readonly type: '${table.name}';`] : [];
  const fields = table.fields.flatMap((field) => [...docs(field.comment, '  '), `  readonly ${camelCase(field.name)}: ${typeOf(field, schema)};`]);
  return [...docs(table.comment, ''), `export interface ${table.name} {`, ...tag, ...fields, '}\n'].join('\n');
}

function docs(comment: readonly string[], indent: string): string[] {
  return comment.length === 0 ? [] : [`${indent}/** ${comment.join(' ')} */`];
}

function typeOf(field: Field, schema: Schema): string {
  const single = field.type === 'bool' ? 'boolean' : field.type in scalars ? 'number' : field.type;
  const whole = !field.vector ? single : field.type === 'ubyte' ? 'Uint8Array' : `readonly ${single}[]`;
  return mayBeAbsent(field, schema) ? `${whole} | null` : whole;
}

function describe(table: Table, schema: Schema): string {
  let slot = 0;
  const lines = table.fields.map((field) => {
    const type = shapeOf(field, schema);
    if (type === 'union') slot += 1;
    const of = type === 'enum' || type === 'table' || type === 'union' ? `'${field.type}'` : 'null';
    const line = `      { name: '${camelCase(field.name)}', slot: ${slot}, type: '${type}', of: ${of}, vector: ${field.vector}, optional: ${mayBeAbsent(field, schema)}, ${boundsOf(field.bounds)} },`;
    slot += 1;
    return line;
  });
  return [`  ${table.name}: {`, `    message: ${isMessage(table.name, schema)},`, '    fields: [', ...lines, '    ],', '  },'].join('\n');
}

function shapeOf(field: Field, schema: Schema): string {
  if (field.type in scalars || field.type === 'string') return field.type;
  if (schema.enums.some((choice) => choice.name === field.type)) return 'enum';
  if (schema.unions.some((union) => union.name === field.type)) return 'union';
  if (schema.tables.some((table) => table.name === field.type)) return 'table';
  throw new Error(`the field ${field.name} has the unknown type ${field.type}`);
}

function boundsOf(bounds: Bounds): string {
  return `exactly: ${bounds.exactly}, atLeast: ${bounds.atLeast}, atMost: ${bounds.atMost}, digest: ${bounds.digest}, filled: ${bounds.filled}`;
}
