/** Requests drawn from an OpenAPI document by a seed: most nearly as they should be, some wrong in ways that programs are. */

export type Json = { readonly [key: string]: unknown };

export interface DrawnRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// biome-ignore format: a list to be read at a glance
const odd: readonly unknown[] = [
  null, true, -1, 0, 1.5, 2 ** 53, 1e308, '', ' ', 'x'.repeat(3_000), '\u0000', '__proto__', 'constructor', '../..', '%00', '💥', '0x10', 'NaN', '-0', '1e3',
  [], {}, [[[]]], { toString: 1 }, ['a', 'a'], 'a:b c:', '"', 'state:dead OR', '=1+1', '\ud800',
];

const deepest = 7;

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operation: Json;
}

export class RequestSource {
  readonly #document: Json;
  readonly #random: () => number;
  /** Ids and names of things that are there. */
  readonly #known: readonly string[];
  readonly #operations: readonly Operation[];

  constructor(document: Json, seed: number, known: readonly string[]) {
    this.#document = document;
    this.#random = randomOf(seed);
    this.#known = known;
    this.#operations = Object.entries(document['paths'] as Json).flatMap(([path, methods]) =>
      Object.entries(methods as Json).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation: operation as Json })),
    );
  }

  get operations(): number {
    return this.#operations.length;
  }

  /** Of the operation with this number, counted round and round. */
  draw(number: number): DrawnRequest {
    const { path, method, operation } = this.#operations[number % this.#operations.length] as Operation;
    const parameters = (operation['parameters'] ?? []) as { in: string; name: string; required?: boolean; schema: Json }[];
    const steps = parameters.filter((one) => one.in === 'path').map((one): [string, string] => [one.name, this.#step(one.schema)]);
    const query = parameters.filter((one) => one.in === 'query' && (one.required === true || this.#chance(0.4)));
    const search = new URLSearchParams(query.map((one): [string, string] => [one.name, this.#text(this.#value(one.schema, 0))]));
    if (this.#chance(0.05)) search.set('thereIsNoSuchField', 'x');
    const filled = steps.reduce((whole, [name, step]) => whole.replace(`{${name}}`, encodeURIComponent(step)), path);
    return { method, path: search.size === 0 ? filled : `${filled}?${search}`, ...this.#body(method, operation) };
  }

  #body(method: string, operation: Json): Pick<DrawnRequest, 'headers' | 'body'> {
    const ifMatch: Record<string, string> = this.#chance(0.8) ? { 'if-match': '"1"' } : {};
    if (method === 'GET') return { headers: {}, body: null };
    const content = (operation['requestBody'] as { content?: Json } | undefined)?.content ?? {};
    const [media = 'application/json', described] = Object.entries(content)[0] ?? [];
    const headers = { ...ifMatch, 'content-type': media };
    if (media !== 'application/json') return { headers, body: this.#text(this.#pick(odd)) };
    const value = this.#value(((described as Json | undefined)?.['schema'] ?? {}) as Json, 0);
    return { headers, body: this.#chance(0.03) ? '{"cut": ' : JSON.stringify(value ?? null) };
  }

  /** A step of a path is never empty: that would be another path. */
  #step(schema: Json): string {
    if (this.#known.length > 0 && this.#chance(0.4)) return this.#pick(this.#known);
    const text = this.#text(this.#value(schema, 0));
    return text === '' || text === '.' || text === '..' ? 'x' : text;
  }

  #text(value: unknown): string {
    return (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toWellFormed();
  }

  #value(schema: Json, depth: number): unknown {
    if (this.#chance(0.08) || depth > deepest) return this.#pick(odd);
    if (typeof schema['$ref'] === 'string') return this.#value(this.#resolve(schema['$ref']), depth + 1);
    if ('const' in schema) return schema['const'];
    if (Array.isArray(schema['enum'])) return this.#pick(schema['enum'] as unknown[]);
    const branches = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as Json[] | undefined;
    if (branches !== undefined && branches.length > 0) return this.#value(this.#pick(branches), depth + 1);
    switch (schema['type']) {
      case 'object':
        return this.#object(schema, depth);
      case 'array':
        return Array.from({ length: Number(schema['minItems'] ?? 0) + Math.floor(this.#random() * 3) }, () =>
          this.#value((schema['items'] ?? {}) as Json, depth + 1),
        );
      case 'integer':
      case 'number':
        return Math.floor(Number(schema['minimum'] ?? 0) + this.#random() * Math.min(1_000, Number(schema['maximum'] ?? 1_000)));
      case 'boolean':
        return this.#chance(0.5);
      case 'string':
        return this.#string(schema);
      default:
        return this.#pick(odd);
    }
  }

  #object(schema: Json, depth: number): Json {
    const required = new Set((schema['required'] ?? []) as string[]);
    const wanted = Object.entries((schema['properties'] ?? {}) as Json).filter(([name]) => (required.has(name) ? !this.#chance(0.04) : this.#chance(0.25)));
    const members = wanted.map(([name, one]): [string, unknown] => [name, this.#value(one as Json, depth + 1)]);
    return Object.fromEntries(this.#chance(0.04) ? [...members, ['thereIsNoSuchField', 1]] : members);
  }

  #string({ pattern, format }: Json): string {
    if (this.#known.length > 0 && this.#chance(0.3)) return this.#pick(this.#known);
    if (format === 'date-time') return '2026-11-23T10:00:00Z';
    const fits = typeof pattern === 'string' ? this.#known.filter((text) => new RegExp(pattern).test(text)) : [];
    return fits.length > 0 ? this.#pick(fits) : this.#pick(['a', 'nightly', '30s', '1', 'SELECT 1', 'file:///tmp/x.csv', 'state:dead', '2026-11-23']);
  }

  #resolve(reference: string): Json {
    const steps = reference.replace('#/', '').split('/');
    return (steps.reduce<unknown>((at, step) => (at as Json)[step], this.#document) ?? {}) as Json;
  }

  #chance(part: number): boolean {
    return this.#random() < part;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }
}
