/**
 * Rules that tie fields of a spec together. Each looks at the parts it needs and at nothing where such a part had an issue of its own, so that a
 * person hears everything at once and nothing twice. Pure.
 */
import type { z } from 'zod';

import { parseCron } from './cron.ts';
import { encodingLabels, isEncoding } from './encodings.ts';
import { type FailureCode, failureCodes } from './failure.ts';
import type { fieldShape, inputShape, outputShape, ShapedSpec, schemaShape, stageShape } from './job-spec-shape.ts';
import { nearestName } from './nearest-name.ts';
import type { SpecIssue } from './spec-error.ts';
import { type Path, pointerOf, shown } from './spec-issues.ts';
import { sqlParamIssues } from './spec-params.ts';
import { uniqueKeysOf } from './stages.ts';

type Schema = z.output<typeof schemaShape>;
type Field = z.output<typeof fieldShape>;
type Input = z.output<typeof inputShape>;
type Stage = z.output<typeof stageShape>;
type Output = z.output<typeof outputShape>;
type Written = unknown;

const reservedFieldNames = ['_file', '_record', '_line', '_byte'];
const reservedStageNames = ['intake', 'plan', 'read', 'unique', 'owners', 'compact', 'finish'];

/** `written` is the spec as it was written, with its inputs in a list: some rules ask whether a field stands there at all. */
export function ruleIssues(spec: ShapedSpec, written: Written, isStream = false): SpecIssue[] {
  const inputs = spec.inputs ?? [];
  return [
    ...(isStream ? streamIssues(inputs) : inputs.flatMap((input, index) => placeIssues(input, ['inputs', index]))),
    ...(spec.schema === undefined ? [] : schemaRuleIssues(spec.schema, ['schema'], memberOf(written, 'schema'))),
    ...(spec.inputs ?? []).flatMap((input, index) => inputIssues(input, ['inputs', index], memberOf(memberOf(written, 'inputs'), index))),
    ...takenNames((spec.inputs ?? []).map((input, index) => ({ name: input.name, path: ['inputs', index, 'name'] }))),
    ...pipelineIssues(spec),
    ...keyedInputIssues(spec),
    ...(spec.output === undefined ? [] : outputIssues(spec.output, spec.pipeline ?? [])),
    ...budgetIssues(spec),
    ...scheduleIssues(spec),
  ];
}

function scheduleIssues({ schedule }: ShapedSpec): SpecIssue[] {
  if (!schedule) return [];
  const found: SpecIssue[] = [];
  try {
    parseCron(schedule.cron);
  } catch (error) {
    found.push(issue(['schedule', 'cron'], 'SPEC_CRON', error instanceof Error ? error.message : String(error)));
  }
  if (!isTimeZone(schedule.timezone))
    found.push(issue(['schedule', 'timezone'], 'SPEC_TIMEZONE', `expected an IANA name such as Europe/Berlin, got ${shown(schedule.timezone)}`));
  if (schedule.startAt !== null && schedule.endAt !== null && Date.parse(schedule.startAt) >= Date.parse(schedule.endAt)) {
    found.push(issue(['schedule', 'endAt'], 'SPEC_CONFLICT', 'must be behind startAt'));
  }
  return found;
}

