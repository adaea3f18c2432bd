/**
 * `npm run bench -- finish --chunks 100000`: the end of a job of very many chunks, a part and a receipt each, by a real core and Redis: how long it takes from
 * the journal to `_SUCCESS`, and what the host held. Journal and output are written as files before.
 */
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { inputsKey, jobKey, openMarkerKey, sealedKey, segmentKey, verdictKey } from '@millrace/journal';
import { encodeRecord, fileUri, jobIdFromKey, resolveJobSpec, sha256Hex, specDigest } from '@millrace/protocol';
import { root } from '../scripts/setup.js';
import { keep } from './keep.ts';

const { values } = parseArgs({ options: { chunks: { type: 'string', default: '100000' } } });
const chunks = Number(values.chunks);
const chunksOfSegment = 1_000;
const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-finish-'));
const journal = join(directory, 'journal');
const out = join(directory, 'out');
for (const name of [journal, join(directory, 'in'), join(out, '_rejects')]) mkdirSync(name, { recursive: true });

const made = new Set<string>();
function put(key: string, bytes: Uint8Array): string {
  const path = join(journal, key);
  const folder = dirname(path);
  if (!made.has(folder)) mkdirSync(folder, { recursive: true });
  made.add(folder);
  writeFileSync(path, bytes);
  return sha256Hex(bytes);
}

try {
  const jobId = jobIdFromKey('default', 'finish');
  writeJob(jobId);
  console.log(`${chunks} chunks are written`);
  const startedAt = performance.now();
  const child = fork(join(root, 'bench/control-plane/finish-host.ts'), [directory, jobId]);
  const told = await new Promise<object>((resolve, reject) => {
    child.once('message', (message) => resolve(message as object));
    child.once('exit', (code) => reject(new Error(`the host ended with ${code}`)));
  });
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const success = JSON.parse(readFileSync(join(out, '_SUCCESS'), 'utf8')) as { manifest: string };
  const { chunks: counted, pages = [] } = JSON.parse(readFileSync(new URL(success.manifest), 'utf8')) as {
    chunks: { committed: number };
    pages?: { list: string; count: number }[];
  };
  const parts = pages.reduce((sum, { list, count }) => (list === 'parts' ? sum + count : sum), 0);
  const result = { chunks, committed: counted.committed, pages: pages.length, partsInPages: parts, seconds, ...told, loadAverage: loadavg()[0] };
  console.log(result);
  keep(`finish-${chunks}`, result);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);

/** Sealed and whole: every chunk has its receipt, and every receipt its part. */
function writeJob(jobId: ReturnType<typeof jobIdFromKey>): void {
  const uri = fileUri(join(directory, 'in', 'a.csv'));
  const spec = resolveJobSpec({ name: 'finish', inputs: { uri: [uri] }, output: { uri: `${fileUri(out)}/` } });
  const digest = specDigest(spec);
  const file = { file: 0, input: 0, uri, etag: 'e', size: chunks, sha256: null, records: null };
  const inputs = put(inputsKey(jobId, 0), encodeRecord('inputs', { record: 'inputs', version: 1, jobId, segment: 0, first: 0, files: [file] }));
  const refs = [{ key: inputsKey(jobId, 0), digest: inputs, first: 0, count: 1 }];
  const stages = [{ name: 'read', kind: 'map' as const }];
  const acceptedAt = new Date().toISOString();
  const of = { tenant: 'default', name: 'finish', idempotencyKey: 'finish', acceptedAt, resultVersion: 1, specDigest: digest, spec, stage: 'read', stages };
  put(openMarkerKey(jobId, 1), encodeRecord('open', { record: 'open', version: 1, jobId, generation: 1 }));
  put(jobKey(jobId), encodeRecord('job', { record: 'job', version: 1, jobId, ...of, lookups: [], inputs: refs, inputFiles: 1, inputBytes: chunks }));
  let segments = 0;
  for (let first = 0; first < chunks; first += chunksOfSegment, segments += 1) writeSegment(jobId, segments, first, digest, uri);
  const plan = { version: 1, jobId, generation: 1, stage: null, segments } as const;
  put(segmentKey(jobId, 1, segments), encodeRecord('planEnd', { record: 'planEnd', ...plan }));
  put(sealedKey(jobId, 1), encodeRecord('sealed', { record: 'sealed', ...plan, chunks, bytes: chunks, records: chunks, unplannable: [] }));
}

function writeSegment(jobId: ReturnType<typeof jobIdFromKey>, segment: number, first: number, digest: string, uri: string): void {
  const one = { records: 1, lines: 1, damages: 0, blankLines: 0, commentLines: 0 };
  const listed = Array.from({ length: Math.min(chunksOfSegment, chunks - first) }, (_, at) => {
    const chunk = first + at;
    return { chunk, kind: 'range' as const, file: 0, start: chunk, end: chunk + 1, record: chunk + 1, line: chunk + 1, ...one };
  });
  const files = [{ file: 0, input: 0, uri, etag: 'e', size: chunks, bom: 0, dataStart: 0, firstLine: 1, header: ['a'], mapping: [0], extra: [] }];
  const isLast = first + listed.length === chunks;
  const ended = isLast ? [{ file: 0, records: chunks, lines: chunks, damages: 0, blankLines: 0, commentLines: 0, bytes: chunks }] : [];
  const plan = { generation: 1, stage: 'read', segment, specDigest: digest, pinsDigest: digest, firstChunk: first };
  const segmentDigest = put(
    segmentKey(jobId, 1, segment),
    encodeRecord('segment', { record: 'segment', version: 1, jobId, ...plan, files, chunks: listed, ended }),
  );
  for (const { chunk } of listed) writeReceipt(jobId, chunk, { specDigest: digest, segmentDigest });
}

function writeReceipt(jobId: ReturnType<typeof jobIdFromKey>, chunk: number, of: { specDigest: string; segmentDigest: string }): void {
  const attemptId = `a${String(chunk).padStart(26, '0')}`;
  const part = `part-read-${String(chunk).padStart(6, '0')}-0-${jobId}-${attemptId}.parquet`;
  writeFileSync(join(out, part), 'x');
  const fates = { recordsIn: 1, emitted: 1, filtered: 0, deduplicated: 0, rejected: 0 };
  const counts = { ...fates, rowsOut: 1, repaired: 0, bytesIn: 1, blankLines: 0, commentLines: 0, suspectRecords: 0, damagedBytes: 0, damagedLines: 0 };
  const head = { record: 'verdict', version: 1, outcome: 'committed', jobId, stage: 'read', chunk, generation: 1, attemptId, ...of };
  const sums = { resultVersion: 1, coreVersion: 'bench', counts, byCode: {}, byColumn: {}, repairs: {}, files: [{ file: 0, key: null, ...fates }] };
  const parts = [{ uri: fileUri(join(out, part)), rows: 1, bytes: 1, sha256: sha256Hex('x') }];
  put(verdictKey(jobId, 'read', chunk, 1), Buffer.from(JSON.stringify({ ...head, ...sums, parts, rejects: [], exchange: null, inputsDigest: null })));
}
