/**
 * The pages that people follow, followed: every block of them in order, in a directory of their own and against a `millrace dev`. What a fence says:
 * `file=NAME` is written to the directory, `sh` runs (`exit=N`: ends so; `background`: runs until the end), `text` stands in what the block before has
 * printed, line by line, `ts` is compiled and runs, `yaml` is a spec that is taken. `no-run` is listed below, with the reason.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveJobSpec } from '@millrace/protocol';
import { parse } from 'yaml';
import { until } from './support/until.ts';
import { root, Workbench } from './support/workbench.ts';

const pages = ['first-job.md', 'concepts.md', 'operating.md', 'scaling.md'];
/** Blocks that cannot run here: page, first line, why. */
const notRun: readonly (readonly [page: string, firstLine: string, why: string])[] = [
  ['operating.md', 'kubectl -n millrace get pods', 'needs a cluster; test/manifests/pages.test.ts follows it as far as it goes without'],
  ['scaling.md', 'kubectl apply -k k8s/overlays/prod', 'needs a cluster; test/manifests/pages.test.ts follows it as far as it goes without'],
];

interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly marks: readonly string[];
  readonly text: string;
}

interface End {
  readonly code: number | null;
  readonly said: string;
}

let bench: Workbench;
let place: string;
let dev: ChildProcess | undefined;
const env: Record<string, string> = {};

before(async () => {
  bench = new Workbench('docs');
  place = bench.path('place');
  const programs = bench.path('bin');
  for (const directory of [place, programs]) mkdirSync(directory);
  const starter = join(programs, 'millrace');
  writeFileSync(starter, `#!/bin/sh\nexec ${process.execPath} ${join(root, 'packages/cli/bin/millrace.js')} "$@"\n`);
  chmodSync(starter, 0o755);
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  writeFileSync(join(place, 'package.json'), '{ "type": "module" }\n');
  env['PATH'] = `${programs}:${process.env['PATH'] ?? ''}`;
  env['XDG_RUNTIME_DIR'] = bench.home;
});
after(async () => {
  if (dev !== undefined) {
    const ended = new Promise((resolve) => dev?.once('close', resolve));
    dev.kill('SIGINT');
    await ended;
  }
  await bench.close();
});

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  return [...text.matchAll(/^```(\S+)([^\n]*)\n(.*?)^```$/gms)].map(([, language = '', marks = '', content = ''], at, { [at]: found }) => ({
    page,
    line: text.slice(0, found?.index ?? 0).split('\n').length,
    language,
    marks: marks.trim().split(/\s+/).filter(Boolean),
    text: content,
  }));
}

const markOf = ({ marks }: Block, name: string): string | undefined => marks.find((mark) => mark.startsWith(`${name}=`))?.slice(name.length + 1);

function run(command: string, args: readonly string[]): Promise<End> {
  const child = spawn(command, args, { cwd: place, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** `millrace dev`, on a port that is free here, until what the page says it prints stands there. */
async function startDev(text: string): Promise<End> {
  assert.match(text, /^millrace dev[^\n]*\n$/, 'only `millrace dev` runs on');
  const [command = '', ...args] = [...text.trim().split(' '), '--port', String(await freePort())];
  dev = spawn(command, args, { cwd: place, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [dev.stdout, dev.stderr]) {
    stream?.setEncoding('utf8').on('data', (more: string) => {
      said += more;
    });
  }
  await until('millrace dev to be there', () => said.includes('access-log'), { describe: () => said });
  env['MILLRACE_URL'] = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0] ?? assert.fail(said);
  env['MILLRACE_TOKEN'] = /mrt_[\w-]{43}/.exec(said)?.[0] ?? assert.fail(said);
  env['REDIS_URL'] = /^ +Redis +(\S+)$/m.exec(said)?.[1] ?? assert.fail(said);
  return { code: 0, said };
}

async function shell(block: Block): Promise<End> {
  if (block.marks.includes('background')) return startDev(block.text);
  const end = await run('bash', ['-eu', '-c', block.text]);
  assert.equal(end.code, Number(markOf(block, 'exit') ?? 0), `${block.text}${end.said}`);
  return end;
}

async function typescript({ text, line }: Block): Promise<End> {
  const file = `block-${line}.ts`;
  writeFileSync(join(place, file), text);
  const compilerOptions = { composite: false, declaration: false, emitDeclarationOnly: false, noEmit: true };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, files: [file] }));
  const compiled = await run(join(root, 'node_modules/.bin/tsc'), ['-p', '.']);
  assert.equal(compiled.code, 0, compiled.said);
  const end = await run(process.execPath, [file]);
  assert.equal(end.code, 0, end.said);
  return end;
}

const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

function assertSaid({ text }: Block, { said }: End): void {
  const lines = said.split('\n').map(plain);
  for (const line of text.trim().split('\n'))
    assert.ok(
      lines.some((one) => one.includes(plain(line))),
      `expected "${plain(line)}" in:\n${said}`,
    );
}

async function follow(block: Block, last: End): Promise<End> {
  const file = markOf(block, 'file');
  if (file !== undefined) {
    writeFileSync(join(place, file), block.text);
    if (!file.endsWith('.yaml')) return last;
  }
  if (block.language === 'sh') return shell(block);
  if (block.language === 'ts') return typescript(block);
  if (block.language === 'text') assertSaid(block, last);
  else if (block.language === 'yaml') resolveJobSpec(parse(block.text), { baseDir: place });
  else assert.fail(`a block of ${block.language}: nobody runs it`);
  return last;
}

describe('the pages, followed', () => {
  let last: End = { code: 0, said: '' };
  for (const block of pages.flatMap(blocksOf)) {
    const title = `${block.page}:${block.line} ${block.text.split('\n')[0]}`;
    if (block.marks.includes('no-run')) {
      const known = notRun.find(([page, firstLine]) => page === block.page && block.text.startsWith(firstLine));
      it(title, { skip: known?.[2] ?? false }, () => assert.fail('a block that is not run, and no reason for it in notRun'));
    } else {
      it(title, async () => {
        last = await follow(block, last);
      });
    }
  }

  it('lists no block that is not there', () => {
    const found = pages.flatMap(blocksOf).filter(({ marks }) => marks.includes('no-run'));
    for (const [page, firstLine] of notRun)
      assert.ok(
        found.some((block) => block.page === page && block.text.startsWith(firstLine)),
        `${page}: ${firstLine}`,
      );
  });
});
