import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { checkJobSpec, type ResolveOptions, resolveJobSpec, specDigest } from './job-spec.ts';
import type { JobSpec } from './job-spec-shape.ts';
import { availabilityIssues } from './spec-available.ts';
import { SpecError } from './spec-error.ts';

const small = { name: 'tidy', inputs: 'file:///data/orders.csv', output: { uri: 'file:///data/out/' } } satisfies JobSpec;
const withInput = (input: object): object => ({ ...small, inputs: { uri: 'file:///a.csv', ...input } });
const withField = (field: object): object => ({ ...small, schema: { fields: [{ name: 'f', ...field }] } });
const withOutput = (output: object): object => ({ ...small, output: { uri: 'file:///o/', ...output } });
const withStage = (...stages: object[]): object => ({ ...small, pipeline: stages });

function issuesOf(written: unknown, options?: ResolveOptions): { pointer: string; code: string; message: string; suggestion?: string }[] {
  const result = checkJobSpec(written, options);
  return 'issues' in result ? [...result.issues] : [];
}

/** A parameter as a spec writes it. */
const placeholder = (name: string): string => `\${${name}}`;

/** `expected`: pointer, code without SPEC_, and the nearest name if there is one. */
function check(written: unknown, ...expected: [pointer: string, code: string, suggestion?: string][]): void {
  const got = issuesOf(written).map(({ pointer, code, suggestion }) => (suggestion === undefined ? [pointer, code] : [pointer, code, suggestion]));
  assert.deepEqual(
    got,
    expected.map(([pointer, code, ...rest]) => [pointer, `SPEC_${code}`, ...rest]),
  );
}

test('the smallest spec resolves with every default filled in', () => {
  const spec = resolveJobSpec(small);
  assert.equal(spec.inputs[0]?.maxRecordSize, 16 * 1024 * 1024);
  assert.deepEqual(spec.inputs[0]?.uri, ['file:///data/orders.csv']);
  assert.equal(spec.output.compression, 'zstd');
  assert.equal(spec.rejects.uri, 'file:///data/out/_rejects/');
  assert.equal(spec.rejects.maxRatio, 0.1);
  assert.equal(spec.execution.chunkSize, 64 * 1024 * 1024);
  assert.equal(spec.retention.history, 30 * 86_400_000);
  assert.equal(spec.execution.jobTimeLimit, null);
  assert.deepEqual(availabilityIssues(spec), []);
});

test('a resolved spec resolves to itself, and so its digest stays', () => {
  const full = {
    ...small,
    labels: { team: `a ${placeholder('params.who')}` },
    params: { who: 'b', n: 3 },
    schema: { fields: [{ name: 'id', type: 'integer', constraints: { minimum: 1 } }], fieldsMatch: 'partial', primaryKey: 'id' },
    inputs: [{ uri: ['file:///a b/ü?*.csv', 'file:///x%20y%3F.csv'], dialect: { delimiter: ';' }, encoding: 'Windows-1252', expect: { files: 3 } }],
    pipeline: [{ sql: 'SELECT id, $n AS n FROM input' }],
    output: { uri: 'file:///o/', format: 'csv', partSize: '2MiB' },
    execution: { jobTimeLimit: '90s', attemptTimeLimit: '2m' },
  };
  const once = resolveJobSpec(full);
  const twice = resolveJobSpec(JSON.parse(JSON.stringify(once)));
  assert.deepEqual(twice, once);
  assert.equal(specDigest(twice), specDigest(once));
  assert.equal(once.execution.jobTimeLimit, 90_000);
  assert.deepEqual(once.inputs[0]?.uri, ['file:///a b/%C3%BC?*.csv', 'file:///x y%3F.csv']);
  assert.equal(once.pipeline[0]?.name, 's1');
  assert.equal(typeof once.schema === 'object' && once.schema.missingColumns, 'setNull');
});

