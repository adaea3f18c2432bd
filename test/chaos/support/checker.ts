/**
 * What must hold when the faults have stopped and nothing moves any more: invariants I1 to I7 and I11 of the design, each looked for from outside, in
 * the journal, the output place, the process table and the logs of the roles. Answers sentences; none means that all holds.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type FailureRecord, isTerminalJobState, type Manifest, type Receipt } from '@millrace/protocol';
import { verifyOutput } from '../../../packages/cli/src/generate/verify.ts';
import { filesBelow, openMarkers, sha256Of, sizeOf } from '../../e2e/support/journal-files.ts';
import type { Cluster, LogLine } from './cluster.ts';
import { isAccepted, type ListedChunk, type ReadJob, readJob, receiptsOf } from './journal-reader.ts';

export interface CheckOptions {
  /** Attempts whose host was killed while Redis forgot them are known to nobody: the design names them as lost. */
  readonly redisForgot?: boolean;
  /** The job need not have completed: its rows are not compared. */
  readonly ending?: 'completed' | 'any';
}

/** Checks every job of the client log. */
export async function findBreaches(cluster: Cluster, options: CheckOptions = {}): Promise<string[]> {
  const { out, client } = cluster;
  const accepted = [...new Set(client.entries.map(({ jobId }) => jobId))].filter((jobId) => isAccepted(out, jobId));
  const jobs = accepted.map((jobId) => readJob(out, jobId));
  const found = [...checkClients(cluster, jobs), ...jobs.flatMap((job) => [...checkVerdicts(job), ...checkManifests(job, cluster)])];
  found.push(...checkObjects(jobs, cluster), ...checkAttempts(jobs, cluster.lines, options.redisForgot === true));
  if (options.ending !== 'any') found.push(...(await checkRows(cluster, jobs)));
  return found;
}

/** I1: what a client was told. */
function* checkClients({ client, out }: Cluster, jobs: readonly ReadJob[]): Generator<string> {
  const known = new Map(jobs.map((job) => [job.jobId, job]));
  for (const { key, jobId, outcome } of client.entries) {
    const job = known.get(jobId);
    if (job === undefined && outcome === 'ok') yield `I1 ${key}: acknowledged, and there is no job.json`;
    if (job !== undefined && newestEnd(job) === null) yield `I1 ${key}: no generation has a manifest`;
  }
  const left = openMarkers(out).filter((name) => isAccepted(out, name.replace(/\..*/, '')));
  if (left.length > 0) yield `I1 markers are left: ${left.join(' ')}`;
}

const newestEnd = (job: ReadJob): Manifest | null => job.manifests.get(Math.max(...job.manifests.keys())) ?? null;

/** I2: one outcome per chunk and generation is held by the names; here that at most one of them is a commit, and that each names itself. */
function* checkVerdicts(job: ReadJob): Generator<string> {
  const commits = new Map<string, string[]>();
  for (const { stage, chunk, generation, verdict } of job.verdicts) {
    if (verdict.stage !== stage || verdict.chunk !== chunk || verdict.generation !== generation || verdict.jobId !== job.jobId) {
      yield `I2 ${stage}.${chunk} of generation ${generation}: the verdict names ${verdict.stage}.${verdict.chunk} of ${verdict.generation}`;
    }
    if (verdict.outcome !== 'committed') continue;
    const place = `${stage}.${chunk} ${verdict.inputsDigest ?? ''}`;
    commits.set(place, [...(commits.get(place) ?? []), `generation ${generation} by ${verdict.attemptId}`]);
  }
  for (const [place, by] of commits) if (by.length > 1) yield `I2 ${place} committed ${by.length} times: ${by.join(', ')}`;
  const attempts = receiptsOf(job).map(({ verdict }) => verdict.attemptId);
  if (new Set(attempts).size !== attempts.length) yield 'I2 one attempt committed two chunks';
}

/** I4: plan, verdicts and manifest of each generation. */
function* checkManifests(job: ReadJob, cluster: Cluster): Generator<string> {
  for (const [generation, manifest] of job.manifests) {
    if (!isTerminalJobState(manifest.state)) yield `I1 generation ${generation}: the manifest says ${manifest.state}`;
    if (manifest.state !== 'completed') continue;
    const counted = countingChunks(job, generation);
    const receipts: Receipt[] = [];
    for (const chunk of counted) {
      const verdict = job.verdicts.find((one) => one.stage === chunk.stage && one.chunk === chunk.chunk && one.generation === chunk.generation)?.verdict;
      if (verdict === undefined) yield `I4 ${chunk.stage}.${chunk.chunk}: planned in generation ${chunk.generation}, and no verdict`;
      else if (verdict.outcome === 'closed')
        yield `I4 ${chunk.stage}.${chunk.chunk}: closed in ${chunk.generation}, and the manifest of ${generation} is completed`;
      else if (verdict.outcome === 'committed') receipts.push(verdict);
    }
    const { total, committed } = manifest.chunks;
    if (total !== counted.length || committed !== receipts.length) {
      yield `I4 generation ${generation}: the manifest counts ${committed} of ${total} chunks, the verdicts ${receipts.length} of ${counted.length}`;
    }
    yield* sameParts(
      `generation ${generation}: parts`,
      manifest.parts,
      receipts.flatMap(({ parts }) => parts),
    );
    yield* sameParts(
      `generation ${generation}: rejects`,
      manifest.rejects,
      receipts.flatMap(({ rejects }) => rejects),
    );
  }
  const place = [...job.manifests.values()].map(({ outputUri }) => pathOf(outputUri, cluster))[0] ?? cluster.out;
  const success = join(place, '_SUCCESS');
  const completed = [...job.manifests].filter(([, { state }]) => state === 'completed').map(([generation]) => generation);
  if (completed.length === 0) return;
  const standing = existsSync(success) ? (JSON.parse(readFileSync(success, 'utf8')) as { jobId: string; generation: number }) : null;
  if (standing?.jobId === job.jobId && standing.generation !== Math.max(...completed)) {
    yield `I4 _SUCCESS names generation ${standing.generation}, the newest completed one is ${Math.max(...completed)}`;
  }
  if (standing === null) yield `I4 ${job.jobId} completed, and there is no _SUCCESS`;
}

