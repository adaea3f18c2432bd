/** The vocabulary of Millrace. No I/O; the wire codec is `@millrace/protocol/wire`. */

export { apiTokenPattern, tokenIdOf } from './api-token.ts';
export { type Attempt, type AttemptEnd, type AttemptOutcome, attemptOutcomes } from './attempt.ts';
export { isAtLeast, type LogLevel, type LogLine, logLevelOf, logLevels, logLines } from './attempt-log.ts';
// What is asked and answered
export { type AttemptView, attemptDifferences, attemptsNewestFirst } from './attempts.ts';
export { type AuditOutcome, type AuditRecord, auditOutcomes } from './audit.ts';
// What is counted
export {
  addBalances,
  addCounts,
  addFates,
  addSums,
  type Balance,
  balanceOfStages,
  type Counts,
  checkBalance,
  checkReceipt,
  checkSums,
  type Fates,
  fileKey,
  type ReceiptSums,
  RunningSums,
  sumAll,
  sumsOfChunk,
  sumsOfReceipt,
  zeroBalance,
  zeroSums,
} from './balance.ts';
export { type Band, bandOf, bandOrder, bandTargets } from './band.ts';
export {
  type BudgetDecision,
  type BudgetEvidence,
  type BudgetMoment,
  type BudgetSums,
  budgetEvidence,
  budgetUses,
  decideBudget,
  nearestBudget,
} from './budget.ts';
export {
  type Callback,
  type CallbackEvent,
  callbackBody,
  callbackDelayMs,
  callbackEvents,
  callbackLifeMs,
  callbacksOf,
  type Delivery,
  signCallback,
} from './callback.ts';
export { canonicalJson, sha256Hex } from './canonical-json.ts';
export { type ChunkMode, type ChunkState, canMoveChunk, chunkModes, chunkMoves, chunkStates, isChunkDone } from './chunk.ts';
export { estimatedChunks, tooManyChunks } from './chunk-estimate.ts';
export { type Command, type CommandWord, commandWords } from './command.ts';
export { authOf, bucketParts, type ConnectionSetting, type CredentialSource, kindOfScheme, parseConnections } from './connections.ts';
export { type CorrectionPart, type CorrectionSet, maxCorrectionBytes, maxCorrectionRecords } from './correction.ts';
export { CronError, firesBetween, nextFire, parseCron } from './cron.ts';
export type { DeadLetter } from './dead-letter.ts';
export { decideOperation, type OperationDecision, recentOutcomes, steeredOperation, watchedOutcomes } from './decide-operation.ts';
export { jobIdFromKey, toId } from './derived-ids.ts';
export { type ErrorGroup, errorGroups, filterGroups, foldFailures, type GroupOfJob, type TriageVersion } from './error-group.ts';
export { checkExpected, type InputTotals } from './expected-totals.ts';
// What goes wrong
export {
  type AttemptFailureClass,
  attemptClassOf,
  type CodeInfo,
  classOf,
  codeInfo,
  type Failure,
  type FailureClass,
  type FailureCode,
  failureClasses,
  failureCodes,
  isFailureCode,
} from './failure.ts';
export { countsAgainstChunk, type FailureRecord, type Position, type UncommittedOutcome } from './failure-record.ts';
export {
  type FieldOf,
  type Filter,
  FilterError,
  type FilterFields,
  type FilterItem,
  globMatches,
  matchesFilter,
  maxFilterLength,
  parseFilter,
  wordsField,
} from './filter.ts';
export { type FingerprintFacts, fingerprint, fingerprintOf, withoutParameters } from './fingerprint.ts';
export { directoryOfPattern, isHiddenBelow, isPattern, patternOf } from './glob.ts';
// Who is who
export {
  type AttemptId,
  type ChunkId,
  type ChunkIdParts,
  chunkId,
  chunkTaskId,
  type Dispatch,
  deadLetterId,
  finishTaskId,
  type IdSource,
  intakeTaskId,
  isAttemptId,
  isChunkId,
  isId,
  isJobId,
  isOperationId,
  isPlanId,
  isRequestId,
  type JobId,
  newAttemptId,
  newAuditId,
  newJobId,
  newPlanId,
  newRequestId,
  operationIdOf,
  parseChunkId,
  parseTaskId,
  planTaskId,
  type RequestId,
  type TaskId,
  type TaskIdParts,
  taskId,
} from './ids.ts';
export { type ListedFile, parseInputList } from './input-list.ts';
export { canMoveJob, isTerminalJobState, type JobState, jobMoves, jobStates, type TerminalJobState, terminalJobStates } from './job.ts';
// The durable records
export { type InputFile, type InputsRecord, type JobRecord, type JobStage, jobStages, type LookupFile, type OpenMarker } from './job-record.ts';
export { checkJobSpec, type ResolveOptions, resolveJobSpec, schemaOf, specDigest } from './job-spec.ts';
// What a job is
export type {
  InputSpec,
  JobSpec,
  JobSpecInput,
  RejectLimit,
  ResolvedDeadLetters,
  ResolvedDialect,
  ResolvedExecution,
  ResolvedField,
  ResolvedInput,
  ResolvedJobSpec,
  ResolvedOutput,
  ResolvedRejects,
  ResolvedSchema,
  ResolvedStage,
} from './job-spec-shape.ts';
export { jobSpecShape } from './job-spec-shape.ts';
export { type FilterableLetter, groupFields, letterFields, letterItem, operationFields } from './letter-filter.ts';
export {
  maxBatchChunks,
  maxChunkKeyLength,
  maxChunksPerJob,
  maxDeadLetterAttempts,
  maxDeleteKeys,
  maxFilesPerJob,
  maxHeaderBytes,
  maxIdempotencyKeyLength,
  maxInlineChunkBytes,
  maxInlinePayloadBytes,
  maxInputsPerRecord,
  maxListEntries,
  maxPayloadBytes,
  maxReasonLength,
  maxRecordBytes,
  maxSegmentChunks,
  maxSpecBytes,
  maxSqlBytes,
  stderrTailBytes,
} from './limits.ts';
export {
  type FailureEvidence,
  type Gap,
  type Manifest,
  type ManifestEntries,
  type ManifestFile,
  type ManifestList,
  type ManifestPage,
  type ManifestPageRef,
  type ManifestPart,
  type ManifestReplay,
  type ManifestStage,
  manifestCount,
  manifestLists,
  manifestPageName,
} from './manifest.ts';
export {
  attemptClasses,
  attemptCodes,
  type ClassLabel,
  classLabels,
  isClassOf,
  maxJobNameLabels,
  outcomeLabels,
  recordCodes,
  type TaskKindLabel,
  taskKinds,
} from './metric-labels.ts';
export { nearestName } from './nearest-name.ts';
export {
  type DialectPins,
  type Evidence,
  type FieldPins,
  type FilePins,
  type InputPins,
  inputPinsShape,
  type LookupPins,
  maxPinnedFiles,
  type Pins,
  type SchemaPins,
  spreadSamples,
} from './pins.ts';
export { pinsWithoutFiles } from './pins-without-files.ts';
export { filePath, fileUri, resolvePlace, schemeOf } from './places.ts';
export {
  type Chunk,
  chunkBytes,
  type EndedFile,
  type FileChunk,
  type FilesChunk,
  fileShares,
  filesOfChunk,
  type GivenChunk,
  type InlineChunk,
  isFileChunk,
  isReplay,
  type Origin,
  type PartitionChunk,
  type PlanEnd,
  type PlannedFile,
  plannedRecords,
  type RangeChunk,
  type RowsChunk,
  rangeOfChunk,
  type Sealed,
  type Segment,
  segmentRanges,
  streamKeys,
  type Unplannable,
} from './plan-segment.ts';
export { type PoolEntry, parsePools } from './pools.ts';
export {
  type LimitedBy,
  limitedByWords,
  type PostedScaling,
  postedScalingShape,
  type ScalingDecision,
  scalingDecisionShape,
  staleScalingMs,
} from './posted-scaling.ts';
export type { QueueSetting } from './queue-setting.ts';
export { type AnyRecord, encodeRecord, parseRecord, parseRecordOf, RecordError, type RecordKind, type RecordOf } from './record.ts';
export type { ChunkRange, Part } from './record-shapes.ts';
export {
  type Canary,
  canaryAbove,
  defaultCanary,
  type ItemCounts,
  isOperationOver,
  maxPlanItems,
  maxShownCannot,
  type Operation,
  type OperationJob,
  type OperationState,
  type Overrides,
  operationStates,
  type PlanItems,
  type PlanTarget,
  planLifeMs,
  planTargets,
  type RedrivePlan,
  type RedriveTarget,
  redriveTargets,
} from './redrive-plan.ts';
export { parseRegistryBody, type RegistryBody, type RegistryEntry, type RegistryKind, registryKinds, registryName } from './registry.ts';
export {
  type Answer,
  type AnswerBodies,
  type AnswerTo,
  type AttemptsRequest,
  type CheckRequest,
  type ChunksRequest,
  type CommandRequest,
  type DeadLettersRequest,
  type DeadLetterView,
  type ErrorGroupRequest,
  type ErrorGroupsRequest,
  type FoundFile,
  type FoundInput,
  type ItemOutcome,
  itemOutcomes,
  type OpenRequest,
  type OperationItem,
  type OperationItemsRequest,
  type OperationRequest,
  type OperationsRequest,
  type PlanRedriveRequest,
  type PlanReplayRequest,
  type PutScheduleRequest,
  parseRequest,
  type RedrivePlanRequest,
  type RedriveRequest,
  type Refusal,
  type ReplayRequest,
  type Request,
  type RequestKind,
  type ResultRequest,
  type RetryNowRequest,
  type SchedulesRequest,
  type ScheduleView,
  type SealRequest,
  type SentChunk,
  type StartRedriveRequest,
  type StatusRequest,
  type SteerOperationRequest,
  type SteerScheduleRequest,
  type SubmitRequest,
  type TriageRequest,
} from './request.ts';
export { type Retention, type Retirable, type Retirement, retirable, retirementsOf } from './retention.ts';
export { type ApiDocument, type PasswordDigest, type Role, roles, type Scope, scopes, type TokenDocument, type UserDocument } from './role.ts';
export { dueFires, fireKey, maxScheduleRuns, type Schedule, type ScheduleRun, specOfRun, upcomingFires } from './schedule.ts';
export { assertAvailable, availabilityIssues, streamAvailabilityIssues } from './spec-available.ts';
export { type Difference, specDifferences } from './spec-difference.ts';
export { issueText, SpecError, type SpecIssue } from './spec-error.ts';
export { pointerOf } from './spec-issues.ts';
export { type Overridden, overriddenSpec, overrideIssues, resultVersionOverride } from './spec-overrides.ts';
export type { Params } from './spec-params.ts';
export { codeMatches } from './spec-rules.ts';
export {
  entryStageOf,
  fileStages,
  inputsBehind,
  isKeyStage,
  keyStages,
  laterIndexOf,
  laterStages,
  partitionsOf,
  passThroughStage,
  readerOf,
  type Stage,
  type StagedSpec,
  stagePlanNumber,
  stagesOf,
  uniqueKeysOf,
} from './stages.ts';
export type { JobEvent, JobFailure, JobResult, JobStatus, StageStatus } from './status.ts';
export { parseQueueName, type QueueName, type QueueNameParts, type TaskKind, type WorkKind, workKinds, workQueueName } from './task.ts';
export { parseTaskKeys, signTask, type TaskKey, type TaskKeys, verifyTask } from './task-signature.ts';
export { parseTenants, shareOfTenant, type TenantShare, type TenantShares } from './tenants.ts';
// Bounds
export { checkLeaseTimes, type LeaseTimes, leaseTimes } from './times.ts';
export { type GroupSightings, type GroupState, groupState, groupStates, maxTriageNotes, type Triage } from './triage.ts';
export { parseDuration, parseSize } from './units.ts';
export type { ClosedVerdict, DeadVerdict, Exchange, Receipt, Verdict } from './verdict.ts';