function schemaRuleIssues(schema: string | Schema, path: Path, written: Written): SpecIssue[] {
  if (typeof schema === 'string') {
    if (schema === 'auto' || schema === 'text' || schema.includes('://')) return [];
    return [
      issue(path, 'SPEC_SCHEMA_FIELD', `expected auto, text, the URI of a schema, or a schema, got ${shown(schema)}`, nearestName(schema, ['auto', 'text'])),
    ];
  }
  const names = schema.fields.flatMap((field, index) => [
    { name: field.name, path: [...path, 'fields', index, 'name'] },
    ...field.aliases.map((name, alias) => ({ name, path: [...path, 'fields', index, 'aliases', alias] })),
  ]);
  const longForm = ['match', 'missingColumns', 'extraColumns'].filter((name) => memberOf(written, name) !== undefined);
  // A resolved schema has the long form and fieldsMatch: null.
  const both = schema.fieldsMatch !== null && longForm.length > 0;
  const known = schema.fields.map((field) => field.name);
  return [
    ...schema.fields.flatMap((field, index) => fieldIssues(field, [...path, 'fields', index])),
    ...takenNames(names),
    ...(both ? [issue([...path, 'fieldsMatch'], 'SPEC_CONFLICT', `excludes ${longForm.join(', ')}`)] : []),
    ...keyIssues(schema, path),
    ...primaryKeyOf(schema)
      .filter((name) => !known.includes(name))
      .map((name) => {
        return issue([...path, 'primaryKey'], 'SPEC_SCHEMA_FIELD', `there is no field ${shown(name)}`, nearestName(name, known));
      }),
  ];
}

const mostKeys = 2;

/** What `unique` and `primaryKey` ask of the fields they name. */
function keyIssues(schema: Schema, path: Path): SpecIssue[] {
  const primary = primaryKeyOf(schema);
  const keys = uniqueKeysOf({ ...schema, primaryKey: primary });
  const tooMany = keys.length > mostKeys && issue(path, 'SPEC_UNIQUE_LIMIT', `expected at most ${mostKeys} unique fields and primary keys, got ${keys.length}`);
  const twice = primary.find((name, at) => primary.indexOf(name) !== at);
  const issues = [tooMany, twice !== undefined && issue([...path, 'primaryKey'], 'SPEC_SCHEMA_FIELD', `${shown(twice)} stands twice`)];
  for (const [index, field] of schema.fields.entries()) {
    const at = [...path, 'fields', index];
    if (!keys.flat().includes(field.name)) continue;
    issues.push(incomparable.includes(field.type) && issue([...at, 'type'], 'SPEC_SCHEMA_FIELD', `values of type ${field.type} cannot be unique`));
    const isPrimary = primary.includes(field.name) && field.onError === 'setNull';
    issues.push(isPrimary && issue([...at, 'onError'], 'SPEC_CONFLICT', 'setNull excludes a field of the primary key, which is required'));
  }
  return issues.filter((one) => one !== false);
}

/** Types whose values are not compared as keys. */
const incomparable: readonly string[] = ['list', 'duration', 'object', 'array'];

/** A primary key is written as one name or as several. */
export function primaryKeyOf(schema: { primaryKey: string | string[] | null }): string[] {
  return typeof schema.primaryKey === 'string' ? [schema.primaryKey] : (schema.primaryKey ?? []);
}

/** As deep as shapes may stand in shapes. */
const mostShapes = 16;

/** `depth` counts the shapes that the field stands in. */
function fieldIssues(field: Field, path: Path, depth = 0): SpecIssue[] {
  const at = (name: string, code: FailureCode, message: string) => issue([...path, ...name.split('.')], code, message);
  const isNumber = field.type === 'number' || field.type === 'integer';
  const found: (SpecIssue | false)[] = [
    depth === 0 && reservedFieldNames.includes(field.name) && at('name', 'SPEC_NAME_RESERVED', `${field.name} is a hidden column of every input`),
    field.onError === 'setNull' && field.constraints.required && at('onError', 'SPEC_CONFLICT', 'setNull excludes constraints.required'),
    isNumber && field.groupChar === field.decimalChar && at('groupChar', 'SPEC_CONFLICT', `must differ from decimalChar, both are ${shown(field.groupChar)}`),
    field.trueValues.some((value) => field.falseValues.includes(value)) && at('falseValues', 'SPEC_CONFLICT', 'a value stands in trueValues too'),
    field.precision !== null && field.type !== 'number' && at('precision', 'SPEC_CONFLICT', `is for type number, got type ${field.type}`),
    field.scale !== null && field.precision === null && at('scale', 'SPEC_CONFLICT', 'needs precision'),
    (field.scale ?? 0) > (field.precision ?? 38) && at('scale', 'SPEC_OUT_OF_RANGE', `expected at most the precision ${field.precision}, got ${field.scale}`),
    !isTimeZone(field.timezone) && at('timezone', 'SPEC_TIMEZONE', `expected an IANA name such as Europe/Berlin, got ${shown(field.timezone)}`),
  ];
  return [...found.filter((one) => one !== false), ...constraintIssues(field, path), ...shapeIssues(field, path, depth)];
}

