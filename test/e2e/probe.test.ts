/** `millrace probe`: what it prints is a spec that reads the same bytes alike, and can be edited. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { cli } from './support/cli.ts';
import { query } from './support/duckdb.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('probe');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

function write(name: string, bytes: string | Uint8Array): string {
  writeFileSync(bench.path(name), bytes);
  return bench.path(name);
}

/** The spec that probing prints, written to a file with `edit` applied to its text. */
async function probed(name: string, args: readonly string[], edit = (text: string): string => text): Promise<{ spec: string; text: string }> {
  const end = await cli(['probe', ...args, ...(args.includes('--spec') ? [] : ['--out', bench.path(`${name}.probed`)])]);
  assert.equal(end.code, 0, end.stderr);
  return { spec: write(`${name}.yaml`, edit(end.stdout)), text: end.stdout };
}

async function rowsOf(args: readonly string[], out: string): Promise<string[]> {
  const end = await cli(['run', ...args, '--workers', '1']);
  assert.equal(end.code, 0, end.stderr);
  return (await query(`SELECT * FROM read_parquet('${out}/part-*.parquet')`)).map(String);
}

/** Reads a file as it is, and by the spec that probing gives. */
async function bothWays(name: string, file: string): Promise<string> {
  const { spec, text } = await probed(name, [file]);
  const plain = await rowsOf([file, '--out', bench.path(`${name}.plain`)], bench.path(`${name}.plain`));
  assert.ok(plain.length > 0);
  assert.deepEqual(await rowsOf([spec], bench.path(`${name}.probed`)), plain);
  return text;
}

const german =
  'nr;datum;betrag;ort\n1;31.12.2024;12,5;München\n2;01.02.2024;7,25;"a;b"\n3;05.02.2024;1,00;Görlitz, Süd\n4;06.02.2024;8,00;Größere Grüße überall dort, für Jörg\n';

describe('probe', () => {
  it('gives a spec that reads a compressed file of another encoding as it is read without it', async () => {
    const text = await bothWays('german', write('german.csv.gz', gzipSync(Buffer.from(german, 'latin1'))));
    assert.match(text, /compression: gzip # detected/);
    assert.match(text, /encoding: windows-1252 # detected, \d+ % sure; next best/);
    assert.match(text, /delimiter: ; # detected, \d+ % sure; next best/);
    assert.match(text, /name: datum, type: date, format: "?%d\.%m\.%Y/);
    assert.match(text, /name: betrag, type: string \} # number with decimalChar ","/);
  });

  it('takes an edited spec', async () => {
    const file = write('edit.csv', german);
    const edit = (text: string): string => text.replace('name: betrag, type: string', 'name: betrag, type: number, decimalChar: ","');
    const { spec } = await probed('edit', [file], edit);
    assert.deepEqual(
      (await rowsOf([spec], bench.path('edit.probed'))).map((row) => row.split(',')[2]),
      ['12.5', '7.25', '1', '8'],
    );
  });

  it('reads NDJSON, a JSON array and lines alike', async () => {
    assert.match(await bothWays('nd', write('a.ndjson', '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n')), /format: ndjson # detected/);
    assert.match(await bothWays('array', write('a.json', '[{"a":1},\n{"a":2}]')), /format: json # detected/);
    const set = ['--set', 'inputs.format=lines', '--set', 'inputs.lines.regex=^(?<level>\\w+): (?<text>.*)$'];
    const { spec, text } = await probed('log', [write('a.log', 'INFO: started\nWARN: slow, very\n'), ...set]);
    assert.match(text, /format: lines # set/);
    assert.deepEqual(await rowsOf([spec], bench.path('log.probed')), ['INFO,started', 'WARN,slow, very']);
  });

  it('keeps what a spec says, and says so', async () => {
    write('given.csv', german);
    const spec = write(
      'given-spec.yaml',
      'name: given\ninputs: { uri: given.csv, encoding: utf-8, dialect: { delimiter: "," } }\nschema: text\noutput: { uri: given.out/ }\n',
    );
    const { text } = await probed('given', ['--spec', spec]);
    assert.match(text, /encoding: utf-8 # set/);
    assert.match(text, /delimiter: "?,"? # set/);
    const tree = parse(readFileSync(bench.path('given.yaml'), 'utf8'));
    assert.equal(tree.inputs[0].schema, 'text');
    assert.equal(tree.name, 'given');
    // Another file in place of the spec's own.
    const other = await cli(['probe', '--spec', spec, write('other.csv', 'x,y\n1,2\n'), '--json']);
    const [document] = other.stdout.split('\n').filter((line) => line !== '');
    assert.deepEqual(JSON.parse(document as string).inputs[0].columns, ['x', 'y']);
  });

  it('names both readings where it cannot tell, and ends with the code of a wrong call', async () => {
    const end = await cli(['probe', write('unclear.csv', 'a,b;c\nd,e;f\ng,h;i\n')]);
    assert.equal(end.code, 2, end.stdout);
    assert.match(end.stderr, /CSV_DIALECT_UNCERTAIN: .*delimiter ",".*delimiter ";"|CSV_DIALECT_UNCERTAIN: .*delimiter ";".*delimiter ","/);
    const encoding = await cli(['probe', write('short.csv', Buffer.from('a\nk\xf6ln\n', 'latin1')), '--json']);
    assert.equal(encoding.code, 2);
    assert.equal(JSON.parse(encoding.stderr).code, 'ENCODING_UNCERTAIN');
    assert.equal((await cli(['probe', bench.path('absent.csv')])).code, 3);
    assert.equal((await cli(['probe'])).code, 2);
  });
});
