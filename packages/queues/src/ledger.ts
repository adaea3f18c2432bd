/**
 * The ledger: counts, bits, windows and due times of open jobs, in Redis. It is a view of the journal that can be rebuilt; losing it loses
 * time only. Every change is one atomic script (`ledger-scripts.ts`), conditional on what it finds and harmless when sent twice.
 *
 * How plan and finish tasks report. The scheduler asks for a piece of work with `addWork`; it is dispatched, opened (`openWork`), kept alive
 * (`progress`), failed (`failAttempt`) and released (`releaseAttempt`) like a chunk. A planner calls `recordSegment` for each segment that the
 * core wrote and `sealPlan` once `sealed.json` stands, then `closeWork`. A finisher calls `finishReported` with the state of the manifest that
 * stands in the journal, or with `notReady` and the chunks that have no outcome there; that closes its work. Orders of a finish say with `end`
 * when the generation must end `failed` or `cancelled`; the finisher then puts that manifest without looking for missing outcomes.
 *
 * Verbs of the *scheduler*: createJob, lookUpStreamKeys, recordStreamSegment, streamIdleMs, forgetStreamKeys,
 * setReady, setState, setEnd, applyFlags, addWork, dispatchable, dispatch, setNextTry, retryNow, flagDying, markDead,
 * reopen, setOutcomes, setTotals, restoreChunk, clearRecheck, dropJob, setRelease, indexTrouble. Verbs of *hosts*: recordSegment, sealPlan, sealStage, openAttempt, openWork, progress,
 * markCommitted, failAttempt, releaseAttempt, closeWork, finishReported.
 */
import { createHash } from 'node:crypto';
import {
  type AttemptId,
  type ChunkId,
  type ChunkMode,
  chunkId,
  type JobId,
  type JobState,
  parseChunkId,
  parseTaskId,
  type ReceiptSums,
} from '@millrace/protocol';
import type {
  AttemptFailure,
  AttemptOpening,
  AttemptOrders,
  ChunkToDispatch,
  FinishReport,
  LateRecord,
  LedgerChunkView,
  Opened,
  PastEnds,
  ProgressAnswer,
  ProgressView,
  WorkOrders,
} from './ledger-attempt.ts';
import { EpochUnknownError, type LedgerClient } from './ledger-client.ts';
import { decodeChunk, decodeGroups, decodeJob, decodeLate, decodeLetters, decodeRejects, decodeSegment, jobFields, rejectField } from './ledger-decode.ts';
import type {
  FailureNote,
  JobEnd,
  JobGroup,
  LedgerJob,
  LedgerJobView,
  LedgerRejects,
  LetterView,
  PlanTotals,
  SegmentRef,
  StreamKey,
  StreamSegment,
  TroubledJob,
} from './ledger-job.ts';
import { Together } from './together.ts';

/** What is kept of a job that ended, for status and lists: one day. */
const keepSeconds = 86_400;
/** Dead letters and error groups of such a job: as long as its history stays by default. */
const keepTroubleSeconds = 30 * 86_400;
const lettersAtOnce = 1_000;
const indexedAtOnce = 200;
const retriesCounted = 20_000;
/** A call takes some 20 microseconds of Redis for each chunk: others must not wait long behind it. */
const dispatchedAtOnce = 100;
const togetherAtMost = 64;
/** So many counters of rejects and files weigh as much as a chunk. */
const countersOfOneChunk = 8;

export interface CreateOptions {
  /** An earlier ledger of this epoch may have dispatched this job: its dispatch numbers are avoided. */
  readonly recreated?: boolean;
  /** Nothing runs until `setReady`. */
  readonly rebuilding?: boolean;
}

/** An attempt's history as the journal has it, for `restoreChunk`. */
export interface RestoredChunk {
  readonly chunkId: ChunkId;
  readonly generation: number;
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly bytes: number;
  readonly mode: ChunkMode;
  readonly past: Omit<PastEnds, 'bisected'>;
  /** Hosts whose cores it has killed. */
  readonly crashedOn: readonly string[];
  readonly last: LedgerChunkView['last'];
}

export class Ledger {
  readonly #client: LedgerClient;
  readonly #opening: Together<OpenItem, { refused: Refused } | { orders: RawOrders }>;
  readonly #marking: Together<MarkItem, unknown>;

  constructor(client: LedgerClient) {
    this.#client = client;
    this.#opening = new Together((jobId, items) => this.#openAll(jobId, items), { most: togetherAtMost });
    const mark = async (jobId: string, items: readonly MarkItem[]) => (await client.runBatch('markCommitted', jobId, items)) as unknown[];
    this.#marking = new Together(mark, { most: togetherAtMost, weightOf: weightOfMark });
  }

  /** The epoch that task ids carry. Throws `EpochUnknownError` while Redis has none. */
  async epoch(): Promise<string> {
    return this.#client.epoch();
  }

  // Jobs

  /** False when the ledger has the job already; then nothing is changed. */
  async createJob(job: LedgerJob, options: CreateOptions = {}): Promise<boolean> {
    const fields = { ...jobFields(job), ...(options.rebuilding ? { rebuilding: '1' } : {}) };
    return this.#flag('createJob', job.jobId, null, { fields, recreated: options.recreated === true });
  }