test('the same job written in other words has the same digest', () => {
  const digest = specDigest(resolveJobSpec(small));
  assert.equal(
    specDigest(resolveJobSpec({ ...small, millrace: 1, execution: { chunkSize: '64MiB', priority: 5 }, inputs: [{ uri: [small.inputs] }] })),
    digest,
  );
  assert.notEqual(specDigest(resolveJobSpec({ ...small, execution: { priority: 6 } })), digest);
});

test('every issue is named at once, with pointer, code and nearest name', () => {
  check(
    {
      nmae: 'x',
      inputs: { uri: 'file:///a', dialct: {}, format: 'cvs', maxRecordSize: '1KiB' },
      output: { uri: 'file:///o', compression: 'zsdt' },
      execution: { priority: 'high' },
      rejects: { maxRatio: 2 },
    },
    ['/name', 'MISSING_FIELD'],
    ['/inputs/format', 'BAD_VALUE', 'csv'],
    ['/inputs/maxRecordSize', 'OUT_OF_RANGE'],
    ['/inputs/dialct', 'UNKNOWN_FIELD', 'dialect'],
    ['/output/compression', 'BAD_VALUE', 'zstd'],
    ['/rejects/maxRatio', 'OUT_OF_RANGE'],
    ['/execution/priority', 'WRONG_TYPE'],
    ['/nmae', 'UNKNOWN_FIELD', 'name'],
  );
});

test('structure: types, ranges, versions, unknown names at every depth', () => {
  check(3, ['', 'WRONG_TYPE']);
  check({ ...small, millrace: 2 }, ['/millrace', 'VERSION']);
  check({ ...small, name: 'Orders' }, ['/name', 'BAD_VALUE']);
  check({ ...small, description: 'x'.repeat(1_001) }, ['/description', 'OUT_OF_RANGE']);
  check({ ...small, labels: { No: 'x' } }, ['/labels/No', 'BAD_VALUE']);
  check({ ...small, inputs: [] }, ['/inputs', 'OUT_OF_RANGE']);
  check({ ...small, inputs: 7 }, ['/inputs', 'WRONG_TYPE']);
  check({ ...small, inputs: {} }, ['/inputs/uri', 'MISSING_FIELD']);
  check({ ...small, output: {} }, ['/output/uri', 'MISSING_FIELD']);
  check({ ...small, inputs: [{ uri: 'file:///a' }, { name: 'b', uri: 'file:///b', invalidBytes: 'replce' }] }, [
    '/inputs/1/invalidBytes',
    'BAD_VALUE',
    'replace',
  ]);
  check(withInput({ dialect: { delimeter: ';' } }), ['/inputs/dialect/delimeter', 'UNKNOWN_FIELD', 'delimiter']);
  check(withInput({ dialect: 'atuo' }), ['/inputs/dialect', 'BAD_VALUE', 'auto']);
  check(withInput({ dialect: 4 }), ['/inputs/dialect', 'WRONG_TYPE']);
  check(withInput({ dialect: { doubleQuote: 'yes' } }), ['/inputs/dialect/doubleQuote', 'WRONG_TYPE']);
  check(withInput({ json: { maxDepth: 0 } }), ['/inputs/json/maxDepth', 'OUT_OF_RANGE']);
  check(withField({ typ: 'date' }), ['/schema/fields/0/typ', 'UNKNOWN_FIELD', 'type']);
  check(withField({ type: 'dat' }), ['/schema/fields/0/type', 'BAD_VALUE', 'date']);
  check(withField({ constraints: { maximun: 4 } }), ['/schema/fields/0/constraints/maximun', 'UNKNOWN_FIELD', 'maximum']);
  check({ ...small, rejects: { perColumn: { a: { maxRow: 1 } } } }, ['/rejects/perColumn/a/maxRow', 'UNKNOWN_FIELD', 'maxRows']);
  check({ ...small, retention: { history: '5m' } }, ['/retention/history', 'OUT_OF_RANGE']);
  check({ ...small, execution: { chunkSize: '64MB' } }, ['/execution/chunkSize', 'BAD_VALUE']);
  check({ ...small, execution: { jobTimeLimit: 'soon' } }, ['/execution/jobTimeLimit', 'BAD_VALUE']);
  check({ ...small, execution: { attemptTimeLimit: 90 } }, ['/execution/attemptTimeLimit', 'OUT_OF_RANGE']);
});

