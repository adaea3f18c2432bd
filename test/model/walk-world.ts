/**
 * F39: everything that decides, without processes: the scheduler's rounds, sweeps and commands, the ledger's scripts, the journal's puts and the finisher are
 * the product's own; the stores under them are in memory (a map, and a Redis that keeps nothing), and the queue is a bag that loses and doubles tasks. Time
 * limits are zero: whatever may be noticed is noticed at once, so an attempt that is given up may always still commit.
 */
import { createHash, randomBytes } from 'node:crypto';
import { AuditLog, type Journal, openJournal } from '@millrace/journal';
import {
  type AttemptId,
  type Command,
  encodeRecord,
  type InputFile,
  type JobId,
  type JobRecord,
  jobIdFromKey,
  leaseTimes,
  type Manifest,
  newAttemptId,
  newRequestId,
  parseTaskId,
  parseTaskKeys,
  type QueueName,
  type Receipt,
  resolveJobSpec,
  sumsOfReceipt,
  type TaskId,
  type Verdict,
} from '@millrace/protocol';
import { type AttemptOrders, openQueues, type Queues, type TaskEntry, type WorkOrders } from '@millrace/queues';
import type { TestRedis } from '@millrace/queues/testing';
import { Health, idSource, processMetrics, silentLog, systemClock, systemRandom } from '@millrace/service-kit';
import { verdictKey } from '../../packages/journal/src/paths.ts';
import { advanceJob } from '../../packages/scheduler/src/advance-job.ts';
import { Circuits } from '../../packages/scheduler/src/circuits.ts';
import { commandJob } from '../../packages/scheduler/src/commands.ts';
import type { Control } from '../../packages/scheduler/src/control.ts';
import { buryDying, decideRetries } from '../../packages/scheduler/src/decide-retries.ts';
import { Dispatching, fillWindow } from '../../packages/scheduler/src/dispatch.ts';
import { SchedulerHealth } from '../../packages/scheduler/src/health.ts';
import { acceptJob } from '../../packages/scheduler/src/intake.ts';
import { JobFacts } from '../../packages/scheduler/src/job-facts.ts';
import { schedulerFolding, schedulerMetrics } from '../../packages/scheduler/src/metrics.ts';
import { redriveJob } from '../../packages/scheduler/src/redrive.ts';
import { flushLateRecords } from '../../packages/scheduler/src/sweepers/late-records.ts';
import { requeueLostTasks } from '../../packages/scheduler/src/sweepers/lost-tasks.ts';
import { rebuildOpenJobs } from '../../packages/scheduler/src/sweepers/open-markers.ts';
import { closeStalledAttempts } from '../../packages/scheduler/src/sweepers/stalled-attempts.ts';
import { type Moves, markUnmarkedReceipts } from '../../packages/scheduler/src/sweepers/unmarked-receipts.ts';
import { Unowned } from '../../packages/scheduler/src/sweepers/unowned.ts';
import { tellCommands } from '../../packages/scheduler/src/sweepers/untold-commands.ts';
import { pinsOf, receiptOf, segmentOf } from '../../packages/scheduler/src/testing/scripted-host.ts';
import { Turns } from '../../packages/scheduler/src/turns.ts';
import { finishJob } from '../../packages/worker-host/src/handlers/finish-job.ts';
import type { Host } from '../../packages/worker-host/src/host.ts';
import { Died, MemoryCore } from './memory-core.ts';

const times = {
  ...leaseTimes(0.01),
  ...{ leaseMs: 0, stalledIntervalMs: 0, lostTaskAgeMs: 0, unmarkedReceiptAgeMs: 0, retryBaseMs: 1, retryMaxMs: 1 },
};
const chunksPerJob = 3;
const outputOf = (jobId: JobId): string => `file:///out/${jobId}/`;

/** An attempt that was opened and has not ended; its host may be stopped for as long as it likes. */
type Attempt =
  | { readonly kind: 'chunk'; readonly attemptId: AttemptId; readonly orders: AttemptOrders }
  | { readonly kind: 'work'; readonly attemptId: AttemptId; readonly orders: WorkOrders; readonly startedAt: string };

