/** Names of the generated description to what they describe. A name that is not there is a mistake of ours, never of a peer. */
import { enums, type FieldDescription, tables, unions } from './generated/tables.ts';

export type { FieldDescription } from './generated/tables.ts';

export function describeTable(name: string | null): { readonly message: boolean; readonly fields: readonly FieldDescription[] } {
  return known(tables, name);
}

/** Values of an enum in the order of their numbers, from 0. */
export function enumValues(name: string | null): readonly string[] {
  return known(enums, name);
}

/** Tables of a union in the order of their numbers, from 1. */
export function unionMembers(name: string | null): readonly string[] {
  return known(unions, name);
}

function known<T>(described: Readonly<Record<string, T>>, name: string | null): T {
  const found = name === null ? undefined : described[name];
  if (found === undefined) throw new Error(`the schema describes no ${name}`);
  return found;
}