test('messages say what was expected and what was got', () => {
  assert.deepEqual(
    issuesOf({ ...small, execution: { priority: 'high' } }).map((issue) => issue.message),
    ['expected a number, got "high"'],
  );
  assert.deepEqual(
    issuesOf(withOutput({ uri: 'file:///o' })).map((issue) => issue.message),
    ['expected a URI ending in "/", got "file:///o"'],
  );
  assert.throws(
    () => resolveJobSpec(withOutput({ format: 'parket' })),
    (error) => error instanceof SpecError && /output\.format: expected one of .*did you mean "parquet"/.test(error.message),
  );
});

test('places: schemes, spelling, secrets', () => {
  check(withInput({ uri: 'orders.csv' }), ['/inputs/uri', 'URI']);
  check({ ...small, inputs: 'orders.csv' }, ['/inputs', 'URI']);
  check(withInput({ uri: ['file:///a', 'flie:///b'] }), ['/inputs/uri/1', 'URI', 'file']);
  check(withInput({ uri: 'file://host/a' }), ['/inputs/uri', 'URI']);
  check(withInput({ uri: 'file:a.csv' }), ['/inputs/uri', 'URI']);
  check(withInput({ uri: 'file:///a/../b' }), ['/inputs/uri', 'URI']);
  check(withInput({ uri: 'file:///a%2F..%2Fb' }), ['/inputs/uri', 'URI']);
  check(withInput({ uri: 'file:///a%00' }), ['/inputs/uri', 'URI']);
  check(withInput({ uri: 'https://user:hunter2@host/a' }), ['/inputs/uri', 'SECRET_INLINE']);
  check(withInput({ uri: 'https://host/a?x=1&X-Amz-Signature=abc' }), ['/inputs/uri', 'SECRET_INLINE']);
  check(withOutput({ uri: 'https://host/o/' }), ['/output/uri', 'URI']);
  check({ ...small, rejects: { uri: 'file:///r' } }, ['/rejects/uri', 'URI']);
  assert.ok(!JSON.stringify(issuesOf(withInput({ uri: 'https://user:hunter2@host/a' }))).includes('hunter2'));
});

test('plain paths start from the directory that is handed in', () => {
  const spec = resolveJobSpec(
    { name: 'x', inputs: ['a b?.csv', '/abs/50%.csv', '../up/ü.csv'].map((uri, i) => ({ uri, name: `i${i}` })), output: { uri: 'out/#1?/' } },
    { baseDir: '/base/dir' },
  );
  assert.deepEqual(
    spec.inputs.flatMap((input) => input.uri ?? []),
    ['file:///base/dir/a b?.csv', 'file:///abs/50%25.csv', 'file:///base/up/%C3%BC.csv'],
  );
  assert.equal(spec.output.uri, 'file:///base/dir/out/%231%3F/');
});

test('parameters are put into URIs and labels, and only known ones', () => {
  const written = { ...small, inputs: `file:///in/${placeholder('params.day')}/*.csv`, labels: { day: placeholder('params.day') }, params: { day: 'monday' } };
  assert.deepEqual(resolveJobSpec(written, { params: { day: 'friday' } }).inputs[0]?.uri, ['file:///in/friday/*.csv']);
  assert.equal(resolveJobSpec(written).labels['day'], 'monday');
  check({ ...written, labels: { day: placeholder('params.dya') } }, ['/labels/day', 'PARAM_UNKNOWN', 'day']);
  check({ ...small, output: { uri: `file:///${placeholder('schedule.date')}/` } }, ['/output/uri', 'PARAM_UNKNOWN']);
  check({ ...written, params: { day: placeholder('params.day') } }, ['/labels/day', 'BAD_VALUE'], ['/inputs', 'BAD_VALUE']);
});

