import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connections } from './connections.ts';

const environment = { LAKE_KEY: 'key-of-the-lake', LAKE_SECRET: 'secret-of-the-lake' };
const lake = {
  name: 'lake',
  kind: 's3',
  bucket: 'data',
  endpoint: 'http://127.0.0.1:9000',
  plainHttp: true,
  mode: 'both',
  credentials: { accessKeyId: { env: 'LAKE_KEY' }, secretAccessKey: { env: 'LAKE_SECRET' } },
};

test('Hello names stores without credentials, and requests bring them anew', () => {
  const changing: Record<string, string> = { ...environment };
  const connections = Connections.of([lake], changing);
  assert.deepEqual(connections.forHello(), [
    {
      name: 'lake',
      kind: 's3',
      endpoint: 'http://127.0.0.1:9000',
      region: null,
      bucket: 'data',
      prefix: '',
      mode: 'both',
      auth: 'pipe',
      plainHttp: true,
      privateAddresses: false,
    },
  ]);
  assert.doesNotMatch(JSON.stringify(connections.forHello()), /of-the-lake/);
  const values = (): string[] => connections.credentials().flatMap(({ fields }) => fields.map(({ value }) => value));
  assert.deepEqual(values(), ['key-of-the-lake', 'secret-of-the-lake']);
  changing['LAKE_SECRET'] = 'rotated';
  assert.deepEqual(values(), ['key-of-the-lake', 'rotated']);
  delete changing['LAKE_KEY'];
  assert.deepEqual(values(), []);
  assert.throws(() => connections.check(), /lake: accessKeyId is not in the variable LAKE_KEY/);
});

test('a journal in a bucket borrows the most specific connection that may read and write there', () => {
  const inner = { ...lake, name: 'inner', prefix: 'millrace/' };
  const connections = Connections.of([lake, inner, { ...lake, name: 'reader', prefix: 'millrace/journal/', mode: 'read' }], environment);
  const [journal] = connections.withJournal('s3://data/millrace/journal').forHello();
  assert.deepEqual([journal?.name, journal?.prefix, journal?.mode], ['journal', 'millrace/journal/', 'both']);
  const lent = connections.withJournal('s3://data/millrace/journal').credentials();
  assert.deepEqual(
    lent.map(({ connection }) => connection),
    ['lake', 'inner', 'reader', 'journal'],
  );
  assert.throws(() => connections.withJournal('s3://other/journal'), /no connection of mode both covers/);
  assert.throws(() => connections.withJournal('https://host/x'), /expected file/);
  assert.equal(connections.withJournal('file:///var/journal').journalDirectory, '/var/journal');
});

test('credentials come from files too, and what is wrong is told without its values', () => {
  const home = mkdtempSync(join(tmpdir(), 'mr-connections-'));
  try {
    const path = join(home, 'connections.json');
    writeFileSync(join(home, 'token'), 'token-in-a-file\n');
    writeFileSync(
      path,
      JSON.stringify([{ name: 'web', kind: 'http', endpoint: 'https://files.example.org', credentials: { bearer: { file: join(home, 'token') } } }]),
    );
    assert.equal(Connections.read(path, {}).credentials()[0]?.fields[0]?.value, 'token-in-a-file');
    writeFileSync(path, '{"secretAccessKey": "hidden-value"');
    assert.throws(
      () => Connections.read(path, {}),
      (error: Error) => /it is no JSON/.test(error.message) && !/hidden/.test(error.message),
    );
    assert.throws(() => Connections.read(join(home, 'none'), {}), /ENOENT/);
  } finally {
    rmSync(home, { recursive: true });
  }
});

const refused: readonly (readonly [what: string, written: unknown, message: RegExp])[] = [
  ['a secret in place of where it is', { ...lake, credentials: { accessKeyId: 'hidden-value', secretAccessKey: { env: 'X' } } }, /credentials\/accessKeyId/],
  ['an unknown key', { ...lake, secretKey: 'hidden-value' }, /unknown secretKey/],
  ['plain HTTP that is not permitted', { ...lake, plainHttp: false }, /plainHttp: true/],
  ['a bucket that is missing', { ...lake, bucket: undefined }, /bucket/],
  ['a name that is taken', { ...lake, name: 'journal' }, /journal is taken/],
  ['a kind that there is not', { ...lake, kind: 'ftp' }, /expected s3, gcs, azure or http/],
  ['credentials where none are used', { ...lake, auth: 'none' }, /takes no credentials/],
  ['a prefix with a way up', { ...lake, prefix: 'a/../b' }, /prefix/],
];

for (const [what, written, message] of refused) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => Connections.of([written], environment),
      (error: Error) => message.test(error.message) && !/hidden-value/.test(error.message),
    );
  });
}

test('two connections of one name are refused', () => assert.throws(() => Connections.of([lake, lake], environment), /two connections are called lake/));

test('only the identity of a workload reaches the environment of a core', () => {
  const ambient = { ...lake, auth: 'ambient', credentials: undefined };
  const given = { AWS_ROLE_ARN: 'role', AWS_SECRET_ACCESS_KEY: 'no', HOME: '/root' };
  assert.deepEqual(Connections.of([ambient], given).ambient(), { AWS_ROLE_ARN: 'role' });
  assert.deepEqual(Connections.of([lake], { ...environment, ...given }).ambient(), {});
});
