/** From what probing found to a spec that says all of it, the evidence beside it as comments. Pure. */
import type { DialectPins, Evidence, FieldPins, InputPins, ResolvedInput, ResolvedJobSpec } from '@millrace/protocol';
import { Document, isMap, isScalar, isSeq } from 'yaml';

export interface ProbedSpec {
  /** A legal job spec. */
  readonly spec: Record<string, unknown>;
  /** The same as YAML, with comments. */
  readonly text: string;
}

type Tree = Record<string, unknown>;

/** `files`: the URIs of the files that each input of `spec` stands for. */
export function probedSpec(spec: ResolvedJobSpec, pins: readonly InputPins[], files: readonly (readonly string[])[]): ProbedSpec {
  const inputs = spec.inputs.map((input, index) => probedInput(input, pins[index] as InputPins, input.schema ?? spec.schema, [...(files[index] ?? [])]));
  const tree: Tree = { ...restOfSpec(spec), inputs };
  const doc = new Document(tree);
  for (const [index, of] of pins.entries()) comment(doc, ['inputs', index], of, (files[index] ?? []).length);
  doc.commentBefore = ' How the inputs are read. A value marked detected may be edited; one that is left out is detected again.';
  return { spec: tree, text: doc.toString({ lineWidth: 0 }) };
}

/** Everything of the spec but its inputs, without what was never set. The default settings go without saying. */
function restOfSpec(spec: ResolvedJobSpec): Tree {
  const { name, description, params, labels, pipeline, output } = spec;
  const kept: Tree = { name, description, params, labels, pipeline, output: { uri: output.uri, format: output.format } };
  return withoutEmpty(kept);
}

function probedInput(input: ResolvedInput, pins: InputPins, schema: ResolvedInput['schema'], uri: readonly string[]): Tree {
  return withoutEmpty({
    uri: uri.length === 1 ? uri[0] : uri,
    name: input.name === 'input' ? undefined : input.name,
    format: pins.format,
    compression: pins.compression,
    encoding: pins.encoding,
    invalidBytes: pins.invalidBytes === 'reject' ? undefined : pins.invalidBytes,
    dialect: pins.dialect === null ? undefined : dialectOf(pins.dialect),
    lines: pins.lines === null ? undefined : withoutEmpty({ regex: pins.lines.regex, recordStart: pins.lines.recordStart }),
    json: pins.format === 'json' && pins.json.records !== '' ? { records: pins.json.records } : undefined,
    // What a person wrote of the columns says more than what is pinned of it.
    schema: schema === null || schema === 'auto' ? schemaOf(pins) : schema,
  });
}

/** Options that people may want to change are always shown; the others where they are not as usual. */
function dialectOf(dialect: DialectPins): Tree {
  const { delimiter, quoteChar, doubleQuote, escapeChar, skipInitialSpace, header, headerRows, commentRows, commentChar } = dialect;
  const usual = { headerJoin: ' ', strayQuotes: 'reject', shortRows: 'reject', longRows: 'reject', blankRows: 'skip' } as const;
  const unusual = Object.entries(usual).flatMap(([key, value]) => {
    const is = dialect[key as keyof typeof usual];
    return is === value ? [] : [[key, is]];
  });
  return {
    delimiter,
    quoteChar,
    ...(escapeChar === '' ? { doubleQuote } : { escapeChar }),
    skipInitialSpace,
    header,
    ...(headerRows.length > 0 ? { headerRows } : {}),
    ...(commentRows.length > 0 ? { commentRows } : {}),
    ...(commentChar === '' ? {} : { commentChar }),
    ...(dialect.lineTerminator === null ? {} : { lineTerminator: dialect.lineTerminator }),
    ...(dialect.nullSequence === null ? {} : { nullSequence: dialect.nullSequence }),
    ...Object.fromEntries(unusual),
  };
}

/** Without a single column there is nothing to say. */
function schemaOf({ schema }: InputPins): Tree | string {
  if (schema.fields.length === 0) return 'auto';
  return { fields: schema.fields.map(fieldOf), missingColumns: schema.missingColumns, extraColumns: schema.extraColumns };
}

function fieldOf({ name, type, format, path }: FieldPins): Tree {
  return { name, type, ...(format === 'default' ? {} : { format }), ...(path === null ? {} : { path }) };
}

/** Keys with nothing in them would only be noise. An empty text says something. */
function withoutEmpty(tree: Tree): Tree {
  const isEmpty = (value: unknown): boolean =>
    value === null || value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0);
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => !isEmpty(value)));
}

function comment(doc: Document, path: readonly (string | number)[], pins: InputPins, files: number): void {
  const input = doc.getIn(path, true);
  if (!isMap(input)) return;
  const columns = pins.columns.length;
  const notes = pins.notes.filter((note) => columnOf(note, pins) === null);
  const seen = `${files === 1 ? 'one file' : `${files} files`}, ${columns === 1 ? 'one column' : `${columns} columns`}`;
  input.commentBefore = [` ${seen}`, ...notes.map((note) => ` note: ${note}`)].join('\n');
  for (const evidence of pins.evidence) commentAt(doc, [...path, ...evidence.path.split('.')], evidenceText(evidence));
  const fields = doc.getIn([...path, 'schema', 'fields'], true);
  if (!isSeq(fields)) return;
  for (const [index, field] of pins.schema.fields.entries()) commentField(fields.items[index], field.name, pins);
}

function commentAt(doc: Document, path: readonly (string | number)[], text: string): void {
  const node = doc.getIn(path, true);
  if (isScalar(node)) node.comment = ` ${text}`;
  else if (isSeq(node)) {
    node.flow = true;
    node.comment = ` ${text}`;
  } else if (isMap(node)) node.commentBefore = ` ${text}`;
}

/** One line a column, with what it nearly was. */
function commentField(node: unknown, name: string, pins: InputPins): void {
  if (!isMap(node)) return;
  node.flow = true;
  const about = pins.notes.filter((note) => columnOf(note, pins) === name).map((note) => note.slice(name.length + 2));
  if (about.length > 0) node.comment = ` ${about.join('; ')}`;
}

/** The column that a note is about. */
const columnOf = (note: string, { columns }: InputPins): string | null => columns.find((name) => note.startsWith(`${name}: `)) ?? null;

function evidenceText({ how, confidence, runnerUp, note }: Evidence): string {
  if (how === 'set') return 'set';
  const sure = confidence === null ? '' : `, ${Math.round(confidence * 100)} % sure`;
  const other = runnerUp === null ? '' : `; next best ${JSON.stringify(runnerUp)}`;
  return `detected${sure}${other}${note === null ? '' : `; ${note}`}`;
}
