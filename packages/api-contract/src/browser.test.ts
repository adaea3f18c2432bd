/** What a browser loads must not lead to Node, and the client must not lead to a schema. Every import that stays at run time is followed. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

function importsBehind(entry: string): Set<string> {
  const seen = new Set<string>();
  const visit = (specifier: string, from: string): void => {
    if (/^node:|^zod$/.test(specifier)) return void seen.add(specifier);
    const url = specifier.startsWith('.') ? new URL(specifier, from).href : import.meta.resolve(specifier);
    if (seen.has(url)) return;
    seen.add(url);
    assert.match(url, /\/packages\/[a-z-]+\/src\/.*\.ts$/, `${from} leads to ${url}`);
    const code = stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
    for (const [, next = ''] of code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)) visit(next, url);
  };
  visit(entry, import.meta.url);
  return seen;
}

test('the contract leads to no module of Node', () => {
  const seen = importsBehind('./index.ts');
  assert.ok(seen.has('zod'), 'the walk saw the schemas');
  assert.deepEqual(
    [...seen].filter((one) => one.startsWith('node:')),
    [],
  );
});

test('the client leads to nothing but itself', () => {
  assert.deepEqual([...importsBehind('./client.ts')], [new URL('./client.ts', import.meta.url).href]);
});
