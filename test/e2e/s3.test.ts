/** A whole job from and to a bucket of somebody else's store: inputs, journal, parts, rejects. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli, documents } from './support/cli.ts';
import { get, keysBelow, openUploads, put, s3 } from './support/s3.ts';
import { bucket, type Missing, type StoreServer, startMoto, startVersity } from './support/store-servers.ts';
import { Workbench } from './support/workbench.ts';

const started: StoreServer | Missing = await (process.env['MILLRACE_TEST_STORE'] === 'versitygw' ? startVersity() : startMoto());
const missing = 'reason' in started ? started.reason : false;
if (missing !== false) console.log(`a job over S3 is not tested: ${missing}`);
const server = started as StoreServer;

const rows = 20_000;
const part = (number: number): string => {
  const lines = ['id,name,amount'];
  for (let row = 0; row < rows; row++) lines.push(row % 1_000 === 999 ? `${number}${row},short` : `${number}${row},name ${row},${row}.50`);
  return `${lines.join('\n')}\n`;
};

describe(`millrace run over ${missing === false ? server.name : 'S3'}`, { skip: missing }, () => {
  let bench: Workbench;
  before(async () => {
    bench = new Workbench('s3');
    await s3(server, 'PUT', `/${bucket}`);
    for (const number of [1, 2]) await put(server, `/${bucket}/in/2026/a${number} ü.csv`, part(number));
    await put(server, `/${bucket}/in/notes.txt`, 'not data');
  });
  after(async () => {
    await server.stop();
    await bench.expectNothingRuns();
    await bench.close();
  });

  const run = async (args: readonly string[], expected = 0) => {
    const end = await cli(['run', ...args, '--json', '--workers', '1'], { env: server.environment });
    assert.equal(end.code, expected, end.stderr + end.stdout);
    return { last: documents(end).at(-1) ?? {}, end };
  };
  const counts = ({ balance }: Record<string, unknown>): unknown[] => {
    const { recordsIn, emitted, rejected } = balance as Record<string, number>;
    return [recordsIn, emitted, rejected];
  };
  const out = `s3://${bucket}/out/`;
  const job = ['s3://lake/in/**/*.csv', '--out', out, '--format', 'csv', '--chunk-size', '128KiB'];

  it('probes a pattern of objects, and the printed spec names them', async () => {
    const end = await cli(['probe', 's3://lake/in/**/*.csv', '--out', out, '--json'], { env: server.environment });
    assert.equal(end.code, 0, end.stderr + end.stdout);
    const { inputs, spec } = documents(end)[0] as { inputs: { format: string; columns: string[] }[]; spec: { inputs: { uri: string[] }[] } };
    assert.deepEqual([inputs[0]?.format, inputs[0]?.columns], ['csv', ['id', 'name', 'amount']]);
    assert.deepEqual([spec.inputs[0]?.uri].flat(), ['s3://lake/in/2026/a1 ü.csv', 's3://lake/in/2026/a2 ü.csv']);
    const none = await cli(['probe', 's3://lake/none/*.csv', '--json'], { env: server.environment });
    assert.notEqual(none.code, 0);
  });

  it('reads a pattern of objects, writes parts, rejects and the journal, and accounts for every record', async () => {
    const { last } = await run([...job, '--verbose']);
    assert.deepEqual(counts(last), [40_000, 39_960, 40]);
    const keys = await keysBelow(server, bucket, 'out/');
    const parts = keys.filter((key) => /^out\/part-.*\.csv$/.test(key));
    assert.equal(parts.length, last['parts']);
    assert.ok(keys.includes('out/_SUCCESS') && keys.some((key) => key.startsWith('out/_journal/jobs/')), keys.join(' '));
    const texts = await Promise.all(parts.sort().map((key) => get(server, `/${bucket}/${key}`)));
    const written = texts.flatMap((text) => text.toString().trim().split('\n').slice(1));
    const expected = [1, 2].flatMap((number) => part(number).trim().split('\n').slice(1)).filter((line) => line.split(',').length === 3);
    assert.deepEqual(written.sort(), expected.sort());
    assert.equal(await openUploads(server, bucket), 0);
  });

  it('is only reported when it is run again, and refused for other inputs', async () => {
    const before = await keysBelow(server, bucket, 'out/');
    const { last } = await run(job);
    assert.equal(last['state'], 'completed');
    assert.deepEqual(await keysBelow(server, bucket, 'out/'), before);
    await put(server, `/${bucket}/in/2026/a3.csv`, part(3));
    const { end } = await run(job, 5);
    assert.match(end.stderr + end.stdout, /OUTPUT_NOT_EMPTY|other inputs/);
  });

  it('shows rejects and records of a bucket', async () => {
    const peeked = await cli(['peek', out, '--reject', '1'], { env: server.environment });
    assert.equal(peeked.code, 0, peeked.stderr);
    assert.match(peeked.stdout, /CSV_SHORT_ROW/);
    assert.match(peeked.stdout, /short/);
  });

  it('writes to a bucket from a file and to a file from a bucket', async () => {
    const local = bench.path('local');
    await run([`s3://${bucket}/in/2026/a1 ü.csv`, '--out', local, '--format', 'csv']);
    const [first = ''] = readdirSync(local).filter((name) => name.startsWith('part-'));
    const { last } = await run([join(local, first), '--out', `s3://${bucket}/copy/`]);
    assert.deepEqual(counts(last), [19_980, 19_980, 0]);
  });

  it('names what is missing or not allowed', async () => {
    const none = await cli(['run', `s3://${bucket}/none.csv`, '--out', bench.path('n')], { env: server.environment });
    assert.match(none.stderr, /no such object/);
    const alone = await cli(['run', `s3://${bucket}/in/2026/a3.csv`, '--out', bench.path('n')], { env: { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' } });
    assert.match(alone.stderr, /STORAGE_CONNECTION|no connection/);
  });

  it('leaves no secret behind, neither in the store nor in logs nor on disk', async () => {
    const secret = server.environment['AWS_SECRET_ACCESS_KEY'] as string;
    for (const key of await keysBelow(server, bucket, 'out/')) {
      assert.ok(!(await get(server, `/${bucket}/${key}`)).includes(secret), key);
    }
    const files = readdirSync(bench.home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      if (statSync(path).size < 16 << 20) assert.ok(!readFileSync(path).includes(secret), path);
    }
  });
});
