/**
 * `npm run demo`: the main job on real input, with the accidents it is built for. Dirty CSV with a recorded truth goes through the producer library,
 * exact chunks and two worker hosts; in the middle a host is killed, a core crashes, and a file is moved away. Its chunks die, the job fails its
 * budget, the file comes back, a redrive completes the job as generation 2, and the result is compared with the truth.
 * `npm run demo -- FILE…` runs a file of yours instead.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import type { RoleProcess } from '../packages/cli/src/compose.ts';
import { type Directory, openDirectoryAt } from '../packages/cli/src/directory.ts';
import { parseFaults } from '../packages/cli/src/generate/faults.ts';
import { verifyOutput } from '../packages/cli/src/generate/verify.ts';
import { writeData } from '../packages/cli/src/generate/write-data.ts';
import { type LocalStack, startLocalStack } from '../packages/cli/src/local-stack.ts';
import { count, seconds, size } from '../packages/cli/src/output.ts';
import { messageOf } from '../packages/cli/src/reject-text.ts';
import { describeManifest, describePins, progressLine } from '../packages/cli/src/run-report.ts';
import { type RejectRow, readRejects } from '../packages/journal/src/index.ts';
import type { JobHandle } from '../packages/producer/src/index.ts';
import { type JobStatus, type Manifest, manifestCount } from '../packages/protocol/src/index.ts';
import { root } from './setup.js';

const TIME_SCALE = 0.1;
const ACCIDENT_DEADLINE_MS = 60_000;
const SHOWN_REJECTS = 5;

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  options: { seed: { type: 'string', default: '7' }, size: { type: 'string', default: '250' } },
  allowPositionals: true,
});

const isTerminal = process.stderr.isTTY === true;
const say = (text: string): void => void process.stdout.write(`${isTerminal ? '\r\x1b[2K' : ''}${text}\n`);
const step = (text: string): void => say(`\n${isTerminal ? '\x1b[1m' : ''}${text}${isTerminal ? '\x1b[0m' : ''}`);
const paint = (text: string): void => void (isTerminal && process.stderr.write(`\r\x1b[2K${text}`));

const home = join(root, 'demo-out');
const data = join(home, 'data');
const out = join(home, 'out');

async function main(): Promise<number> {
  if (positionals.length > 0) return runFilesOf(positionals);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const expected = generate();
  const local = await startLocalStack({
    directory: out,
    readRoots: [data],
    writeRoots: [out],
    hostSlots: [1, 1],
    timeScale: TIME_SCALE,
    logFile: join(home, 'roles.log'),
  });
  try {
    return await demonstrate(local, expected.files.at(-1)?.file ?? '');
  } finally {
    await local.stop();
  }
}

function generate() {
  const seed = Number(values.seed);
  const sizeBytes = Number(values.size) * 1_048_576;
  step(`1  Dirty CSV with a recorded truth: seed ${seed}, ${values.size} MiB`);
  const startedAt = performance.now();
  const expected = writeData({
    kind: 'orders',
    directory: data,
    seed,
    records: null,
    sizeBytes,
    files: 3,
    faults: parseFaults(undefined),
    onProgress: (bytes) => paint(`   ${size(bytes)} of the current file …`),
  });
  const bytes = expected.files.reduce((sum, file) => sum + file.bytes, 0);
  say(`   ${count(expected.balance.recordsIn)} records, ${size(bytes)} in ${expected.files.length} files in ${seconds(performance.now() - startedAt)}`);
  say(`   planted: ${count(expected.balance.rejected)} faults: quoted newlines, stray quotes, ragged rows, wrong types, bad UTF-8, broken constraints`);
  say(`   ${expected.files[1]?.file} has its columns in another order than the schema`);
  say(`   in ${shown(data)}`);
  return expected;
}

const shown = (path: string): string => relative(process.cwd(), path) || '.';

async function demonstrate(local: LocalStack, smaller: string): Promise<number> {
  const spec = jobSpec();
  step('2  Submitted through the producer library, planned into exact chunks, run on two worker hosts with one core each');
  const startedAt = performance.now();
  const handle = await local.producer.submit(spec as never, { idempotencyKey: `demo-${Date.now()}` });
  say(`   job ${handle.jobId}`);
  const following = follow(handle, 1);
  following.catch(() => {});
  await Promise.race([accidents(local, handle.jobId, smaller), local.failed, following.then((status) => endedEarly(status))]);
  const first = await Promise.race([following, local.failed]);
  await showDeath(first, handle.jobId);
  const before = verdictDigests(handle.jobId);
  step(`5  ${smaller} comes back; the dead letters are redriven as generation 2`);
  renameSync(join(data, `${smaller}.away`), join(data, smaller));
  const opened = await handle.redrive('the file is back');
  say(`   generation ${opened.generation} takes up ${opened.chunks} chunks`);
  const second = await Promise.race([follow(handle, opened.generation), local.failed]);
  const took = performance.now() - startedAt;
  if (second.state !== 'completed') throw new Error(`the job ended ${second.state}: ${second.failure?.message ?? ''}`);
  checkUntouched(before, verdictDigests(handle.jobId));
  return showEnd(handle, took);
}

function jobSpec(): Record<string, unknown> {
  const spec = parse(readFileSync(join(data, 'spec.yaml'), 'utf8')) as Record<string, unknown>;
  const { uri } = spec['inputs'] as { uri: string[] };
  const inputs = { format: 'csv', uri: uri.map((name) => pathToFileURL(join(data, name)).href) };
  return { ...spec, name: 'demo-orders', inputs, output: { uri: `${pathToFileURL(out).href}/`, compression: 'snappy' } };
}

/** Paints until the generation has ended. */
async function follow(handle: JobHandle, generation: number): Promise<JobStatus> {
  let last: JobStatus | null = null;
  let plainAt = performance.now();
  for await (const event of handle.watch({ generation, throttle: '100ms' })) {
    if (event.type !== 'state' && event.type !== 'progress') continue;
    last = event.status;
    paint(progressLine(last));
    if (!isTerminal && (event.type === 'state' || performance.now() - plainAt > 2_000)) {
      plainAt = performance.now();
      say(progressLine(last));
    }
  }
  if (last === null) throw new Error('the job told nothing of itself');
  return last;
}

