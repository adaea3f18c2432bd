/** What went wrong with a call: what happened, why, what to do, and the request id to quote. */
import { ApiError, UnreachableError } from '@millrace/api-contract/client';
import { visibleText } from '../format/texts.ts';
import { Button } from './button.tsx';
import { CopyButton } from './id.tsx';
import styles from './problem.module.css';

interface ProblemNoteProps {
  readonly error: unknown;
  /** What was tried, as a verb phrase: `list jobs`. */
  readonly doing: string;
  readonly onRetry?: (() => void) | undefined;
}

export function ProblemNote({ error, doing, onRetry }: ProblemNoteProps) {
  const { title, detail, code, requestId, issues, hint } = describe(error);
  return (
    <div className={styles.note} role="alert">
      <p className={styles.title}>
        Cannot {doing}: {visibleText(title)}
      </p>
      {detail !== null && <p className={styles.detail}>{visibleText(detail, true)}</p>}
      {issues.length > 0 && (
        <ul className={styles.issues}>
          {issues.map((issue) => (
            <li key={`${issue.pointer} ${issue.message}`}>
              <code>{visibleText(issue.pointer)}</code> {visibleText(issue.message)}
              {issue.suggestion !== undefined && <> · did you mean {visibleText(issue.suggestion)}?</>}
            </li>
          ))}
        </ul>
      )}
      {hint !== null && <p className={styles.detail}>{hint}</p>}
      <p className={styles.foot}>
        {onRetry !== undefined && (
          <Button small onClick={onRetry}>
            Try again
          </Button>
        )}
        {code === 'AUTH_STALE' && <a href={`/login?next=${encodeURIComponent(window.location.pathname + window.location.search)}`}>Sign in again</a>}
        {code !== null && (
          <a href={`/docs/errors/${encodeURIComponent(code)}`}>
            <code>{code}</code>
          </a>
        )}
        {requestId !== null && (
          <span>
            request <code>{requestId}</code>
            <CopyButton text={requestId} what="request id" />
          </span>
        )}
      </p>
    </div>
  );
}

interface Description {
  readonly title: string;
  readonly detail: string | null;
  readonly code: string | null;
  readonly requestId: string | null;
  readonly issues: NonNullable<ApiError['problem']['errors']>;
  readonly hint: string | null;
}

function describe(error: unknown): Description {
  const nothing = { detail: null, code: null, requestId: null, issues: [], hint: null };
  if (error instanceof ApiError) {
    const { title, detail, code, requestId, errors = [], retryable } = error.problem;
    const wait = error.retryAfterSeconds === null ? '' : ` in ${error.retryAfterSeconds} s`;
    // One issue that says what the detail says is told once.
    const issues = errors.filter(({ message, suggestion }) => message !== detail || suggestion !== undefined);
    return { title, detail: detail === title ? null : detail, code, requestId, issues, hint: retryable ? `It may work again${wait}.` : null };
  }
  if (error instanceof UnreachableError) {
    return { ...nothing, title: 'the server does not answer', detail: error.message, hint: 'What you see is as old as the header says. It heals by itself.' };
  }
  return { ...nothing, title: error instanceof Error ? error.message : 'something went wrong' };
}

/** One line for a notification. */
export function problemLine(error: unknown): string {
  const { title, detail, requestId } = describe(error);
  return visibleText(`${detail ?? title}${requestId === null ? '' : ` (request ${requestId})`}`);
}
