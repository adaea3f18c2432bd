/**
 * How well the dialect, header and encoding of files are told, beside CleverCSV, Python's csv.Sniffer and DuckDB (dialects), chardet and
 * charset-normalizer (encodings). `npm run bench -- detection`.
 *
 * The files are those that tests of other projects ship (fetched by `bench/detection/fetch.sh`), labelled by hand in `bench/detection/labels.json`,
 * and made-up ones. A detector that refuses to tell lowers recall and not precision.
 *
 * Each collection has two halves. Of the first every miss is told, so that rules can be improved by it; of the one held out only the score is, or it
 * would be worth nothing. `--seed N` makes the made-up files of the half held out.
 */

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { type InputPins, inputPinsShape, resolveJobSpec } from '@millrace/protocol';
import { openDirectoryAt } from '../packages/cli/src/directory.ts';
import { root } from '../scripts/setup.js';
import { type Labelled, writeMessyFiles } from './detection/messy-files.ts';
import { keep } from './keep.ts';

const cache = resolve(process.env['MILLRACE_DETECTION_CACHE'] ?? join(root, '.cache', 'detection'));
const python = join(cache, 'venv/bin/python');
const peersScript = join(root, 'bench/detection/peers.py');
const GENERATED = 240;
const SEED = 2024;
const HELD_OUT_SEED = Number(process.argv[process.argv.indexOf('--seed') + 1]) || 90_210;
const US = 'Millrace';

type Answer = { delimiter?: string; quoteChar?: string; header?: boolean; encoding?: string; right?: boolean; failed?: string };
type Answers = Record<string, Answer>;

interface LabelFile {
  collections: { name: string; package: string; folder: string; usual: Labels; files: Record<string, Labels>; only?: string[]; leftOut: string[] }[];
}
type Labels = Partial<Pick<Labelled, 'delimiter' | 'quoteChar' | 'header' | 'encoding'>>;

interface Part {
  name: string;
  files: Labelled[];
  isHeldOut: boolean;
}

/** By name, so that a file stays in its half when others come. */
const isHeldOut = (path: string): boolean => ((createHash('sha256').update(path).digest()[0] ?? 0) & 1) === 1;

const nameOf = (name: string, heldOut: boolean): string => `${name}, ${heldOut ? 'held out' : 'looked at'}`;

function collections(): Part[] {
  const labels = JSON.parse(readFileSync(join(root, 'bench/detection/labels.json'), 'utf8')) as LabelFile;
  return labels.collections.flatMap(({ name, folder, usual, files, only, leftOut }) => {
    const base = join(cache, 'x', folder);
    const wanted = (path: string): boolean =>
      (only === undefined || only.some((pattern) => matchesGlob(path, pattern))) && !leftOut.some((pattern) => matchesGlob(path, pattern));
    const found = only === undefined ? globSync('**/*.{csv,tsv}', { cwd: base }) : only.flatMap((pattern) => globSync(pattern, { cwd: base }));
    const tables = found.filter((path) => /\.(csv|tsv)$/.test(path) && wanted(path) && isTable(join(base, path)));
    return [false, true].map((heldOut) => {
      const own = tables.sort().filter((path) => isHeldOut(path) === heldOut);
      return { name: nameOf(name, heldOut), isHeldOut: heldOut, files: own.map((path) => labelled(join(base, path), { ...usual, ...files[path] })) };
    });
  });
}

const isTable = (path: string): boolean => statSync(path).isFile() && statSync(path).size > 0 && statSync(path).size < 3 << 20;

function labelled(path: string, { delimiter = null, quoteChar = null, header = null, encoding }: Labels): Labelled {
  return { path, delimiter, quoteChar, header, encoding: encoding ?? encodingOf(readFileSync(path)), isMessy: true };
}

/** Peers are told how the bytes become text; only UTF-8, UTF-16 with a mark and Latin-1 occur here. */
function encodingOf(bytes: Buffer): string {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) return 'utf-16';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return 'utf-8';
  } catch {
    return 'latin-1';
  }
}