/** `fields` and `items`, and what of a field has no meaning inside of a value. */
function shapeIssues({ type, fields, items, path: place, onError, constraints }: Field, path: Path, depth: number): SpecIssue[] {
  const at = (name: string, code: FailureCode, message: string) => issue([...path, ...name.split('.')], code, message);
  const inner = [
    ...(fields ?? []).map((field, index) => ({ field, path: [...path, 'fields', index] })),
    ...(items ? [{ field: items, path: [...path, 'items'] }] : []),
  ];
  if (inner.length > 0 && depth >= mostShapes)
    return [at(fields ? 'fields' : 'items', 'SPEC_OUT_OF_RANGE', `expected at most ${mostShapes} shapes within one another`)];
  const found: (SpecIssue | false)[] = [
    fields !== null && type !== 'object' && at('fields', 'SPEC_CONFLICT', `is for type object, got type ${type}`),
    items !== null && type !== 'array' && at('items', 'SPEC_CONFLICT', `is for type array, got type ${type}`),
    depth > 0 && place !== null && at('path', 'SPEC_CONFLICT', 'is for fields of the record: within a value the name says where it is'),
    depth > 0 && onError === 'setNull' && at('onError', 'SPEC_NOT_AVAILABLE', 'setNull within a value is not available in this version'),
    depth > 0 && constraints.unique && at('constraints.unique', 'SPEC_SCHEMA_FIELD', 'is for fields of the record'),
  ];
  const names = (fields ?? []).flatMap(({ name, aliases }, index) => [
    { name, path: [...path, 'fields', index, 'name'] },
    ...aliases.map((alias, number) => ({ name: alias, path: [...path, 'fields', index, 'aliases', number] })),
  ]);
  return [...found.filter((one) => one !== false), ...takenNames(names), ...inner.flatMap(({ field, path }) => fieldIssues(field, path, depth + 1))];
}

const stringFormats = ['default', 'email', 'uri', 'uuid', 'binary'];

function constraintIssues(field: Field, path: Path): SpecIssue[] {
  const { constraints } = field;
  const at = (name: string, code: FailureCode, message: string) => issue([...path, 'constraints', name], code, message);
  const ordered = !['string', 'any', 'boolean', 'object', 'array', 'list'].includes(field.type);
  const hasLength = ['string', 'any', 'object', 'array', 'list'].includes(field.type);
  const found: SpecIssue[] = [];
  if (field.type === 'string' && !stringFormats.includes(field.format)) {
    const suggestion = nearestName(field.format, stringFormats);
    found.push(issue([...path, 'format'], 'SPEC_BAD_VALUE', `expected one of ${stringFormats.join(', ')} for text, got ${shown(field.format)}`, suggestion));
  }
  for (const bound of ['minimum', 'maximum'] as const) {
    const value = constraints[bound];
    if (value === null) continue;
    if (!ordered) found.push(at(bound, 'SPEC_SCHEMA_FIELD', `type ${field.type} has no order; lengths are minLength and maxLength`));
    else if (!fitsType(value, field)) found.push(at(bound, 'SPEC_SCHEMA_FIELD', `expected a value of type ${field.type}, got ${shown(value)}`));
  }
  for (const bound of ['minLength', 'maxLength'] as const) {
    if (constraints[bound] !== null && !hasLength) found.push(at(bound, 'SPEC_SCHEMA_FIELD', `type ${field.type} has no length`));
  }
  const misfit = constraints.enum?.find((value) => !fitsType(value, field));
  if (misfit !== undefined) found.push(at('enum', 'SPEC_SCHEMA_FIELD', `expected values of type ${field.type}, got ${shown(misfit)}`));
  if (constraints.pattern !== null) {
    if (!['string', 'any'].includes(field.type)) found.push(at('pattern', 'SPEC_SCHEMA_FIELD', `is for text, got type ${field.type}`));
    else if (usesLookAround(constraints.pattern)) found.push(at('pattern', 'SPEC_REGEX', 'patterns have no look-around and no back-references'));
  }
  return found;
}

