/**
 * The part of the vocabulary that a browser can load: states, codes, filters, the reading of ids and units. Nothing here leads to a module of Node; the test
 * of `@millrace/api-contract` follows every import to see that it stays so.
 */

export { auditOutcomes } from './audit.ts';
export { type ChunkState, chunkModes, chunkStates } from './chunk.ts';
export { CronError, nextFire, parseCron } from './cron.ts';
export { type CodeInfo, classOf, codeInfo, type FailureClass, type FailureCode, failureClasses, failureCodes, isFailureCode } from './failure.ts';
export { type Filter, FilterError, type FilterFields, maxFilterLength, parseFilter } from './filter.ts';
export {
  type ChunkIdParts,
  deadLetterId,
  isAttemptId,
  isChunkId,
  isId,
  isJobId,
  isOperationId,
  isPlanId,
  parseChunkId,
} from './ids.ts';
export { isTerminalJobState, type JobState, jobStates, type TerminalJobState, terminalJobStates } from './job.ts';
export { groupFields, letterFields, operationFields } from './letter-filter.ts';
export { maxIdempotencyKeyLength, maxReasonLength, maxSpecBytes } from './limits.ts';
export { nearestName } from './nearest-name.ts';
export { canaryAbove, defaultCanary, isOperationOver, operationStates, planLifeMs, redriveTargets } from './redrive-plan.ts';
export { type Role, roles, type Scope, scopes } from './role.ts';
export { groupStates } from './triage.ts';
export { durationText, parseDuration, parseSize, sizeText } from './units.ts';