/** Tasks wait here until somebody loses them; one that is claimed may be claimed again. */
class TaskBag {
  readonly waiting = new Map<TaskId, QueueName>();

  async enqueue(queue: QueueName, entries: readonly TaskEntry[]): Promise<void> {
    for (const { taskId } of entries) this.waiting.set(taskId, queue);
  }

  async has(_queue: QueueName, taskId: TaskId): Promise<boolean> {
    return this.waiting.has(taskId);
  }
}

export class World {
  readonly core = new MemoryCore();
  readonly bag = new TaskBag();
  readonly attempts: Attempt[] = [];
  /** Jobs whose submit was answered: these are promised. */
  readonly promised = new Set<JobId>();
  /** Invariants that were seen not to hold. */
  readonly breaches: string[] = [];
  readonly #committed = new Map<string, string>();
  readonly #success = new Map<string, number>();
  readonly #control: Control;
  readonly #queues: Queues;
  readonly #dispatching = new Dispatching();
  readonly #circuits: Circuits;
  readonly #moves: Moves = new Map();

  private constructor(queues: Queues, control: Omit<Control, 'journal' | 'core' | 'facts' | 'audit' | 'queues'>) {
    const journal: Journal = openJournal(this.core);
    const audit = new AuditLog(journal, control.ids);
    this.#queues = queues;
    const lossy = { ...queues, tasks: this.bag as unknown as Queues['tasks'] };
    this.#control = { ...control, journal, audit, core: this.core, facts: new JobFacts(journal), queues: lossy };
    this.#circuits = new Circuits(this.#control);
    this.core.onPut = (key, bytes) => this.#watchPut(key, bytes);
    this.core.onDelete = (key) => this.#watchDelete(key);
  }

  /** With a Redis that no other world uses at the same time. */
  static async create(redis: TestRedis): Promise<World> {
    const queues = await openQueues({ redis: redis.url, prefix: `w${randomBytes(4).toString('hex')}:{m}`, times: leaseTimes(0.1), log: silentLog });
    await queues.sentinel.begin();
    await queues.sentinel.examine();
    const metrics = schedulerMetrics(processMetrics(schedulerFolding), 'default');
    const health = new SchedulerHealth(new Health(systemClock), leaseTimes(0.1), () => true, systemClock);
    return new World(queues, {
      ...{ metrics, health, times, clock: systemClock, random: systemRandom, ids: idSource(), log: silentLog, turns: new Turns(), tenants: new Map() },
      ...{ journalUri: 'file:///journal', places: [], connections: [], httpAllow: [], secrets: null, poolSizes: {} },
      ...{ taskKeys: parseTaskKeys(`k1:${'0'.repeat(64)}`), schedulerId: 's-walk', pool: 'default', resultVersion: 1 },
    });
  }

  async close(): Promise<void> {
    await this.#queues.close();
  }

  /** The process that does this dies after so many requests to the store; null: it lives. Answers whether it came to its end. */
  async inProcess(diesAfter: number | null, act: () => Promise<void>): Promise<boolean> {
    this.core.dieAfter(diesAfter ?? Number.POSITIVE_INFINITY);
    try {
      await act();
      return true;
    } catch (error) {
      // What a process says when its store is gone; a shared read that failed says so to each who waited.
      if (error instanceof Died || diesAfter !== null) return false;
      throw error;
    } finally {
      this.core.dieAfter(Number.POSITIVE_INFINITY);
      // Whoever comes next is another process and remembers nothing.
      if (diesAfter !== null) for (const jobId of this.jobs) this.#control.facts.forget(jobId);
    }
  }

  readonly jobs = new Set<JobId>();

