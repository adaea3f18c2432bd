/** Messages as JSON, for the files beside the shared vectors: bytes become lists of numbers, everything else is JSON already. */

import type { Message } from '../messages.ts';
import { describeTable, type FieldDescription } from '../table-description.ts';

export function messageToJson(message: Message): unknown {
  return JSON.parse(JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)));
}

/** The message again. Trusts the file: it is ours. */
export function messageFromJson(json: unknown): Message {
  const { type } = json as { readonly type: string };
  return tableFromJson(type, json) as Message;
}

function tableFromJson(name: string | null, json: unknown): unknown {
  const given = json as Readonly<Record<string, unknown>>;
  const description = describeTable(name);
  const fields = description.fields.map((field) => [field.name, fieldFromJson(field, given[field.name])]);
  return { ...(description.message ? { type: name } : {}), ...Object.fromEntries(fields) };
}

function fieldFromJson(field: FieldDescription, json: unknown): unknown {
  if (json === null) return null;
  if (field.vector && field.type === 'ubyte') return Uint8Array.from(json as number[]);
  if (field.vector && field.type === 'table') return (json as unknown[]).map((entry) => tableFromJson(field.of, entry));
  if (field.type === 'table') return tableFromJson(field.of, json);
  if (field.type === 'union') return messageFromJson(json);
  return json;
}
