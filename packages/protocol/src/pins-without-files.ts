/** The pins of an input that nothing is known of. Pure. */
import type { ResolvedField, ResolvedInput, ResolvedJobSpec } from './job-spec-shape.ts';
import type { FieldPins, InputPins, SchemaPins } from './pins.ts';

/** Of an input whose pattern matches nothing, which `ifNone: ok` allows, or a stream that was sealed empty: what the spec says, for nothing will be read. */
export function pinsWithoutFiles(input: ResolvedInput, spec: ResolvedJobSpec): InputPins {
  const schema = input.schema ?? spec.schema;
  return {
    name: input.name,
    format: input.format === 'ndjson' || input.format === 'json' || input.format === 'lines' ? input.format : 'csv',
    compression: 'none',
    encoding: 'utf-8',
    invalidBytes: input.invalidBytes,
    maxRecordBytes: input.maxRecordSize,
    maxInflation: input.maxInflation,
    keepIntactPrefix: input.keepIntactPrefix,
    dialect: null,
    columns: [],
    schema: typeof schema === 'string' ? schemaWithoutFields : { ...schema, fields: schema.fields.map(fieldPins) },
    inferred: [],
    json: { records: input.json.records, duplicateKeys: input.json.duplicateKeys, maxDepth: input.json.maxDepth },
    lines: null,
    evidence: [],
    notes: ['there are no files'],
  };
}

const schemaWithoutFields: SchemaPins = {
  fields: [],
  missingValues: [''],
  match: 'name',
  caseSensitive: true,
  missingColumns: 'fail',
  extraColumns: 'drop',
  primaryKey: [],
};

function fieldPins({ title, description, fields, items, ...field }: ResolvedField): FieldPins {
  return { ...field, ...(fields && { fields: fields.map(fieldPins) }), ...(items && { items: fieldPins(items) }) };
}