function endedEarly(status: JobStatus): never {
  throw new Error(`the job was ${status.state} before all accidents had happened: ${status.failure?.message ?? 'too fast for the accidents; try --size 500'}`);
}

/** In the middle of the job: a file goes, a host is killed, a core crashes. */
async function accidents(local: LocalStack, jobId: string, smaller: string): Promise<void> {
  const total = await plannedChunks(jobId);
  await showPlan(jobId, total);
  step('3  Accidents');
  renameSync(join(data, smaller), join(data, `${smaller}.away`));
  say(`   ${smaller} was moved away after it was planned`);
  const [victim, survivor] = local.stack.roles.filter((role) => role.role === 'worker-host') as [RoleProcess, RoleProcess];
  await until(() => committed(jobId) >= total * 0.15);
  // While it has a chunk in hand, so that its attempt is lost and rescued.
  await coreAtWork(victim);
  victim.kill('SIGKILL');
  say(`   worker host ${victim.name} (pid ${victim.child.pid}) got SIGKILL at ${committed(jobId)} of ${total} chunks`);
  const replacement = local.stack.start('worker-host');
  say(`   another one takes its place: ${replacement.name} (pid ${replacement.child.pid})`);
  await until(() => committed(jobId) >= total * 0.35);
  const core = await crashWorkingCore(survivor, jobId);
  say(`   core ${core} of ${survivor.name} got SIGSEGV at ${committed(jobId)} of ${total} chunks`);
}

/** Ends a core while it reads an input: its attempt must have recorded the crash, else it was just done and another one is met. */
async function crashWorkingCore(host: RoleProcess, jobId: string): Promise<number> {
  for (let tries = 0; tries < 20; tries += 1) {
    // Rust's guard against stack overflows takes a first SIGSEGV from outside for a fault that will repeat: it only puts the default action back.
    process.kill(await coreAtWork(host), 'SIGSEGV');
    await delay(20);
    const core = await coreAtWork(host);
    const known = failureCount(jobId);
    process.kill(core, 'SIGSEGV');
    const deadline = performance.now() + 500;
    while (failureCount(jobId) === known && performance.now() < deadline) await delay(5);
    if (failureCount(jobId) > known) return core;
  }
  throw new Error('no core could be met at work');
}

