/** What `millrace` says, and with which exit code, when it cannot do what it was asked. Nothing may be left behind by any of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { cli } from './support/cli.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
let file: string;

before(() => {
  bench = new Workbench('cli-refusals');
  file = bench.path('in.csv');
  writeFileSync(file, 'id,n\n1,2\n');
});
after(async () => {
  await bench.expectNothingRuns();
  await bench.close();
});

/** Expects an exit code, a message and no stack trace. */
async function expectRefusal(args: readonly string[], code: number, message: RegExp, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const end = await cli(args, { env });
  assert.equal(end.code, code, `${args.join(' ')}: ${end.stderr}`);
  assert.match(end.stderr, message);
  assert.doesNotMatch(end.stderr, /\n {4}at /, 'no stack trace');
  assert.match(end.stderr.split('\n').find((line) => line.startsWith('error: ')) ?? '', /^error: \S/);
}

describe('millrace', () => {
  it('names the nearest verb and flag', async () => {
    await expectRefusal(['rnu'], 2, /unknown command rnu: did you mean run\?/);
    await expectRefusal(['run', file, '--out', bench.path('x'), '--chunk-sise', '1MiB'], 2, /unknown option --chunk-sise: did you mean --chunk-size\?/);
  });

  it('refuses what is no file', async () => {
    const out = bench.path('x');
    await expectRefusal(['run', bench.path('absent.csv'), '--out', out], 3, /no such file: .*absent\.csv/);
    await expectRefusal(['run', bench.path('absent-*.csv'), '--out', out], 3, /no file matches .*absent-\*\.csv/);
    // Below a regular file nothing can be read, not even as root.
    await expectRefusal(['run', join(file, 'x.csv'), '--out', out], 3, /no such file/);
    const fifo = bench.path('fifo');
    spawnSync('mkfifo', [fifo]);
    await expectRefusal(['run', fifo, '--out', out], 2, /no regular file/);
    await expectRefusal(['run', '-', '--out', out], 2, /stdin is not available/);
    await expectRefusal(['run'], 2, /expected FILE/);
    await expectRefusal(['run', file], 2, /is no spec/);
    mkdirSync(bench.path('hollow'));
    assert.equal(existsSync(out), false, 'nothing was made');
    await expectRefusal(['run', bench.path('hollow'), '--out', out], 3, /nothing matches file:\/\/.*\/hollow\//);
  });

  it('refuses a wrong spec with the place and the nearest name', async () => {
    const spec = bench.path('spec.yaml');
    writeFileSync(spec, 'name: x\ninputs: { uri: in.csv, formt: csv }\noutput: { uri: out/ }\nexecution: { chunkSize: 3 potatoes }\n');
    await expectRefusal(['run', spec], 2, /formt.*format/);
    await expectRefusal(['run', spec], 2, /chunkSize/);
    await expectRefusal(
      ['run', file, '--out', bench.path('x'), '--set', 'inputs.pin=file'],
      2,
      /pin: file without a written schema is not available in this version/,
    );
    await expectRefusal(['run', file, '--out', bench.path('x'), '--sql', 'SELEC id FROM input'], 2, /SELEC|syntax|expected/i);
    writeFileSync(bench.path('broken.yaml'), 'name: [');
    await expectRefusal(['run', bench.path('broken.yaml')], 2, /cannot read .*broken\.yaml/);
    await expectRefusal(['run', bench.path('absent.yaml')], 3, /no such file/);
  });

  it('fails a run whose query does not fit the file, and says where', async () => {
    const end = await cli(['run', file, '--out', bench.path('x2'), '--sql', 'SELECT nope FROM input']);
    assert.equal(end.code, 7, end.stderr);
    assert.match(end.stdout, /SPEC_SQL_UNKNOWN_COLUMN: SQL line 1, column 8: there is no column nope/);
  });

  it('refuses an output place that it cannot write to', async () => {
    await expectRefusal(['run', file, '--out', join(file, 'out')], 1, /cannot write to .*in\.csv\/out/);
    await expectRefusal(['run', file, '--out', '/proc/millrace'], 1, /cannot write to \/proc\/millrace/);
  });

  it('says how to get Redis when there is none', async () => {
    const path = bench.path('bin');
    mkdirSync(path);
    for (const tool of ['sh', 'cat', 'rm', 'sleep']) {
      const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim();
      symlinkSync(found, join(path, tool));
    }
    await expectRefusal(['run', file, '--out', bench.path('no-redis')], 69, /redis-server is not on PATH[\s\S]*--redis URL/, { PATH: path });
    await expectRefusal(['run', file, '--out', bench.path('far'), '--redis', `unix://${bench.path('none.sock')}`], 75, /Redis|redis/);
  });

  it('says how to get the core when it is not built', async () => {
    await expectRefusal(['run', file, '--out', bench.path('no-core')], 69, /core is not built[\s\S]*npm run setup/, { MILLRACE_CORE: bench.path('nothing') });
  });

  it('refuses directories that no run has written', async () => {
    for (const verb of [['show'], ['dead', 'ls'], ['rejects', 'ls'], ['peek'], ['redrive']]) {
      await expectRefusal([...verb, bench.path('absent')], 3, /no such directory/);
      await expectRefusal([...verb, bench.path('hollow')], 3, /holds no journal/);
    }
    await expectRefusal(['show'], 2, /expected the directory/);
  });

  it('tells a program what went wrong as JSON', async () => {
    const end = await cli(['run', bench.path('absent.csv'), '--out', bench.path('x'), '--json']);
    const problem = JSON.parse(end.stderr) as { title: string; exitCode: number };
    assert.deepEqual([end.code, problem.exitCode, end.stdout], [3, 3, '']);
    assert.match(problem.title, /no such file/);
  });
});