  async job(jobId: JobId): Promise<LedgerJobView | null> {
    const key = await this.#jobKey(jobId);
    return decodeJob(await this.#client.redis.hgetall(key));
  }

  /** Jobs that are not terminal, in no order. */
  async openJobs(): Promise<JobId[]> {
    const epoch = await this.#currentEpoch();
    return (await this.#client.redis.smembers(this.#client.keys.jobs(epoch))) as JobId[];
  }

  /** Ends the state `rebuilding`. */
  async setReady(jobId: JobId, generation: number): Promise<boolean> {
    return this.#flag('setReady', jobId, null, { generation });
  }

  /** True also when the job is in `to` already; false when it is in none of `from`, or in another generation. */
  async setState(jobId: JobId, generation: number, from: readonly JobState[], to: JobState): Promise<boolean> {
    return this.#flag('setState', jobId, null, { generation, from, to });
  }

  /** The generation must end so; the first such decision stands. */
  async setEnd(jobId: JobId, generation: number, end: JobEnd): Promise<boolean> {
    return this.#flag('setEnd', jobId, null, { generation, ...end });
  }

  /** Applies a command's flags once, by its number. */
  async applyFlags(jobId: JobId, generation: number, command: number, flags: { paused?: boolean; cancelled?: boolean }): Promise<boolean> {
    const written = Object.fromEntries(Object.entries(flags).map(([name, value]) => [name, value ? '1' : '0']));
    return this.#flag('applyFlags', jobId, null, { generation, command, flags: written });
  }

  /** Begins a later generation; false when the ledger does not have the job or is there already. */
  async reopen(job: LedgerJob, options: CreateOptions = {}): Promise<boolean> {
    const fields = { ...jobFields(job), ...(options.rebuilding ? { rebuilding: '1' } : {}) };
    return this.#flag('reopen', job.jobId, null, { fields, generation: job.generation, stages: job.stages.map(({ name }) => name) });
  }

  async dropJob(jobId: JobId): Promise<void> {
    await this.#client.run('dropJob', jobId, null, {});
  }

  async clearRecheck(jobId: JobId, generation: number): Promise<void> {
    await this.#client.run('clearRecheck', jobId, null, { generation });
  }

  // The plan

  /** Once per segment number; the second call with the same number changes nothing. `fresh` segments hold chunks that no earlier plan listed. */
  async recordSegment(jobId: JobId, generation: number, segment: SegmentRef, fresh = true): Promise<void> {
    const chunks = chunksOf(segment);
    await this.#client.run('recordSegment', jobId, null, {
      generation,
      segment: segment.segment,
      stage: segment.stage,
      ref: JSON.stringify(segment),
      chunks,
      bytes: segment.bytes,
      fresh,
    });
  }

  /**
   * A later stage is planned to its end: `upTo` segments stand for this generation, those of this stage are given. `index` counts later stages from 0.
   * In generation 2 and later this asks for a rebuild, which calls it with `rebuilt`.
   */
  async sealStage(jobId: JobId, generation: number, plan: StageSeal): Promise<boolean> {
    const segments = plan.segments.map((segment) => ({
      number: segment.segment,
      ref: JSON.stringify(segment),
      ...(plan.fresh?.(segment) ?? { chunks: chunksOf(segment), bytes: segment.bytes }),
    }));
    const { index, stage, upTo, rebuilt = false } = plan;
    return this.#flag('sealStage', jobId, null, { generation, index, stage, segments, upTo, rebuilt });
  }

  async sealPlan(jobId: JobId, generation: number, totals: PlanTotals): Promise<void> {
    await this.#client.run('sealPlan', jobId, null, { generation, segments: totals.segments });
  }

  /** Segments recorded for the current generation, by number; a number is missing while its event is under way or lost. */
  async segments(jobId: JobId): Promise<SegmentRef[]> {
    const epoch = await this.#currentEpoch();
    const texts = await this.#client.redis.hvals(this.#client.keys.segments(epoch, jobId));
    return texts.map(decodeSegment).sort((a, b) => a.segment - b.segment);
  }

  // Streams

  /** Which of these keys the stream has, and the numbers of its next segment and chunk; null when the ledger does not have the job. */
  async lookUpStreamKeys(jobId: JobId, keys: readonly StreamKey[]): Promise<StreamLook | null> {
    const answer = await this.#client.run('streamLook', jobId, null, (epoch) => ({ keys: keys.map(shortKey), keysPrefix: this.#keysPrefix(epoch, jobId) }));
    if (answer === null || answer === undefined) return null;
    const [nextSegment, nextChunk, found] = answer as [number, number, number[]];
    return { nextSegment, nextChunk, found: found.map((code) => (code === 0 ? 'new' : code === 1 ? 'same' : 'other')) };
  }