/** Each chunk in the newest generation up to this one whose plan lists it. */
function countingChunks(job: ReadJob, upTo: number): ListedChunk[] {
  const newest = new Map<string, ListedChunk>();
  for (const entry of job.listed) {
    if (entry.generation > upTo) continue;
    const id = `${entry.stage}.${entry.chunk}`;
    if ((newest.get(id)?.generation ?? 0) < entry.generation) newest.set(id, entry);
  }
  return [...newest.values()];
}

function* sameParts(what: string, named: Manifest['parts'], receipts: Receipt['parts']): Generator<string> {
  const text = ({ uri, bytes, sha256 }: { uri: string; bytes: number; sha256: string }): string => `${basename(uri)} ${bytes} ${sha256}`;
  const [ours, theirs] = [new Set(named.map(text)), new Set(receipts.map(text))];
  const only = [...ours].filter((one) => !theirs.has(one)).concat([...theirs].filter((one) => !ours.has(one)));
  if (only.length > 0 || ours.size !== named.length) yield `I4 ${what} of manifest and receipts differ: ${only.slice(0, 3).join(' | ')}`;
}

/** I4 and I7: every object that is named is there as named, and every part that is there is named. */
function* checkObjects(jobs: readonly ReadJob[], cluster: Cluster): Generator<string> {
  const here = filesBelow(cluster.out).filter((path) => !path.includes('/_journal/'));
  // A process that is killed in its self-test at the start leaves that folder, of a few bytes, behind: known, and told in the track record.
  const temporary = filesBelow(cluster.out).filter((path) => /\/\.tmp-[^/]*$/.test(path) && !path.includes('/_selftest-'));
  if (temporary.length > 0)
    yield `I7 temporary files: ${temporary
      .slice(0, 3)
      .map((path) => basename(path))
      .join(' ')}`;
  const named = new Map<string, { bytes: number; sha256: string }>();
  for (const job of jobs) {
    for (const { parts, rejects } of receiptsOf(job).map(({ verdict }) => verdict))
      for (const part of [...parts, ...rejects]) named.set(pathOf(part.uri, cluster), part);
  }
  for (const [path, part] of named) {
    if (!existsSync(path)) yield `I4 ${basename(path)} is named by a receipt and not there`;
    else if (sizeOf(path) !== part.bytes || sha256Of(path) !== part.sha256) yield `I4 ${basename(path)} is not as its receipt says`;
  }
  const orphans = here.filter((path) => /\/[^/]*-[^/]*-a[0-9a-z]{26}\.[^/]*$/.test(path) && !named.has(path));
  // Of a generation that failed or was cancelled parts stay, for a redrive or retention.
  const isAllCompleted = jobs.every((job) => newestEnd(job)?.state === 'completed');
  if (orphans.length > 0 && isAllCompleted)
    yield `I7 parts that no receipt names: ${orphans
      .slice(0, 3)
      .map((path) => basename(path))
      .join(' ')}`;
}

export function pathOf(uri: string, { options, out }: Cluster): string {
  if (uri.startsWith('file://')) return fileURLToPath(uri);
  const remote = options.remote;
  if (remote === undefined || !uri.startsWith(remote.out)) throw new Error(`no path for ${uri}`);
  return join(out, uri.slice(remote.out.length));
}

