/** Whether everything that is needed is there: the checks of `millrace doctor`, and what to do about each that fails. */
import { useQuery } from '@tanstack/react-query';
import { api } from '../../api.ts';
import { visibleText } from '../../format/texts.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/id.tsx';
import { Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import styles from './status.module.css';

export function StatusScreen() {
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => api.call('GET /status', {}, { signal }),
    refetchInterval: 15_000,
  });
  const text = data?.checks.map(({ name, ok, detail }) => `${ok ? 'ok    ' : 'FAILED'} ${name}: ${detail}`).join('\n') ?? '';
  return (
    <Page
      title="Status"
      lead={
        data !== undefined && (
          <span className={styles.lead}>
            <StateBadge state={data.status === 'ok' ? 'ok' : 'open'} word={data.status} /> version {visibleText(data.version)} · {visibleText(data.environment)}{' '}
            · checked <Time at={data.checkedAt} />
          </span>
        )
      }
      acts={
        <>
          {data !== undefined && (
            <CopyButton text={`millrace ${data.version}, ${data.environment}, ${data.checkedAt}\n${text}`} what="status as text">
              copy as text
            </CopyButton>
          )}
          <Button onClick={() => void refetch()} busy={isFetching && data === undefined}>
            Check again
          </Button>
        </>
      }
    >
      {error !== null && <ProblemNote error={error} doing="read the status" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the status" />}
      <ul className={styles.checks} data-dims>
        {data?.checks
          .toSorted((one, other) => Number(one.ok) - Number(other.ok))
          .map(({ name, ok, detail }) => (
            <li key={name} data-ok={ok}>
              <StateBadge state={ok ? 'ok' : 'failed'} />
              <b>{visibleText(name)}</b>
              <span>{visibleText(detail, true)}</span>
            </li>
          ))}
      </ul>
    </Page>
  );
}
