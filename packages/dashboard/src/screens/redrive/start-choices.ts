/** Whether a plan can be started as it is set up; the sentence says what is missing. Pure. */

export interface StartChoices {
  /** As they are written. */
  readonly rate: string;
  readonly canaryCount: string;
  readonly minResolved: string;
  readonly reason: string;
  readonly typed: string;
  /** The number that is repeated. */
  readonly confirm: number;
  readonly mustType: boolean;
  readonly needsReason: boolean;
}

/** Null: nothing. */
export function startProblem({ rate, canaryCount, minResolved, reason, typed, confirm, mustType, needsReason }: StartChoices): string | null {
  if (rate.trim() !== '' && !(Number(rate) > 0 && Number(rate) <= 1e6)) return 'Items a second: a number above 0, or nothing.';
  const hasCanary = canaryCount.trim() !== '';
  if (hasCanary && !(Number.isInteger(Number(canaryCount)) && Number(canaryCount) >= 1)) return 'Canary: a whole number from 1, or nothing.';
  if (hasCanary && !(minResolved.trim() !== '' && Number(minResolved) >= 0 && Number(minResolved) <= 100)) return 'Resolved: a share from 0 to 100 %.';
  if (needsReason && reason.trim() === '') return 'A production installation asks for a reason.';
  return typedProblem({ typed, confirm, mustType });
}

/** The same of a waiver, which stands under a reason everywhere. */
export function waiverProblem({ reason, ...typing }: Pick<StartChoices, 'reason' | 'typed' | 'confirm' | 'mustType'>): string | null {
  return reason.trim() === '' ? 'A waiver stands under a reason.' : typedProblem(typing);
}

const typedProblem = ({ typed, confirm, mustType }: Pick<StartChoices, 'typed' | 'confirm' | 'mustType'>): string | null =>
  mustType && typed.trim().replaceAll(',', '') !== String(confirm) ? `Type ${confirm} to confirm.` : null;