/** Could this be written for a value of the type. Text stands for every type, as in a file: what it says is judged by the core. */
function fitsType(value: string | number | boolean, field: Field): boolean {
  if (typeof value === 'string') {
    if (field.type === 'integer') return /^[+-]?\d+$/.test(value);
    return field.type === 'number' ? value.trim() !== '' && Number.isFinite(Number(value)) : true;
  }
  if (typeof value === 'boolean') return field.type === 'boolean' || field.type === 'any';
  if (field.type === 'integer' || field.type === 'year') return Number.isSafeInteger(value);
  return field.type === 'number' || field.type === 'any';
}

/** Constructs that the regular expressions of the core do not have, outside of escapes and classes. */
function usesLookAround(pattern: string): boolean {
  const plain = pattern.replace(/\\[^1-9k]/g, '').replace(/\[[^\]]*\]/g, '');
  return /\(\?<?[=!]|\\[1-9]|\\k</.test(plain);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function placeIssues({ uri, list }: Input, path: Path): SpecIssue[] {
  if (uri === null && list === null) return [issue([...path, 'uri'], 'SPEC_MISSING_FIELD', 'required, but not there')];
  return uri !== null && list !== null ? [issue([...path, 'list'], 'SPEC_CONFLICT', 'excludes uri')] : [];
}

/** What is read a producer says chunk by chunk; totals it gives with the seal. */
function streamIssues(inputs: readonly Input[]): SpecIssue[] {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) return [issue(['inputs'], 'SPEC_BAD_VALUE', `a stream has one input, got ${inputs.length}`)];
  const given = [
    ...(['uri', 'list'] as const).filter((field) => input[field] !== null),
    ...Object.entries(input.expect).flatMap(([field, value]) => (value === null ? [] : [`expect/${field}`])),
  ];
  return given.map((field) => issue(['inputs', 0, ...field.split('/')], 'SPEC_CONFLICT', 'is not for a stream, whose chunks say what is read'));
}

function inputIssues(input: Input, path: Path, written: Written): SpecIssue[] {
  const found: SpecIssue[] = [];
  if (!isEncoding(input.encoding)) {
    found.push(
      issue(
        [...path, 'encoding'],
        'SPEC_ENCODING',
        `expected auto or a label such as utf-8, got ${shown(input.encoding)}`,
        nearestName(input.encoding, encodingLabels()),
      ),
    );
  }
  if (input.dialect !== 'auto') {
    const isCsv = input.format === 'csv' || input.format === 'auto';
    if (!isCsv) found.push(issue([...path, 'dialect'], 'SPEC_CONFLICT', `is for csv, got format ${input.format}`));
    found.push(...dialectIssues(input.dialect, [...path, 'dialect']));
  }
  found.push(...jsonIssues(input, [...path, 'json', 'records']), ...linesIssues(input, [...path, 'lines']));
  if (input.schema !== null) found.push(...schemaRuleIssues(input.schema, [...path, 'schema'], memberOf(written, 'schema')));
  return found;
}

function jsonIssues({ json, format }: Input, path: Path): SpecIssue[] {
  if (json.records === '') return [];
  if (!/^(\/([^~/]|~[01])*)*$/.test(json.records)) {
    return [issue(path, 'SPEC_BAD_VALUE', `expected a JSON Pointer such as /data/items, got ${shown(json.records)}`)];
  }
  return format === 'json' || format === 'auto' ? [] : [issue(path, 'SPEC_CONFLICT', `is for format json, got ${format}`)];
}

