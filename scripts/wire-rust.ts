/** Writes crates/wire/src/generated/messages.rs: the plain structs, their bounds, and which fields the codec moves between them and flatc's tables. */
import { type Choice, type Field, mayBeAbsent, type Schema, scalars, type Table } from './wire-schema.ts';

const opening = `// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.

use crate::bounds::{Bounds, check_count, check_digest, check_filled, check_number};
use crate::error::{DecodeError, Path};
use crate::pack::{enums, tables, unions};
`;

export function rustMessages(schema: Schema, hash: string): string {
  const plain = schema.tables.filter((table) => table.name !== 'Header');
  return [
    opening,
    `/// SHA-256 of \`schemas/core.fbs\`.\npub const SCHEMA_HASH: [u8; 32] = [\n${hashBytes(hash)}\n];\n`,
    `/// Bytes 4 to 7 of every header.\npub const FILE_IDENTIFIER: &str = "${schema.identifier}";\n`,
    ...schema.enums.map(enumOf),
    ...plain.map((table) => structOf(table, schema)),
    ...schema.unions.map(unionOf),
    `enums! {\n${schema.enums.map((choice) => `    ${choice.name} { ${choice.members.join(', ')} }`).join('\n')}\n}\n`,
    `tables! {\n${plain
      .filter((table) => table.name !== 'Done')
      .map(fieldList)
      .join('\n')}\n}\n`,
    `unions! {\n${schema.unions.map(unionList).join('\n')}\n}\n`,
    ...plain.map((table) => checkOf(table, schema)),
    ...plain.filter(holdsSecret).map(hiddenDebug),
  ].join('\n');
}

function hashBytes(hash: string): string {
  const bytes = (hash.match(/../g) ?? []).map((pair) => `0x${pair}`);
  return `    ${bytes.slice(0, 16).join(', ')},\n    ${bytes.slice(16).join(', ')},`;
}

/** Tests compare messages with the JSON beside the shared vectors. */
function inTests(rule: string): string {
  return `#[cfg_attr(test, derive(serde::Serialize), serde(${rule}))]`;
}

function enumOf(choice: Choice): string {
  const members = choice.members.map((member, index) => (index === 0 ? `    #[default]\n    ${member},` : `    ${member},`));
  return [
    ...docs(choice.comment, ''),
    '#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]',
    inTests('rename_all = "camelCase"'),
    `pub enum ${choice.name} {`,
    ...members,
    '}\n',
  ].join('\n');
}

function structOf(table: Table, schema: Schema): string {
  const fields = table.fields.flatMap((field) => [...docs(field.comment, '    '), `    pub ${field.name}: ${typeOf(field, schema)},`]);
  const isDone = table.name === 'Done';
  const derive = `#[derive(Clone, ${holdsSecret(table) ? '' : 'Debug, '}${isDone ? '' : 'Default, '}PartialEq, Eq)]`;
  const opened = fields.length === 0 ? [`pub struct ${table.name} {}\n`] : [`pub struct ${table.name} {`, ...fields, '}\n'];
  return [...docs(table.comment, ''), derive, inTests('rename_all = "camelCase"'), ...opened].join('\n');
}

function unionList(union: Choice): string {
  const members = union.members.map((member) => `        ${member} by body_as_${snakeCase(member)},`);
  return [`    ${union.name} in ${union.name === 'Body' ? 'Header' : 'Done'} {`, ...members, '    }'].join('\n');
}

function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z])([A-Z])/g, '_$1').toLowerCase();
}

function holdsSecret(table: Table): boolean {
  return table.fields.some((field) => field.secret);
}

function unionOf(union: Choice): string {
  const members = union.members.map((member) => `    ${member}(${member}),`);
  return [
    ...docs(union.comment, ''),
    '#[derive(Clone, Debug, PartialEq, Eq)]',
    inTests('tag = "type"'),
    '#[allow(clippy::large_enum_variant)] // one lives at a time',
    `pub enum ${union.name} {`,
    ...members,
    '}\n',
  ].join('\n');
}

function docs(comment: readonly string[], indent: string): string[] {
  return comment.map((line) => `${indent}/// ${line}`);
}

function typeOf(field: Field, schema: Schema): string {
  const single = field.type === 'string' ? 'String' : (scalars[field.type]?.rust ?? field.type);
  const whole = !field.vector ? single : field.type === 'ubyte' && field.bounds.exactly !== null ? `[u8; ${field.bounds.exactly}]` : `Vec<${single}>`;
  return mayBeAbsent(field, schema) ? `Option<${whole}>` : whole;
}

function fieldList(table: Table): string {
  return `    ${table.name} via ${table.name}Args { ${table.fields.map((field) => field.name).join(', ')} }`;
}