/** The core of a host that has an input open at this moment. */
async function coreAtWork(host: RoleProcess): Promise<number> {
  let found: number | undefined;
  await until(() => {
    found = childrenOf(host.child.pid ?? 0).find((pid) => openFiles(pid).some((path) => path.startsWith(data)));
    return found !== undefined;
  }, 1);
  return found as number;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(/\s+/)
    .filter((text) => text !== '')
    .map(Number);
}

function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((name) => readlinkSync(`/proc/${pid}/fd/${name}`));
  } catch {
    // A file was closed, or the process ended, while we looked.
    return [];
  }
}

function failureCount(jobId: string): number {
  const failures = join(out, '_journal', 'jobs', jobId, 'failures', 'clean');
  if (statSync(failures, { throwIfNoEntry: false }) === undefined) return 0;
  return readdirSync(failures, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.endsWith('.json') && isCrash(join(entry.parentPath, entry.name)),
  ).length;
}

const isCrash = (path: string): boolean => (JSON.parse(readFileSync(path, 'utf8')) as { class: string }).class === 'crash';

async function plannedChunks(jobId: string): Promise<number> {
  const sealed = join(out, '_journal', 'jobs', jobId, 'plan', 'sealed.json');
  await until(() => statSync(sealed, { throwIfNoEntry: false }) !== undefined);
  return (JSON.parse(readFileSync(sealed, 'utf8')) as { chunks: number }).chunks;
}

async function showPlan(jobId: string, total: number): Promise<void> {
  await inDirectory(async ({ journal }) => {
    const pins = await journal.readPins(jobId as never);
    const job = await journal.readJobRecord(jobId as never);
    for (const input of pins?.record.inputs ?? []) {
      for (const line of describePins(input, { count: job?.record.inputFiles ?? 0, bytes: job?.record.inputBytes ?? 0, first: '' })) say(`   ${line}`);
    }
    say(`   ${total} exact chunks of about 8 MiB`);
  });
}

async function inDirectory<T>(act: (directory: Directory) => Promise<T>): Promise<T> {
  const directory = openDirectoryAt(out, [data]);
  try {
    return await act(directory);
  } finally {
    await directory.close();
  }
}

const verdictsDirectory = (jobId: string): string => join(out, '_journal', 'jobs', jobId, 'verdicts', 'clean');

function verdictNames(jobId: string): string[] {
  try {
    return readdirSync(verdictsDirectory(jobId)).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}

/** Chunks with a verdict so far; during the accidents these are receipts. */
const committed = (jobId: string): number => verdictNames(jobId).length;

async function until(holds: () => boolean, everyMs = 5): Promise<void> {
  const deadline = performance.now() + ACCIDENT_DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('waited too long for the job to get on');
    await delay(everyMs);
  }
}

async function showDeath(status: JobStatus, jobId: string): Promise<void> {
  if (status.state !== 'failed') throw new Error(`expected the job to fail its dead-letter budget, it is ${status.state}`);
  step(`4  ${status.failure?.code}: ${status.failure?.message}`);
  await inDirectory(async ({ journal }) => {
    const letters = [];
    for await (const name of journal.listDeadLetters(jobId as never, 'clean')) letters.push(name);
    say(`   ${letters.length} dead letters; ${status.chunks.committed} chunks are committed and stay`);
    const [first] = letters;
    const letter = first === undefined ? null : await journal.readDeadLetter(jobId as never, 'clean', first.chunk, first.generation);
    if (letter === null) throw new Error('there is no dead letter');
    const { code, message, range, attempts } = letter.record;
    say(`   clean.${letter.record.chunk}  ${code}  ${range === null ? '' : `${basename(range.uri)} bytes ${count(range.start)}–${count(range.end)}`}`);
    say(`     ${message}`);
    for (const attempt of attempts)
      say(`     attempt ${attempt.attemptId} on ${attempt.worker}, ${attempt.startedAt} to ${attempt.endedAt}, fingerprint ${attempt.fingerprint}`);
    for await (const failure of journal.listFailures(jobId as never, 'clean')) {
      const record = (await journal.readFailure(jobId as never, 'clean', failure.chunk, failure.attemptId))?.record;
      if (record?.class === 'crash' || record?.class === 'lost')
        say(`     kept too: clean.${record.chunk} ${record.outcome} ${record.code}: ${record.message}`);
    }
  });
}

