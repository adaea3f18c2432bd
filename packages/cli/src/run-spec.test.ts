import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { CommandCall, FlagValues } from './command.ts';
import { CommandError } from './command-error.ts';
import { openOutput } from './output.ts';
import { writtenSpec } from './run-spec.ts';

const home = mkdtempSync(join(tmpdir(), 'millrace-run-spec-'));
const data = join(home, 'a.csv');
writeFileSync(data, 'a,b\n1,2\n');
mkdirSync(join(home, 'folder'));
after(() => rmSync(home, { recursive: true }));

const call = (args: readonly string[], flags: FlagValues = {}): CommandCall => ({
  args,
  flags,
  output: openOutput({ json: false, quiet: true, progress: 'none' } as const),
  signal: new AbortController().signal,
  commands: {},
});

const fails = (args: readonly string[], flags: FlagValues, exitCode: number, message: RegExp): void => {
  assert.throws(
    () => writtenSpec(call(args, flags)),
    (error) => error instanceof CommandError && error.exitCode === exitCode && message.test(error.message),
  );
};

test('files and --out make the smallest spec', () => {
  const { spec } = writtenSpec(call([data], { out: join(home, 'out') }));
  assert.deepEqual(spec, { name: 'run', inputs: { uri: [pathToFileURL(data).href] }, output: { uri: `${pathToFileURL(join(home, 'out')).href}/` } });
});

test('flags reach their places in the spec', () => {
  const { spec } = writtenSpec(
    call([data], {
      out: home,
      sql: 'SELECT a FROM input',
      schema: 'text',
      format: 'ndjson',
      'chunk-size': '1MiB',
      delimiter: '\\t',
      quote: "'",
      encoding: 'latin-1',
      'no-header': true,
      set: ['execution.priority=9', 'inputs.0.dialect.nullSequence=\\N', 'output.compression=none'],
    }),
  );
  assert.deepEqual(spec['pipeline'], [{ sql: 'SELECT a FROM input' }]);
  assert.equal(spec['schema'], 'text');
  assert.deepEqual(spec['execution'], { chunkSize: '1MiB', priority: 9 });
  const [input] = spec['inputs'] as Record<string, unknown>[];
  assert.equal(input?.['encoding'], 'latin-1');
  assert.deepEqual(input?.['dialect'], { delimiter: '\t', quoteChar: "'", header: false, nullSequence: '\\N' });
  assert.deepEqual((spec['output'] as Record<string, unknown>)['format'], 'ndjson');
});

test('CSV to CSV without a query or a schema keeps values as text', () => {
  assert.equal(writtenSpec(call([data], { out: home, format: 'csv' })).spec['schema'], 'text');
  assert.equal(writtenSpec(call([data], { out: home, format: 'csv', sql: 'SELECT * FROM input' })).spec['schema'], undefined);
});

test('a spec file is read with its schema, places relative to it', () => {
  writeFileSync(join(home, 'schema.json'), '{"fields":[{"name":"a"}]}');
  writeFileSync(join(home, 'spec.yaml'), 'name: x\ninputs: a.csv\nschema: schema.json\noutput: { uri: out/ }\n');
  const { spec, baseDirectory } = writtenSpec(call([join(home, 'spec.yaml')]));
  assert.equal(baseDirectory, home);
  assert.deepEqual(spec['schema'], { fields: [{ name: 'a' }] });
});

test('what cannot be read is told in one sentence, with the exit code of its kind', () => {
  fails([], {}, 2, /expected FILE/);
  fails([join(home, 'absent.csv')], { out: home }, 3, /no such file/);
  fails([join(home, 'absent.yaml')], {}, 3, /no such file/);
  fails([data], {}, 2, /is no spec/);
  fails([join(home, 'folder')], {}, 2, /is a directory/);
  fails(['/dev/null'], { out: home }, 2, /no regular file/);
  fails([data], { out: home, set: ['x'] }, 2, /PATH=VALUE/);
  writeFileSync(join(home, 'broken.yaml'), 'a: [');
  fails([join(home, 'broken.yaml')], {}, 2, /cannot read/);
});
