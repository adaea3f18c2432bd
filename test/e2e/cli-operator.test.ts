/**
 * An operator at a terminal, against a server: a file that was gone when its chunks ran, found by its cause, looked at, put back and healed; records that the
 * sender corrects and that come into the same output; gaps that are accepted. Everything through the command line in processes of its own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { type ApiStack, startApiStack } from './support/api-stack.ts';
import { type CliEnd, cli, documents } from './support/cli.ts';
import { until } from './support/until.ts';
import { root, Workbench } from './support/workbench.ts';

const queue = 'chunk-default-r1';
/** A machine may be very busy. */
const patience = { within: 180_000, every: 100 };

let bench: Workbench;
let stack: ApiStack;
let env: Record<string, string>;
before(async () => {
  bench = new Workbench('cli-operator');
  stack = await startApiStack({ out: bench.path('out'), readRoots: [bench.home] });
  env = { MILLRACE_URL: stack.url, MILLRACE_TOKEN: stack.token, XDG_RUNTIME_DIR: bench.home };
});
after(async () => {
  await stack?.stop();
  await bench.close();
});

const millrace = (args: readonly string[]): Promise<CliEnd> => cli(args, { cwd: bench.home, env });

/** Expects an exit code, and answers what was printed. */
async function done(args: readonly string[], code = 0): Promise<CliEnd> {
  const end = await millrace(args);
  assert.equal(end.code, code, `millrace ${args.join(' ')}: ${end.stdout}${end.stderr}`);
  return end;
}

const setQueue = (word: 'pause' | 'resume'): Promise<CliEnd> => done(['queues', word, queue, '--reason', 'a test']);

const rows = (first: number, count: number): string => Array.from({ length: count }, (_, at) => `${first + at},name of ${first + at}\n`).join('');

interface BrokenJob {
  readonly jobId: string;
  readonly second: string;
  readonly away: string;
}

/** A job of two files, planned and not begun: the queue of its chunks must be paused. */
async function plannedJob(name: string, firstFile: string): Promise<BrokenJob> {
  const [second, away] = [bench.path(`${name}-2.csv`), bench.path(`${name}-2.away`)];
  writeFileSync(bench.path(`${name}-1.csv`), `id,name\n${firstFile}`);
  writeFileSync(second, `id,name\n${rows(10_000, 10_000)}`);
  const spec = {
    name,
    inputs: { uri: [`${name}-1.csv`, `${name}-2.csv`] },
    schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] },
    output: { uri: `out/${name}/` },
    rejects: { maxRatio: null },
    execution: { chunkSize: '64KiB' },
  };
  writeFileSync(bench.path(`${name}.yaml`), stringify(spec));
  const [submitted] = documents(await done(['submit', `${name}.yaml`, '--json']));
  const jobId = String(submitted?.['jobId']);
  const params = { jobId: jobId as never };
  await until(`the plan of ${name}`, async () => (await stack.client.call('GET /jobs/{jobId}', { params })).sealed, patience);
  return { jobId, second, away };
}

