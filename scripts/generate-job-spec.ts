/** Writes `docs/job-spec.md` from the shape that specs are checked with. `--check`: says whether it is as it would be written. */
import { join } from 'node:path';
import { z } from 'zod';
import { jobSpecShape } from '../packages/protocol/src/job-spec-shape.ts';
import { maxChunksPerJob, maxFilesPerJob, maxSpecBytes } from '../packages/protocol/src/limits.ts';
import { meanings, sectionIntros } from './job-spec-meanings.ts';
import { root } from './setup.js';
import { writeOrCheck } from './write-or-check.ts';

export const pagePath = join(root, 'docs/job-spec.md');

/** What `z.toJSONSchema` gives, as far as the shape uses it. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
  readonly default?: unknown;
  readonly description?: string;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly $ref?: string;
}

interface Section {
  readonly path: string;
  readonly schema: Schema;
}

const number = (value: number): string => value.toLocaleString('en-US');

const intro = `# The job spec

A spec is one YAML or JSON document, or the same object in TypeScript. A field that is not on this page is refused, with the name nearest to it; all problems are
told at once, each with its place. Sizes are written as \`64MiB\` (\`B\`, \`KiB\`, \`MiB\`, \`GiB\`) or in bytes, durations as \`90s\` (\`ms\`, \`s\`, \`m\`, \`h\`, \`d\`) or in
milliseconds. A spec has at most ${number(maxSpecBytes / 1024)} KiB; a job at most ${number(maxFilesPerJob)} files and ${number(maxChunksPerJob)} chunks. \`millrace run SPEC.yaml --print-spec\`
shows a spec with every default filled in.

The smallest one:

\`\`\`yaml
name: tidy
inputs: file:///data/orders.csv
output: { uri: file:///data/out/ }
\`\`\`

One with most of what is used day to day:

\`\`\`yaml
millrace: 1
name: orders-import
params: { currency: EUR }
inputs:
  uri: s3://acme-in/orders/*.csv.gz
  encoding: windows-1252
  dialect: { delimiter: ";" } # what is not written here is probed
schema:
  missingValues: ["", "NULL"]
  fields:
    - { name: order_id, type: integer, constraints: { required: true, unique: true } }
    - { name: booked_on, type: date, format: "%d.%m.%Y", aliases: [booking_date] }
    - { name: country, constraints: { enum: [DE, AT, CH] } }
    - { name: amount, type: number, precision: 12, scale: 2, decimalChar: "," }
pipeline:
  - name: clean
    sql: SELECT order_id, booked_on, country, amount, $currency AS currency FROM input WHERE amount <> 0
output: { uri: "s3://acme-lake/orders/", partitionBy: [country] }
rejects: { maxRatio: 0.01, perColumn: { order_id: { maxRows: 0 } } }
execution: { priority: 7 }
\`\`\`

This page is written by \`npm run generate\` from \`packages/protocol/src/job-spec-shape.ts\`. What SQL may call is in \`docs/sql-functions.md\`, what a code of a
refusal means in \`docs/error-codes.md\`.
`;

export function writtenPage(): string {
  const { $defs = {}, ...whole } = z.toJSONSchema(jobSpecShape, { io: 'input', unrepresentable: 'any', override: keepDefault }) as Schema & {
    $defs?: Record<string, Schema>;
  };
  const defs = Object.values($defs);
  const sections = sectionsOf(whole, defs);
  const told = sections.flatMap(({ path, schema }) => Object.keys(schema.properties ?? {}).map((name) => placeOf(path, name)));
  assertSame(told, Object.keys(meanings));
  return [intro, ...sections.map((section) => sectionText(section, sections, defs))].join('\n');
}

/** zod leaves out the default of what holds a size or a duration: written and resolved value differ in type. Here both are legal. */
function keepDefault({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: { default?: unknown } }): void {
  const { def } = zodSchema._zod;
  if (def.type === 'default') jsonSchema.default = def.defaultValue;
}

const placeOf = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** Throws when a field has no meaning, or a meaning no field. */
function assertSame(fields: readonly string[], known: readonly string[]): void {
  const missing = fields.filter((field) => !known.includes(field));
  const stale = known.filter((field) => !fields.includes(field));
  if (missing.length + stale.length === 0) return;
  throw new Error(`scripts/job-spec-meanings.ts lacks: ${missing.join(', ') || 'nothing'}; has for nothing: ${stale.join(', ') || 'nothing'}`);
}

