/** The durable records, through a core. `paths` names their keys for requests to the core; nobody else spells one. */

export { type Act, type ActEnd, AuditLog, type AuditPlace } from './audit.ts';
export type { DecideCommand, NewCommand } from './commands.ts';
export type { CorrectedReject } from './corrections.ts';
export type { FailureName } from './failures.ts';
export { resultOf, shownFiles, statusFromJournal, statusOfManifest } from './job-status.ts';
export { Journal, type JournalOptions, openJournal } from './journal.ts';
export { journalConnection } from './journal-connection.ts';
export type { ManifestWriter, WrittenLists } from './manifest-writer.ts';
export type { OpenGeneration } from './open-jobs.ts';
export {
  commandKey,
  deadLetterKey,
  failureKey,
  inlineKey,
  inputsKey,
  jobKey,
  manifestKey,
  openMarkerKey,
  parseChunkKey,
  parseSampleKey,
  pinsKey,
  sealedKey,
  segmentKey,
  sliceListsDir,
  verdictKey,
} from './paths.ts';
export { isSegment, type PlanEntry } from './plan-segments.ts';
export type { Put, Stored } from './put-if-absent.ts';
export {
  allSegments,
  type ChunkView,
  isFullyPlanned,
  type JobView,
  newestGeneration,
  type PlanView,
  type StagePlan,
  specOfGeneration,
} from './read-job.ts';
export { type ChunkListOptions, type ChunkPage, type ChunkTrouble, listChunks } from './reading/chunk-list.ts';
export { inTurns } from './reading/in-turns.ts';
export { type JobOutline, type JobPlan, KeptJobs } from './reading/kept-jobs.ts';
export { bitAt, type OutcomeBits } from './reading/outcomes.ts';
export { type ChunkPlace, type IndexedFile, PlanIndex } from './reading/plan-index.ts';
export type { PlanReader } from './reading/plan-reader.ts';
export type { PlannedChunk } from './reading/planned-chunks.ts';
export { type ReplayedReject, readReplays } from './reading/replays.ts';
export { type Cell, type ChunkStates, type CutStrip, chunksOfFile, chunksOfStage, fileStrip, stageStrip } from './reading/strip.ts';
export type { Change, DecideChange, Registered, RegistryChange } from './registry.ts';
export { type Correction, correctRecord, type EditedRow, unchangedRecord } from './rejects/correct-record.ts';
export { EditedExportError, readEditedExport, readEditedExportInTurns } from './rejects/edited-export.ts';
export { type ExportShape, exportCsvHeader, exportCsvRow, exportedFields, exportNdjsonRow, exportShape, type PlannedView } from './rejects/export-rejects.ts';
export { type CorrectedJob, type Gathered, type GatherOptions, gatherCorrections } from './rejects/gather-corrections.ts';
export { type RejectRow, type Replayed, readRejectRows, readRejects } from './rejects/read-rejects.ts';
export { rejectItem } from './rejects/reject-item.ts';
export { testStore } from './self-test.ts';
export type { CoreLike } from './store.ts';
export type { VerdictName } from './verdicts.ts';
export { Waivers } from './waivers.ts';