function linesIssues({ lines, format }: Input, path: Path): SpecIssue[] {
  if (lines === null) {
    const message = 'format lines needs a regex or a grok pattern';
    return format === 'lines' ? [issue([...path, 'regex'], 'SPEC_MISSING_FIELD', message)] : [];
  }
  if (format !== 'lines') return [issue(path, 'SPEC_CONFLICT', `is for format lines, got ${format}`)];
  const lacks = 'patterns have no look-around and no back-references';
  const grok = [lines.grok ?? '', ...Object.values(lines.patterns)];
  const found: (SpecIssue | false)[] = [
    lines.regex === null && lines.grok === null && issue([...path, 'regex'], 'SPEC_MISSING_FIELD', 'format lines needs a regex or a grok pattern'),
    lines.regex !== null && lines.grok !== null && issue([...path, 'grok'], 'SPEC_CONFLICT', 'excludes regex'),
    lines.grok === null && Object.keys(lines.patterns).length > 0 && issue([...path, 'patterns'], 'SPEC_CONFLICT', 'is for grok, and there is none'),
    usesLookAround(lines.regex ?? '') && issue([...path, 'regex'], 'SPEC_REGEX', lacks),
    usesLookAround(lines.recordStart ?? '') && issue([...path, 'recordStart'], 'SPEC_REGEX', lacks),
    grok.some(usesLookAround) && issue([...path, 'grok'], 'SPEC_GROK', lacks),
  ];
  return found.filter((one) => one !== false);
}

function dialectIssues(dialect: Exclude<Input['dialect'], 'auto'>, path: Path): SpecIssue[] {
  const at = (name: string, code: FailureCode, message: string) => issue([...path, name], code, message);
  const { delimiter, quoteChar, escapeChar } = dialect;
  const found: (SpecIssue | false)[] = [
    escapeChar !== null && escapeChar !== '' && dialect.doubleQuote === true && at('escapeChar', 'SPEC_CONFLICT', 'excludes doubleQuote: true'),
    quoteChar !== null && quoteChar !== '' && quoteChar === delimiter && at('quoteChar', 'SPEC_CONFLICT', 'must differ from the delimiter'),
    escapeChar !== null && escapeChar !== '' && escapeChar === delimiter && at('escapeChar', 'SPEC_CONFLICT', 'must differ from the delimiter'),
    dialect.header === false && dialect.headerRows !== null && at('headerRows', 'SPEC_CONFLICT', 'excludes header: false'),
    ...(['delimiter', 'quoteChar', 'escapeChar'] as const).map((name) => {
      return name in dialect && /[\r\n]/.test(dialect[name] ?? '') && at(name, 'SPEC_BAD_VALUE', 'must not be an end of line');
    }),
  ];
  return found.filter((one) => one !== false);
}

function pipelineIssues(spec: ShapedSpec): SpecIssue[] {
  const stages = spec.pipeline ?? [];
  const inputNames = spec.inputs?.map((input) => input.name);
  const names = stages.map((stage, index) => ({ name: stageNameOf(stage, index), path: ['pipeline', index, 'name'] as Path }));
  const found = [
    ...takenNames(names),
    ...names.filter(({ name }) => reservedStageNames.includes(name)).map(({ name, path }) => issue(path, 'SPEC_NAME_RESERVED', `${name} is taken`)),
    ...stages.flatMap((stage, index) =>
      stageIssues(
        stage,
        index,
        names.slice(0, index).map(({ name }) => name),
        inputNames,
      ),
    ),
    ...stages.flatMap((stage, index) => (stage.sql !== null && spec.params ? sqlParamIssues(stage.sql, spec.params, `/pipeline/${index}/sql`) : [])),
  ];
  // How the stages hang together says nothing while one of them is not what was meant.
  if (found.length > 0) return found;
  return graphIssues(
    stages,
    names.map(({ name }) => name),
    inputNames,
  );
}

/** Stages without a name are s1, s2 and so on. */
export function stageNameOf(stage: { readonly name: string | null }, index: number): string {
  return stage.name ?? `s${index + 1}`;
}