/** Bounds of a table's own fields, and those of the tables in it. */
function checkOf(table: Table, schema: Schema): string {
  const lines = table.fields.flatMap((field) => checksOf(field, schema)).map((line) => `        ${line}`);
  const used = lines.length > 0;
  return [
    `impl Bounds for ${table.name} {`,
    `    fn check(&self, ${used ? 'path' : '_path'}: &Path) -> Result<(), DecodeError> {`,
    ...lines,
    '        Ok(())',
    '    }',
    '}\n',
  ].join('\n');
}

function checksOf(field: Field, schema: Schema): string[] {
  const { bounds } = field;
  const at = `&path.field("${field.name}")`;
  const checks: string[] = [];
  const bounded = bounds.atLeast !== null || bounds.atMost !== null;
  if (field.vector && bounded) checks.push(`check_count(self.${field.name}.len(), ${bounds.atLeast ?? 0}, ${bounds.atMost ?? 'usize::MAX'}, ${at})?;`);
  if (!field.vector && bounded) {
    checks.push(`check_number(u64::from(self.${field.name}), ${bounds.atLeast ?? 0}, ${bounds.atMost ?? 'u64::MAX'}, ${at})?;`);
  }
  if (bounds.digest) checks.push(`check_digest(${textOf(field, schema)}, ${at})?;`);
  if (bounds.filled) checks.push(`check_filled(${textOf(field, schema)}, ${at})?;`);
  const holdsMore = field.type === 'ulong' || !(field.type in scalars || field.type === 'string' || schema.enums.some((choice) => choice.name === field.type));
  if (holdsMore) checks.push(`self.${field.name}.check(${at})?;`);
  return checks;
}

function textOf(field: Field, schema: Schema): string {
  return mayBeAbsent(field, schema) ? `self.${field.name}.as_deref()` : `Some(&self.${field.name})`;
}

/** A struct that holds a secret prints everything but that. */
function hiddenDebug(table: Table): string {
  const fields = table.fields.map((field) => (field.secret ? `.field("${field.name}", &"hidden")` : `.field("${field.name}", &self.${field.name})`));
  return [
    `impl std::fmt::Debug for ${table.name} {`,
    "    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {",
    `        f.debug_struct("${table.name}")${fields.join('')}.finish()`,
    '    }',
    '}\n',
  ].join('\n');
}

/** Writes crates/wire/src/generated/samples.rs: random valid messages for the tests of that crate. */
export function rustSamples(schema: Schema): string {
  const tables = schema.tables.filter((table) => table.name !== 'Header');
  return [
    '// Written by scripts/generate-wire.ts from schemas/core.fbs. Change that file, not this one.\n',
    'use crate::generated::messages::*;\nuse crate::sample::{Draw, Sample};\n',
    ...schema.enums.map((choice) =>
      [
        `impl Sample for ${choice.name} {`,
        '    fn sample(draw: &mut Draw) -> Self {',
        `        *draw.one_of(&[${choice.members.map((member) => `${choice.name}::${member}`).join(', ')}])`,
        '    }',
        '}\n',
      ].join('\n'),
    ),
    ...schema.unions.map((union) =>
      [
        `impl Sample for ${union.name} {`,
        '    fn sample(draw: &mut Draw) -> Self {',
        `        match draw.below(${union.members.length}) {`,
        ...union.members.slice(1).map((member, index) => `            ${index} => ${union.name}::${member}(Sample::sample(draw)),`),
        `            _ => ${union.name}::${union.members[0]}(Sample::sample(draw)),`,
        '        }',
        '    }',
        '}\n',
      ].join('\n'),
    ),
    ...tables.map((table) =>
      [
        `impl Sample for ${table.name} {`,
        `    fn sample(${table.fields.length === 0 ? '_draw' : 'draw'}: &mut Draw) -> Self {`,
        `        ${table.name} {`,
        ...table.fields.map((field) => `            ${field.name}: ${sampleOf(field, schema)},`),
        '        }',
        '    }',
        '}\n',
      ].join('\n'),
    ),
  ].join('\n');
}

function sampleOf(field: Field, schema: Schema): string {
  const { bounds } = field;
  const least = bounds.atLeast ?? 0;
  if (field.vector && bounds.exactly === null) return `draw.list(${least}, ${Math.min(bounds.atMost ?? 4, 4)})`;
  if (bounds.digest) return mayBeAbsent(field, schema) ? 'draw.maybe(Draw::digest)' : 'draw.digest()';
  if (bounds.filled) return 'draw.filled()';
  if (field.type in scalars && (bounds.atLeast !== null || bounds.atMost !== null)) return `draw.number(${least}, ${bounds.atMost ?? 1_000_000})`;
  return 'Sample::sample(draw)';
}
