/**
 * A worker host for tests that follows the protocol by hand: real queues, real journal, but it decides by script how each attempt ends, and no file is
 * read. Every ten bytes of a file are a chunk of one record; a reduce stage has two partitions that share the rows. It verifies signatures as a real host does.
 */
import { type ChunkView, failureKey, isFullyPlanned, type JobView, specOfGeneration, verdictKey, Waivers } from '@millrace/journal';
import {
  type AttemptId,
  addBalances,
  addSums,
  type Balance,
  balanceOfStages,
  type Chunk,
  chunkBytes,
  decideBudget,
  encodeRecord,
  type FailureRecord,
  fileStages,
  fingerprint,
  type InputFile,
  type JobRecord,
  keyStages,
  laterIndexOf,
  laterStages,
  type Manifest,
  newAttemptId,
  type PartitionChunk,
  type Pins,
  parseTaskId,
  plannedRecords,
  type Receipt,
  type ReceiptSums,
  type Segment,
  type Stage,
  segmentRanges,
  sha256Hex,
  stagesOf,
  sumsOfReceipt,
  type Unplannable,
  verifyTask,
  workQueueName,
  zeroBalance,
  zeroSums,
} from '@millrace/protocol';
import type { AttemptOrders, ClaimedTask, TaskConsumer, TaskOutcome, WorkOrders } from '@millrace/queues';
import type { Control } from '../control.ts';

/** How an attempt at a chunk ends. `mute`: the receipt is put and nobody is told. `vanish`: the host dies with the task in hand. */
export type ScriptedEnd = 'commit' | 'mute' | 'vanish' | { readonly class: FailureRecord['class']; readonly code: string };

export interface Script {
  /** `attempt` counts from 1 over all generations. */
  chunk?(chunk: number, attempt: number, orders: AttemptOrders): ScriptedEnd | Promise<ScriptedEnd>;
  /** Null: the file is planned. */
  unplannable?(file: InputFile, generation: number): Unplannable | null;
  /** The planner dies behind so many chunks of the file; null: it does not. */
  planDies?(file: InputFile, generation: number): number | null;
  rejectsOf?(chunk: number): number;
}

export interface ScriptedHost {
  /** `<chunk>@<generation>` of each attempt at a chunk, in order. */
  readonly attempts: string[];
  stop(): Promise<void>;
}

export async function startScriptedHost(control: Control, script: Script = {}, worker = 'w-test'): Promise<ScriptedHost> {
  const host = new Host(control, script, worker);
  await host.start();
  return host;
}

class Host implements ScriptedHost {
  readonly attempts: string[] = [];
  readonly #control: Control;
  readonly #script: Script;
  readonly #worker: string;
  readonly #consumers: TaskConsumer[] = [];
  #beat: NodeJS.Timeout | null = null;
  readonly #stopping = Promise.withResolvers<void>();

  constructor(control: Control, script: Script, worker: string) {
    this.#control = control;
    this.#script = script;
    this.#worker = worker;
  }

