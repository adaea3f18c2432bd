/** Which fields of documents a caller wants: `jobId`, `chunks.dead`. Names that no document had are told. Pure but for what it has seen. */

export interface FieldsSeen {
  note(document: unknown): void;
  /** Every field that was seen, parents before their members, in the order of the documents. */
  all(): string[];
  /** Wanted fields that no document had; none while there was no document. */
  missing(): string[];
}

export function seenFields(wanted: readonly string[]): FieldsSeen {
  const seen = new Set<string>();
  return {
    note: (document) => {
      for (const field of fieldsOf(document)) seen.add(field);
    },
    all: () => [...seen],
    missing: () => (seen.size === 0 ? [] : wanted.filter((field) => !seen.has(field))),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function* fieldsOf(document: unknown, prefix = ''): Generator<string> {
  if (!isObject(document)) return;
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined) continue;
    yield `${prefix}${name}`;
    yield* fieldsOf(value, `${prefix}${name}.`);
  }
}

/** The wanted fields by their whole names, in the order they are wanted; undefined when the document has none of them. */
export function picked(document: unknown, wanted: readonly string[]): Record<string, unknown> | undefined {
  const found = wanted.flatMap((field) => {
    const value = valueAt(document, field);
    return value === undefined ? [] : [[field, value] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function valueAt(document: unknown, field: string): unknown {
  let value = document;
  for (const name of field.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}