function stageIssues(stage: Stage, index: number, before: readonly string[], inputNames: readonly string[] | undefined): SpecIssue[] {
  const path = ['pipeline', index];
  const found: SpecIssue[] = [];
  const isReduce = stage.exchange !== null;
  if (stage.sql === null && stage.dedupe === null) found.push(issue([...path, 'sql'], 'SPEC_MISSING_FIELD', 'required, but not there'));
  if (stage.sql !== null && stage.dedupe !== null) found.push(issue([...path, 'dedupe'], 'SPEC_CONFLICT', 'excludes sql'));
  if (stage.dedupe !== null && !isReduce) found.push(issue([...path, 'dedupe'], 'SPEC_CONFLICT', 'needs an exchange'));
  if (!isReduce && Array.isArray(stage.from)) found.push(issue([...path, 'from'], 'SPEC_CONFLICT', 'several need an exchange'));
  const known = isReduce ? before : inputNames;
  for (const name of stage.from === null ? [] : [stage.from].flat()) {
    if (known === undefined || known.includes(name)) continue;
    const kind = isReduce ? 'stage before it' : 'input';
    found.push(issue([...path, 'from'], 'SPEC_STAGE_UNKNOWN', `there is no ${kind} ${shown(name)}, only ${known.join(', ')}`, nearestName(name, known)));
  }
  return [...found, ...exchangeIssues(stage, path), ...lookupIssues(stage, path)];
}

function exchangeIssues({ exchange, dedupe }: Stage, path: Path): SpecIssue[] {
  if (exchange === null) return [];
  const found: SpecIssue[] = [];
  if (exchange.keys.length === 0 && exchange.partitions !== 'auto' && exchange.partitions !== 1) {
    found.push(issue([...path, 'exchange', 'keys'], 'SPEC_EXCHANGE_KEY', `no keys mean one partition, got ${exchange.partitions}`));
  }
  const twice = exchange.keys.find((key, at) => exchange.keys.indexOf(key) !== at);
  if (twice !== undefined) found.push(issue([...path, 'exchange', 'keys'], 'SPEC_EXCHANGE_KEY', `${shown(twice)} stands twice`));
  const missing = dedupe === null || dedupe.keys === null ? undefined : exchange.keys.find((key) => !dedupe.keys?.includes(key));
  if (missing !== undefined) {
    found.push(
      issue([...path, 'dedupe', 'keys'], 'SPEC_EXCHANGE_KEY', `must contain the exchange keys, lacks ${shown(missing)}: equal records would not meet`),
    );
  }
  if (dedupe !== null && dedupe.keys === null && exchange.keys.length === 0) {
    found.push(issue([...path, 'dedupe', 'keys'], 'SPEC_EXCHANGE_KEY', 'without keys in the exchange the keys of dedupe must be named'));
  }
  return found;
}

/** In a stage a lookup stands beside `input`, or beside the stages it reads. */
function lookupIssues(stage: Stage, path: Path): SpecIssue[] {
  const tables = Array.isArray(stage.from) ? stage.from : ['input'];
  const beside = stage.lookups.flatMap(({ name }, at) =>
    tables.includes(name) ? [issue([...path, 'lookups', at, 'name'], 'SPEC_NAME_TAKEN', `${shown(name)} is a table that the stage reads`)] : [],
  );
  const without = stage.lookups.length > 0 && stage.sql === null ? [issue([...path, 'lookups'], 'SPEC_CONFLICT', 'is for stages with sql')] : [];
  return [...beside, ...without, ...takenNames(stage.lookups.map((lookup, at) => ({ name: lookup.name, path: [...path, 'lookups', at, 'name'] })))];
}