test('parameters in SQL are looked for outside of quotes and comments', () => {
  const sql = 'SELECT $day, \'$no\', "$no", $$ $no $$ -- $no\n/* $no */ FROM input WHERE x = $missing';
  check({ ...withStage({ sql }), params: { day: 1 } }, ['/pipeline/0/sql', 'PARAM_UNKNOWN']);
});

test('fields that exclude or need each other', () => {
  check(withField({ name: '_line' }), ['/schema/fields/0/name', 'NAME_RESERVED']);
  check({ ...small, schema: { fields: [{ name: 'a', aliases: ['b'] }, { name: 'b' }] } }, ['/schema/fields/1/name', 'NAME_TAKEN']);
  check(withField({ onError: 'setNull', constraints: { required: true } }), ['/schema/fields/0/onError', 'CONFLICT']);
  check(withField({ type: 'number', decimalChar: ',', groupChar: ',' }), ['/schema/fields/0/groupChar', 'CONFLICT']);
  check(withField({ type: 'number', precision: 4, scale: 5 }), ['/schema/fields/0/scale', 'OUT_OF_RANGE']);
  check(withField({ type: 'datetime', timezone: 'Mars/Olympus' }), ['/schema/fields/0/timezone', 'TIMEZONE']);
  check(withField({ constraints: { minimum: 3 } }), ['/schema/fields/0/constraints/minimum', 'SCHEMA_FIELD']);
  check(withField({ type: 'integer', constraints: { enum: [1, 2.5] } }), ['/schema/fields/0/constraints/enum', 'SCHEMA_FIELD']);
  check(withField({ constraints: { pattern: '(?=x)y' } }), ['/schema/fields/0/constraints/pattern', 'REGEX']);
  check(withField({ constraints: { pattern: '(a)\\1' } }), ['/schema/fields/0/constraints/pattern', 'REGEX']);
  check(withField({ constraints: { pattern: '(?P<x>[(?=]+)\\\\1' } }));
  check({ ...small, schema: { fields: [{ name: 'a' }], primaryKey: 'aa' } }, ['/schema/primaryKey', 'SCHEMA_FIELD', 'a']);
  const unique = (name: string, more = {}) => ({ name, constraints: { unique: true }, ...more });
  check({ ...small, schema: { fields: [unique('a'), unique('b')], primaryKey: 'a' } });
  check({ ...small, schema: { fields: [unique('a'), unique('b')], primaryKey: ['a', 'b'] } }, ['/schema', 'UNIQUE_LIMIT']);
  check({ ...small, schema: { fields: [{ name: 'a' }], primaryKey: ['a', 'a'] } }, ['/schema/primaryKey', 'SCHEMA_FIELD']);
  check({ ...small, schema: { fields: [unique('a', { type: 'list' })] } }, ['/schema/fields/0/type', 'SCHEMA_FIELD']);
  check({ ...small, schema: { fields: [{ name: 'a', onError: 'setNull' }], primaryKey: 'a' } }, ['/schema/fields/0/onError', 'CONFLICT']);
  check({ ...small, schema: { fields: [{ name: 'a' }], fieldsMatch: 'equal', match: 'name' } }, ['/schema/fieldsMatch', 'CONFLICT']);
  check({ ...small, schema: 'txt' }, ['/schema', 'SCHEMA_FIELD', 'text']);
  check(withInput({ encoding: 'utf-88' }), ['/inputs/encoding', 'ENCODING', 'utf-8']);
  check(withInput({ format: 'ndjson', dialect: { delimiter: ';' } }), ['/inputs/dialect', 'CONFLICT']);
  check(withInput({ dialect: { escapeChar: '\\', doubleQuote: true } }), ['/inputs/dialect/escapeChar', 'CONFLICT']);
  check(withInput({ list: 'file:///l' }), ['/inputs/list', 'CONFLICT']);
  check(withInput({ json: { records: 'data' } }), ['/inputs/json/records', 'BAD_VALUE']);
  check(withInput({ json: { records: '/a~2' } }), ['/inputs/json/records', 'BAD_VALUE']);
  check(withInput({ json: { records: '/a~1b/0' } }));
  check(withInput({ format: 'ndjson', json: { records: '/a' } }), ['/inputs/json/records', 'CONFLICT']);
  check(withInput({ format: 'lines' }), ['/inputs/lines/regex', 'MISSING_FIELD']);
  check(withInput({ format: 'lines', lines: {} }), ['/inputs/lines/regex', 'MISSING_FIELD']);
  check(withInput({ format: 'lines', lines: { regex: '(?<a>x)', grok: '%{WORD:a}' } }), ['/inputs/lines/grok', 'CONFLICT']);
  check(withInput({ format: 'lines', lines: { regex: '(?<a>x)', patterns: { A: 'a' } } }), ['/inputs/lines/patterns', 'CONFLICT']);
  check(withInput({ lines: { regex: '(?<a>x)' } }), ['/inputs/lines', 'CONFLICT']);
  check(
    withInput({ format: 'lines', lines: { regex: '(?<a>x)(?=y)', recordStart: '(?!z)' } }),
    ['/inputs/lines/regex', 'REGEX'],
    ['/inputs/lines/recordStart', 'REGEX'],
  );
  check(withInput({ format: 'lines', lines: { grok: '%{A:a}', patterns: { A: '(?<!x)a' } } }), ['/inputs/lines/grok', 'GROK']);
  check(withInput({ format: 'lines', lines: { grok: '%{WORD:a} (?<b>[(?=]+)' } }));
  check({ ...small, inputs: [{ uri: 'file:///a' }, { uri: 'file:///b' }] }, ['/inputs/1/name', 'NAME_TAKEN']);
  check(withOutput({ format: 'csv', compression: 'snappy' }), ['/output/compression', 'CONFLICT']);
  check(withOutput({ layout: 'perInput', partitionBy: ['a'] }), ['/output/partitionBy', 'CONFLICT']);
  check(withOutput({ partitionBy: ['a', 'a'] }), ['/output/partitionBy', 'CONFLICT']);
});