  /** `isTolerant`: dead letters do not fail the job. */
  async submit(key: string, isTolerant: boolean): Promise<void> {
    const jobId = jobIdFromKey('default', key);
    this.jobs.add(jobId);
    const uri = `file:///in/${key}`;
    const budget = isTolerant ? { deadLetters: { maxChunks: 1_000 } } : {};
    const spec = resolveJobSpec({ name: key, inputs: { uri }, output: { uri: outputOf(jobId) }, ...budget } as Parameters<typeof resolveJobSpec>[0]);
    const files: InputFile[] = [{ file: 0, input: 0, uri, etag: 'e1', size: chunksPerJob * 10 }];
    const head = { kind: 'submit', requestId: newRequestId(this.#control.ids), tenant: 'default', by: 'walk', jobId, idempotencyKey: key } as const;
    const answer = await acceptJob({ ...head, spec }, spec, { files, lookups: [] }, this.#control);
    if (!answer.ok) throw new Error(`not accepted: ${answer.message}`);
    this.promised.add(jobId);
  }

  /** One round of a leader, as `Leader.round` goes. */
  async round(): Promise<void> {
    await this.#beginIfLost();
    await this.#queues.sentinel.beat();
    await this.#circuits.load();
    await decideRetries(this.#circuits, this.#control);
    const jobs = [];
    for (const jobId of await this.#queues.ledger.openJobs()) jobs.push(await advanceJob(jobId, this.#control));
    const known = jobs.filter((job) => job !== null);
    await fillWindow(known, this.#dispatching, this.#circuits, this.#control);
  }

  async sweep(): Promise<void> {
    await this.#beginIfLost();
    await buryDying(this.#control);
    for (const jobId of await this.#queues.ledger.openJobs()) {
      const job = await this.#queues.ledger.job(jobId);
      if (job === null) continue;
      await tellCommands(job, this.#control);
      const live = await this.#queues.ledger.liveChunks(jobId);
      await requeueLostTasks(job, live, new Unowned(), this.#control);
      await closeStalledAttempts(job, live, new Unowned(), this.#control);
      await markUnmarkedReceipts(job, live, this.#moves, this.#control);
      await flushLateRecords(jobId, this.#control);
    }
    await rebuildOpenJobs(this.#control);
  }

  /** Redis is empty: nobody remembers an epoch. */
  async flush(redis: { flush(): Promise<void> }): Promise<void> {
    await redis.flush();
    this.bag.waiting.clear();
  }

  async cancel(jobId: JobId): Promise<void> {
    const head = { kind: 'command', requestId: newRequestId(this.#control.ids), tenant: 'default', by: 'walk' } as const;
    await commandJob({ ...head, jobId, command: 'cancel', reason: 'a walk' }, this.#control);
  }

  async redrive(jobId: JobId, select: 'all' | string[] = 'all'): Promise<void> {
    const head = { kind: 'redrive', requestId: newRequestId(this.#control.ids), tenant: 'default', by: 'walk', spec: null } as const;
    await redriveJob({ ...head, jobId, select, reason: 'a walk' }, this.#control);
  }

  /** A host takes a task. `isKept`: the queue gives it to another one too. */
  async claim(pick: number, isKept: boolean): Promise<void> {
    const taskId = [...this.bag.waiting.keys()][pick % Math.max(1, this.bag.waiting.size)];
    if (taskId === undefined) return;
    if (!isKept) this.bag.waiting.delete(taskId);
    const startedAt = systemClock.nowIso();
    const attemptId = newAttemptId(this.#control.ids);
    const opening = { taskId, attemptId, worker: 'w', pod: null, node: 'n', resultVersion: 1, startedAt };
    if (parseTaskId(taskId).kind === 'chunk') {
      const opened = await this.#queues.ledger.openAttempt(opening);
      if ('go' in opened) this.attempts.push({ kind: 'chunk', attemptId, orders: opened.go });
    } else {
      const opened = await this.#queues.ledger.openWork(opening);
      if ('go' in opened) this.attempts.push({ kind: 'work', attemptId, orders: opened.go, startedAt });
    }
  }

  /** One of those that are open, if any. `isKept`: it will end once more. */
  take(pick: number, isKept = false): Attempt | null {
    const index = pick % Math.max(1, this.attempts.length);
    return (isKept ? this.attempts[index] : this.attempts.splice(index, 1)[0]) ?? null;
  }

  /** The attempt comes to its end. `isTold` false: its host dies between the receipt and the mark. */
  async complete(attempt: Attempt | null, isTold: boolean): Promise<void> {
    if (attempt === null) return;
    if (attempt.kind === 'chunk') return this.#commit(attempt.orders, attempt.attemptId, isTold);
    if (attempt.orders.kind === 'plan') return this.#plan(attempt.orders);
    const host = {
      ...{ journal: this.#control.journal, store: this.core, queues: this.#control.queues, times, clock: systemClock, log: silentLog, resultVersion: 1 },
      metrics: { recordImbalance: () => this.breaches.push('I3 the balance of a generation does not hold') },
    } as unknown as Host;
    const lease = { signal: new AbortController().signal, leftMs: () => 60_000, showLife: () => {}, stop: () => {} };
    await finishJob({ attemptId: attempt.attemptId, startedAt: attempt.startedAt, startedMs: 0, orders: attempt.orders }, lease, host);
  }

  async fail(attempt: Attempt | null, failureClass: 'transient' | 'input' | 'crash' | 'bug'): Promise<void> {
    if (attempt === null) return;
    const code = { transient: 'QUEUE_UNAVAILABLE', input: 'INPUT_CHANGED', crash: 'CORE_CRASH', bug: 'INTERNAL' }[failureClass];
    const id = attempt.kind === 'chunk' ? attempt.orders.chunkId : attempt.orders.workId;
    const ended = { outcome: 'failed', endedAt: systemClock.nowIso(), range: null, recordKey: `failures/${attempt.attemptId}` } as const;
    const failure = { class: failureClass, code, message: 'as the walk says', fingerprint: `fp1-${'0'.repeat(16)}`, ...ended };
    await this.#queues.ledger.failAttempt(id, attempt.orders.generation, attempt.attemptId, failure);
  }

  /** Faults have stopped: sweeps, rounds and healthy hosts until every job that is in the journal has ended. Answers what does not end. */
  async heal(): Promise<string | null> {
    for (let turn = 0; turn < 400; turn += 1) {
      if (this.unended().length === 0 && turn > 2) return null;
      await this.sweep();
      await this.round();
      // Whoever was stopped wakes up too, and ends as it would have.
      while (this.bag.waiting.size > 0) await this.claim(0, false);
      while (this.attempts.length > 0) await this.complete(this.take(0), true);
    }
    return `I1, I5 not ended: ${this.unended().join(' ')}`;
  }

  /** Jobs of the journal of which a generation has a marker or the newest has no manifest. */
  unended(): string[] {
    const accepted = [...this.jobs].filter((jobId) => this.core.objects.has(`jobs/${jobId}/job.json`));
    return accepted.filter((jobId) => {
      const hasMarker = this.#keys(`open/${jobId}`).some((key) => this.#isOpened(jobId, Number(key.split('.')[1] ?? 1)));
      return hasMarker || this.manifestOf(jobId, this.newestGeneration(jobId)) === null;
    });
  }

  newestGeneration(jobId: JobId): number {
    return Math.max(1, ...this.#commands(jobId).map(({ opens }) => opens ?? 1));
  }

  manifestOf(jobId: JobId, generation: number): Manifest | null {
    return this.#read<Manifest>(`jobs/${jobId}/manifests/${String(generation).padStart(6, '0')}.json`);
  }

  /** I1, I2, I4 and I5 as the journal shows them, once all is quiet. */
  check(): string[] {
    const found = [...this.breaches];
    for (const jobId of this.promised) if (!this.core.objects.has(`jobs/${jobId}/job.json`)) found.push(`I1 ${jobId} was promised and is not there`);
    for (const jobId of this.jobs) found.push(...this.#checkJob(jobId));
    return found;
  }

  *#checkJob(jobId: JobId): Generator<string> {
    for (const { opens } of this.#commands(jobId)) if (opens !== null && this.manifestOf(jobId, opens) === null) yield `I1 generation ${opens} has no manifest`;
    const generation = this.newestGeneration(jobId);
    const manifest = this.manifestOf(jobId, generation);
    if (manifest?.state !== 'completed') return;
    const receipts = this.#keys(`jobs/${jobId}/verdicts/`)
      .map((key) => this.#read<Verdict>(key))
      .filter((verdict) => verdict?.outcome === 'committed');
    if (manifest.chunks.committed !== receipts.length) yield `I4 the manifest counts ${manifest.chunks.committed} receipts, there are ${receipts.length}`;
    if (manifest.chunks.total !== chunksPerJob) yield `I2 ${manifest.chunks.total} chunks have an outcome, planned are ${chunksPerJob}`;
    if (manifest.balance.recordsIn !== receipts.length) yield `I3 ${manifest.balance.recordsIn} records are counted of ${receipts.length} chunks of one`;
    const named = new Set(manifest.parts.map(({ uri }) => uri));
    const there = this.#keys(outputOf(jobId)).filter((key) => /\/part-/.test(key));
    for (const uri of named) if (!there.includes(uri)) yield `I4 ${uri} is named and not there`;
    for (const uri of there) if (!named.has(uri)) yield `I7 ${uri} is there and nobody names it`;
    if (this.#success.get(jobId) !== generation) yield `I4 _SUCCESS names ${this.#success.get(jobId)}, completed is ${generation}`;
  }

  /** I2: a chunk commits once over all generations. I11: what `_SUCCESS` names is complete, and it never goes back. */
  #watchPut(key: string, bytes: Uint8Array): void {
    const chunk = /^jobs\/([^/]+)\/verdicts\/([^/]+\/\d{6})/.exec(key);
    if (chunk !== null) {
      const verdict = parse<Verdict>(bytes);
      const id = `${chunk[1]} ${chunk[2]}`;
      if (verdict.outcome !== 'committed') return;
      if (this.#committed.has(id)) this.breaches.push(`I2 ${id} committed by ${this.#committed.get(id)} and as ${key}`);
      this.#committed.set(id, key);
    }
    if (key.endsWith('/_SUCCESS')) this.#watchSuccess(parse<{ jobId: JobId; generation: number }>(bytes));
  }

  #watchSuccess({ jobId, generation }: { jobId: JobId; generation: number }): void {
    if ((this.#success.get(jobId) ?? 0) > generation) this.breaches.push(`I11 _SUCCESS went back to ${generation}`);
    this.#success.set(jobId, generation);
    const manifest = this.manifestOf(jobId, generation);
    if (manifest?.state !== 'completed') this.breaches.push(`I11 _SUCCESS names generation ${generation}, which is ${manifest?.state ?? 'nothing'}`);
    for (const { uri } of manifest?.parts ?? []) if (!this.core.objects.has(uri)) this.breaches.push(`I11 _SUCCESS stands and ${uri} does not`);
  }

  /** Parts of a receipt stay; so do records, but for markers. */
  #watchDelete(key: string): void {
    const attempt = /-(a[0-9a-z]{26})\./.exec(key)?.[1];
    const job = /-(j[0-9a-z]{26})-/.exec(key)?.[1];
    if (attempt !== undefined && this.#keys(`jobs/${job}/verdicts/`).some((name) => this.#read<Receipt>(name)?.attemptId === attempt)) {
      this.breaches.push(`I4 ${key} is deleted and its receipt stands`);
    }
    if (key.startsWith('jobs/')) this.breaches.push(`I4 ${key} is deleted`);
    if (!key.startsWith('open/')) return;
    const [jobId = '', generation] = key.slice('open/'.length).split('.');
    const isOver = this.manifestOf(jobId as JobId, Number(generation ?? 1)) !== null;
    if (!isOver && this.core.objects.has(`jobs/${jobId}/job.json`)) this.breaches.push(`I1 the marker ${key} is deleted before its manifest stands`);
  }

  async #beginIfLost(): Promise<void> {
    if ((await this.#queues.sentinel.examine()) === 'normal') return;
    await this.#queues.sentinel.begin();
    await this.#queues.sentinel.examine();
    await rebuildOpenJobs(this.#control);
  }

  /** As a core does it: the part, then the receipt by put-if-absent; one that loses to another's verdict takes its part away again. */
  async #commit(orders: AttemptOrders, attemptId: AttemptId, isTold: boolean): Promise<void> {
    const { jobId, stage, chunk, generation } = orders;
    const { record } = await this.#control.journal.readSegment(orders.segmentKey, orders.segmentDigest);
    const listed = record.chunks.find((one) => one.chunk === chunk);
    if (listed === undefined || record.generation !== generation) throw new Error(`${orders.segmentKey} does not list ${stage}.${chunk}`);
    const place = generation === 1 ? '' : `.${String(generation).padStart(6, '0')}`;
    const uri = `${outputOf(jobId)}part-${stage}-${String(chunk).padStart(6, '0')}${place}-0-${jobId}-${attemptId}.ndjson`;
    const row = Buffer.from(`{"chunk":${chunk}}\n`);
    await this.#put(uri, row, 'overwrite');
    const part = { uri, rows: 1, bytes: row.length, sha256: createHash('sha256').update(row).digest('hex') };
    const key = verdictKey(jobId, stage, chunk, generation);
    await this.#put(key, encodeRecord('verdict', { ...receiptOf(orders, attemptId, listed), parts: [part] }), 'create');
    const standing = (await this.#control.journal.readVerdictAt(key))?.record;
    const isOurs = standing?.outcome === 'committed' && standing.attemptId === attemptId;
    if (standing !== undefined && !isOurs) await this.core.request({ type: 'StoreDelete', scope, keys: [uri], purge: false }, {});
    if (standing?.outcome === 'dead') await this.#queues.ledger.foundDead(orders.chunkId, generation, attemptId);
    if (standing?.outcome === 'committed' && isTold) await this.#queues.ledger.markCommitted(orders.chunkId, generation, sumsOfReceipt(standing));
  }

  async #put(key: string, bytes: Uint8Array, mode: 'create' | 'overwrite'): Promise<void> {
    await this.core.request({ type: 'StorePut', scope, key, mode, ifMatch: null, sha256: '' }, { payload: bytes });
  }

  /** As a planner does: pins, segments behind what stands, the end mark, the seal. */
  async #plan({ jobId, generation, workId, specDigest, ...rest }: WorkOrders): Promise<void> {
    const { journal } = this.#control;
    const { ledger } = this.#queues;
    const job = await journal.readJob(jobId);
    if (job === null) throw new Error(`there is no job ${jobId}`);
    const pins = await journal.putPins(pinsOf(job.job.record as JobRecord));
    const orders = { jobId, generation, workId, specDigest, ...rest };
    const hasEnded = job.plans.some(({ segments }) => segments.some(({ record }) => record.ended.length > 0));
    let segments = job.plans.at(-1)?.segments.length ?? 0;
    for await (const file of journal.listInputFiles(jobId)) {
      if (hasEnded) break;
      const { stored } = await journal.putSegment(segmentOf(job, orders, pins.stored.digest, file, segments, job.chunks.length));
      if (stored.record.record !== 'segment') return;
      const { segment, stage, firstChunk, chunks } = stored.record;
      const ref = { segment, key: stored.key, digest: stored.digest, stage, ranges: [[firstChunk, chunks.length] as [number, number]], bytes: file.size };
      await ledger.recordSegment(jobId, generation, ref);
      segments += 1;
    }
    await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId, generation, stage: null, segments });
    const plan = await journal.readPlan(job.job.record, generation);
    const chunks = plan.segments.reduce((sum, { record }) => sum + record.chunks.length, 0);
    const totals = { segments: plan.segments.length, chunks, bytes: chunks * 10 };
    await journal.putSealed({ record: 'sealed', version: 1, jobId, generation, stage: null, ...totals, records: chunks, unplannable: [] });
    await ledger.sealPlan(jobId, generation, totals);
    await ledger.closeWork(workId, generation);
  }

  #isOpened(jobId: JobId, generation: number): boolean {
    return generation <= this.newestGeneration(jobId);
  }

  #commands(jobId: JobId): Command[] {
    return this.#keys(`jobs/${jobId}/commands/`).map((key) => this.#read<Command>(key) as Command);
  }

  #keys(prefix: string): string[] {
    return [...this.core.objects.keys()].filter((key) => key.startsWith(prefix));
  }

  #read<Record>(key: string): Record | null {
    const bytes = this.core.objects.get(key);
    return bytes === undefined ? null : parse<Record>(bytes);
  }
}

const scope = { connection: 'journal', kind: 'journal', jobKey: null, specDigest: null } as const;
const parse = <Value>(bytes: Uint8Array): Value => JSON.parse(Buffer.from(bytes).toString('utf8')) as Value;