/** Map stages come first; every input has one reader, and so has every stage but the last, which has none. */
function graphIssues(stages: readonly Stage[], names: readonly string[], inputNames: readonly string[] | undefined): SpecIssue[] {
  const at = (index: number, field: string): Path => ['pipeline', index, field];
  const found: SpecIssue[] = [];
  const firstReduce = stages.findIndex(({ exchange }) => exchange !== null);
  stages.forEach((stage, index) => {
    if (stage.exchange === null && firstReduce !== -1 && index > firstReduce) {
      found.push(issue(at(index, 'exchange'), 'SPEC_STAGE_ORDER', `a stage behind an exchange needs one itself: ${names[firstReduce]} stands before it`));
    }
  });
  if (found.length > 0 || stages.length === 0) return found;
  return [...inputReaders(stages, names, inputNames, at), ...stageReaders(stages, names, at)];
}

type At = (index: number, field: string) => Path;

function inputReaders(stages: readonly Stage[], names: readonly string[], inputNames: readonly string[] | undefined, at: At): SpecIssue[] {
  const found: SpecIssue[] = [];
  const readers = new Map<string, string>();
  const maps = stages.map((stage, index) => ({ stage, index })).filter(({ stage }) => stage.exchange === null);
  if (maps.length === 0) return [];
  for (const { stage, index } of maps) {
    for (const input of stage.from === null ? (inputNames ?? []) : [stage.from].flat()) {
      const known = readers.get(input);
      if (known === undefined) readers.set(input, names[index] ?? '');
      else found.push(issue(at(index, 'from'), 'SPEC_STAGE_REUSED', `input ${shown(input)} is read by ${known} already`));
    }
  }
  const unread = (inputNames ?? []).filter((input) => !readers.has(input));
  const last = maps.at(-1)?.index ?? 0;
  if (found.length === 0 && unread.length > 0) found.push(issue(at(last, 'from'), 'SPEC_STAGE_ORDER', `no stage reads input ${unread.map(shown).join(', ')}`));
  return found;
}

function stageReaders(stages: readonly Stage[], names: readonly string[], at: At): SpecIssue[] {
  const found: SpecIssue[] = [];
  const readers = new Map<string, string>();
  stages.forEach((stage, index) => {
    if (stage.exchange === null) return;
    const before = stage.from === null ? names.slice(Math.max(0, index - 1), index) : [stage.from].flat();
    for (const name of before) {
      const known = readers.get(name);
      if (known === undefined) readers.set(name, names[index] ?? '');
      else found.push(issue(at(index, 'from'), 'SPEC_STAGE_REUSED', `stage ${shown(name)} is read by ${known} already`));
    }
  });
  if (found.length > 0) return found;
  return names.slice(0, -1).flatMap((name, index) => {
    return readers.has(name) ? [] : [issue(at(index, 'name'), 'SPEC_STAGE_ORDER', `no later stage reads ${shown(name)}, and it is not the last`)];
  });
}

/** Uniqueness is that of the whole job: inputs that have keys have the same ones, and one table is made of inputs that all have them. */
function keyedInputIssues({ inputs, schema = 'auto', pipeline = [] }: ShapedSpec): SpecIssue[] {
  const keysOf = (written: string | Schema): string =>
    typeof written === 'string' ? '[]' : JSON.stringify(uniqueKeysOf({ ...written, primaryKey: primaryKeyOf(written) }));
  const keyed = (inputs ?? []).map(({ name, schema: own }, index) => ({ name, index, keys: keysOf(own ?? schema) }));
  const first = keyed.find(({ keys }) => keys !== '[]');
  if (first === undefined) return [];
  const found = keyed
    .filter(({ keys }) => keys !== '[]' && keys !== first.keys)
    .map(({ index }) =>
      issue(
        ['inputs', index, 'schema'],
        'SPEC_SCHEMA_FIELD',
        `its unique fields and primary key must be those of input ${first.name}: they are unique over the whole job`,
      ),
    );
  const maps = pipeline.filter(({ exchange }) => exchange === null);
  const tables = maps.length === 0 ? [keyed] : maps.map(({ from }) => keyed.filter(({ name }) => from === null || [from].flat().includes(name)));
  for (const table of tables) {
    const without = table.find(({ keys }) => keys === '[]');
    if (without === undefined || table.every(({ keys }) => keys === '[]')) continue;
    const message = `needs the unique fields and primary key of input ${first.name}, because one stage reads both as one table`;
    found.push(issue(['inputs', without.index, 'schema'], 'SPEC_SCHEMA_FIELD', message));
  }
  return found;
}

