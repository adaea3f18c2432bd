/** What the pages tell to type for a cluster, typed: with a kubectl that needs none, which makes every object for real and sends it nowhere. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build, buildWith, installTools, type Manifest, root } from './tools.ts';

const pages: readonly (readonly [page: string, fence: string])[] = [
  ['k8s/README.md', 'sh'],
  ['docs/operating.md', 'sh no-run'],
  ['docs/scaling.md', 'sh no-run'],
];

let place: string;

before(() => {
  installTools();
  place = mkdtempSync(join(tmpdir(), 'millrace-cluster-pages-'));
  mkdirSync(join(place, 'bin'));
  const kubectl = join(place, 'bin', 'kubectl');
  writeFileSync(kubectl, `#!/bin/sh\nexec ${process.execPath} ${join(root, 'test/manifests/kubectl-without-cluster.ts')} ${place} "$@"\n`);
  chmodSync(kubectl, 0o755);
  symlinkSync(join(root, 'k8s'), join(place, 'k8s'));
  // What the reader brings along.
  const selfSigned = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=millrace.example', '-keyout', 'tls.key', '-out', 'tls.crt'];
  const made = spawnSync('openssl', selfSigned, { cwd: place, encoding: 'utf8' });
  assert.equal(made.status, 0, `openssl: ${made.stderr}`);
  writeFileSync(join(place, 'token'), `mrt_${'x'.repeat(43)}`);
});
after(() => rmSync(place, { recursive: true, force: true }));

const blocksOf = (page: string, fence: string): string[] =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].filter(([, mark]) => mark === fence).map(([, , text = '']) => text);

const made = (): Manifest[] =>
  readFileSync(join(place, 'made.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Manifest);

const secret = (name: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries((made().find((one) => one.kind === 'Secret' && one.metadata.name === name)?.['data'] ?? {}) as Record<string, string>).map(
      ([key, value]) => [key, Buffer.from(value, 'base64').toString()] as const,
    ),
  );

describe('the pages of a cluster, followed', () => {
  for (const [page, fence] of pages) {
    for (const text of blocksOf(page, fence)) {
      it(`${page} ${text.split('\n')[0]}`, () => {
        const done = spawnSync('bash', ['-eu', '-o', 'pipefail', '-c', text], {
          cwd: place,
          encoding: 'utf8',
          env: { ...process.env, PATH: `${join(place, 'bin')}:${process.env['PATH']}` },
        });
        assert.equal(done.status, 0, `${text}\n${done.stdout}${done.stderr}`);
      });
    }
  }

  it('have made every secret that a manifest asks for, in the namespace, with the keys that are read', () => {
    const objects = [...build('k8s/overlays/prod'), ...buildWith(['autoscaling-keda', 'autoscaling-keda-redis', 'ingress', 'redis'])];
    const asked = new Set([...JSON.stringify(objects).matchAll(/"secretName":"([^"]+)"/g)].map(([, name = '']) => name));
    for (const one of objects.filter(({ kind }) => kind === 'TriggerAuthentication')) for (const { name } of one['spec'].secretTargetRef) asked.add(name);
    const found = made().filter(({ kind }) => kind === 'Secret');
    assert.deepEqual([...asked].filter((name) => !found.some(({ metadata }) => metadata.name === name)).sort(), []);
    for (const { metadata } of found) assert.equal(metadata.namespace, 'millrace');
    for (const role of ['millrace-scheduler', 'millrace-worker-host']) assert.deepEqual(Object.keys(secret(role)).sort(), ['redis-password', 'task-key']);
    for (const one of objects.filter(({ kind }) => kind === 'TriggerAuthentication'))
      for (const { name, key } of one['spec'].secretTargetRef) assert.ok(key in secret(name), `${name} has no ${key}`);
    assert.match(secret('millrace-scheduler')['task-key'] ?? '', /^k1:[0-9a-f]{64}\n$/);
  });

  it('give each user of Redis the hash of the password its role reads', () => {
    const users = secret('millrace-redis-users')['users.acl'] ?? '';
    for (const [user, holder] of [
      ['scheduler', 'millrace-scheduler'],
      ['worker', 'millrace-worker-host'],
      ['api', 'millrace-api'],
    ] as const) {
      const password = (secret(holder)['redis-password'] ?? '').trimEnd();
      assert.ok(users.includes(`user ${user} on #${createHash('sha256').update(password).digest('hex')} `), user);
    }
  });
});
