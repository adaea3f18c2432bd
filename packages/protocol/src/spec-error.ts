/** A job spec that cannot be accepted: every issue at once, each with its place. */
import type { FailureCode } from './failure.ts';

export interface SpecIssue {
  /** JSON Pointer into what was written; empty for the whole. */
  readonly pointer: string;
  readonly code: FailureCode;
  /** Expected and got, in one sentence without the pointer. */
  readonly message: string;
  /** The nearest name there is. */
  readonly suggestion?: string;
}

export class SpecError extends Error {
  override readonly name = 'SpecError';
  /** Of the first issue. */
  readonly code: FailureCode;
  readonly issues: readonly SpecIssue[];

  constructor(issues: readonly SpecIssue[]) {
    super(`cannot accept the job spec: ${issues.map(issueText).join('; ')}`);
    this.code = issues[0]?.code ?? 'SPEC_BAD_VALUE';
    this.issues = issues;
  }
}

/** *output.uri: expected …, got …* */
export function issueText(issue: SpecIssue): string {
  const place = issue.pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~');
  const hint = issue.suggestion === undefined ? '' : ` (did you mean ${JSON.stringify(issue.suggestion)}?)`;
  return `${place === '' ? '' : `${place}: `}${issue.message}${hint}`;
}