const outputCompressions: Readonly<Record<Output['format'], readonly string[]>> = {
  parquet: ['none', 'snappy', 'gzip', 'zstd', 'lz4'],
  csv: ['none', 'gzip', 'zstd'],
  ndjson: ['none', 'gzip', 'zstd'],
  arrow: ['none', 'zstd', 'lz4'],
};

function outputIssues(output: Output, stages: readonly Stage[]): SpecIssue[] {
  const found: SpecIssue[] = [];
  const allowed = outputCompressions[output.format];
  if (output.compression !== null && !allowed.includes(output.compression)) {
    found.push(issue(['output', 'compression'], 'SPEC_CONFLICT', `expected one of ${allowed.join(', ')} for ${output.format}, got ${output.compression}`));
  }
  if (output.layout === 'perInput' && output.partitionBy.length > 0) found.push(issue(['output', 'partitionBy'], 'SPEC_CONFLICT', 'excludes layout: perInput'));
  const twice = output.partitionBy.find((name, at) => output.partitionBy.indexOf(name) !== at);
  if (twice !== undefined) found.push(issue(['output', 'partitionBy'], 'SPEC_CONFLICT', `${shown(twice)} stands twice`));
  if (output.layout === 'perInput' && (output.compact || stages.some(({ exchange }) => exchange !== null))) {
    found.push(issue(['output', 'layout'], 'SPEC_CONFLICT', 'perInput excludes reduce stages: their rows come from many files'));
  }
  if (/["\r\n]/.test(output.csv.delimiter)) found.push(issue(['output', 'csv', 'delimiter'], 'SPEC_BAD_VALUE', 'must not be a quote or an end of line'));
  return found;
}

const recordCodes = Object.entries(failureCodes)
  .filter(([code, info]) => info.class === 'data' || code.startsWith('CORE_'))
  .map(([code]) => code);

function budgetIssues(spec: ShapedSpec): SpecIssue[] {
  const { rejects, schema } = spec;
  if (rejects === undefined) return [];
  const fields = typeof schema === 'object' ? schema.fields.map((field) => field.name) : null;
  const ownSchemas = (spec.inputs ?? []).some((input) => input.schema !== null);
  const unknownCodes = Object.keys(rejects.perCode).filter((code) => !recordCodes.some((known) => codeMatches(code, known)));
  const unknownColumns = fields === null || ownSchemas ? [] : Object.keys(rejects.perColumn).filter((column) => !fields.includes(column));
  return [
    ...unknownCodes.map((code) =>
      issue(['rejects', 'perCode', code], 'SPEC_CODE_UNKNOWN', 'there is no such code of a record', nearestName(code, recordCodes)),
    ),
    ...unknownColumns.map((name) => issue(['rejects', 'perColumn', name], 'SPEC_SCHEMA_FIELD', 'there is no such field', nearestName(name, fields ?? []))),
  ];
}

/** Does a budget's code, which may end in `*`, take in this one. */
export function codeMatches(pattern: string, code: string): boolean {
  return pattern.endsWith('*') ? code.startsWith(pattern.slice(0, -1)) : pattern === code;
}

function takenNames(named: readonly { readonly name: string; readonly path: Path }[]): SpecIssue[] {
  const seen = new Map<string, string>();
  return named.flatMap(({ name, path }) => {
    const first = seen.get(name);
    if (first === undefined) seen.set(name, pointerOf(path));
    return first === undefined ? [] : [issue(path, 'SPEC_NAME_TAKEN', `${shown(name)} stands at ${first} already`)];
  });
}

function issue(path: Path, code: FailureCode, message: string, suggestion?: string): SpecIssue {
  return { pointer: pointerOf(path), code, message, ...(suggestion !== undefined && { suggestion }) };
}

function memberOf(value: unknown, name: PropertyKey): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<PropertyKey, unknown>)[name] : undefined;
}