test('stages: names, sources, and exactly one thing to do', () => {
  check(withStage({ name: 'read', sql: 'SELECT 1' }), ['/pipeline/0/name', 'NAME_RESERVED']);
  check(withStage({ sql: 'SELECT 1' }, { name: 's1', sql: 'SELECT 1' }), ['/pipeline/1/name', 'NAME_TAKEN']);
  check(withStage({}), ['/pipeline/0/sql', 'MISSING_FIELD']);
  check(withStage({ from: 'inptu', sql: 'SELECT 1' }), ['/pipeline/0/from', 'STAGE_UNKNOWN', 'input']);
  check(withStage({ sql: 'SELECT 1', dedupe: {} }), ['/pipeline/0/dedupe', 'CONFLICT'], ['/pipeline/0/dedupe', 'CONFLICT']);
});

test('stages make one graph: map stages first, every input and every stage but the last read once', () => {
  const two = (...pipeline: object[]): object => ({
    ...small,
    inputs: [
      { name: 'a', uri: 'file:///a' },
      { name: 'b', uri: 'file:///b' },
    ],
    pipeline,
  });
  const exchange = { keys: ['k'] };
  const sql = 'SELECT 1';
  check(withStage({ exchange, sql }, { sql }), ['/pipeline/1/exchange', 'STAGE_ORDER']);
  check(two({ from: 'a', sql }, { exchange, sql }), ['/pipeline/0/from', 'STAGE_ORDER']);
  check(two({ from: 'a', sql }, { sql }, { from: ['s1', 's2'], exchange, sql }), ['/pipeline/1/from', 'STAGE_REUSED']);
  check(two({ from: 'a', sql }, { from: 'b', sql }, { exchange, sql }), ['/pipeline/0/name', 'STAGE_ORDER']);
  check(two({ from: 'a', sql }, { from: 'b', sql }, { from: ['s1', 's2'], exchange, sql }, { from: 's1', exchange, sql }), [
    '/pipeline/3/from',
    'STAGE_REUSED',
  ]);
  check(withStage({ sql }, { exchange, sql }, { from: 's9', exchange, sql }), ['/pipeline/2/from', 'STAGE_UNKNOWN', 's1']);
  const once = resolveJobSpec(two({ from: 'a', sql }, { from: 'b', sql }, { from: ['s1', 's2'], exchange, sql }, { exchange, sql }));
  assert.equal(once.pipeline.length, 4);
  resolveJobSpec(withStage({ exchange, sql }));
});