/** Every object, once: one that stands at several places is told at the first. */
function sectionsOf(whole: Schema, defs: readonly Schema[]): Section[] {
  const sections: Section[] = [];
  const visit = (path: string, schema: Schema): void => {
    if (schema.$ref !== undefined) {
      if (!sections.some((section) => section.schema === defs[0])) visit(path, defs[0] as Schema);
      return;
    }
    for (const one of schema.anyOf ?? []) visit(path, one);
    if (schema.items !== undefined) visit(`${path}[]`, schema.items);
    if (schema.properties === undefined || sections.some((section) => isSame(section.schema, schema))) return;
    sections.push({ path, schema });
    for (const [name, member] of Object.entries(schema.properties)) visit(placeOf(path, name), member);
  };
  visit('', whole);
  return sections;
}

const isSame = (one: Schema, other: Schema): boolean => JSON.stringify(one.properties) === JSON.stringify(other.properties);

function sectionText({ path, schema }: Section, sections: readonly Section[], defs: readonly Schema[]): string {
  const rows = Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const isRequired = schema.required?.includes(name) === true && member.default === undefined;
    const isObject = member.properties !== undefined;
    const standard = isRequired ? '**required**' : isObject && isEmptyObject(member.default) ? 'its defaults' : standardText(member.default);
    const place = placeOf(path, name);
    return `| \`${name}\` | ${cell(typeText(member, sections, defs))} | ${cell(standard)} | ${cell(meanings[place] ?? '')} |`;
  });
  const title = path === '' ? 'The spec' : path;
  const lead = sectionIntros[path];
  return [
    `## ${title}`,
    '',
    ...(lead === undefined ? [] : [lead, '']),
    '| field | value | when not given | what it is |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function standardText(standard: unknown): string {
  if (standard === undefined || standard === null) return '–';
  return `\`${typeof standard === 'string' && /^[\w.-]+$/.test(standard) ? standard : JSON.stringify(standard)}\``;
}

const isEmptyObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

function typeText(schema: Schema, sections: readonly Section[], defs: readonly Schema[]): string {
  if (schema.description !== undefined) return schema.description;
  if (schema.$ref !== undefined) return typeText(defs[0] as Schema, sections, defs);
  if (schema.anyOf !== undefined) {
    const kinds = schema.anyOf.filter((one) => one.type !== 'null').map((one) => typeText(one, sections, defs));
    return [...new Set(kinds)].join(', or ');
  }
  if (schema.properties !== undefined) return linkTo(schema, sections);
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const).replaceAll('"', '')}\``;
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${JSON.stringify(word).slice(1, -1)}\``).join(' ');
  if (schema.type === 'array') return listText(schema, typeText(schema.items ?? {}, sections, defs));
  if (schema.type === 'object') return `map: ${typeText(schema.propertyNames ?? {}, sections, defs)} → ${typeText(valuesOf(schema), sections, defs)}`;
  return scalarText(schema);
}

const valuesOf = ({ additionalProperties }: Schema): Schema => (typeof additionalProperties === 'object' ? additionalProperties : {});

function linkTo(schema: Schema, sections: readonly Section[]): string {
  const path = sections.find((section) => isSame(section.schema, schema))?.path ?? '';
  return `[${path}](#${path.toLowerCase().replaceAll(/[^a-z0-9-]/g, '')})`;
}

function listText({ minItems, maxItems }: Schema, items: string): string {
  const range = maxItems === undefined ? (minItems === undefined ? '' : `at least ${minItems} `) : `${number(minItems ?? 0)} to ${number(maxItems)} `;
  return `list of ${range}${items}`;
}

function scalarText(schema: Schema): string {
  const types = [schema.type ?? []].flat().filter((type) => type !== 'null');
  if (types.length !== 1) return types.map((type) => (type === 'string' ? 'text' : type)).join(', ');
  if (types[0] === 'boolean') return '`true` `false`';
  return types[0] === 'string' ? textText(schema) : numberText(schema, types[0] === 'integer' ? 'integer' : 'number');
}

function textText({ pattern, format, minLength, maxLength }: Schema): string {
  if (format === 'date-time') return 'instant, RFC 3339';
  if (format === 'uri') return '`http` or `https` URL';
  if (pattern !== undefined) return `text \`${pattern}\``;
  if (minLength === undefined && maxLength === undefined) return 'text';
  const range = minLength === maxLength ? `${minLength}` : maxLength === undefined ? `at least ${minLength}` : `${minLength ?? 0} to ${number(maxLength)}`;
  return `text, ${range} character${range === '1' ? '' : 's'}`;
}

function numberText({ minimum, maximum }: Schema, kind: string): string {
  const isBounded = maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return kind;
  return isBounded ? `${kind}, ${number(minimum)} to ${number(maximum)}` : `${kind}, at least ${number(minimum)}`;
}

if (process.argv[1] === import.meta.filename) writeOrCheck(pagePath, writtenPage(), 'the shape of job specs says');