  /** In the order of their numbers, each once: false when one before it is not told yet, or the generation is another. */
  async recordStreamSegment(jobId: JobId, generation: number, { ref, keys, sent }: StreamSegment): Promise<boolean> {
    return this.#flag('streamRecord', jobId, null, (epoch) => ({
      generation,
      segment: ref.segment,
      stage: ref.stage,
      ref: JSON.stringify(ref),
      chunks: chunksOf(ref),
      bytes: ref.bytes,
      fresh: true,
      sent,
      keys: keys.map(shortKey),
      keysPrefix: this.#keysPrefix(epoch, jobId),
    }));
  }

  /** Milliseconds by the clock of Redis since the last chunk of a stream was told, or since the ledger has the job. */
  async streamIdleMs(jobId: JobId): Promise<number> {
    const key = await this.#jobKey(jobId);
    const [at, nowMs] = await Promise.all([this.#client.redis.hget(key, 'streamAt'), this.#redisNowMs()]);
    return at === null ? 0 : nowMs - Number(at);
  }

  /** Keys are of no use once a stream is sealed or over. In small steps: others wait meanwhile. */
  async forgetStreamKeys(jobId: JobId): Promise<void> {
    const prefix = this.#keysPrefix(await this.#currentEpoch(), jobId);
    for (let at = 0; at < streamBuckets.length; at += 512) await this.#client.redis.unlink(...streamBuckets.slice(at, at + 512).map((name) => prefix + name));
  }

  #keysPrefix(epoch: string, jobId: JobId): string {
    return this.#client.keys.streamKeysPrefix(epoch, jobId);
  }

  // Dispatch

  /** Work and chunks of this job that may be dispatched now, those that ran before first; due retries are in `dueRetries`. */
  async dispatchable(jobId: JobId, limit: number): Promise<ChunkToDispatch[]> {
    const job = await this.job(jobId);
    return job === null ? [] : this.dispatchableOf(job, limit);
  }

  /** The same for a job as it was just read. */
  async dispatchableOf(job: LedgerJobView, limit: number): Promise<ChunkToDispatch[]> {
    const { jobId } = job;
    if (job.rebuilding) return [];
    const epoch = await this.#currentEpoch();
    const again = (await this.#client.redis.srandmember(this.#client.keys.again(epoch, jobId), limit)) as ChunkId[];
    const views = await this.chunks(again);
    const found = views.filter((view) => view.generation === job.generation && view.state === 'pending').map(toDispatch);
    if (found.length >= limit) return found.slice(0, limit);
    return [...found, ...(await this.#neverDispatched(job, limit - found.length))];
  }

  async #neverDispatched(job: LedgerJobView, limit: number): Promise<ChunkToDispatch[]> {
    const answer = await this.#client.run('nextPlanned', job.jobId, null, { limit });
    const pairs = (answer as [number, number][]) ?? [];
    if (pairs.length === 0) return [];
    const numbers = [...new Set(pairs.map(([number]) => number))];
    const epoch = await this.#currentEpoch();
    const texts = await this.#client.redis.hmget(this.#client.keys.segments(epoch, job.jobId), ...numbers.map(String));
    const segments = new Map(texts.flatMap((text) => (text === null ? [] : [decodeSegment(text)])).map((segment) => [segment.segment, segment]));
    return pairs.flatMap(([number, chunk]) => {
      const segment = segments.get(number);
      if (!segment) return [];
      const { jobId, generation } = job;
      const { stage } = segment;
      const id = chunkId(jobId, stage, chunk);
      return [{ chunkId: id, jobId, stage, chunk, generation, number: 0, segmentKey: segment.key, segmentDigest: segment.digest, bytes: null }];
    });
  }

  /** The next dispatch number, or null when the chunk may not run now. `requeue`: its entry is lost although it is `queued`. */
  async dispatch(chunk: SizedChunk, options: { requeue?: boolean } = {}): Promise<number | null> {
    return (await this.dispatchAll([chunk], options))[0] ?? null;
  }

  /** The same for many, each as if it were alone, in their order. */
  async dispatchAll(chunks: readonly SizedChunk[], { requeue = false }: { requeue?: boolean } = {}): Promise<(number | null)[]> {
    const numbers = new Map<ChunkToDispatch, number | null>();
    for (const [jobId, own] of Map.groupBy(chunks, (chunk) => chunk.jobId)) {
      for (let at = 0; at < own.length; at += dispatchedAtOnce) {
        const some = own.slice(at, at + dispatchedAtOnce);
        const answers = (await this.#client.runBatch(
          'dispatch',
          jobId,
          some.map((chunk) => dispatchItem(chunk, requeue)),
        )) as (number | null)[];
        for (const [index, chunk] of some.entries()) numbers.set(chunk, answers[index] ?? null);
      }
    }
    return chunks.map((chunk) => numbers.get(chunk) ?? null);
  }

  /** Retries whose time has come by the clock of Redis. */
  async dueRetries(limit: number): Promise<LedgerChunkView[]> {
    const nowMs = await this.#redisNowMs();
    return this.#dueBetween(1, nowMs, limit);
  }

  /** How many retries of each job are due within so many milliseconds by the clock of Redis, those not decided yet among them; of very many the first. */
  async retriesDueWithin(ms: number): Promise<ReadonlyMap<string, number>> {
    const key = this.#client.keys.due(await this.#currentEpoch());
    const ids = await this.#client.redis.zrangebyscore(key, 0, (await this.#redisNowMs()) + ms, 'LIMIT', 0, retriesCounted);
    const counts = new Map<string, number>();
    for (const id of ids) {
      const { jobId, stage } = parseChunkId(id);
      if (kindOf(stage) === 'chunk') counts.set(jobId, (counts.get(jobId) ?? 0) + 1);
    }
    return counts;
  }

  /** Failed attempts for which nobody has decided the next try. */
  async undecidedRetries(limit: number): Promise<LedgerChunkView[]> {
    return this.#dueBetween(0, 0, limit);
  }

  /** Chunks flagged dying whose three steps have not all been done. */
  async dyingChunks(limit: number): Promise<LedgerChunkView[]> {
    return this.#dueBetween(-1, -1, limit);
  }

  /** Chunks of a job that have a key: queued, running, retrying, or pending again. */
  async liveChunks(jobId: JobId): Promise<LedgerChunkView[]> {
    const epoch = await this.#currentEpoch();
    return this.chunks((await this.#client.redis.smembers(this.#client.keys.live(epoch, jobId))) as ChunkId[]);
  }

  /** Ids of the same. */
  async liveChunkIds(jobId: JobId): Promise<ChunkId[]> {
    const epoch = await this.#currentEpoch();
    return (await this.#client.redis.smembers(this.#client.keys.live(epoch, jobId))) as ChunkId[];
  }

  async chunk(id: ChunkId): Promise<LedgerChunkView | null> {
    return (await this.chunks([id]))[0] ?? null;
  }

  /** Views of those that have a key, in the order asked. */
  async chunks(ids: readonly ChunkId[]): Promise<LedgerChunkView[]> {
    if (ids.length === 0) return [];
    const epoch = await this.#currentEpoch();
    const nowMs = await this.#redisNowMs();
    const found: LedgerChunkView[] = [];
    for (let at = 0; at < ids.length; at += 200) {
      const some = ids.slice(at, at + 200);
      const hashes = await Promise.all(some.map((id) => this.#client.redis.hgetall(this.#client.keys.chunk(epoch, id))));
      for (const [index, id] of some.entries()) {
        const view = decodeChunk(id, hashes[index] ?? {}, epoch, nowMs);
        if (view) found.push(view);
      }
    }
    return found;
  }

  // Work

  /** A plan or finish task that is wanted; false when the job ended, or a finish is asked for and the job is not `finishing`. */
  async addWork(jobId: JobId, generation: number, work: { kind: 'plan'; first: number } | { kind: 'finish' }): Promise<boolean> {
    const id = chunkId(jobId, work.kind, work.kind === 'plan' ? work.first : 0);
    return this.#flag('addWork', jobId, id, { generation, kind: work.kind });
  }

  /** Step 5 for plan and finish tasks. */
  async openWork(open: AttemptOpening): Promise<Opened<WorkOrders>> {
    const task = workTask(open.taskId);
    const answer = await this.#open(open);
    if ('refused' in answer) return answer;
    const { orders } = answer;
    const letters = Array.isArray(orders.letters) ? orders.letters : [];
    return {
      go: {
        ...task,
        tenant: orders.tenant,
        jobKey: orders.jobKey,
        specDigest: orders.specDigest,
        generation: orders.generation,
        unplannable: letters.map((id) => parseChunkId(id)).flatMap(({ stage, chunk }) => (stage === 'plan' ? [chunk] : [])),
        end: orders.end ?? null,
        previous: orders.previous ?? null,
      },
    };
  }

  /** The plan task is done; `finishReported` does it for a finish. */
  async closeWork(workId: ChunkId, generation: number): Promise<void> {
    await this.#client.run('closeWork', parseChunkId(workId).jobId, workId, { generation });
  }

  async finishReported(jobId: JobId, generation: number, report: FinishReport): Promise<boolean> {
    const ended =
      report.state === 'notReady' ? {} : { manifestKey: report.manifestKey, ...(report.failure ? { failure: JSON.stringify(report.failure) } : {}) };
    return this.#flag('finishReported', jobId, chunkId(jobId, 'finish', 0), { generation, state: report.state, keepSeconds, keepTroubleSeconds, ...ended });
  }

  // Attempts

  /** Step 5: opens the attempt, or says why not. The same attempt may be opened again after a lost reply. */
  async openAttempt(open: AttemptOpening): Promise<Opened<AttemptOrders>> {
    const task = parseTaskId(open.taskId);
    if (task.kind !== 'chunk') throw new TypeError(`cannot open an attempt: expected a chunk task, got ${open.taskId}`);
    const answer = await this.#open(open);
    if ('refused' in answer) return answer;
    const { orders } = answer;
    const { tenant, jobKey, specDigest, generation, segmentKey, segmentDigest, bytes, mode, previous } = orders;
    const id = chunkId(task.jobId, task.stage, task.chunk);
    return {
      go: {
        jobId: task.jobId,
        chunkId: id,
        tenant,
        jobKey,
        specDigest,
        generation,
        stage: task.stage,
        chunk: task.chunk,
        segmentKey,
        segmentDigest,
        bytes,
        mode,
        previous: previous ?? null,
      },
    };
  }

  async #open(open: AttemptOpening): Promise<{ refused: Refused } | { orders: RawOrders }> {
    const task = parseTaskId(open.taskId);
    if (task.kind === 'intake') throw new TypeError('cannot open an attempt: an intake task has none');
    const { attemptId, taskId, worker, pod, node, startedAt, resultVersion, others } = open;
    const { kind, chunk, generation, number, epoch } = task;
    const attempt = JSON.stringify({ attemptId, taskId, worker, pod, node, startedAt });
    const id = chunkId(task.jobId, task.stage, chunk);
    try {
      return await this.#opening.call(task.jobId, {
        id,
        generation,
        kind,
        index: chunk,
        number,
        epoch,
        resultVersion,
        attemptId,
        attempt,
        ...(others === undefined ? {} : { others }),
      });
    } catch (error) {
      if (error instanceof EpochUnknownError) return { refused: 'rebuilding' };
      throw error;
    }
  }

  async #openAll(jobId: string, items: readonly OpenItem[]): Promise<({ refused: Refused } | { orders: RawOrders })[]> {
    const answer = String(await this.#client.runBatch('openAttempt', jobId, items));
    const { answers, ...common } = JSON.parse(answer) as JobOrders & { answers: ({ refused: Refused } | ChunkOrders)[] };
    return answers.map((one, index) => ('refused' in one ? one : { orders: { ...common, ...one, generation: items[index]?.generation ?? 0 } }));
  }

  /** Notes how far the attempt is; answers whether to go on. Works for chunks and work. */
  async progress(id: ChunkId, attemptId: AttemptId, progress: ProgressView): Promise<ProgressAnswer> {
    const { jobId, stage } = parseChunkId(id);
    const answer = await this.#client.run('progress', jobId, id, { attemptId, kind: kindOf(stage), ...progress });
    const [current, cancelled, paused] = answer as [number, number, number];
    return { current: current === 1, cancelled: cancelled === 1, paused: paused === 1 };
  }

  /**
   * Step 12, and what a rebuild and the sweeper of unmarked receipts call. Idempotent by the chunk's bit; `sums` null: the receipt is known to
   * stand but was not read yet, its figures follow with a later call.
   */
  async markCommitted(id: ChunkId, generation: number, sums: ReceiptSums | null): Promise<void> {
    const { jobId, stage, chunk } = parseChunkId(id);
    const figures = sums === null ? {} : { sums: { totals: totalsOf(sums), rejects: rejectsOf(sums) } };
    await this.#marking.call(jobId, { id, generation, index: chunk, stage, ...figures });
  }

  /**
   * Closes an attempt that ended without commit: the chunk is `retrying`, undecided. With `outcome: 'lost'` of an attempt that a rescue replaced it
   * only confirms that the failure record stands. Changes nothing when the attempt is not the open one.
   */
  async failAttempt(id: ChunkId, generation: number, attemptId: AttemptId, failure: AttemptFailure): Promise<boolean> {
    const { class: failureClass, code, fingerprint, recordKey } = failure;
    const last = JSON.stringify({ class: failureClass, code, message: failure.message ?? '', fingerprint, recordKey });
    const record = failure.record === undefined ? {} : { record: failure.record };
    const note = noteOf({ ...failure, message: failure.message ?? '', at: failure.endedAt, sample: recordKey });
    const args = { generation, attemptId, class: failure.outcome === 'lost' ? 'lost' : failureClass, recordKey, last, note, ...record };
    return this.#flag('failAttempt', parseChunkId(id).jobId, id, args);
  }

  /** The open attempt has read a verdict that says dead and that this ledger knows nothing of: the chunk is dying, so that it is buried once more. */
  async foundDead(id: ChunkId, generation: number, attemptId: AttemptId): Promise<boolean> {
    return this.#flag('foundDead', parseChunkId(id).jobId, id, { generation, attemptId, reason: 'its verdict says dead' });
  }

  /** The attempt was given back (drain, pause): pending again, costs nothing. `late`: its record, when the journal could not take it. */
  async releaseAttempt(id: ChunkId, generation: number, attemptId: AttemptId, late: { key: string; record: string } | null = null): Promise<boolean> {
    const kept = late === null ? {} : { recordKey: late.key, record: late.record };
    return this.#flag('releaseAttempt', parseChunkId(id).jobId, id, { generation, attemptId, ...kept });
  }

  // Decisions about failed chunks

  /** Due in `delayMs` by the clock of Redis; false when somebody decided before. */
  async setNextTry(chunk: Pick<LedgerChunkView, 'chunkId' | 'generation' | 'number'>, next: NextTry): Promise<boolean> {
    const { chunkId: id, generation, number } = chunk;
    return this.#flag('setNextTry', parseChunkId(id).jobId, id, {
      generation,
      number,
      mode: next.mode,
      delayMs: Math.ceil(next.delayMs),
      ...(next.forgiven ? { forgiven: next.forgiven } : {}),
    });
  }

  /** The decided wait of a chunk ends now. `undecided`: the leader has not said yet when it is tried again. `no`: it is not waiting, or is dying. */
  async retryNow(chunk: Pick<LedgerChunkView, 'chunkId' | 'generation' | 'number'>): Promise<'done' | 'undecided' | 'no'> {
    const { chunkId: id, generation, number } = chunk;
    const answer = await this.#client.run('retryNow', parseChunkId(id).jobId, id, { generation, number });
    return answer === 1 ? 'done' : answer === 2 ? 'undecided' : 'no';
  }

  async flagDying(chunk: Pick<LedgerChunkView, 'chunkId' | 'generation' | 'number'>, reason: string): Promise<boolean> {
    const { chunkId: id, generation, number } = chunk;
    return this.#flag('flagDying', parseChunkId(id).jobId, id, { generation, number, reason });
  }

  /**
   * After the verdict `dead` stands. `letter.chunkId` may name a file that could not be planned (`<jobId>.plan.<file>`); then `closes` is the piece
   * of work that died of it, if any. Without a letter only the chunk's key goes.
   */
  async markDead(id: ChunkId, generation: number, letter: LetterView | null): Promise<boolean> {
    const { jobId, stage, chunk } = parseChunkId(id);
    const written = letter === null ? {} : { letter: JSON.stringify(letter), bytes: letter.bytes, note: noteOfLetter(letter) };
    return this.#flag('markDead', jobId, id, { generation, index: chunk, stage, isChunk: kindOf(stage) === 'chunk', ...written });
  }

  // Reading

  async letters(jobId: JobId): Promise<LetterView[]> {
    const epoch = await this.#currentEpoch();
    return decodeLetters(await this.#client.redis.hgetall(this.#client.keys.letters(epoch, jobId)));
  }

  /** How many dead letters of a job are open. */
  async letterCount(jobId: JobId): Promise<number> {
    return this.#client.redis.hlen(this.#client.keys.letters(await this.#currentEpoch(), jobId));
  }

  /** The open dead letters of a job a few at a time: there may be very many. None comes twice. */
  async *scanLetters(jobId: JobId): AsyncGenerator<readonly LetterView[], void, undefined> {
    const key = this.#client.keys.letters(await this.#currentEpoch(), jobId);
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const [next, fields] = await this.#client.redis.hscan(key, cursor, 'COUNT', lettersAtOnce);
      const page: LetterView[] = [];
      for (let at = 0; at + 1 < fields.length; at += 2) {
        const [id, text] = [fields[at], fields[at + 1]];
        if (id === undefined || text === undefined || seen.has(id)) continue;
        seen.add(id);
        page.push(JSON.parse(text) as LetterView);
      }
      if (page.length > 0) yield page;
      cursor = next;
    } while (cursor !== '0');
  }

  /** Letters of these chunks as far as they are open. */
  async lettersOf(jobId: JobId, ids: readonly string[]): Promise<Map<string, LetterView>> {
    const key = this.#client.keys.letters(await this.#currentEpoch(), jobId);
    const found = new Map<string, LetterView>();
    for (let at = 0; at < ids.length; at += lettersAtOnce) {
      const some = ids.slice(at, at + lettersAtOnce);
      const texts = await this.#client.redis.hmget(key, ...some);
      for (const [index, id] of some.entries()) if (texts[index] != null) found.set(id, JSON.parse(texts[index]) as LetterView);
    }
    return found;
  }

  /** Jobs that have open dead letters or failures, of all tenants. */
  async troubledJobs(): Promise<TroubledJob[]> {
    const epoch = await this.#currentEpoch();
    const fields = await this.#client.redis.hgetall(this.#client.keys.troubled(epoch));
    return Object.entries(fields).map(([jobId, text]) => ({ ...(JSON.parse(text) as Omit<TroubledJob, 'jobId'>), jobId: jobId as JobId }));
  }

  async groups(jobId: JobId): Promise<JobGroup[]> {
    const epoch = await this.#currentEpoch();
    return decodeGroups(await this.#client.redis.hgetall(this.#client.keys.groups(epoch, jobId)));
  }

  /** Every job of the journal was looked through: what lists and plans filter is complete. */
  async isIndexed(): Promise<boolean> {
    return (await this.#client.redis.exists(this.#client.keys.indexed(await this.#currentEpoch()))) === 1;
  }

  async setIndexed(): Promise<void> {
    await this.#client.redis.set(this.#client.keys.indexed(await this.#currentEpoch()), '1');
  }

  /** Takes a job off the list of those with trouble when nothing of it is left. */
  async forgetIfUntroubled(jobId: JobId): Promise<void> {
    const epoch = await this.#currentEpoch();
    const { keys, redis } = this.#client;
    if ((await redis.exists(keys.letters(epoch, jobId), keys.groups(epoch, jobId))) === 0) await redis.hdel(keys.troubled(epoch), jobId);
  }

  /** From the journal: failures of any job, and the dead letters of one that the ledger does not hold. Told twice it counts once. */
  async indexTrouble(job: TroubledJob, failures: readonly FailureNote[], letters: readonly LetterView[]): Promise<void> {
    const { jobId, tenant, name } = job;
    const who = JSON.stringify({ tenant, name });
    for (let at = 0; at < Math.max(failures.length, letters.length); at += indexedAtOnce) {
      const some = letters
        .slice(at, at + indexedAtOnce)
        .map((letter) => ({ chunkId: letter.chunkId, letter: JSON.stringify(letter), note: noteOfLetter(letter) }));
      const args = { who, failures: failures.slice(at, at + indexedAtOnce), letters: some, keepSeconds, keepTroubleSeconds };
      await this.#client.run('indexTrouble', jobId, null, args);
    }
  }

  // Held back

  /**
   * So many chunks of this generation may be begun in all; null: all. `hold`: no more than have been begun. `started`: how many the journal knows of,
   * after a rebuild. Answers the limit that stands now, null when there is none.
   */
  async setRelease(jobId: JobId, generation: number, release: number | null | 'hold', started: number | null = null): Promise<number | null> {
    const limit = release === 'hold' ? { hold: true } : release === null ? {} : { release };
    const answer = await this.#client.run('setRelease', jobId, null, { generation, ...limit, ...(started === null ? {} : { started }) });
    return Number(answer) < 0 ? null : Number(answer);
  }

  /** Which chunks of a job are committed and which are dead, a bit each, the first chunk in the highest bit of the first byte. */
  async outcomeBits(jobId: JobId): Promise<{ readonly committed: Uint8Array; readonly dead: Uint8Array }> {
    const keys = this.#client.keys.job(await this.#currentEpoch(), jobId);
    const [committed, dead] = await Promise.all([this.#client.redis.getBuffer(keys[4] ?? ''), this.#client.redis.getBuffer(keys[6] ?? '')]);
    return { committed: committed ?? new Uint8Array(), dead: dead ?? new Uint8Array() };
  }

  /** Of which committed chunks the sums are known, in the same form. */
  async countedBits(jobId: JobId): Promise<Uint8Array> {
    const keys = this.#client.keys.job(await this.#currentEpoch(), jobId);
    return (await this.#client.redis.getBuffer(keys[5] ?? '')) ?? new Uint8Array();
  }

  /** When chunks that are `retrying` are due, in milliseconds by the clock of Redis; those that nobody has decided are left out. */
  async nextTries(ids: readonly ChunkId[]): Promise<Map<ChunkId, number>> {
    if (ids.length === 0) return new Map();
    const scores = await this.#client.redis.zmscore(this.#client.keys.due(await this.#currentEpoch()), ...ids);
    return new Map(ids.flatMap((id, at) => (Number(scores[at] ?? 0) > 0 ? [[id, Number(scores[at])] as const] : [])));
  }

  /** Rejects by chunk. `all` is false when more chunks have some than are kept: then a chunk that is not here may have some too. */
  async rejectedChunks(jobId: JobId): Promise<{ readonly byChunk: ReadonlyMap<number, number>; readonly all: boolean }> {
    const key = this.#client.keys.rejectedChunks(await this.#currentEpoch(), jobId);
    const { beyond, ...fields } = await this.#client.redis.hgetall(key);
    return { byChunk: new Map(Object.entries(fields).map(([chunk, rejects]) => [Number(chunk), Number(rejects)])), all: beyond === undefined };
  }

  async rejects(jobId: JobId): Promise<LedgerRejects> {
    const epoch = await this.#currentEpoch();
    return decodeRejects(await this.#client.redis.hgetall(this.#client.keys.rejects(epoch, jobId)));
  }

  /** What the journal still lacks; `forgetLate` when it has it. */
  async lateRecords(jobId: JobId): Promise<LateRecord[]> {
    const epoch = await this.#currentEpoch();
    return decodeLate(await this.#client.redis.hgetall(this.#client.keys.late(epoch, jobId)));
  }

  async forgetLate(jobId: JobId, late: LateRecord): Promise<void> {
    const epoch = await this.#currentEpoch();
    const field = late.kind === 'record' ? `record:${late.key}` : `lost:${late.attempt.attemptId}`;
    await this.#client.redis.hdel(this.#client.keys.late(epoch, jobId), field);
  }

  // Rebuild

  /** Bits found by name. Chunks committed so are `uncounted` until `markCommitted` brings their sums. */
  async setOutcomes(jobId: JobId, generation: number, stage: string, committed: readonly number[]): Promise<void> {
    for (let at = 0; at < committed.length; at += 1000) {
      await this.#client.run('setOutcomes', jobId, null, { generation, stage, committed: committed.slice(at, at + 1000) });
    }
  }

  /** All chunks of the job over all its plans. */
  async setTotals(jobId: JobId, generation: number, totals: { chunks: number; bytes: number; stages: Readonly<Record<string, number>> }): Promise<void> {
    await this.#client.run('setTotals', jobId, null, { generation, ...totals });
  }

  async restoreChunk(chunk: RestoredChunk): Promise<boolean> {
    const { jobId, chunk: index } = parseChunkId(chunk.chunkId);
    const last = chunk.last === null ? {} : { last: JSON.stringify(chunk.last) };
    const { generation, segmentKey, segmentDigest, bytes, mode, past, crashedOn } = chunk;
    return this.#flag('restoreChunk', jobId, chunk.chunkId, { generation, index, segmentKey, segmentDigest, bytes, mode, past, crashedOn, ...last });
  }

  async #flag(script: Parameters<LedgerClient['run']>[0], jobId: string, id: string | null, args: Parameters<LedgerClient['run']>[3]): Promise<boolean> {
    return (await this.#client.run(script, jobId, id, args)) === 1;
  }

  async #dueBetween(least: number, most: number, limit: number): Promise<LedgerChunkView[]> {
    const epoch = await this.#currentEpoch();
    const ids = await this.#client.redis.zrangebyscore(this.#client.keys.due(epoch), least, most, 'LIMIT', 0, limit);
    return this.chunks(ids as ChunkId[]);
  }

  /** Reads have no script that checks the epoch, so they ask for it each time: a stale one would read an empty ledger as "no work". */
  async #currentEpoch(): Promise<string> {
    this.#client.forgetEpoch();
    return this.#client.epoch();
  }

  async #jobKey(jobId: JobId): Promise<string> {
    const key = this.#client.keys.job(await this.#currentEpoch(), jobId)[2];
    if (key === undefined) throw new TypeError('cannot name the key of a job');
    return key;
  }

  async #redisNowMs(): Promise<number> {
    const [seconds, micros] = await this.#client.redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }
}

/** A reduce stage whose plan stands. */
export interface StageSeal {
  readonly index: number;
  readonly stage: string;
  readonly segments: readonly SegmentRef[];
  readonly upTo: number;
  readonly rebuilt?: boolean;
  /** What a segment adds to the totals: its chunks that no earlier plan listed. All of them when not given. */
  readonly fresh?: (segment: SegmentRef) => { readonly chunks: number; readonly bytes: number };
}

/** `forgiven`: the attempt of this class does not count. */
export interface NextTry {
  readonly mode: ChunkMode;
  readonly delayMs: number;
  readonly forgiven?: 'transient';
}

/** What a stream knows of keys that were asked for. */
export interface StreamLook {
  readonly nextSegment: number;
  readonly nextChunk: number;
  readonly found: readonly ('new' | 'same' | 'other')[];
}

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Buckets stay so small that Redis keeps them in its compact form, up to two million keys. */
const streamBuckets = [...base64url].flatMap((one) => [...base64url].map((other) => one + other));

/** Bucket, field and value: 96 bits of the key, 72 of the content. A chance meeting of two keys is not to be expected in the age of the universe. */
function shortKey({ key, digest }: StreamKey): [bucket: string, field: string, value: string] {
  const short = createHash('sha256').update(key).digest('base64url');
  return [short.slice(0, 2), short.slice(2, 16), digest.slice(0, 12)];
}

function chunksOf(segment: SegmentRef): number {
  return segment.ranges.reduce((sum, [, count]) => sum + count, 0);
}

type Refused = Extract<Opened<never>, { refused: unknown }>['refused'];

/** What the script answers for all chunks of a job, and for one of them. */
interface JobOrders {
  readonly tenant: string;
  readonly jobKey: string;
  readonly specDigest: string;
  readonly end?: JobEnd;
  readonly letters?: string[];
}

interface ChunkOrders {
  readonly segmentKey: string;
  readonly segmentDigest: string;
  readonly bytes: number;
  readonly mode: ChunkMode;
  readonly previous?: AttemptOrders['previous'];
}

type RawOrders = JobOrders & ChunkOrders & { readonly generation: number };

type SizedChunk = ChunkToDispatch & { readonly bytes: number };

/** Chunks as the scripts of `ledger-batch-scripts.ts` take them. */
interface OpenItem {
  readonly id: ChunkId;
  readonly generation: number;
  readonly kind: 'chunk' | 'plan' | 'finish';
  readonly index: number;
  readonly number: number;
  readonly epoch: string;
  readonly resultVersion: number;
  readonly attemptId: AttemptId;
  readonly attempt: string;
  readonly others?: readonly string[];
}

interface MarkItem {
  readonly id: ChunkId;
  readonly generation: number;
  readonly index: number;
  readonly stage: string;
  readonly sums?: { readonly totals: Record<string, number>; readonly rejects: Record<string, number> };
}

const weightOfMark = ({ sums }: MarkItem): number => 1 + (sums === undefined ? 0 : Object.keys(sums.rejects).length / countersOfOneChunk);

function dispatchItem({ chunkId: id, generation, stage, chunk, number, segmentKey, segmentDigest, bytes }: SizedChunk, requeue: boolean) {
  return { id, generation, kind: kindOf(stage), index: chunk, number, segmentKey, segmentDigest, bytes, requeue };
}

function workTask(taskId: AttemptOpening['taskId']): Pick<WorkOrders, 'jobId' | 'workId' | 'kind' | 'first'> {
  const task = parseTaskId(taskId);
  if (task.kind !== 'plan' && task.kind !== 'finish') throw new TypeError(`cannot open work: expected a plan or finish task, got ${taskId}`);
  return { jobId: task.jobId, workId: chunkId(task.jobId, task.stage, task.chunk), kind: task.kind, first: task.chunk };
}

function kindOf(stage: string): 'chunk' | 'plan' | 'finish' {
  return stage === 'plan' || stage === 'finish' ? stage : 'chunk';
}

function toDispatch(view: LedgerChunkView): ChunkToDispatch {
  const { chunkId: id, jobId, stage, chunk, generation, number, segmentKey, segmentDigest, bytes } = view;
  return { chunkId: id, jobId, stage, chunk, generation, number, segmentKey, segmentDigest, bytes };
}

/** Failures without fingerprint are grouped by their code. */
function noteOf(of: Omit<FailureNote, 'attemptId' | 'place' | 'fingerprint'> & { fingerprint: string | null; range: LetterView['range'] }) {
  const { code, class: failureClass, message, at, sample, range } = of;
  const place = range === null ? null : { uri: range.uri, start: range.start, end: range.end };
  return { fingerprint: of.fingerprint ?? code, code, class: failureClass, message, at, sample, place };
}

function noteOfLetter(letter: LetterView) {
  return noteOf({ ...letter, at: letter.diedAt, sample: letter.key });
}

function totalsOf(sums: ReceiptSums): Record<string, number> {
  const { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut, repaired } = sums.balance;
  return { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut, repaired, bytesIn: sums.bytesIn, bytesOut: sums.bytesOut };
}

function rejectsOf(sums: ReceiptSums): Record<string, number> {
  const found: [string, number][] = Object.entries(sums.byCode).map(([code, count]) => [rejectField(['code', code]), count]);
  for (const [column, codes] of Object.entries(sums.byColumn)) {
    for (const [code, count] of Object.entries(codes)) found.push([rejectField(['column', column, code]), count]);
  }
  for (const [file, fates] of Object.entries(sums.files)) {
    found.push([rejectField(['file', file, 'recordsIn']), fates.recordsIn], [rejectField(['file', file, 'rejected']), fates.rejected]);
  }
  return Object.fromEntries(found.filter(([, count]) => count !== 0));
}