/** One question a line, one answer a line. */
async function askPeers(mode: readonly string[], questions: readonly object[]): Promise<Record<string, unknown>[]> {
  const child = spawn(python, [peersScript, ...mode], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
  const answers: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line));
  if (answers.length !== questions.length) throw new Error(`${questions.length} questions, ${answers.length} answers of peers.py`);
  return answers;
}

/** What our own core makes of each file alone. `encoding`: told, as the others are, or left to be detected. */
async function askCore(files: readonly { path: string; encoding: string }[]): Promise<({ pins: InputPins } | { failed: string })[]> {
  const home = mkdtempSync(join(tmpdir(), 'millrace-detection-'));
  const directory = openDirectoryAt(home, [...new Set(files.map(({ path }) => dirname(path)))]);
  try {
    const all: ({ pins: InputPins } | { failed: string })[] = [];
    for (const { path, encoding } of files) {
      const uri = pathToFileURL(path).href;
      const spec = resolveJobSpec({ name: 'x', inputs: [{ uri, format: 'csv', encoding }], output: { uri: 'file:///tmp/x/' } } as never, { baseDir: '/' });
      const input = [{ uri, connection: null, etag: '', size: statSync(path).size }];
      const answer = await directory.core.request(
        { type: 'Probe', input, declared: JSON.stringify({ ...spec.inputs[0], schema: 'auto' }) },
        { deadlineMs: 60_000 },
      );
      all.push(
        answer.failed === null
          ? { pins: inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload))) }
          : { failed: `${answer.failed.code}: ${answer.failed.message}` },
      );
    }
    return all;
  } finally {
    await directory.close();
    rmSync(home, { recursive: true, force: true });
  }
}

interface Score {
  asked: number;
  answered: number;
  right: number;
  precision: number;
  recall: number;
  f1: number;
}

function score(judged: readonly (boolean | null)[]): Score {
  const [asked, answered, right] = [judged.length, judged.filter((is) => is !== null).length, judged.filter((is) => is === true).length];
  const [precision, recall] = [right / Math.max(1, answered), right / Math.max(1, asked)];
  const round = (share: number): number => Math.round(share * 1000) / 1000;
  return {
    asked,
    answered,
    right,
    precision: round(precision),
    recall: round(recall),
    f1: round(right === 0 ? 0 : (2 * precision * recall) / (precision + recall)),
  };
}

/** Null: no answer. One column may be read with any delimiter that does not occur. */
function judge(property: 'delimiter' | 'quoteChar' | 'header', label: Labelled, answer: Answer, text: string): boolean | null {
  const given = answer[property];
  if (answer.failed !== undefined || given === undefined) return null;
  if (property === 'delimiter' && label.delimiter === '') return given === '' || !text.includes(given as string);
  return given === label[property];
}

async function dialectScores({ name, files, isHeldOut: heldOut }: Part): Promise<object> {
  const questions = files.map(({ path, encoding }) => ({ path, ask: 'dialect', encoding }));
  const [peers, ours] = [await askPeers([], questions), await askCore(files.map(({ path, encoding }) => ({ path, encoding })))];
  const answers: Answers[] = files.map((_, index) => ({ [US]: ourAnswer(ours[index] as never), ...((peers[index] as { answers: Answers }).answers ?? {}) }));
  const scores: Record<string, Record<string, Score>> = {};
  for (const who of Object.keys(answers[0] ?? {})) {
    const texts = files.map(({ path }) => readFileSync(path, 'latin1'));
    const judgedOn = (property: 'delimiter' | 'quoteChar' | 'header') =>
      files.flatMap((file, index) => (file[property] === null ? [] : [judge(property, file, answers[index]?.[who] ?? {}, texts[index] ?? '')]));
    scores[who] = { delimiter: score(judgedOn('delimiter')), quoteChar: score(judgedOn('quoteChar')), header: score(judgedOn('header')) };
    if (who === US && !heldOut) tellMisses(name, files, answers, texts);
  }
  return scores;
}

function ourAnswer(answer: { pins: InputPins } | { failed: string }): Answer {
  if ('failed' in answer) return { failed: answer.failed };
  const { delimiter = '', quoteChar = '', header = true } = answer.pins.dialect ?? {};
  return { delimiter, quoteChar, header };
}

