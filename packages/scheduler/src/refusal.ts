/** Why a request was not done, as an answer. */
import { issueText, type Refusal, type SpecIssue } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

export function refusal(code: string, message: string, retryable = false): Refusal {
  return { ok: false, code, message, retryable };
}

export function specRefusal(act: string, issues: readonly SpecIssue[]): Refusal {
  const first = issues[0];
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  return { ...refusal(first?.code ?? 'REQUEST_INVALID', `cannot ${act}: ${first ? issueText(first) : 'no issue named'}${more}`), issues };
}

const retryableCodes = /^(STORAGE_(?!FORBIDDEN)|REDIS_|CORE_|BUSY|REBUILDING|LEDGER_REBUILDING|QUOTA_EXCEEDED)/;

/** A fault as an answer: the caller may repeat what a repeat can cure. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof AppError) return refusal(error.code, error.message, retryableCodes.test(error.code));
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL';
  return refusal(code, error instanceof Error ? error.message : String(error), retryableCodes.test(code));
}
