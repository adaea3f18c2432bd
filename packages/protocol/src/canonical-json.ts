/** Canonical JSON as in RFC 8785: one text for one value, so that a digest of it names the value. Pure. */
import { hash } from 'node:crypto';

/** Throws for what JSON cannot say (undefined, NaN, infinities, functions) and for text with a lone surrogate. */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('cannot write canonical JSON: text with a lone surrogate');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`cannot write canonical JSON: ${value} is not a JSON number`);
      return JSON.stringify(value);
    case 'boolean':
      return String(value);
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalList(value) : canonicalObject(value);
    default:
      throw new TypeError(`cannot write canonical JSON: ${typeof value} is not a JSON value`);
  }
}

/** SHA-256 in lower-case hex, the form of every digest in the journal. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}

function canonicalList(items: readonly unknown[]): string {
  // Of a list of texts canonical JSON is plain JSON: a plan has a hundred thousand ids.
  if (items.every((item) => typeof item === 'string' && item.isWellFormed())) return JSON.stringify(items);
  return `[${items.map(canonicalJson).join(',')}]`;
}

function canonicalObject(object: object): string {
  // RFC 8785 orders members by UTF-16 code units, which is the default order of sort().
  const members = Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`;
}