test('exchanges: equal records must be able to meet', () => {
  check(withStage({ exchange: { keys: [], partitions: 2 }, sql: 'SELECT 1' }), ['/pipeline/0/exchange/keys', 'EXCHANGE_KEY']);
  check(withStage({ exchange: { keys: ['a', 'a'] }, sql: 'SELECT 1' }), ['/pipeline/0/exchange/keys', 'EXCHANGE_KEY']);
  check(withStage({ exchange: { keys: ['a', 'b'] }, dedupe: { keys: ['a'] } }), ['/pipeline/0/dedupe/keys', 'EXCHANGE_KEY']);
  check(withStage({ exchange: { keys: [] }, dedupe: {} }), ['/pipeline/0/dedupe/keys', 'EXCHANGE_KEY']);
  check(withStage({ sql: 'SELECT 1', lookups: [{ name: 'input', uri: 'file:///l' }] }), ['/pipeline/0/lookups/0/name', 'NAME_TAKEN']);
  check(withStage({ exchange: { keys: ['a'] }, dedupe: {}, lookups: [{ name: 'l', uri: 'file:///l' }] }), ['/pipeline/0/lookups', 'CONFLICT']);
});

test('budgets name codes and columns that exist', () => {
  check({ ...small, rejects: { perCode: { TYPE_NUMBR: { maxRows: 1 }, 'ENCODING_*': {} } } }, ['/rejects/perCode/TYPE_NUMBR', 'CODE_UNKNOWN', 'TYPE_NUMBER']);
  check({ ...small, schema: { fields: [{ name: 'amount' }] }, rejects: { perColumn: { amonut: { maxRows: 1 } } } }, [
    '/rejects/perColumn/amonut',
    'SCHEMA_FIELD',
    'amount',
  ]);
});

test('shapes of objects and arrays are fields within a field', () => {
  const member = { name: 'city', constraints: { required: true } };
  const shaped = (field: object) => ({ ...small, schema: { fields: [{ name: 'a', type: 'object', fields: [member], ...field }] } });
  check(shaped({}));
  const { schema } = resolveJobSpec(shaped({ fields: [{ name: 'lines', type: 'array', items: { type: 'object', fields: [member] } }] }));
  assert.ok(typeof schema === 'object');
  const lines = schema.fields[0]?.fields?.[0];
  assert.deepEqual([lines?.items?.name, lines?.items?.fields?.[0]?.type, lines?.items?.fields?.[0]?.constraints.required], ['item', 'string', true]);
  check(shaped({ type: 'string' }), ['/schema/fields/0/fields', 'CONFLICT']);
  check(shaped({ items: { type: 'integer' } }), ['/schema/fields/0/items', 'CONFLICT']);
  check(shaped({ fields: [] }), ['/schema/fields/0/fields', 'OUT_OF_RANGE']);
  check(shaped({ fields: [{ nam: 'x' }] }), ['/schema/fields/0/fields/0/name', 'MISSING_FIELD'], ['/schema/fields/0/fields/0/nam', 'UNKNOWN_FIELD', 'name']);
  check(shaped({ fields: [member, member] }), ['/schema/fields/0/fields/1/name', 'NAME_TAKEN']);
  check(shaped({ fields: [{ ...member, path: '/x' }] }), ['/schema/fields/0/fields/0/path', 'CONFLICT']);
  check(shaped({ fields: [{ ...member, constraints: { unique: true } }] }), ['/schema/fields/0/fields/0/constraints/unique', 'SCHEMA_FIELD']);
  check(shaped({ fields: [{ name: 'x', onError: 'setNull' }] }), ['/schema/fields/0/fields/0/onError', 'NOT_AVAILABLE']);
  check(shaped({ fields: [{ name: 'x', type: 'integer', constraints: { pattern: 'a' } }] }), ['/schema/fields/0/fields/0/constraints/pattern', 'SCHEMA_FIELD']);
  const deep = (levels: number): object => (levels === 0 ? { type: 'integer' } : { type: 'array', items: deep(levels - 1) });
  check({ ...small, schema: { fields: [{ name: 'a', ...deep(16) }] } });
  check({ ...small, schema: { fields: [{ name: 'a', ...deep(17) }] } }, [`/schema/fields/0${'/items'.repeat(17)}`, 'OUT_OF_RANGE']);
});

