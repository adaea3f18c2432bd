/** `millrace run` on one JSON array and on logs: types, chunks, rejects at their place, and what is refused before or while planning. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli, documents } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('json-and-lines');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

function write(name: string, text: string): string {
  const path = bench.path(name);
  writeFileSync(path, text);
  return path;
}

/** Writes a spec beside its data and runs it; answers the last document. */
async function runSpec(name: string, input: object, rest: object = {}, expected = 0): Promise<Record<string, unknown>> {
  const spec = { name: 'formats', inputs: input, output: { uri: `${bench.path(name)}/`, format: 'ndjson' }, execution: { chunkSize: '64KiB' }, ...rest };
  const end = await cli(['run', write(`${name}.spec.json`, JSON.stringify(spec)), '--json', '--workers', '1']);
  assert.equal(end.code, expected, end.stderr);
  return { ...documents(end).at(-1), stderr: end.stderr };
}

const rowsOf = (name: string): Record<string, unknown>[] =>
  readdirSync(bench.path(name))
    .filter((file) => file.startsWith('part-'))
    .sort()
    .flatMap((file) => readFileSync(join(bench.path(name), file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const rejectsOf = async (name: string): Promise<Record<string, unknown>[]> => documents(await cli(['rejects', 'ls', bench.path(name), '--json']));

/** Every reject names the very bytes of the file. */
function assertRaw(rejects: readonly Record<string, unknown>[], bytes: Buffer): void {
  for (const { byte, byteEnd, rawBase64 } of rejects) {
    assert.equal(bytes.subarray(byte as number, byteEnd as number).toString('base64'), rawBase64);
  }
}

const balanceOf = (result: Record<string, unknown>): number[] => {
  const { recordsIn, emitted, rejected } = result['balance'] as Record<string, number>;
  return [recordsIn ?? -1, emitted ?? -1, rejected ?? -1];
};

describe('format json', () => {
  it('is found by content, and read in chunks to the same rows', async () => {
    const records = Array.from({ length: 6_000 }, (_, id) => ({ id, name: `näme "${id}" ],{`, price: id / 4, ok: id % 2 === 0, at: '2026-01-02T03:04:05Z' }));
    const file = write('array.json', JSON.stringify(records, null, 2));
    const end = await cli(['run', file, '--out', bench.path('array'), '--json', '--workers', '2', '--chunk-size', '64KiB']);
    assert.equal(end.code, 0, end.stderr);
    assert.deepEqual(balanceOf(documents(end).at(-1) ?? {}), [6_000, 6_000, 0]);
    const parquet = `read_parquet('${bench.path('array')}/part-*.parquet')`;
    const [[count, ids, sum, named]] = (await query(
      `SELECT count(*), count(DISTINCT id), sum(price), count(*) FILTER (name = 'näme "' || id || '" ],{') FROM ${parquet}`,
    )) as [[bigint, bigint, number, bigint]];
    assert.deepEqual([Number(count), Number(ids), Number(sum), Number(named)], [6_000, 6_000, (5_999 * 6_000) / 8, 6_000]);
    const types = new Map((await query(`DESCRIBE SELECT * FROM ${parquet}`)).map(([name, type]) => [name, type]));
    assert.deepEqual([types.get('id'), types.get('price'), types.get('ok')], ['BIGINT', 'DOUBLE', 'BOOLEAN']);
  });

  it('takes an array below a pointer and rejects single elements at their place', async () => {
    const element = (id: number) => (id % 1_000 === 7 ? `{"id": ${id}, "tag": "unfinished}` : `{"id": ${id},\n  "tag": "t${id % 3}"}`);
    const elements = Array.from({ length: 3_000 }, (_, id) => (id === 1_500 ? '{"id": "x"}' : id % 1_000 === 7 ? `{"id": ${id} "tag"}` : element(id)));
    const text = `{"meta": {"count": 3000, "items": []},\n"data": {"items": [\n${elements.join(',\n')}\n]}, "more": [1]}\n`;
    const file = write('below.json', text);
    const schema = { fields: [{ name: 'id', type: 'integer' }, { name: 'tag' }] };
    const result = await runSpec('below', { uri: file, json: { records: '/data/items' } }, { schema });
    assert.deepEqual(balanceOf(result), [3_000, 2_996, 4]);
    assert.deepEqual(result['byCode'], { JSON_SYNTAX: 3, TYPE_INTEGER: 1 });
    const rejects = await rejectsOf('below');
    assertRaw(rejects, Buffer.from(text));
    const typed = rejects.find(({ code }) => code === 'TYPE_INTEGER');
    const at = text.indexOf('{"id": "x"}');
    assert.deepEqual([typed?.['record'], typed?.['byte'], typed?.['line']], [1_501, at, text.slice(0, at).split('\n').length]);
    assert.equal(rowsOf('below').length, 2_996);
  });

  it('names the byte at which an array cannot be followed', async () => {
    const file = write('broken.json', '[{"id":1},\n{"id":2}\n{"id":3}]');
    const result = await runSpec('broken', { uri: file, format: 'json' }, { execution: { maxAttempts: 1 } }, 7);
    assert.equal(result['state'], 'failed');
    const [dead] = documents(await cli(['dead', 'ls', bench.path('broken'), '--json']));
    assert.equal(dead?.['code'], 'JSON_ARRAY_BROKEN');
    assert.match(String(dead?.['message']), /byte 20/);
  });
});

describe('format lines', () => {
  it('reads a web log by grok, with types from the schema', async () => {
    const line = (n: number) =>
      `192.0.2.${n % 250} - user${n} [10/Oct/2026:13:${String(n % 60).padStart(2, '0')}:36 +0000] "GET /p/${n} HTTP/1.1" ${n % 7 === 0 ? 404 : 200} ${n === 11 ? '-' : n * 3}`;
    const lines = Array.from({ length: 4_000 }, (_, n) => (n === 1_234 ? 'segfault at 0x0' : line(n)));
    const text = `${lines.join('\n')}\n`;
    const schema = {
      fields: [
        { name: 'clientip' },
        { name: 'timestamp', type: 'datetime', format: '%d/%b/%Y:%H:%M:%S %z' },
        { name: 'response', type: 'integer' },
        { name: 'bytes', type: 'integer' },
        { name: 'request' },
      ],
    };
    const result = await runSpec('weblog', { uri: write('access.log', text), format: 'lines', lines: { grok: '%{COMMONAPACHELOG}' } }, { schema });
    assert.deepEqual(balanceOf(result), [4_000, 3_999, 1]);
    const [reject, ...others] = await rejectsOf('weblog');
    assert.deepEqual(
      [others.length, reject?.['code'], reject?.['record'], reject?.['line'], reject?.['raw']],
      [0, 'LINES_NO_MATCH', 1_235, 1_235, 'segfault at 0x0\n'],
    );
    assertRaw(reject === undefined ? [] : [reject], Buffer.from(text));
    const rows = rowsOf('weblog');
    assert.deepEqual(rows[11], { clientip: '192.0.2.11', timestamp: '2026-10-10T13:11:36Z', response: 200, bytes: null, request: '/p/11' });
    assert.equal(
      rows.reduce((sum, { response }) => sum + Number(response === 404), 0),
      lines.filter((_, n) => n % 7 === 0 && n !== 1_234).length,
    );
  });

  it('keeps stack traces with the line that began them', async () => {
    const records = Array.from({ length: 2_000 }, (_, n) => {
      const trace = n % 5 === 0 ? `\n\tat org.example.Main(Main.java:${n})\n\n\tat java.base/Thread` : '';
      return `2026-02-03 04:05:06 ${n === 777 ? 'LOUD' : ['INFO', 'WARN'][n % 2]} ${n === 900 ? 'x' : n} message ${n}${trace}`;
    });
    const text = records.join('\n');
    const lines = {
      grok: '(?s)^%{DATETIME:at} %{LEVEL:level} %{NOTSPACE:number:int} (?<text>.*)$',
      patterns: { DATETIME: '%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{TIME}', LEVEL: 'INFO|WARN' },
      recordStart: '^\\d{4}-',
    };
    const schema = { fields: [{ name: 'at', type: 'datetime' }, { name: 'level' }, { name: 'number', type: 'integer' }, { name: 'text' }] };
    const result = await runSpec(
      'traces',
      { uri: write('app.log', text), format: 'lines', lines },
      { schema, pipeline: [{ sql: "SELECT number, text FROM input WHERE level = 'WARN' OR number % 5 = 0" }] },
    );
    assert.deepEqual(result['byCode'], { LINES_NO_MATCH: 1, TYPE_INTEGER: 1 });
    const rejects = await rejectsOf('traces');
    assertRaw(rejects, Buffer.from(text));
    const lineOf = (n: number) => text.slice(0, text.indexOf(records[n] as string)).split('\n').length;
    assert.deepEqual(
      rejects.map(({ record, line, errorByte }) => [record, line, errorByte]),
      [
        [778, lineOf(777), text.indexOf(records[777] as string)],
        [901, lineOf(900), text.indexOf('x message 900')],
      ],
    );
    const traced = rowsOf('traces').find(({ number }) => number === 5);
    assert.equal(traced?.['text'], 'message 5\n\tat org.example.Main(Main.java:5)\n\n\tat java.base/Thread');
  });

  it('refuses patterns that cannot be used before anything is read', async () => {
    const uri = write('any.log', 'a\n');
    const unknown = await runSpec('grok', { uri, format: 'lines', lines: { grok: '%{NOSUCH:x}' } }, {}, 2);
    assert.match(String(unknown['stderr']), /SPEC_GROK.*NOSUCH|NOSUCH/s);
    const around = await runSpec('around', { uri, format: 'lines', lines: { regex: '(?<a>a)(?=b)' } }, {}, 2);
    assert.match(String(around['stderr']), /look-around/);
  });
});
