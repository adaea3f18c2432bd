/** Rejects of all jobs: how many by code, column, file, job and day. The rows are those of a job. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api } from '../../api.ts';
import { formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { FilterBar } from '../../list/filter-bar.tsx';
import { termsOf, withField } from '../../list/filter-text.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Empty, Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { rejectSumFields } from './reject-fields.ts';
import { type Dimension, RejectSums, type Target } from './reject-sums.tsx';
import styles from './rejects.module.css';

const dimensions: readonly Dimension[] = ['code', 'column', 'file', 'job', 'day'];
const dayMs = 86_400_000;

/** A job has rows; anything else narrows the sums. */
function targetOf(q: string, dimension: Dimension, key: string): Target {
  if (dimension === 'job') return { to: pathOf.jobRejects(key), search: { q: rowTerms(q) } };
  if (dimension !== 'day') return { to: '/rejects', search: { q: withField(q, dimension, key) } };
  const next = new Date(Date.parse(`${key}T00:00:00Z`) + dayMs).toISOString().slice(0, 10);
  const rest = withField(q, 'created', null);
  return { to: '/rejects', search: { q: `${rest} created:>=${key} created:<${next}`.trim() } };
}

/** Of a filter of sums the terms that rows know too. */
function rowTerms(q: string): string | undefined {
  const kept = termsOf(q)
    .map(({ text }) => text)
    .filter((text) => /^-?(code|column|file):/.test(text));
  return kept.length === 0 ? undefined : kept.join(' ');
}

export function AllRejectsScreen() {
  const { q = '' } = useSearch({ from: '/app/rejects' });
  const navigate = useNavigate();
  const filter = (text: string): void => void navigate({ to: '/rejects', search: (old) => ({ ...old, q: text === '' ? undefined : text }), replace: true });
  const { data, error, refetch } = useQuery({
    queryKey: ['rejects', 'summary', q],
    queryFn: ({ signal }) => api.call('GET /rejects/summary', { query: { q, by: dimensions.join(',') } }, { signal }),
    placeholderData: keepPreviousData,
  });
  useLiveRefetch(['jobs'], [['rejects', 'summary']]);
  return (
    <Page
      title="Rejects"
      lead={
        data !== undefined && (
          <>
            {formatNoun(data.rejects, 'reject')}, {formatShare(data.rejects, data.recordsIn)} of {formatNoun(data.recordsIn, 'record')} of{' '}
            {formatNoun(data.jobs, 'job')}
          </>
        )
      }
    >
      <div className={styles.bar}>
        <FilterBar filter={q} understood={data?.filter ?? null} fields={rejectSumFields} onChange={filter} label="filter rejects" />
      </div>
      {error !== null && <ProblemNote error={error} doing="sum the rejects" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the sums" />}
      {data !== undefined && error === null && (
        <div data-dims>
          {data.rejects === 0 ? (
            <NoReject q={q} records={data.recordsIn} onClear={() => filter('')} />
          ) : (
            <RejectSums summary={data} dimensions={dimensions} targetOf={(dimension, key) => targetOf(q, dimension, key)} />
          )}
        </div>
      )}
    </Page>
  );
}

function NoReject({ q, records, onClear }: { readonly q: string; readonly records: number; readonly onClear: () => void }) {
  if (q === '') {
    return (
      <Empty title={`No rejects: ${formatCount(records)} records read.`}>
        <p>
          A record that cannot be read is set aside with its place and reason; <Go to="/jobs">the jobs</Go> go on.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No reject matches this filter.">
      <Button small onClick={onClear}>
        Remove the filter
      </Button>
    </Empty>
  );
}