describe('an operator at a terminal', () => {
  let heals: BrokenJob;
  let stays: BrokenJob;
  let dead: Record<string, unknown>[] = [];

  before(async () => {
    const { client } = stack;
    await until('a worker host', async () => (await client.call('GET /queues', {})).data.some(({ name }) => name === queue), patience);
    await setQueue('pause');
    heals = await plannedJob('heals', `${rows(1, 5)}x,six\n7,seven\n8.5,eight\n`);
    stays = await plannedJob('stays', rows(1, 5));
    for (const { second, away } of [heals, stays]) renameSync(second, away);
    await setQueue('resume');
    await Promise.all([heals, stays].map(({ jobId }) => done(['watch', jobId, '--progress', 'none'], 7)));
  });

  it('finds the cause: groups, dead letters, chunks, attempts', async () => {
    const { jobId } = heals;
    const [groups, listed, shown, chunks] = await Promise.all([
      done(['errors', `job:${jobId}`, '--json']),
      done(['dead', 'ls', jobId, '--json']),
      done(['dead', 'ls', jobId, '--limit', '1']),
      done(['chunks', jobId, 'state:dead', '--json']),
    ]);
    dead = documents(listed);
    assert.ok(dead.length > 1);
    assert.deepEqual([...new Set(dead.map(({ code }) => code))], ['INPUT_NOT_FOUND']);
    const [group] = documents(groups);
    assert.deepEqual([documents(groups).length, group?.['code'], group?.['dead']], [1, 'INPUT_NOT_FOUND', dead.length]);
    assert.equal(documents(chunks).length, dead.length);
    assert.match(shown.stdout, /^dead letter +code +class/);
    assert.match(shown.stderr, new RegExp(`1 of ${dead.length}: `));

    const { deadLetterId, chunkId, stage, index } = dead[0] ?? {};
    const [letter, byChunk, attempts, short, shownGroup] = await Promise.all([
      done(['dead', 'show', String(deadLetterId)]),
      done(['dead', 'show', jobId, `${stage}.${index}`]),
      done(['attempts', String(chunkId), '--json']),
      done(['attempts', jobId, `${stage}.${index}`]),
      done(['errors', 'show', String(group?.['fingerprint'])]),
    ]);
    assert.match(letter.stdout, /open {2}INPUT_NOT_FOUND \(input\) {2}heals\n/);
    assert.match(letter.stdout, /\n {2}why dead: /);
    assert.equal(byChunk.stdout, letter.stdout);
    assert.ok(documents(attempts).every(({ failure }) => (failure as { code: string }).code === 'INPUT_NOT_FOUND'));
    assert.match(short.stdout, /^1 {2}a\w{26} {2}generation 1 {2}failed {2}INPUT_NOT_FOUND/);
    assert.match(shownGroup.stdout, /one group by code, job name, input name/);
  });

  it('decides about a group with a note, an owner and a time', async () => {
    const [group] = documents(await done(['errors', `job:${stays.jobId}`, '--json']));
    const fingerprint = String(group?.['fingerprint']);
    await done(['errors', 'ignore', fingerprint, '--until', '2d', '--note', 'known']);
    await done(['errors', 'assign', fingerprint, 'anna@example.com']);
    await done(['errors', 'note', fingerprint, 'the', 'sender', 'knows']);
    const shown = await done(['errors', 'show', fingerprint]);
    assert.match(shown.stdout, / ignored {2}INPUT_NOT_FOUND.*anna@example\.com looks after it/);
    assert.match(shown.stdout, /ignored by \S+ at .* until .*: known/);
    assert.match(shown.stdout, /the sender knows/);
    const [, misspelt, unknown] = await Promise.all([
      done(['errors', 'reopen', fingerprint]),
      done(['errors', 'shw'], 2),
      done(['errors', 'resolve', 'fp1-0000000000000000'], 3),
    ]);
    assert.match(misspelt.stderr, /expected ls, show/);
    assert.equal(unknown.stdout, '');
  });

  it('looks before a redrive: nothing can be put back while the file is gone', async () => {
    const [refused, filter, nothing] = await Promise.all([
      done(['redrive', `job:${heals.jobId}`, 'code:INPUT_*', '--dry-run'], 2),
      done(['redrive', 'colour:red', '--dry-run'], 2),
      done(['redrive'], 2),
    ]);
    assert.match(refused.stderr, /INPUT_NOT_FOUND/);
    assert.match(filter.stderr, /^error: .*unknown field "colour".*\n$/, 'told once');
    assert.match(nothing.stderr, /state:open/);
  });

  it('freezes, asks, starts, holds, paces and follows a redrive until the job is whole', async () => {
    const { jobId, second, away } = heals;
    renameSync(away, second);
    const dry = await done(['redrive', `job:${jobId}`, 'code:INPUT_*', '--dry-run']);
    assert.match(dry.stdout, new RegExp(`^${dead.length} match · ${dead.length} will be redriven\n`));
    const planId = /millrace redrive --plan (p\w{26})/.exec(dry.stderr)?.[1] ?? assert.fail(dry.stderr);
    const unasked = await done(['redrive', '--plan', planId], 9);
    assert.match(unasked.stderr, new RegExp(`millrace redrive --plan ${planId} --yes`));
    assert.match((await done(['ops'])).stderr, /No operation/);

    // What is released waits in its queue: the operation cannot be over when it is steered.
    await setQueue('pause');
    const started = await done(['redrive', '--plan', planId, '--yes', '--reason', 'the file is back']);
    const operationId = /^Started (o\w{26})/m.exec(started.stdout)?.[1] ?? assert.fail(started.stdout);
    assert.match((await done(['ops', 'pause', '@last', '--reason', 'a look'])).stdout, /paused/);
    assert.match((await done(['ops', 'show', operationId])).stdout, /paused (?:.|\n)*the file is back/);
    await done(['ops', 'rate', operationId, '1000']);
    assert.match((await done(['ops', 'resume', operationId])).stdout, /1,?000 items a second/);
    await setQueue('resume');
    const watched = await done(['ops', 'watch', operationId, '--json']);
    const [last] = documents(watched).slice(-1) as unknown as { operation: { counts: { resolved: number } } }[];
    assert.equal(last?.operation.counts.resolved, dead.length);
    const [shown, again, late, left] = await Promise.all([
      done(['show', jobId]),
      done(['redrive', '--plan', planId, '--yes', '--reason', 'the file is back']),
      done(['ops', 'abort', operationId], 5),
      done(['dead', 'ls', jobId]),
    ]);
    assert.match(shown.stdout, /completed, generation 2/);
    assert.match(again.stdout, new RegExp(`Started ${operationId}`), 'a plan is one operation, however often it is started');
    assert.match(late.stderr, /abort/);
    assert.match(left.stderr, /No open dead letter/);
  });

  it('shows rejects with their places and bytes, and content only to who asks for it', async () => {
    const { jobId } = heals;
    const [listed, content, summary, peeked, byRecord] = await Promise.all([
      done(['rejects', 'ls', jobId, 'code:TYPE_*']),
      done(['rejects', 'ls', jobId, '--content']),
      done(['rejects', 'summary', `job:${jobId}`]),
      done(['peek', jobId, '--reject', '1', '--bytes', '8']),
      done(['peek', jobId, '--record', '7', '--file', 'heals-1.csv']),
    ]);
    assert.match(listed.stdout, /r1 +TYPE_INTEGER +id +6 +7 +heals-1\.csv/);
    assert.doesNotMatch(listed.stdout, /8\.5/);
    assert.match(content.stdout, /got "8\.5" {2}in "8\.5,eight/);
    assert.match(summary.stdout, /^2 rejects of \d[\d,]* records.*\n {2}by code\n {4}TYPE_INTEGER +2\n {2}by column\n {4}id +2/);
    assert.match(peeked.stdout, /▸78 2c 73.*x,six/);
    assert.match(peeked.stdout, /TYPE_INTEGER {2}record 6 {2}line 7 {2}column 1 "id".*got "x"/);
    assert.match(byRecord.stdout, /record 7 {2}line 8.*\n +id +"7"\n +name +"seven"/);
  });

  it('exports rejects, and replays what was corrected', async () => {
    const { jobId } = heals;
    const [file, corrected] = [bench.path('rejects.csv'), bench.path('corrected.csv')];
    assert.match((await done(['rejects', 'export', jobId, '-o', file])).stdout, /^2 rejects in /);
    const text = readFileSync(file, 'utf8');
    const [piped, parquet] = await Promise.all([
      done(['rejects', 'export', jobId, '-o', '-', '--format', 'csv']),
      done(['rejects', 'export', jobId, '-o', 'x.parquet'], 2),
    ]);
    assert.equal(piped.stdout, text);
    assert.match(parquet.stderr, /parquet is not available/);
    writeFileSync(corrected, text.replace(/,x,six/, ',6,six').replace(/,8\.5,eight/, ',8,eight'));
    const dry = await done(['rejects', 'replay', jobId, '--corrections', corrected, '--dry-run']);
    assert.match(dry.stdout, /^2 rejects: 0 as they were, 2 corrected\n {2}changed cells: id 2\n2 match · 2 will be replayed/);
    const why = ['--reason', 'the sender told us'];
    const replayed = await done(['rejects', 'replay', jobId, '--corrections', corrected, '--yes', '--wait', ...why, '--progress', 'none']);
    assert.match(replayed.stdout, /finished {2}2 of 2 resolved/);
    const [shown, left, none] = await Promise.all([
      done(['show', jobId, '--json']),
      done(['rejects', 'ls', jobId]),
      done(['rejects', 'replay', jobId, '--yes'], 2),
    ]);
    const [job] = documents(shown) as unknown as { state: string; generation: number; balance: { rejected: number; emitted: number } }[];
    assert.deepEqual([job?.state, job?.generation, job?.balance.rejected, job?.balance.emitted], ['completed', 3, 0, 10_008]);
    assert.match(left.stderr, /has no rejects/);
    assert.match(none.stderr, /no reject/);
  });

  it('accepts a gap by name: the job that failed for it completes', async () => {
    const { jobId } = stays;
    assert.match((await done(['waive', jobId, '--yes'], 2)).stderr, /Add --reason/);
    const waived = await done(['waive', jobId, '--reason', 'the sender has no copy', '--yes', '--wait', '--progress', 'none']);
    assert.match(waived.stdout, /will be waived/);
    assert.match((await done(['show', jobId])).stdout, /completed, generation 2/);
  });

  it('gives programs the fields they want, lists them, and says which nobody has', async () => {
    const [picked, fields, wrong, acts] = await Promise.all([
      done(['ls', '--json=name,chunks.dead']),
      done(['ls', '--json=?']),
      done(['ls', '--json=nam'], 2),
      done(['cancel', '@last', '--json=?'], 2),
    ]);
    assert.deepEqual(
      documents(picked).map((job) => [Object.keys(job), job['name']]),
      [
        [['name', 'chunks.dead'], 'stays'],
        [['name', 'chunks.dead'], 'heals'],
      ],
    );
    assert.ok(fields.stdout.split('\n').includes('balance.rejected'));
    assert.match(wrong.stderr, /no document has nam: did you mean name\?/);
    assert.match(acts.stderr, /does more than look/);
  });
});

describe('a reader that leaves', () => {
  it('ends what only looks, quietly', async () => {
    const program = [join(root, 'packages/cli/bin/millrace.js'), 'explain', '--all'];
    const child = spawn(process.execPath, program, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.destroy();
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.deepEqual([code, stderr], [0, '']);
  });
});
