/** Requests made from the schemas of a route: the least that it takes, and what it must refuse. */

import { z } from 'zod';
import type { Route } from '../../../packages/api-contract/src/route.ts';

type Schema = { readonly [key: string]: unknown };

/** What texts of the contract look like; the first that fits the pattern, format and lengths is taken. */
const texts = [
  `j${'0'.repeat(26)}`,
  `a${'0'.repeat(26)}`,
  `o${'0'.repeat(26)}`,
  `p${'0'.repeat(26)}`,
  `t${'0'.repeat(26)}`,
  `c${'0'.repeat(26)}`,
  `j${'0'.repeat(26)}.read.0`,
  `j${'0'.repeat(26)}.read.0.1`,
  `j${'0'.repeat(26)}.read.0.r1`,
  'fp1-0123456789abcdef',
  'nothing-of-this-name',
  'nothing',
  'plan-nothing-r1',
  'correct horse battery',
  '2026-11-23T10:00:00Z',
  '2026-11-23',
  '30s',
  '1',
  '0',
  'NOT_FOUND',
  'a',
  'true',
  '1h',
  '24h',
];

export function sampleOf(shape: z.ZodType): unknown {
  const schema = z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' }) as Schema;
  return sample(schema, (schema['$defs'] ?? {}) as Readonly<Record<string, Schema>>, shape);
}

function sample(schema: Schema, defs: Readonly<Record<string, Schema>>, whole: z.ZodType): unknown {
  if (typeof schema['$ref'] === 'string') return sample(defs[schema['$ref'].replace('#/$defs/', '')] ?? {}, defs, whole);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if ('default' in schema) return schema['default'];
  const branches = (schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined;
  if (branches !== undefined) return sample(branches[0] ?? {}, defs, whole);
  switch (schema['type']) {
    case 'object': {
      const { required = [], properties = {} } = schema as { required?: string[]; properties?: Readonly<Record<string, Schema>> };
      return Object.fromEntries(required.map((name) => [name, sample(properties[name] ?? {}, defs, whole)]));
    }
    case 'array':
      return Array.from({ length: Number(schema['minItems'] ?? 0) }, () => sample((schema['items'] ?? {}) as Schema, defs, whole));
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return Number(schema['minimum'] ?? (schema['exclusiveMinimum'] === undefined ? 0 : Number(schema['exclusiveMinimum']) + 1));
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return 'a';
  }
}

function textOf({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Schema): string {
  const fits = (text: string): boolean =>
    (pattern === undefined || new RegExp(String(pattern)).test(text)) && text.length >= Number(minLength) && text.length <= Number(maxLength);
  const found = texts.find(fits);
  if (found === undefined) throw new Error(`no sample text fits ${String(pattern)}: add one to test/e2e/support/samples.ts`);
  return found;
}

/** Steps of the path that name nothing that is there. `given` replaces some. */
export function pathOf(route: Route, given: Readonly<Record<string, string>> = {}): string {
  const params = (route.params === undefined ? {} : sampleOf(route.params)) as Record<string, string>;
  return `/v1${route.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(given[name] ?? String(params[name])))}`;
}

/** The query that a route cannot do without. */
export function queryOf(route: Route): string {
  const query = (route.query === undefined ? {} : sampleOf(route.query)) as Record<string, unknown>;
  const search = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]));
  return search.size === 0 ? '' : `?${search}`;
}

export interface BadBody {
  /** What is wrong. */
  readonly what: string;
  readonly body: unknown;
  /** A place that the problem must name. */
  readonly pointer: string;
}

/** Of a body that is an object: each required field left out, each field of another type, one that is unknown. */
export function badBodies(shape: z.ZodType): BadBody[] {
  const schema = z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' }) as Schema;
  const { required = [], properties = {} } = schema as { required?: string[]; properties?: Readonly<Record<string, Schema>> };
  if (schema['type'] !== 'object') return [];
  const good = sampleOf(shape) as Record<string, unknown>;
  const without = (name: string): Record<string, unknown> => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
  return [
    ...required.map((name) => ({ what: `without ${name}`, body: without(name), pointer: `/${name}` })),
    // No field takes a list of lists of nothing.
    ...Object.entries(properties)
      .filter(([, one]) => Object.keys(one).length > 0)
      .map(([name]) => ({ what: `with ${name} of another type`, body: { ...good, [name]: [[[]]] }, pointer: `/${name}` })),
    { what: 'with a field that does not exist', body: { ...good, thereIsNoSuchField: 1 }, pointer: '/thereIsNoSuchField' },
    { what: 'that is a list', body: [good], pointer: '' },
  ];
}