/** Every receipt's name and digest: a redrive must not change one of them. */
function verdictDigests(jobId: string): Map<string, string> {
  const names = verdictNames(jobId);
  return new Map(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(verdictsDirectory(jobId), name)))
        .digest('hex'),
    ]),
  );
}

function checkUntouched(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
  for (const [name, digest] of before) if (after.get(name) !== digest) throw new Error(`the redrive changed the verdict ${name}`);
  say(`   all ${before.size} verdicts of generation 1 are as they were; ${after.size - before.size} were added`);
}

async function showEnd(handle: JobHandle, tookMs: number): Promise<number> {
  const result = await handle.result();
  const manifest = JSON.parse(readFileSync(fileURLToPath(result.manifestUri), 'utf8')) as Manifest;
  step('6  The balance');
  for (const line of describeManifest(manifest, new Map(), { out: shown(out), rejects: shown(join(out, '_rejects')) })) say(line);
  step('7  Five rejects: where they stand, and their bytes');
  await inDirectory(async (directory) => {
    for (const row of await severalRejects(directory, manifest)) describeRow(row);
  });
  step('8  How fast, and where everything lies');
  say(`   ${size(manifest.bytes.in)} in ${seconds(tookMs)}, accidents, rescue and redrive included: ${size((manifest.bytes.in / tookMs) * 1000)}/s`);
  say(`   outputs  ${shown(out)}   ${manifestCount(manifest, 'parts')} parts, ${size(manifest.bytes.out)}`);
  say(`   rejects  ${shown(join(out, '_rejects'))}`);
  say(`   manifest ${shown(fileURLToPath(result.manifestUri))}`);
  say(`   Look around: npx millrace show ${shown(out)}      npx millrace peek ${shown(out)} --reject 1`);
  return compare();
}

/** One reject of each of the most frequent codes. */
async function severalRejects(directory: Directory, manifest: Manifest): Promise<RejectRow[]> {
  const found = new Map<string, RejectRow>();
  for await (const row of readRejects(directory.core, directory.journal.listManifest(manifest, 'rejects'))) {
    if (!found.has(row.code)) found.set(row.code, row);
    if (found.size >= SHOWN_REJECTS) break;
  }
  return [...found.values()];
}

function describeRow(row: RejectRow): void {
  say(
    `   ${basename(row.file)}  record ${count(row.record ?? 0)}  line ${count(row.line ?? 0)}  byte ${count(row.byte ?? 0)}  column ${row.column ?? '-'}  ${row.code}`,
  );
  say(`     ${messageOf(row)}`);
  const bytes = Buffer.from(row.rawBase64, 'base64');
  say(`     ${bytes.subarray(0, 24).toString('hex').replace(/../g, '$& ')}${bytes.length > 24 ? '…' : ''}`);
  say(`     ${JSON.stringify(row.raw.slice(0, 110))}`);
}

async function compare(): Promise<number> {
  step('9  Compared with the recorded truth');
  const startedAt = performance.now();
  const { differences, rows, rejects } = await verifyOutput(data, out);
  for (const difference of differences) say(`   differs: ${difference}`);
  if (differences.length > 0) return 1;
  say(`   ${count(rows)} rows and ${count(rejects)} rejects are exactly what was planted (read by DuckDB in ${seconds(performance.now() - startedAt)})`);
  return 0;
}

/** A file of the user's: the command line does all of it. */
async function runFilesOf(files: readonly string[]): Promise<number> {
  const target = join(home, basename(files[0] ?? 'run').replace(/\W+/g, '-'));
  const paths = files.map((file) => resolve(process.env['INIT_CWD'] ?? process.cwd(), file));
  const child = spawn(process.execPath, [join(root, 'packages/cli/bin/millrace.js'), 'run', ...paths, '--out', target, '--chunk-size', '8MiB'], {
    stdio: 'inherit',
  });
  process.on('SIGINT', () => {});
  return new Promise((done) => child.on('close', (code) => done(code ?? 1)));
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`\nerror: ${error instanceof Error ? error.message : String(error)}`);
  say(`  What the roles logged is in ${shown(join(home, 'roles.log'))}`);
  process.exitCode = 1;
}