test('unique keys are those of the whole job', () => {
  const keyed = (name: string, key: string | null) => ({
    name,
    uri: `file:///${name}`,
    schema: { fields: [{ name: 'id' }, { name: 'x' }], ...(key && { primaryKey: key }) },
  });
  const inputs = (...keys: (string | null)[]) => keys.map((key, at) => keyed(`in${at}`, key));
  const apart = [
    { name: 'a', from: 'in0', sql: 'SELECT 1' },
    { name: 'b', from: 'in1', sql: 'SELECT 1' },
    { name: 'c', from: ['a', 'b'], exchange: { keys: ['id'] }, sql: 'SELECT 1' },
  ];
  check({ ...small, inputs: inputs('id', 'id') });
  check({ ...small, inputs: inputs('id', 'x') }, ['/inputs/1/schema', 'SCHEMA_FIELD']);
  check({ ...small, inputs: inputs(null, 'id') }, ['/inputs/0/schema', 'SCHEMA_FIELD']);
  check({ ...small, inputs: inputs(null, 'id'), pipeline: apart });
  check({ ...small, inputs: inputs('x', 'id'), pipeline: apart }, ['/inputs/1/schema', 'SCHEMA_FIELD']);
});

test('what this version does not do is refused by name, all at once', () => {
  const written = {
    ...small,
    inputs: [
      {
        uri: ['s3://b/a', 'https://h/a'],
        format: 'csv',
        pin: 'file',
        connection: 'c',
        expect: { sha256: 'a'.repeat(64) },
      },
      { name: 'two', list: 'file:///l', schema: 'auto', pin: 'file' },
    ],
    schema: {
      fields: [
        { name: 'a', type: 'object', fields: [{ name: 'b' }] },
        { name: 'b', format: 'binary' },
      ],
    },
    pipeline: [
      { sql: 'SELECT 1', lookups: [{ name: 'l', uri: 'file:///l', schema: { fields: [{ name: 'k' }], primaryKey: 'k' } }] },
      { exchange: { keys: ['a'] }, dedupe: {} },
    ],
    output: { uri: 'gs://b/o/', format: 'arrow', compact: true },
    privacy: { key: 'secret://a' },
    schedule: { cron: '* * * * *' },
    callbacks: [{ url: 'https://h/', secret: 'secret://a' }],
  };
  const issues = availabilityIssues(resolveJobSpec(written));
  assert.ok(issues.every((issue) => issue.code === 'SPEC_NOT_AVAILABLE' && issue.message.endsWith('is not available in this version')));
  assert.deepEqual(
    issues.map((issue) => issue.pointer),
    ['/inputs/1/pin', '/pipeline/0/lookups/0/schema'],
  );
});

test('anything at all gives a spec or issues, never a fault', () => {
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (a, b, c) => void checkJobSpec({ ...small, inputs: a, schema: b, pipeline: c })));
  fc.assert(fc.property(fc.jsonValue(), (value) => void checkJobSpec(value)));
  fc.assert(fc.property(fc.string(), (uri) => void checkJobSpec(withInput({ uri }), { baseDir: '/x' })));
});
