/** The command line against a server: submit, watch, list, steer; what a server refuses as a person and as a program reads it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { type CliEnd, cli, documents } from './support/cli.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
let stack: ApiStack;
let env: Record<string, string>;
before(async () => {
  bench = new Workbench('cli-server');
  stack = await startApiStack({ out: bench.path('out'), readRoots: [bench.home] });
  env = { MILLRACE_URL: stack.url, MILLRACE_TOKEN: stack.token, XDG_RUNTIME_DIR: bench.home };
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const millrace = (...args: string[]): Promise<CliEnd> => cli(args, { cwd: bench.home, env });

function writeSpec(name: string, rows: string, changes: Record<string, unknown> = {}): string {
  writeFileSync(bench.path(`${name}.csv`), rows);
  writeFileSync(bench.path(`${name}.yaml`), stringify({ name, inputs: `${name}.csv`, output: { uri: `out/${name}/` }, ...changes }));
  return bench.path(`${name}.yaml`);
}

const tidy = 'id,name\n1,a\n2,b\n3,c\n';
const typed = { schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] } };

describe('the command line against a server', () => {
  it('submits, waits and tells the balance; the same key is the same job', async () => {
    const spec = writeSpec('tidy', tidy, typed);
    const first = await millrace('submit', spec, '--key', 'once', '--wait', '--label', 'team=sales');
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^Submitted j\w{26} +tidy/m);
    assert.match(first.stdout, /balance holds: 3 = 3 \+ 0 \+ 0 \+ 0/);
    const again = await millrace('submit', spec, '--key', 'once', '--label', 'team=sales');
    assert.match(again.stdout, /^Known already j/m);
    const listed = await millrace('ls', 'label.team:sales', '--json');
    assert.deepEqual(
      documents(listed).map(({ name, state }) => [name, state]),
      [['tidy', 'completed']],
    );
  });

  it('says how a job ended by the exit code, and what was wrong', async () => {
    const spec = writeSpec('strict', 'id,name\n1,a\nx,b\n', { ...typed, rejects: { maxRows: 0, maxRatio: null } });
    const end = await millrace('submit', spec, '--wait');
    assert.equal(end.code, 7);
    assert.match(end.stdout, /failed.*BUDGET_REJECTS/);
    assert.equal((await millrace('watch', '@last')).code, 7);
    const shown = await millrace('show', '@last');
    assert.match(shown.stdout, /budget rejects\.maxRows: 1 of 0/);
  });

  it('tells every issue of a spec with its place, and nothing is submitted', async () => {
    const spec = writeSpec('wrong', tidy, { output: { uri: 'out/wrong/', format: 'parqet' } });
    const end = await millrace('submit', spec);
    assert.equal(end.code, 2);
    assert.match(end.stderr, /\/spec\/output\/format: .*parquet/);
    const asProgram = await millrace('submit', spec, '--json');
    assert.equal(JSON.parse(asProgram.stderr).code, 'SPEC_BAD_VALUE');
    assert.equal(asProgram.stdout, '');
  });

  it('checks a spec as a submit would, and submits nothing', async () => {
    const before = documents(await millrace('ls', '--json')).length;
    const good = writeSpec('checked', tidy, typed);
    const wrong = writeSpec('unchecked', tidy, { output: { uri: 'out/unchecked/', format: 'parqet' }, rejcts: {} });
    const [byServer, here, mistakes, offline, asProgram] = await Promise.all([
      millrace('check', good),
      cli(['check', good, '--evidence'], { env: { ...env, MILLRACE_URL: '' } }),
      millrace('check', wrong),
      millrace('check', wrong, '--offline'),
      millrace('check', wrong, '--json'),
    ]);
    assert.deepEqual([byServer.code, here.code], [0, 0], byServer.stdout + byServer.stderr + here.stderr);
    assert.match(byServer.stdout, /csv .*2 columns\n {2}id integer · name string/);
    assert.match(byServer.stdout, /sample of input: \d+ records read, 0 rejected\n {2}id +name\n/);
    assert.match(here.stdout, /checked\.csv .*csv · delimiter ,/);
    for (const end of [mistakes, offline]) {
      assert.equal(end.code, 2);
      assert.match(end.stdout, /^output\.format: .*"parqet" {2}\[SPEC_BAD_VALUE\]$/m);
      assert.match(end.stdout, /^rejcts: .*rejects.* {2}\[SPEC_UNKNOWN_FIELD\]$/m);
      assert.match(end.stderr, /2 mistakes/);
    }
    const [checked] = documents(asProgram) as unknown as { valid: boolean; issues: { pointer: string }[] }[];
    assert.deepEqual([asProgram.code, checked?.valid, checked?.issues.length], [2, false, 2]);
    assert.equal(documents(await millrace('ls', '--json')).length, before);
  });

  it('pauses, resumes and cancels a job by its id', async () => {
    // Nothing of it is begun, so it cannot end meanwhile.
    await millrace('queues', 'pause', 'chunk-default-r1', '--reason', 'a test');
    const [submitted] = documents(await millrace('submit', writeSpec('long', tidy, typed), '--json'));
    const jobId = String(submitted?.['jobId']);
    assert.equal((await millrace('pause', jobId, '--reason', 'a look')).code, 0);
    assert.match((await millrace('show', jobId)).stdout, /paused/);
    assert.equal((await millrace('resume', jobId)).code, 0);
    assert.equal((await millrace('cancel', jobId)).code, 0);
    await millrace('queues', 'resume', 'chunk-default-r1', '--reason', 'a test');
    assert.equal((await millrace('watch', jobId)).code, 7);
    const late = await millrace('pause', jobId);
    assert.equal(late.code, 5, late.stderr);
  });

  it('lists hosts and queues, and pauses a queue with a reason only', async () => {
    assert.match((await millrace('workers')).stdout, /worker-host-1 +default +ready/);
    assert.equal((await millrace('queues', 'pause', 'chunk-default-r1')).code, 2);
    assert.equal((await millrace('queues', 'pause', 'chunk-default-r1', '--reason', 'upgrade')).code, 0);
    assert.match((await millrace('queues')).stdout, /chunk-default-r1 +paused.*upgrade/);
    assert.equal((await millrace('queues', 'resume', 'chunk-default-r1', '--reason', 'done')).code, 0);
  });

  it('makes, shows and takes out a schedule', async () => {
    const spec = writeSpec('nightly', tidy, { schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } });
    assert.match((await millrace('submit', spec)).stdout, /New schedule nightly/);
    assert.match((await millrace('submit', spec)).stdout, /Changed schedule nightly/);
    assert.equal((await millrace('schedules', 'show', 'nightly')).stdout.match(/^ {2}next {2}/gm)?.length, 5);
    assert.equal((await millrace('schedules', 'rm', 'nightly')).code, 9, 'without a terminal and --yes nothing is taken out');
    assert.equal((await millrace('schedules', 'rm', 'nightly', '--yes')).code, 0);
    assert.match((await millrace('schedules')).stdout, /No schedule/);
  });

  it('is silent when all is well, and says what is not', async () => {
    const well = await millrace('doctor');
    assert.deepEqual([well.code, well.stdout], [0, ''], well.stdout);
    const away = await cli(['doctor', '--ready'], { env: { ...env, MILLRACE_URL: 'http://127.0.0.1:9' } });
    assert.equal(away.code, 1);
    assert.match(away.stdout, /FAILED {2}server: cannot reach http:\/\/127\.0\.0\.1:9/);
  });
});

describe('a server that cannot be talked to', () => {
  const refusals: readonly [name: string, args: string[], changes: Record<string, string>, code: number, message: RegExp][] = [
    ['out of reach', ['ls'], { MILLRACE_URL: 'http://127.0.0.1:9' }, 75, /cannot reach http:\/\/127\.0\.0\.1:9: .*\n.*millrace dev/],
    ['without token', ['ls'], { MILLRACE_TOKEN: '' }, 4, /no token for/],
    ['with a wrong token', ['ls'], { MILLRACE_TOKEN: `mrt_${'A'.repeat(43)}` }, 4, /An admin makes tokens/],
    ['not named', ['ls'], { MILLRACE_URL: '' }, 75, /no server is named/],
    ['no address', ['ls', '--url', 'localhost'], {}, 2, /expected the address of a server/],
    ['a job that is not there', ['show', `j${'0'.repeat(26)}`], {}, 3, /./],
    ['a filter that is wrong', ['ls', 'colour:red'], {}, 2, /colour/],
  ];
  for (const [name, args, changes, code, message] of refusals) {
    it(name, async () => {
      const end = await cli(args, { env: { ...env, ...changes } });
      assert.equal(end.code, code, end.stderr);
      assert.match(end.stderr, message);
    });
  }
});

describe('without a server', () => {
  it('explains codes, completes for shells and calls nobody', async () => {
    assert.match((await cli(['explain', 'csv_long_row'])).stdout, /CSV_LONG_ROW: more fields than columns/);
    assert.equal((await cli(['explain', 'CSV_LONG'])).code, 3);
    for (const shell of ['bash', 'zsh', 'fish']) assert.match((await cli(['completion', shell])).stdout, /millrace/);
  });
});
