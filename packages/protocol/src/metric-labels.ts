/** Closed sets of label values that more than one service counts under. Every metric has its bound from these. */
import { attemptOutcomes } from './attempt.ts';
import { type AttemptFailureClass, attemptClassOf, type FailureCode, failureClasses, failureCodes } from './failure.ts';

/** Names of jobs beyond so many are counted as `other`. */
export const maxJobNameLabels = 50;

export const taskKinds = ['plan', 'map', 'reduce', 'finish'] as const;
export type TaskKindLabel = (typeof taskKinds)[number];

/** Classes that an attempt can fail with. */
export const attemptClasses: readonly AttemptFailureClass[] = failureClasses.filter((one) => one !== 'data');
/** `none`: of attempts that did not fail. */
export const classLabels: readonly (AttemptFailureClass | 'none')[] = [...attemptClasses, 'none'];
export type ClassLabel = (typeof classLabels)[number];

export const outcomeLabels = attemptOutcomes;

const allCodes = Object.keys(failureCodes) as FailureCode[];

/** Codes that a record can be rejected or changed for: those of records, and those of records that no core survives. */
export const recordCodes: readonly FailureCode[] = allCodes.filter(
  (code) => failureCodes[code].class === 'data' || code === 'CORE_CRASH' || code === 'CORE_MEMORY',
);
/** Codes that an attempt can end with. One of a record there is a bug of ours, and so is one of a call; they have no series until that happens. */
export const attemptCodes: readonly FailureCode[] = allCodes;

/** Whether an attempt that ended with this code is counted under this class. */
export const isClassOf = (failureClass: AttemptFailureClass, code: FailureCode): boolean => attemptClassOf(code) === failureClass;