/** Every file that we get wrong, with what the others say: where to improve. */
function tellMisses(name: string, files: readonly Labelled[], answers: readonly Answers[], texts: readonly string[]): void {
  for (const [index, file] of files.entries()) {
    const wrong = (['delimiter', 'quoteChar', 'header'] as const).filter(
      (property) => file[property] !== null && judge(property, file, answers[index]?.[US] ?? {}, texts[index] ?? '') !== true,
    );
    if (wrong.length === 0) continue;
    const shown = (answer: Answer | undefined): string =>
      answer?.failed?.slice(0, 160) ?? wrong.map((property) => JSON.stringify(answer?.[property])).join(' ');
    const others = Object.entries(answers[index] ?? {}).map(([who, answer]) => `${who}: ${shown(answer)}`);
    console.error(
      `${name} ${file.path.slice(cache.length + 1)}: ${wrong.map((property) => `${property} is ${JSON.stringify(file[property])}`).join(', ')}; ${others.join(' | ')}`,
    );
  }
}

async function encodingScores(sentences: string, heldOut: boolean): Promise<object> {
  const directory = join(cache, heldOut ? 'encodings-held-out' : 'encodings');
  execFileSync(python, [peersScript, 'encodings', directory, join(root, 'bench/detection', sentences)]);
  const files = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as { path: string; encoding: string; sentences: number }[];
  const ours = await askCore(files.map(({ path }) => ({ path, encoding: 'auto' })));
  const told = files.flatMap((file, index) => {
    const answer = ours[index] as { pins: InputPins } | { failed: string };
    return 'pins' in answer ? [{ index, path: file.path, found: answer.pins.encoding, encoding: file.encoding }] : [];
  });
  const judged = await askPeers(['judge'], told);
  const mine: Answer[] = ours.map((answer) => ('failed' in answer ? { failed: answer.failed } : {}));
  for (const [at, { index }] of told.entries()) mine[index] = judged[at] as Answer;
  const peers = await askPeers(
    [],
    files.map(({ path, encoding }) => ({ path, ask: 'encoding', encoding })),
  );
  const answers: Answers[] = files.map((_, index) => ({ [US]: mine[index] as Answer, ...(peers[index] as { answers: Answers }).answers }));
  for (const [index, file] of files.entries())
    if (!heldOut && mine[index]?.right !== true)
      console.error(`encodings ${file.path.slice(directory.length + 1)}: ${JSON.stringify(answers[index])}`.slice(0, 400));
  const of = (who: string, sentences: number): Score =>
    score(
      files.flatMap((file, index) =>
        file.sentences === sentences ? [answers[index]?.[who]?.failed === undefined ? answers[index]?.[who]?.right === true : null] : [],
      ),
    );
  return Object.fromEntries(
    Object.keys(answers[0] ?? {}).map((who) => [who, { 'one sentence': of(who, 1), 'three sentences': of(who, 3), 'five sentences': of(who, 5) }]),
  );
}

if (!existsSync(python)) throw new Error(`no ${python}: run bench/detection/fetch.sh first`);
mkdirSync(cache, { recursive: true });
const generated = [SEED, HELD_OUT_SEED].map((seed, part): Part => {
  const heldOut = part === 1;
  const files = writeMessyFiles(join(cache, heldOut ? 'generated-held-out' : 'generated'), GENERATED, seed);
  return { name: nameOf(`generated (${GENERATED}, seed ${seed})`, heldOut), isHeldOut: heldOut, files };
});
const result: Record<string, object> = {};
for (const part of [...collections(), ...generated].filter(({ files }) => files.length > 0)) {
  const { name, files } = part;
  result[name] = { files: files.length, scores: await dialectScores(part) };
  console.log(name, JSON.stringify(result[name], null, 1).replaceAll(/\n\s{3,}/g, ' '));
}
for (const [sentences, heldOut] of [
  ['languages.json', false],
  ['languages-held-out.json', true],
] as const) {
  const name = nameOf('encodings', heldOut);
  result[name] = await encodingScores(sentences, heldOut);
  console.log(name, JSON.stringify(result[name], null, 1).replaceAll(/\n\s{2,}/g, ' '));
}
if (!process.argv.includes('--no-keep')) keep('detection', result);
