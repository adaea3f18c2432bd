/**
 * The durable truth, by verb and record: the only door to it. All goes through a core; nothing here knows files or buckets. Records are put once and
 * never overwritten; only open markers are deleted. This file only delegates: each record has a file of its own.
 */
import type {
  AttemptId,
  AuditRecord,
  Callback,
  ClosedVerdict,
  Command,
  CorrectionPart,
  CorrectionSet,
  DeadLetter,
  DeadVerdict,
  FailureRecord,
  InputFile,
  InputsRecord,
  JobId,
  JobRecord,
  JobStatus,
  Manifest,
  ManifestEntries,
  ManifestList,
  ManifestPageRef,
  Pins,
  PlanEnd,
  RegistryKind,
  Sealed,
  Segment,
} from '@millrace/protocol';

import { listAudit, listAuditDays, listAuditIds, putAudit, readAudit } from './audit.ts';
import { appendCommand, type DecideCommand, readCommands } from './commands.ts';
import { type CorrectedReject, putCorrection, readCorrection, readCorrectionParts } from './corrections.ts';
import { listDeadLetters, putDeadLetter, readDeadLetter } from './dead-letters.ts';
import { type FailureName, listFailures, putFailure, readFailure, readFailures } from './failures.ts';
import { hasHistory, removeHistory } from './history.ts';
import { putInline, readInline } from './inline.ts';
import { listInputFiles, listJobIds, putInputs, putJob, readInputs, readJobRecord } from './jobs.ts';
import { ManifestWriter, type PageSize } from './manifest-writer.ts';
import { firstOfManifest, listManifest, listManifests, type ManifestOf, putManifest, readManifest, readManifestPage, readNewestManifest } from './manifests.ts';
import { deleteOpenMarker, hasOpenMarker, listOpenMarkers, type OpenGeneration, putOpenMarker } from './open-jobs.ts';
import { deleteCallback, listCallbacks, putCallback } from './outbox.ts';
import { putPins, readPins } from './pins.ts';
import { listSegments, type PlanEntry, putPlanEnd, putSealed, putSegment, readPlanEntry, readSealed, readSegment } from './plan-segments.ts';
import type { Put, Stored } from './put-if-absent.ts';
import { type ChunkView, type JobView, type PlanView, readJob, readOutcome, readPlan } from './read-job.ts';
import { readStatus } from './read-status.ts';
import { KeptJobs } from './reading/kept-jobs.ts';
import type { PlanIndex } from './reading/plan-index.ts';
import { PlanReader } from './reading/plan-reader.ts';
import { outcomeOf, type PlannedChunk, plannedChunks } from './reading/planned-chunks.ts';
import { readAttempts, readReceipts } from './reading/read-attempts.ts';
import {
  changeRegistered,
  type DecideChange,
  listRegistered,
  putRegistered,
  type Registered,
  type RegistryChange,
  readRegistered,
  readRegisteredVersion,
} from './registry.ts';
import { type Replayed, replayedRejects } from './rejects/read-rejects.ts';
import { type CoreLike, Store } from './store.ts';
import { removeTemporaries, removeWork } from './temporaries.ts';
import { listVerdicts, putVerdict, readVerdict, readVerdictAt, type VerdictName } from './verdicts.ts';
import { putWitness, readWitness } from './witness.ts';

export interface JournalOptions {
  /** Name of the journal's connection in the core's `Hello`. Defaults to `journal`. */
  readonly connection?: string;
  /** Of each request. Defaults to 30 s. */
  readonly deadlineMs?: number;
  /** Aborts what is under way. */
  readonly signal?: AbortSignal;
}

/** `core`: a live core process, or whatever picks one for each request. */
export function openJournal(core: CoreLike, options: JournalOptions = {}): Journal {
  return new Journal(new Store(core, { connection: options.connection ?? 'journal', deadlineMs: options.deadlineMs ?? 30_000, signal: options.signal }));
}