/** I6: every attempt that was opened has committed or has its record. */
function* checkAttempts(jobs: readonly ReadJob[], lines: readonly LogLine[], redisForgot: boolean): Generator<string> {
  const records = new Map(jobs.flatMap(({ failures }) => failures.map((record) => [record.attemptId as string, record])));
  const committed = new Set(jobs.flatMap((job) => receiptsOf(job).map(({ verdict }) => verdict.attemptId as string)));
  const accepted = new Set(jobs.map(({ jobId }) => jobId));
  for (const line of lines) {
    if (line.msg !== 'attempt opened' || line['taskKind'] === 'finish' || line['taskKind'] === 'plan') continue;
    const attemptId = String(line['attemptId']);
    if (!accepted.has(String(line['jobId'])) || committed.has(attemptId) || records.has(attemptId) || redisForgot) continue;
    yield `I6 attempt ${attemptId} of ${line['chunkId']} neither committed nor left a record`;
  }
  for (const [attemptId, record] of records) {
    const lacking = missingFields(record);
    if (lacking.length > 0) yield `I6 the record of ${attemptId} (${record.code}) lacks ${lacking.join(', ')}`;
    // A loss may be recorded before the put of the attempt lands, which then counts all the same.
    if (committed.has(attemptId) && record.class !== 'lost' && record.class !== 'transient')
      yield `I6 attempt ${attemptId} committed and has a record that it did not (${record.outcome} ${record.code})`;
  }
}

/** Fields that an operator needs, by class. */
function missingFields(record: FailureRecord): string[] {
  const lacking: string[] = [];
  const need = (name: keyof FailureRecord, isThere: boolean): void => void (isThere ? 0 : lacking.push(name));
  need('worker', record.worker !== '');
  need('fingerprint', record.fingerprint.startsWith('fp1-'));
  need('endedAt', Date.parse(record.endedAt) >= Date.parse(record.startedAt));
  need('message', record.message !== '');
  need('node', record.node !== null);
  const isChunk = record.stage !== 'plan' && record.stage !== 'finish';
  // The range stands in the plan; an attempt whose store would not show it the plan never learned it.
  const sawNoPlan = record.code.startsWith('STORAGE_') && record.bytesDone === 0;
  need('range', !isChunk || sawNoPlan || record.range !== null);
  if (isChunk && record.class === 'crash' && record.code !== 'PROTOCOL_VIOLATION') need('signal', record.signal !== null || record.exitCode !== null);
  if (record.class === 'bug') need('backtrace', record.backtrace !== null || record.message !== '');
  return lacking;
}

/** I3: sums of hashes of every row against what was planted when the data were generated, then each reject's place. */
async function checkRows(cluster: Cluster, jobs: readonly ReadJob[]): Promise<string[]> {
  const found: string[] = [];
  for (const job of jobs) {
    const end = newestEnd(job);
    if (end?.state !== 'completed') {
      found.push(`I1 ${job.jobId} ended as ${end?.state ?? 'nothing'}: ${end?.failure?.message ?? ''}`);
      continue;
    }
    const view = localView(cluster, end);
    const { differences } = await verifyOutput(cluster.options.data, view);
    found.push(...differences.map((difference) => `I3 ${job.jobId}: ${difference}`));
    rmSync(view, { recursive: true, force: true });
  }
  return found;
}

/** A directory that `verifyOutput` reads: the manifest with paths of this computer. */
function localView(cluster: Cluster, manifest: Manifest): string {
  const below = cluster.options.bench.path('views');
  mkdirSync(below, { recursive: true });
  const view = mkdtempSync(join(below, 'view-'));
  const local = (part: { uri: string }) => ({ ...part, uri: pathToFileURL(pathOf(part.uri, cluster)).href });
  writeFileSync(join(view, 'manifest.json'), JSON.stringify({ ...manifest, parts: manifest.parts.map(local), rejects: manifest.rejects.map(local) }));
  writeFileSync(join(view, '_SUCCESS'), JSON.stringify({ manifest: 'manifest.json' }));
  return view;
}

/** I11: looks at what readers look at, again and again, and remembers when that was ever not whole. */
export class Reader {
  readonly #place: string;
  readonly #timer: NodeJS.Timeout;
  readonly breaches: string[] = [];
  looks = 0;
  #last: { jobId: string; generation: number } | null = null;

  constructor(place: string, everyMs = 25) {
    this.#place = place;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  #look(): void {
    this.looks += 1;
    try {
      const path = join(this.#place, '_SUCCESS');
      if (!existsSync(path)) {
        if (this.#last !== null) this.breaches.push('I11 _SUCCESS was there and is gone');
        return;
      }
      const success = JSON.parse(readFileSync(path, 'utf8')) as { jobId: string; generation: number; manifest: string };
      if (this.#last?.jobId === success.jobId && success.generation < this.#last.generation) this.breaches.push('I11 _SUCCESS went back');
      this.#last = success;
      if (!success.manifest.startsWith('file://')) return;
      const manifest = JSON.parse(readFileSync(fileURLToPath(success.manifest), 'utf8')) as Manifest;
      if (manifest.state !== 'completed') this.breaches.push(`I11 _SUCCESS led to a manifest that is ${manifest.state}`);
      for (const { uri, bytes } of manifest.parts) {
        const part = fileURLToPath(uri);
        if (!existsSync(part) || sizeOf(part) !== bytes) this.breaches.push(`I11 ${basename(part)} was not there for a reader`);
      }
    } catch (error) {
      this.breaches.push(`I11 a reader saw something partial: ${String(error)}`);
    }
  }

  stop(): readonly string[] {
    clearInterval(this.#timer);
    return [...new Set(this.breaches)];
  }
}
