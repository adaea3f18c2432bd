/** Rejects of all jobs, summed up by what they have in common. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api } from '../../api.ts';
import { formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { FilterBar } from '../../list/filter-bar.tsx';
import { type FilterField, withField } from '../../list/filter-text.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Columns, Empty, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import styles from './rejects.module.css';

const fields: readonly FilterField[] = [
  { name: 'code', about: 'what is wrong', values: ['CSV_*', 'TYPE_*', 'CONSTRAINT_*', 'ENCODING_*'] },
  { name: 'name', about: 'the kind of work' },
  { name: 'job', about: 'id of a job' },
  { name: 'column', about: 'column at fault' },
  { name: 'file', about: 'location or name of a file' },
  { name: 'age', about: 'since the job was accepted', values: ['<1d', '<7d'] },
  { name: 'created', about: 'when the job was accepted' },
];

const dimensions = ['code', 'column', 'job', 'file', 'day'] as const;
const titles = { code: 'By code', column: 'By column', job: 'By job', file: 'By file', day: 'By day' } as const;
const shown = 12;

export function RejectsSummaryScreen() {
  const search = useSearch({ from: '/app/rejects' });
  const navigate = useNavigate({ from: '/rejects' });
  const q = search.q ?? '';
  const { data, error, refetch } = useQuery({
    queryKey: ['rejects', 'summary', q],
    queryFn: ({ signal }) => api.call('GET /rejects/summary', { query: { q, by: dimensions.join(',') } }, { signal }),
  });
  const filter = (text: string): void => void navigate({ search: (old) => ({ ...old, q: text === '' ? undefined : text }), replace: true });
  return (
    <Page title="Rejects" lead="Records that could not be used. Each is kept with its place and its bytes, and can be corrected and replayed.">
      <div className={styles.bar}>
        <FilterBar filter={q} understood={data?.filter ?? null} fields={fields} onChange={filter} label="filter rejects" />
        <p role="status">
          {data !== undefined && `${formatNoun(data.rejects, 'reject')} of ${formatNoun(data.recordsIn, 'record')} in ${formatNoun(data.jobs, 'job')}`}
        </p>
      </div>
      {error !== null && <ProblemNote error={error} doing="sum up the rejects" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the sums" />}
      {data?.incomplete != null && <p className={styles.note}>{visibleText(data.incomplete)}</p>}
      {data?.rejects === 0 && <Empty title={`No rejects${q === '' ? '' : ` match ${visibleText(q)}`}: ${formatNoun(data.recordsIn, 'record')} read.`} />}
      {data !== undefined && data.rejects > 0 && (
        <Columns>
          {dimensions.map((dimension) => {
            const groups = data.by[dimension] ?? [];
            if (groups.length === 0) return null;
            return (
              <Panel
                key={dimension}
                title={titles[dimension]}
                aside={
                  groups.length > shown ? (
                    <span>
                      the largest {shown} of {formatCount(groups.length)}
                    </span>
                  ) : undefined
                }
              >
                <ul className={styles.groups}>
                  {groups.slice(0, shown).map(({ key, label, rejects }) => (
                    <li key={key}>
                      <Go
                        to={dimension === 'job' ? pathOf.jobRejects(key) : '/rejects'}
                        search={dimension === 'job' ? {} : { q: dimension === 'day' ? withField(q, 'created', key) : withField(q, dimension, key) }}
                      >
                        {visibleText(dimension === 'file' ? fileName(label) : label)}
                      </Go>
                      <span>
                        {formatCount(rejects)} · {formatShare(rejects, data.rejects)}
                      </span>
                    </li>
                  ))}
                </ul>
              </Panel>
            );
          })}
        </Columns>
      )}
    </Page>
  );
}
