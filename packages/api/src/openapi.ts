/** The API as an OpenAPI 3.1 document, made from the table of routes and the schemas that check requests and answers. Pure. */
import { commonErrors, type MediaType, problemMedia, problemShape, type Route, statusOf } from '@millrace/api-contract';
import { type FailureCode, jobSpecShape } from '@millrace/protocol';
import { z } from 'zod';

type Json = Record<string, unknown>;

export function openApiOf(routes: readonly Route[], version: string): Json {
  const components: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = `/v1${route.path}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, components) };
  }
  schemaOf(problemShape, 'output', components, 'Problem');
  addJobSpec(components);
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version, description: 'File processing that can be trusted. Every answer that is not 2xx is a problem (RFC 9457) with a code.' },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API token, mrt_…' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-millrace', description: 'Set by POST /v1/sessions' },
      },
    },
  };
}

/** A spec as it may be written. What ties its fields together is checked behind this, and told with pointers too. */
function addJobSpec(components: Record<string, Json>): void {
  delete components['JobSpec'];
  schemaOf(jobSpecShape, 'input', components, 'JobSpec');
  const { properties } = components['JobSpec'] as { properties?: Record<string, Json> };
  if (properties?.['inputs'] === undefined) return;
  const { items } = properties['inputs'] as { items?: Json };
  properties['inputs'] = { anyOf: [{ type: 'string', description: 'the URI of the one input' }, items ?? {}, properties['inputs']] };
}

function operationOf(route: Route, components: Record<string, Json>): Json {
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: needs(route),
    ...(route.role === 'public' ? { security: [] } : {}),
    parameters: [...parametersOf(route, components), ...headersOf(route)],
    ...requestBody(route, components),
    responses: { ...answersOf(route, components), ...problemsOf(route) },
    'x-role': route.role,
    ...(route.scope === undefined ? {} : { 'x-scope': route.scope }),
    ...(route.act === undefined ? {} : { 'x-act': route.act }),
    ...(route.content === undefined ? {} : { 'x-content': route.content }),
  };
}

function needs({ role, fresh, view, content, everyTenant }: Route): string {
  const parts = [role === 'public' ? 'Needs no credentials.' : `Needs the role ${role} or above.`];
  if (everyTenant) parts.push('The role must be for all tenants.');
  if (fresh) parts.push('Needs a sign-in within the last 10 minutes.');
  if (view !== undefined) parts.push('Each view is recorded.');
  if (content !== undefined)
    parts.push('Content of records, asked for by content=true or as an export, needs the role steward, and each view of it is recorded.');
  return parts.join(' ');
}

function parametersOf(route: Route, components: Record<string, Json>): Json[] {
  const read = (shape: z.ZodObject | undefined, where: 'path' | 'query'): Json[] =>
    Object.entries(shape?.shape ?? {}).map(([name, one]) => ({
      name,
      in: where,
      required: where === 'path' || !(one as z.ZodType).safeParse(undefined).success,
      schema: schemaOf(one as z.ZodType, 'input', components),
    }));
  return [...read(route.params, 'path'), ...read(route.query, 'query')];
}

function headersOf(route: Route): Json[] {
  const text = { type: 'string' };
  return [
    ...(route.method === 'POST' && route.readOnly !== true && (route.ownKey !== true || route.operationId === 'submitJob')
      ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { ...text, maxLength: 255 } }]
      : []),
    ...(route.ifMatch === true ? [{ name: 'If-Match', in: 'header', required: true, schema: text }] : []),
    ...(route.etag === true && route.method === 'GET' ? [{ name: 'If-None-Match', in: 'header', required: false, schema: text }] : []),
  ];
}

const binary = { type: 'string', contentMediaType: 'application/octet-stream' };

function requestBody(route: Route, components: Record<string, Json>): Json {
  if (route.accepts !== undefined) {
    return { requestBody: { required: true, content: Object.fromEntries(route.accepts.map((media) => [media, { schema: binary }])) } };
  }
  if (route.body === undefined) return {};
  const content = { 'application/json': { schema: schemaOf(route.body, 'input', components) } };
  return { requestBody: { required: route.bodyOptional !== true, content } };
}

const meanings: Readonly<Record<number, string>> = { 200: 'Done', 201: 'Made', 202: 'Accepted: it happens after this answer', 204: 'Done', 206: 'A part' };

function answersOf(route: Route, components: Record<string, Json>): Json {
  const answers = Object.entries(route.answers).map(([status, shape]): [string, Json] => {
    const json = shape === null ? {} : { 'application/json': { schema: schemaOf(shape, 'output', components) } };
    const others = Object.fromEntries((route.media ?? []).map((media: MediaType) => [media, { schema: { type: 'string' } }]));
    const content = { ...json, ...(status === '200' || status === '206' ? others : {}) };
    return [status, { description: meanings[Number(status)] ?? 'Done', ...(Object.keys(content).length === 0 ? {} : { content }) }];
  });
  return Object.fromEntries([...answers, ...(route.etag === true && route.method === 'GET' ? [['304', { description: 'As it was' }]] : [])]);
}

function problemsOf(route: Route): Json {
  const byStatus = new Map<number, FailureCode[]>();
  const open: readonly FailureCode[] = route.role === 'public' ? ['REQUEST_INVALID', 'RATE_LIMITED', 'INTERNAL'] : commonErrors;
  for (const code of new Set([...open, ...route.errors])) byStatus.set(statusOf(code), [...(byStatus.get(statusOf(code)) ?? []), code]);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      { description: codes.join(', '), content: { [problemMedia]: { schema: { $ref: '#/components/schemas/Problem' } } } },
    ]),
  );
}

/** Shapes that carry an id become components; the others stand where they are used. */
function schemaOf(shape: z.ZodType, io: 'input' | 'output', components: Record<string, Json>, name?: string): Json {
  const made = z.toJSONSchema(shape, { target: 'draft-2020-12', io, unrepresentable: 'any', reused: 'inline' }) as Json;
  const { $schema: _, $defs = {}, ...schema } = made;
  const own = name ?? (typeof schema['id'] === 'string' ? schema['id'] : undefined);
  // What refers to itself has a made-up name, which other schemas have too.
  const nameOf = (id: string): string => (id.startsWith('__') ? `${own ?? 'Shape'}${id.slice(2)}` : id);
  for (const [id, definition] of Object.entries($defs as Record<string, Json>)) components[nameOf(id)] ??= relinked(definition, nameOf);
  const plain = relinked(schema, nameOf);
  if (own === undefined) return plain;
  components[own] ??= plain;
  return { $ref: `#/components/schemas/${own}` };
}

function relinked(schema: Json, nameOf: (id: string) => string): Json {
  const { id: _, ...rest } = schema;
  return JSON.parse(JSON.stringify(rest).replace(/"#\/\$defs\/([^"]+)"/g, (__, id: string) => `"#/components/schemas/${nameOf(id)}"`)) as Json;
}