  async start(): Promise<void> {
    const { pool, resultVersion, queues, times } = this.#control;
    const view = { worker: this.#worker, pool, resultVersion, coreVersion: '0', slots: 2, busy: 0, draining: false, pod: null, node: 'here', pid: process.pid };
    await queues.workers.beat(view);
    this.#beat = setInterval(() => void queues.workers.beat(view).catch(() => undefined), times.workerBeatMs);
    for (const [kind, concurrency] of [
      ['plan', 1],
      ['chunk', 2],
      ['finish', 1],
    ] as const) {
      const consumer = queues.tasks.consume(workQueueName(kind, pool, resultVersion), { concurrency }, (task) => this.#run(task));
      consumer.start();
      this.#consumers.push(consumer);
    }
  }

  async stop(): Promise<void> {
    if (this.#beat) clearInterval(this.#beat);
    this.#stopping.resolve();
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
    await this.#control.queues.workers.remove(this.#worker);
  }

  async #run(task: ClaimedTask): Promise<TaskOutcome> {
    if (!verifyTask(task.queue, task.taskId, task.signature, this.#control.taskKeys)) throw new Error(`the signature of ${task.taskId} does not hold`);
    const attemptId = newAttemptId(this.#control.ids);
    const { resultVersion, clock, queues } = this.#control;
    const opening = { taskId: task.taskId, attemptId, worker: this.#worker, pod: null, node: 'here', resultVersion, startedAt: clock.nowIso() };
    if (parseTaskId(task.taskId).kind === 'chunk') {
      const opened = await queues.ledger.openAttempt(opening);
      return 'go' in opened ? this.#chunk(opened.go, attemptId) : 'acknowledge';
    }
    const opened = await queues.ledger.openWork(opening);
    if ('refused' in opened) return 'acknowledge';
    await (opened.go.kind === 'plan' ? this.#plan(opened.go) : this.#finish(opened.go));
    await queues.events.nudgeLeader(opened.go.jobId);
    return 'acknowledge';
  }

  async #chunk(orders: AttemptOrders, attemptId: AttemptId): Promise<TaskOutcome> {
    this.attempts.push(`${orders.chunk}@${orders.generation}`);
    const tries = this.attempts.filter((attempt) => attempt.startsWith(`${orders.chunk}@`)).length;
    const end = (await this.#script.chunk?.(orders.chunk, tries, orders)) ?? 'commit';
    const { queues } = this.#control;
    if (end === 'vanish') {
      await this.#stopping.promise;
      return 'release';
    }
    if (typeof end === 'object') {
      await this.#fail(orders, attemptId, end);
      return 'failed';
    }
    const receipt = await this.#commit(orders, attemptId);
    if (end === 'mute') return 'acknowledge';
    await queues.ledger.markCommitted(orders.chunkId, orders.generation, sumsOfReceipt(receipt));
    await queues.events.nudgeLeader(orders.jobId);
    return 'acknowledge';
  }

  async #fail(orders: AttemptOrders, attemptId: AttemptId, end: { class: FailureRecord['class']; code: string }): Promise<void> {
    const { jobId, stage, chunk, generation, mode } = orders;
    const now = this.#control.clock.nowIso();
    const print = fingerprint(end.code, []);
    await this.#control.journal.putFailure({
      record: 'failure',
      version: 1,
      jobId,
      stage,
      chunk,
      generation,
      attemptId,
      outcome: 'failed',
      class: end.class,
      code: end.code,
      message: 'as the script says',
      details: {},
      causes: [],
      fingerprint: print,
      worker: this.#worker,
      pod: null,
      node: 'here',
      coreVersion: null,
      startedAt: now,
      endedAt: now,
      range: null,
      bytesDone: 0,
      recordsDone: 0,
      position: null,
      exitCode: null,
      signal: null,
      peakRssBytes: null,
      stderrTail: null,
      backtrace: null,
      mode,
    });
    const failureClass = end.class === 'data' ? 'bug' : end.class;
    const recordKey = failureKey(jobId, stage, chunk, attemptId);
    const ended = { outcome: 'failed', endedAt: now, range: null, recordKey } as const;
    const failure = { class: failureClass, code: end.code, message: 'as the script says', fingerprint: print, ...ended };
    await this.#control.queues.ledger.failAttempt(orders.chunkId, generation, attemptId, failure);
    await this.#control.queues.events.nudgeLeader(jobId);
  }

  /** The commit point, as the core does it: the receipt that stands is the one that counts. */
  async #commit(orders: AttemptOrders, attemptId: AttemptId): Promise<Receipt> {
    const { jobId, stage, chunk, generation, segmentDigest } = orders;
    const rejected = this.#script.rejectsOf?.(chunk) ?? 0;
    const segment = await this.#control.journal.readSegment(orders.segmentKey, segmentDigest);
    const listed = segment.record.chunks.find((one) => one.chunk === chunk);
    if (!listed || segment.record.generation !== generation) throw new Error(`${orders.segmentKey} does not list chunk ${chunk}`);
    const receipt = receiptOf(orders, attemptId, listed, rejected);
    const bytes = encodeRecord('verdict', receipt);
    const scope = { connection: 'journal', kind: 'journal', jobKey: null, specDigest: null } as const;
    const put = { type: 'StorePut', scope, key: verdictKey(jobId, stage, chunk, generation), mode: 'create', ifMatch: null, sha256: sha256Hex(bytes) } as const;
    await this.#control.core.request(put, { payload: bytes, deadlineMs: 10_000 });
    const standing = await this.#control.journal.readVerdict(jobId, stage, chunk, generation);
    if (standing?.record.outcome !== 'committed') throw new Error(`chunk ${chunk} is ${standing?.record.outcome}`);
    return standing.record;
  }

  async #jobOf(jobId: JobRecord['jobId']): Promise<JobView> {
    const job = await this.#control.journal.readJob(jobId);
    if (job === null) throw new Error(`there is no job ${jobId}`);
    return job;
  }

  /** As a planner does: behind what stands there, files that earlier generations could not plan. */
  async #plan(orders: WorkOrders): Promise<void> {
    const { journal, queues } = this.#control;
    const { jobId, generation } = orders;
    const job = await this.#jobOf(jobId);
    const laterIndex = laterIndexOf(job.job.record.inputFiles, orders.first);
    if (laterIndex !== null) return this.#planStage(orders, job, laterIndex);
    const pins = await journal.putPins(pinsOf(job.job.record));
    const ended = new Set(job.plans.flatMap((plan) => plan.segments.flatMap(({ record }) => record.ended.map(({ file }) => file))));
    let segment = job.plans.at(-1)?.segments.length ?? 0;
    let chunk = job.chunks.length;
    const unplannable: Unplannable[] = [];
    for await (const file of journal.listInputFiles(jobId)) {
      if (ended.has(file.file)) continue;
      const refused = this.#script.unplannable?.(file, generation) ?? null;
      if (refused) {
        unplannable.push(refused);
        continue;
      }
      const whole = segmentOf(job, orders, pins.stored.digest, file, segment++, chunk);
      const dies = this.#script.planDies?.(file, generation) ?? null;
      const record = dies === null ? whole : { ...whole, chunks: whole.chunks.slice(0, dies), ended: [] };
      chunk += record.chunks.length;
      const { stored } = await journal.putSegment(record);
      await queues.ledger.recordSegment(jobId, generation, {
        segment: record.segment,
        key: stored.key,
        digest: stored.digest,
        stage: record.stage,
        ranges: [[record.firstChunk, record.chunks.length]],
        bytes: file.size,
      });
      await queues.events.nudgeLeader(jobId);
      if (dies !== null) return this.#stopping.promise;
    }
    await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation, stage: null, segments: segment });
    const plan = await journal.readPlan(job.job.record, generation);
    const chunks = plan.segments.flatMap(({ record }) => record.chunks);
    const totals = { segments: segment, chunks: chunks.length, bytes: chunks.reduce((sum, one) => sum + chunkBytes(one), 0) };
    await journal.putSealed({ record: 'sealed', version: 1, jobId, generation, stage: null, ...totals, records: chunks.length, unplannable });
    await queues.ledger.sealPlan(jobId, generation, totals);
    await queues.ledger.closeWork(orders.workId, generation);
  }

  /** Two partitions; those enter whose inputs changed or that have no receipt, under the numbers they had. */
  async #partitionsOf(stage: Stage, job: JobView): Promise<PartitionChunk[]> {
    const { jobId } = job.job.record;
    const read = await this.#receiptsOf(job.chunks.filter((chunk) => stage.from.includes(chunk.stage)));
    const rows = read.reduce((sum, receipt) => sum + receipt.counts.rowsOut, 0);
    const slices = { key: `jobs/${jobId}/work/slices/${stage.name}`, digest: sha256Hex(JSON.stringify(read.map(({ attemptId }) => attemptId))) };
    const earlier = job.chunks.filter((chunk) => chunk.stage === stage.name);
    const next = job.chunks.reduce((above, { chunk }) => Math.max(above, chunk.chunk + 1), 0);
    const chunks: PartitionChunk[] = [];
    for (const partition of [0, 1]) {
      const known = earlier.find(({ chunk }) => chunk.kind === 'partition' && chunk.partition === partition);
      const [receipt] = known === undefined ? [] : await this.#receiptsOf([known]);
      if (receipt?.inputsDigest === slices.digest) continue;
      const share = partition === 0 ? Math.ceil(rows / 2) : Math.floor(rows / 2);
      chunks.push({ chunk: known?.chunk.chunk ?? next + partition, kind: 'partition', partition, rows: share, bytes: share, slices });
    }
    return chunks;
  }

  /** The chunks of `unique` again, without those that are dead or that an earlier generation has planned. */
  async #behindOwners(stage: Stage, job: JobView): Promise<Chunk[]> {
    const placeOf = ({ chunk }: ChunkView): string => JSON.stringify({ ...chunk, chunk: 0 });
    const planned = new Set(job.chunks.filter((chunk) => chunk.stage === stage.name).map(placeOf));
    const chunks: Chunk[] = [];
    const next = job.chunks.reduce((above, { chunk }) => Math.max(above, chunk.chunk + 1), 0);
    for (const chunk of job.chunks) {
      if (chunk.stage !== keyStages.unique || planned.has(placeOf(chunk))) continue;
      const [receipt] = await this.#receiptsOf([chunk]);
      if (receipt) chunks.push({ ...chunk.chunk, chunk: next + chunks.length });
    }
    return chunks;
  }

  async #planStage(orders: WorkOrders, job: JobView, laterIndex: number): Promise<void> {
    const { journal, queues } = this.#control;
    const { jobId, generation, specDigest } = orders;
    const stage = laterStages(stagesOf(specOfGeneration(job, generation).spec))[laterIndex];
    const plan = job.plans.at(-1);
    if (stage === undefined || plan === undefined) throw new Error(`there is no later stage ${laterIndex}`);
    const chunks = stage.kind === 'map' ? await this.#behindOwners(stage, job) : await this.#partitionsOf(stage, job);
    const files = stage.kind === 'map' ? [...new Map(job.chunks.flatMap(({ segment }) => segment.record.files.map((file) => [file.file, file]))).values()] : [];
    const first = [plan, ...plan.stages.slice(0, laterIndex)].reduce((sum, { sealed }) => sum + (sealed?.segments ?? 0), 0);
    const head = { version: 1, jobId, generation, stage: stage.name } as const;
    if (chunks.length > 0) {
      const places = { segment: first, specDigest, pinsDigest: job.pins?.digest ?? '', firstChunk: chunks[0]?.chunk ?? 0 };
      await journal.putSegment({ record: 'segment', ...head, ...places, files, chunks, ended: [] }, stage.name);
    }
    const segments = chunks.length > 0 ? 1 : 0;
    await journal.putPlanEnd({ record: 'planEnd', ...head, segments: first + segments });
    await journal.putSealed({
      record: 'sealed',
      ...head,
      segments,
      chunks: chunks.length,
      bytes: sum(chunks.map(chunkBytes)),
      records: sum(chunks.map((chunk) => plannedRecords(chunk) ?? 0)),
      unplannable: [],
    });
    const stored = (await journal.readPlan(job.job.record, generation)).stages[laterIndex]?.segments ?? [];
    const refs = stored.map(({ key, digest, record }) => ({ key, digest, ...segmentRanges(record) }));
    await queues.ledger.sealStage(jobId, generation, { index: laterIndex, stage: stage.name, segments: refs, upTo: first + segments });
    await queues.ledger.closeWork(orders.workId, generation);
  }

  async #receiptsOf(chunks: readonly ChunkView[]): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    for (const chunk of chunks) {
      const verdict = (await this.#control.journal.readOutcome(chunk))?.record;
      if (verdict?.outcome === 'committed') receipts.push(verdict);
    }
    return receipts;
  }

  async #finish(orders: WorkOrders): Promise<void> {
    const { journal, queues } = this.#control;
    const { jobId, generation } = orders;
    const job = await this.#jobOf(jobId);
    const waivers = new Waivers(job.commands);
    const unplannable = job.plans.at(-1)?.sealed?.unplannable ?? [];
    const sums = {
      committed: 0,
      dead: unplannable.filter(({ file }) => waivers.of('plan', file, generation) === null).length,
      waived: 0,
      total: zeroSums,
      stages: new Map<string, Balance>(),
    };
    const missing: string[] = [];
    for (const chunk of job.chunks) {
      const verdict = (await journal.readOutcome(chunk))?.record;
      if (verdict?.outcome === 'committed') {
        sums.committed++;
        sums.total = addSums(sums.total, sumsOfReceipt(verdict));
        sums.stages.set(chunk.stage, addBalances(sums.stages.get(chunk.stage) ?? zeroBalance, sumsOfReceipt(verdict).balance));
      } else if (verdict?.outcome === 'dead') sums[waivers.of(chunk.stage, chunk.chunk.chunk, verdict.generation) === null ? 'dead' : 'waived']++;
      else missing.push(`${jobId}.${chunk.stage}.${chunk.chunk.chunk}`);
    }
    const plan = job.plans.at(-1);
    if ((missing.length > 0 || plan === undefined || !isFullyPlanned(plan)) && orders.end === null) {
      await queues.ledger.finishReported(jobId, generation, { state: 'notReady', missing: missing as never });
      return;
    }
    const manifest = await journal.putManifest(manifestOf(job, orders, sums, missing.length, this.#control));
    await journal.deleteOpenMarker(jobId, generation);
    const { state, failure } = manifest.stored.record;
    await queues.ledger.finishReported(jobId, generation, { state, failure, manifestKey: manifest.stored.key });
  }
}

