import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { failureCodes } from '@millrace/protocol';
import fastify, { type FastifyInstance } from 'fastify';
import { codePage } from './code-page.ts';
import { servePages } from './serve-pages.ts';

const site = { origin: 'https://millrace.example.com', isLoopback: false };
let directory: string;
let app: FastifyInstance;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-pages-'));
  const dist = join(directory, 'dist');
  await mkdir(join(dist, 'assets'), { recursive: true });
  await writeFile(join(dist, 'index.html'), '<html><script src="/assets/index-1a2b3c4d.js" nonce="__CSP_NONCE__"></script></html>');
  await writeFile(join(dist, 'assets/index-1a2b3c4d.js'), 'console.log(1);'.repeat(200));
  await writeFile(join(dist, 'assets/index-1a2b3c4d.js.map'), '{}');
  await writeFile(join(dist, 'favicon.svg'), '<svg/>');
  await writeFile(join(directory, 'secret.txt'), 'secret');
  app = fastify();
  await servePages(app, site, dist);
});
after(async () => {
  await app.close();
  await rm(directory, { recursive: true, force: true });
});

const get = (url: string, headers: Record<string, string> = {}) => app.inject({ method: 'GET', url, headers: { accept: 'text/html', ...headers } });

test('every address of a page is the page, with a nonce of its own each time', async () => {
  const nonces = new Set<string>();
  for (const url of ['/', '/jobs', '/jobs/j1?tab=chunks', '/sign-in', '/rejects/j1.clean.3.r17']) {
    const page = await get(url);
    assert.equal(page.statusCode, 200);
    const policy = String(page.headers['content-security-policy']);
    const nonce = /'nonce-([\w-]+)'/.exec(policy)?.[1] ?? '';
    assert.match(page.body, new RegExp(`nonce="${nonce}"`));
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-/);
    assert.equal(page.headers['cache-control'], 'no-store');
    assert.match(String(page.headers['strict-transport-security']), /^max-age=/);
    nonces.add(nonce);
  }
  assert.equal(nonces.size, 5);
});

test('built files are kept for ever, pressed where that is smaller, and not sent twice', async () => {
  const plain = await get('/assets/index-1a2b3c4d.js');
  assert.deepEqual([plain.statusCode, plain.headers['content-encoding']], [200, undefined]);
  assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable');
  const pressed = await get('/assets/index-1a2b3c4d.js', { 'accept-encoding': 'br, gzip' });
  assert.equal(pressed.headers['content-encoding'], 'gzip');
  assert.equal(gunzipSync(pressed.rawPayload).toString(), plain.body);
  const again = await get('/assets/index-1a2b3c4d.js', { 'if-none-match': String(plain.headers.etag) });
  assert.deepEqual([again.statusCode, again.body], [304, '']);
  assert.equal((await get('/favicon.svg')).headers['cache-control'], 'no-cache');
});

test('what was not built has no address', async () => {
  for (const url of [
    '/secret.txt',
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/../../secret.txt',
    '/assets/index-1a2b3c4d.js.map',
    '/nothing.js',
    '/v1/nothing',
    '/docs/nothing',
    '/v1',
  ]) {
    const answer = await get(url);
    assert.equal(answer.statusCode, 404, url);
    assert.doesNotMatch(answer.body, /^secret/);
  }
  assert.equal((await get('/jobs', { accept: 'application/json' })).statusCode, 404);
});

test('every code has a page that can be read, and no other address there has one', async () => {
  for (const code of Object.keys(failureCodes)) {
    const page = codePage(code) ?? assert.fail(code);
    assert.match(page, new RegExp(`<h1>${code}</h1>\\n<p>[A-Z].+\\.</p>`));
    assert.doesNotMatch(page, /undefined|\[object|<script/);
  }
  const served = await get('/docs/errors/CSV_STRAY_QUOTE');
  assert.equal(served.statusCode, 200);
  assert.match(String(served.headers['content-security-policy']), /^default-src 'none'/);
  for (const code of ['csv_stray_quote', 'toString', '__proto__', '<b>']) assert.equal((await get(`/docs/errors/${encodeURIComponent(code)}`)).statusCode, 404);
});

test('without a built dashboard there are the pages of codes alone', async () => {
  const bare = fastify();
  await servePages(bare, site, join(directory, 'nothing-here'));
  assert.equal((await bare.inject({ url: '/' })).statusCode, 404);
  assert.equal((await bare.inject({ url: '/docs/errors/NOT_FOUND' })).statusCode, 200);
  await bare.close();
});
