import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { secretsOf } from './secrets.ts';

let home: string;
before(() => {
  home = mkdtempSync(join(tmpdir(), 'mr-secrets-'));
  mkdirSync(join(home, 'held', 'privacy'), { recursive: true });
  writeFileSync(join(home, 'held', 'privacy', 'orders'), 'top secret\r\n');
  writeFileSync(join(home, 'held', 'empty'), '');
  writeFileSync(join(home, 'held', 'large'), Buffer.alloc(65_537, 1));
  writeFileSync(join(home, 'outside'), 'not ours');
  symlinkSync(join(home, 'outside'), join(home, 'held', 'link'));
});
after(() => rmSync(home, { recursive: true, force: true }));

const of = (key: string) => secretsOf({ privacy: { key } }, join(home, 'held'));

test('a job gets what its spec names, without the line end, and nothing when it names nothing', async () => {
  const [secret, ...others] = await of('secret://privacy/orders');
  assert.deepEqual([secret?.name, Buffer.from(secret?.bytes ?? []).toString(), others.length], ['secret://privacy/orders', 'top secret', 0]);
  assert.deepEqual(await secretsOf({ privacy: null }, null), []);
});

for (const [key, why] of [
  ['secret://none', /no such file/],
  ['secret://privacy', /expected a file/],
  ['secret://a/../../outside', /expected names/],
  ['secret://privacy/../privacy/orders', /expected names/],
  ['secret://link', /leads out/],
  ['secret://empty', /is empty/],
  ['secret://large', /at most/],
] as const) {
  test(`${key} is refused`, async () => {
    await assert.rejects(
      of(key),
      (error: Error & { code?: string }) => error.code === 'SPEC_KEY_MISSING' && why.test(error.message) && !error.message.includes(home),
    );
  });
}

test('without a directory every secret is missing', async () => {
  await assert.rejects(secretsOf({ privacy: { key: 'secret://privacy/orders' } }, null), /MILLRACE_SECRETS/);
});
