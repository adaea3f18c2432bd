import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, type Route, routes as table } from '@millrace/api-contract';
import { openApiOf } from './openapi.ts';

const routes: readonly Route[] = table;

type Json = { readonly [key: string]: Json } & { readonly $ref?: string };
const document = JSON.parse(JSON.stringify(openApiOf(routes, '1.2.3'))) as Json;

test('the document has every route of the table and no other', () => {
  const found = Object.entries(document['paths'] ?? {}).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/^\/v1/, '')}`),
  );
  assert.deepEqual(found.sort(), routes.map(keyOf).sort());
});

test('every reference leads somewhere, every parameter of a path is described, ids are unique', () => {
  const text = JSON.stringify(document);
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) assert.ok(document['components']?.['schemas']?.[name], name);
  assert.doesNotMatch(text, /\$defs/);
  const ids = new Set<string>();
  for (const route of routes) {
    const operation = document['paths']?.[`/v1${route.path}`]?.[route.method.toLowerCase()];
    const parameters = (operation?.['parameters'] ?? []) as unknown as { in: string; name: string }[];
    const named = parameters.filter((one) => one.in === 'path').map((one) => one.name);
    assert.deepEqual(named.sort(), [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort(), keyOf(route));
    assert.ok(!ids.has(route.operationId), route.operationId);
    ids.add(route.operationId);
  }
});

test('the job spec is told whole, as it may be written', () => {
  const spec = document['components']?.['schemas']?.['JobSpec'];
  for (const field of ['name', 'inputs', 'schema', 'pipeline', 'output', 'rejects', 'execution']) assert.ok(spec?.['properties']?.[field], field);
  assert.equal(spec?.['properties']?.['output']?.['type'], 'object');
  assert.deepEqual(new Set(spec?.['required'] as unknown as string[]), new Set(['name', 'inputs', 'output']));
  assert.match(JSON.stringify(spec?.['properties']?.['inputs']), /"enum":\["auto","csv"/);
  const body = document['paths']?.['/v1/jobs']?.['post']?.['requestBody'];
  assert.match(JSON.stringify(body), /"#\/components\/schemas\/JobSpec"/);
});

test('what a route takes and answers has a schema', () => {
  for (const route of routes) {
    const operation = document['paths']?.[`/v1${route.path}`]?.[route.method.toLowerCase()];
    if (route.body !== undefined) assert.ok(operation?.['requestBody']?.['content']?.['application/json']?.['schema'], keyOf(route));
    for (const [status, shape] of Object.entries(route.answers)) {
      if (shape === null) continue;
      const schema = operation?.['responses']?.[status]?.['content']?.['application/json']?.['schema'];
      assert.ok(schema && Object.keys(schema).length > 0, `${keyOf(route)} ${status}`);
    }
  }
});

test('the table keeps its own rules', () => {
  for (const route of routes) {
    const key = keyOf(route);
    if (route.method === 'GET' || route.readOnly) assert.equal(route.act, undefined, `${key} changes nothing`);
    else assert.ok(route.act !== undefined, `${key} changes something: its act needs a name for the audit`);
    if (route.readOnly) assert.equal(route.method, 'POST', `${key}: what is read by GET need not say so`);
    assert.ok(Object.keys(route.answers).length > 0, key);
    assert.ok(!route.summary.endsWith('.'), key);
  }
});