/** A record a chunk, besides those rejected; of a partition its rows. It names no parts. */
export function receiptOf(orders: AttemptOrders, attemptId: AttemptId, listed: Chunk, rejected = 0): Receipt {
  const { jobId, stage, chunk, generation, specDigest, segmentDigest } = orders;
  const rows = listed.kind === 'partition' ? listed.rows : 1;
  const isReduce = listed.kind === 'partition';
  const fates = { recordsIn: rows + (isReduce ? 0 : rejected), emitted: rows - (isReduce ? rejected : 0), filtered: 0, deduplicated: 0, rejected };
  return {
    record: 'verdict',
    version: 1,
    outcome: 'committed',
    jobId,
    stage,
    chunk,
    generation,
    attemptId,
    specDigest,
    segmentDigest,
    resultVersion: 1,
    coreVersion: '0',
    counts: {
      ...fates,
      rowsOut: fates.emitted,
      repaired: 0,
      bytesIn: chunkBytes(listed),
      blankLines: 0,
      commentLines: 0,
      suspectRecords: 0,
      damagedBytes: 0,
      damagedLines: 0,
    },
    byCode: rejected === 0 ? {} : { TYPE_NUMBER: rejected },
    byColumn: rejected === 0 ? {} : { a: { TYPE_NUMBER: rejected } },
    repairs: {},
    files: isReduce ? [] : [{ file: listed.kind === 'range' ? listed.file : null, key: null, ...fates }],
    parts: [],
    rejects: [],
    inputsDigest: listed.kind === 'partition' ? listed.slices.digest : null,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

export function pinsOf(job: JobRecord): Pins {
  const schema = { fields: [], missingValues: [''], match: 'name', caseSensitive: true, missingColumns: 'fail', extraColumns: 'drop', primaryKey: [] } as const;
  const input = {
    name: 'input',
    format: 'ndjson',
    compression: 'none',
    encoding: 'utf-8',
    invalidBytes: 'reject',
    maxRecordBytes: 1,
    maxInflation: 100,
    keepIntactPrefix: false,
    dialect: null,
    columns: [],
    schema,
    inferred: ['a'],
    json: { duplicateKeys: 'reject', maxDepth: 64 },
    evidence: [],
    notes: [],
  } as const;
  return { record: 'pins', version: 1, jobId: job.jobId, rules: 1, inputs: [input as never], partitions: {}, lookups: [] };
}

/** The chunks of a file behind those that stand already, as the next segment. */
export function segmentOf(job: JobView, orders: WorkOrders, pinsDigest: string, file: InputFile, segment: number, firstChunk: number): Segment {
  const chunks: Chunk[] = [];
  // What an earlier planner had come to stands; the file goes on behind it.
  const standing = job.chunks.flatMap(({ chunk }) => (chunk.kind === 'range' && chunk.file === file.file ? [chunk] : []));
  for (let start = Math.max(0, ...standing.map(({ end }) => end)); start < file.size; start += 10) {
    const number = chunks.length;
    const end = Math.min(start + 10, file.size);
    const counts = { lines: 1, records: 1, damages: 0, blankLines: 0, commentLines: 0 };
    chunks.push({ chunk: firstChunk + number, kind: 'range', file: file.file, start, end, record: start / 10 + 1, line: start / 10 + 1, ...counts });
  }
  const { file: index, input, uri, etag, size } = file;
  const { spec } = specOfGeneration(job, orders.generation);
  const records = standing.length + chunks.length;
  const totals = { records, lines: records, damages: 0, blankLines: 0, commentLines: 0, bytes: size };
  return {
    record: 'segment',
    version: 1,
    jobId: orders.jobId,
    generation: orders.generation,
    stage: fileStages(stagesOf(spec)).find(({ from }) => from.includes(spec.inputs[input]?.name ?? ''))?.name ?? '',
    segment,
    specDigest: orders.specDigest,
    pinsDigest,
    firstChunk,
    files: [{ file: index, input, uri, etag, size, bom: 0, dataStart: 0, firstLine: 1, header: [], mapping: [], extra: [] }],
    chunks,
    ended: [{ file: index, ...totals }],
  };
}

function manifestOf(
  job: JobView,
  orders: WorkOrders,
  sums: { committed: number; dead: number; waived: number; total: ReceiptSums; stages: ReadonlyMap<string, Balance> },
  open: number,
  control: Control,
): Manifest {
  const { record } = job.job;
  const { spec, specDigest } = specOfGeneration(job, orders.generation);
  const balance = balanceOfStages(stagesOf(spec).map(({ name, kind }) => ({ name, kind, balance: sums.stages.get(name) ?? zeroBalance })));
  const rejects = {
    recordsIn: balance.recordsIn,
    rejected: balance.rejected,
    byCode: sums.total.byCode,
    byColumn: sums.total.byColumn,
    files: [],
    inferred: [],
  };
  const budget = decideBudget({ ...rejects, deadChunks: sums.dead, deadBytes: 0, plannedBytes: 1 }, spec, 'finish');
  const failure = orders.end ? { code: orders.end.code, message: orders.end.message } : budget.exceeded;
  const now = control.clock.nowIso();
  return {
    record: 'manifest',
    version: 1,
    jobId: record.jobId,
    name: record.name,
    generation: orders.generation,
    state: orders.end?.state ?? (failure ? 'failed' : 'completed'),
    specDigest,
    pinsDigest: job.pins?.digest ?? null,
    resultVersion: 1,
    failure: failure && { code: failure.code, message: failure.message },
    acceptedAt: record.acceptedAt,
    endedAt: now,
    durationMs: 0,
    outputUri: spec.output.uri,
    rejectsUri: spec.rejects.uri,
    balance,
    byCode: sums.total.byCode,
    byColumn: sums.total.byColumn,
    chunks: { total: job.chunks.length, committed: sums.committed, dead: sums.dead + sums.waived, open },
    bytes: { in: sums.total.bytesIn, out: 0 },
    files: [],
    parts: [],
    rejects: [],
    gaps: [],
  };
}
