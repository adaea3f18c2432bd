/** Why a request was not done, as an answer. */
import { issueText, type Refusal, type SpecIssue } from '@millrace/protocol';
import { redisFaultCode } from '@millrace/queues';
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

const faultTexts = { REDIS_MEMORY: 'Redis is full', REDIS_UNAVAILABLE: 'Redis is away' } as const;

/** A place that a spec may not name is refused for good. A journal that may not be written is not the caller's fault, and what was begun may stand. */
const isJournalShut = ({ code, details }: AppError): boolean => code === 'STORAGE_FORBIDDEN' && details['place'] === 'journal';

/** A fault as an answer: the caller may repeat what a repeat can cure. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof AppError) return refusal(error.code, error.message, retryableCodes.test(error.code) || isJournalShut(error));
  // A ledger that is being rebuilt has a code of its own, sockets have those of the operating system.
  const isOurs = error instanceof Error && 'code' in error && /^(LEDGER|REDIS)_/.test(String(error.code));
  const fault = isOurs ? null : redisFaultCode(error);
  // Its own words name scripts and commands of ours. What was begun may stand: the caller asks again with the same key.
  if (fault !== null) return refusal(fault, `whether it was done is unknown: ${faultTexts[fault]}; ask again with the same idempotency key`, true);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL';
  return refusal(code, error instanceof Error ? error.message : String(error), retryableCodes.test(code));
}