export class Journal {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  // What says that this journal can be read
  putWitness = (): Promise<void> => putWitness(this.#store);
  /** Throws when the journal cannot be read, also when another lies in its place. */
  readWitness = (): Promise<void> => readWitness(this.#store);

  // Open markers: first of all, and last
  putOpenMarker = (jobId: JobId, generation: number): Promise<void> => putOpenMarker(this.#store, jobId, generation);
  hasOpenMarker = (jobId: JobId, generation: number): Promise<boolean> => hasOpenMarker(this.#store, jobId, generation);
  deleteOpenMarker = (jobId: JobId, generation: number): Promise<void> => deleteOpenMarker(this.#store, jobId, generation);
  listOpenMarkers = (): AsyncGenerator<OpenGeneration> => listOpenMarkers(this.#store);

  // The job and its inputs
  putInputs = (record: InputsRecord): Promise<Put<'inputs'>> => putInputs(this.#store, record);
  readInputs = (jobId: JobId, segment: number): Promise<Stored<'inputs'> | null> => readInputs(this.#store, jobId, segment);
  listInputFiles = (jobId: JobId): AsyncGenerator<InputFile> => listInputFiles(this.#store, jobId);
  putJob = (record: JobRecord): Promise<Put<'job'>> => putJob(this.#store, record);
  readJobRecord = (jobId: JobId): Promise<Stored<'job'> | null> => readJobRecord(this.#store, jobId);
  listJobIds = (): AsyncGenerator<JobId> => listJobIds(this.#store);

  // Planning
  putPins = (record: Pins): Promise<Put<'pins'>> => putPins(this.#store, record);
  readPins = (jobId: JobId): Promise<Stored<'pins'> | null> => readPins(this.#store, jobId);
  putSegment = (record: Segment, stage: string | null = null): ReturnType<typeof putSegment> => putSegment(this.#store, record, stage);
  putPlanEnd = (record: PlanEnd): ReturnType<typeof putPlanEnd> => putPlanEnd(this.#store, record);
  readPlanEntry = (jobId: JobId, generation: number, segment: number): Promise<PlanEntry | null> => readPlanEntry(this.#store, jobId, generation, segment);
  readSegment = (key: string, digest: string | null = null): Promise<Stored<'segment'>> => readSegment(this.#store, key, digest);
  listSegments = (jobId: JobId, generation: number, from = 0, stage: string | null = null): AsyncGenerator<Stored<'segment'>> =>
    listSegments(this.#store, jobId, generation, from, stage);
  putSealed = (record: Sealed): Promise<Put<'sealed'>> => putSealed(this.#store, record);
  readSealed = (jobId: JobId, generation: number, stage: string | null = null): Promise<Stored<'sealed'> | null> =>
    readSealed(this.#store, jobId, generation, stage);
  putInline = (jobId: JobId, segment: number, bytes: Uint8Array): ReturnType<typeof putInline> => putInline(this.#store, jobId, segment, bytes);
  readInline = (key: string): Promise<Uint8Array> => readInline(this.#store, key);

  // Rejects that are to be replayed
  putCorrection = (jobId: JobId, rejects: readonly CorrectedReject[], of: { at: string; by: string }): Promise<Stored<'correction'>> =>
    putCorrection(this.#store, jobId, rejects, of);
  readCorrection = (jobId: JobId, correctionId: string): Promise<Stored<'correction'> | null> => readCorrection(this.#store, jobId, correctionId);
  readCorrectionParts = (jobId: JobId, set: CorrectionSet): Promise<CorrectionPart[]> => readCorrectionParts(this.#store, jobId, set);
  replayedRejects = (view: JobView): Promise<Replayed> =>
    replayedRejects(view, async (chunk) => (await readOutcome(this.#store, chunk))?.record.outcome === 'committed');

  // Outcomes of chunks
  putVerdict = (record: DeadVerdict | ClosedVerdict): Promise<Put<'verdict'>> => putVerdict(this.#store, record);
  readVerdict = (jobId: JobId, stage: string, chunk: number, generation: number): Promise<Stored<'verdict'> | null> =>
    readVerdict(this.#store, jobId, stage, chunk, generation);
  readVerdictAt = (key: string): Promise<Stored<'verdict'> | null> => readVerdictAt(this.#store, key);
  listVerdicts = (jobId: JobId, stage: string): AsyncGenerator<VerdictName> => listVerdicts(this.#store, jobId, stage);
  putFailure = (record: FailureRecord): Promise<Put<'failure'>> => putFailure(this.#store, record);
  readFailure = (jobId: JobId, stage: string, chunk: number, attemptId: AttemptId): Promise<Stored<'failure'> | null> =>
    readFailure(this.#store, jobId, stage, chunk, attemptId);
  readFailures = (jobId: JobId, stage: string, chunk: number): Promise<Stored<'failure'>[]> => readFailures(this.#store, jobId, stage, chunk);
  listFailures = (jobId: JobId, stage: string): AsyncGenerator<FailureName> => listFailures(this.#store, jobId, stage);
  putDeadLetter = (record: DeadLetter): Promise<Put<'deadLetter'>> => putDeadLetter(this.#store, record);
  readDeadLetter = (jobId: JobId, stage: string, chunk: number, generation: number): Promise<Stored<'deadLetter'> | null> =>
    readDeadLetter(this.#store, jobId, stage, chunk, generation);
  listDeadLetters = (jobId: JobId, stage: string): AsyncGenerator<VerdictName> => listDeadLetters(this.#store, jobId, stage);

  // Commands and the ends of generations
  appendCommand = <Refusal>(
    jobId: JobId,
    decide: DecideCommand<Refusal>,
    requestId: string | null = null,
  ): Promise<{ appended: Stored<'command'> } | { refused: Refusal }> => appendCommand(this.#store, jobId, decide, requestId);
  readCommands = (jobId: JobId, from = 0): Promise<Command[]> => readCommands(this.#store, jobId, from);
  putManifest = (record: Manifest): Promise<Put<'manifest'>> => putManifest(this.#store, record);
  readManifest = (jobId: JobId, generation: number): Promise<Stored<'manifest'> | null> => readManifest(this.#store, jobId, generation);
  readNewestManifest = (jobId: JobId): Promise<Stored<'manifest'> | null> => readNewestManifest(this.#store, jobId);
  /** The lists of a manifest that is being made. `page`: for tests. */
  manifestWriter = (of: { readonly jobId: JobId; readonly generation: number }, page?: PageSize): ManifestWriter => new ManifestWriter(this.#store, of, page);
  /** Entries of a list of a manifest, wherever they stand. */
  listManifest = <List extends ManifestList>(manifest: ManifestOf<List>, list: List): AsyncGenerator<ManifestEntries[List]> =>
    listManifest(this.#store, manifest, list);
  firstOfManifest = <List extends ManifestList>(manifest: ManifestOf<List>, list: List, most: number): Promise<ManifestEntries[List][]> =>
    firstOfManifest(this.#store, manifest, list, most);
  readManifestPage = (of: Pick<Manifest, 'jobId' | 'generation'>, page: ManifestPageRef): Promise<Uint8Array> => readManifestPage(this.#store, of, page);
  listManifests = (jobId: JobId): Promise<number[]> => listManifests(this.#store, jobId);

  // Webhooks that are owed
  putCallback = (record: Callback): Promise<boolean> => putCallback(this.#store, record);
  listCallbacks = (): AsyncGenerator<Stored<'callback'>> => listCallbacks(this.#store);
  deleteCallback = (callbackId: string): Promise<void> => deleteCallback(this.#store, callbackId);

  // What was done by whom
  putAudit = (record: AuditRecord): Promise<Stored<'audit'>> => putAudit(this.#store, record);
  listAuditDays = (): Promise<string[]> => listAuditDays(this.#store);
  listAuditIds = (day: string): Promise<string[]> => listAuditIds(this.#store, day);
  readAudit = (day: string, auditId: string): Promise<AuditRecord | null> => readAudit(this.#store, day, auditId);
  listAudit = (day: string): AsyncGenerator<Stored<'audit'>> => listAudit(this.#store, day);

  removeWork = (jobId: JobId): Promise<void> => removeWork(this.#store, jobId);
  removeHistory = (jobId: JobId): Promise<number> => removeHistory(this.#store, jobId);
  hasHistory = (jobId: JobId): Promise<boolean> => hasHistory(this.#store, jobId);
  removeTemporaries = (jobId: JobId): Promise<void> => removeTemporaries(this.#store, jobId);

  // Versioned documents: schedules, redrive plans, operations, triage
  putRegistered = <Kind extends RegistryKind>(kind: Kind, name: string, number: number, change: RegistryChange<Kind>): ReturnType<typeof putRegistered<Kind>> =>
    putRegistered(this.#store, kind, name, number, change);
  readRegistered = <Kind extends RegistryKind>(kind: Kind, name: string, from?: number): Promise<Registered<Kind> | null> =>
    readRegistered(this.#store, kind, name, from);
  readRegisteredVersion = <Kind extends RegistryKind>(kind: Kind, name: string, number: number): Promise<Registered<Kind> | null> =>
    readRegisteredVersion(this.#store, kind, name, number);
  changeRegistered = <Kind extends RegistryKind, Refusal>(
    kind: Kind,
    name: string,
    decide: DecideChange<Kind, Refusal>,
  ): Promise<{ changed: Registered<Kind> } | { refused: Refusal }> => changeRegistered(this.#store, kind, name, decide);
  listRegistered = (kind: RegistryKind, after?: string): AsyncGenerator<string> => listRegistered(this.#store, kind, after);

  // A job from its records alone
  readStatus = (jobId: JobId): Promise<JobStatus | null> => readStatus(this.#store, jobId);
  readJob = (jobId: JobId): Promise<JobView | null> => readJob(this.#store, jobId);
  readPlan = (job: JobRecord, generation: number): Promise<PlanView> => readPlan(this.#store, job, generation);
  readOutcome = (chunk: ChunkView, upTo?: number): Promise<Stored<'verdict'> | null> => readOutcome(this.#store, chunk, upTo);

  // A job with very many chunks, one after another
  planReader = (job: JobRecord): PlanReader => new PlanReader(this.#store, job);
  plannedChunks = (index: PlanIndex): AsyncGenerator<PlannedChunk> => plannedChunks(this.#store, index);
  outcomeOf = (jobId: JobId, chunk: PlannedChunk): Promise<Stored<'verdict'> | null> => outcomeOf(this.#store, jobId, chunk);

  // For people: a little at a time of jobs that may be very large
  readAttempts = (jobId: JobId, stage: string, chunk: number, generation: number): ReturnType<typeof readAttempts> =>
    readAttempts(this.#store, jobId, stage, chunk, generation);
  readReceipts = (jobId: JobId, stage: string, chunk: number, generation: number): ReturnType<typeof readReceipts> =>
    readReceipts(this.#store, jobId, stage, chunk, generation);
  /** Keeps what it read: one for each process. */
  keptJobs = (): KeptJobs => new KeptJobs(this.#store);
}
