/** The rejects of one job: their sums, then each with its place and reason; the drawer peeks at its bytes. */
import type { RejectView } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { withField } from '../../list/filter-text.ts';
import { type Column, List, type Selection } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { buttonLink } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Masked } from '../../ui/masked.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { ProblemNote, problemLine } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { FreezeButton, useFreeze } from '../job/freeze-button.tsx';
import { jobKey, useJob } from '../job/queries.ts';
import { ExportRejects } from './export-rejects.tsx';
import { rejectFilterFields } from './reject-fields.ts';
import { RejectPeek } from './reject-peek.tsx';
import { type Dimension, RejectSums } from './reject-sums.tsx';
import styles from './rejects.module.css';

type JobId = RejectView['jobId'];

const columns: readonly Column<RejectView>[] = [
  {
    key: 'place',
    label: 'File',
    width: 'minmax(90px, 1fr)',
    when: 'always',
    render: ({ rejectId, file }) => (
      <Go to={`/rejects/${encodeURIComponent(rejectId)}`} title={visibleText(file)}>
        {visibleText(fileName(file))}
      </Go>
    ),
  },
  { key: 'record', label: 'Record', width: '76px', end: true, render: ({ record }) => (record === null ? '–' : formatCount(record)) },
  { key: 'line', label: 'Line', width: '70px', end: true, when: 'always', render: ({ line }) => (line === null ? '–' : formatCount(line)) },
  { key: 'byte', label: 'Byte', width: '84px', end: true, when: 'roomy', render: ({ errorByte, byte }) => countOrNone(errorByte ?? byte) },
  { key: 'column', label: 'Column', width: 'minmax(70px, 0.8fr)', render: ({ column }) => (column === null ? '–' : visibleText(column)) },
  { key: 'code', label: 'Code', width: 'minmax(0, 1.1fr)', when: 'always', render: ({ code }) => <code title={code}>{code}</code> },
  { key: 'message', label: 'Message', width: 'minmax(120px, 2fr)', render: ({ message }) => <span title={visibleText(message)}>{visibleText(message)}</span> },
  { key: 'value', label: 'Value', width: 'minmax(150px, 1.1fr)', when: 'roomy', render: (row) => <RowValue row={row} /> },
  { key: 'state', label: 'State', width: '96px', when: 'roomy', render: ({ state }) => <StateBadge state={state} /> },
  {
    key: 'expected',
    label: 'Expected',
    width: 'minmax(80px, 1fr)',
    optional: true,
    render: ({ expected }) => (expected === null ? '–' : visibleText(expected)),
  },
  { key: 'stage', label: 'Stage', width: '80px', optional: true, render: ({ stage }) => stage },
  { key: 'chunk', label: 'Chunk', width: '64px', end: true, optional: true, render: ({ chunkId }) => formatCount(Number(chunkId.split('.').at(-1))) },
  { key: 'bytes', label: 'Bytes', width: '70px', end: true, optional: true, render: ({ rawBytes }) => formatCount(rawBytes) },
  { key: 'id', label: 'Id', width: '180px', optional: true, render: ({ rejectId }) => <Id id={rejectId} most={18} what="reject id" /> },
];

const countOrNone = (value: number | null): string => (value === null ? '–' : formatCount(value));

/** Hidden until a steward asks for it, which the server records. */
function RowValue({ row: { rejectId, value, valueCharacters } }: { readonly row: RejectView }) {
  const maySee = useMay('steward');
  const [shown, setShown] = useState(value);
  const [refusal, setRefusal] = useState<string | null>(null);
  if (valueCharacters === null) return <>–</>;
  if (refusal !== null) return <span role="alert">{refusal}</span>;
  const reveal = (): void => {
    api
      .call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content: 'true' } })
      .then((detail) => setShown(detail.value))
      .catch((error: unknown) => setRefusal(problemLine(error)));
  };
  return <Masked value={shown} length={valueCharacters} onReveal={maySee ? reveal : undefined} />;
}

export function JobRejectsScreen() {
  const { job } = useParams({ from: '/app/jobs/$job/rejects' });
  const jobId = job as JobId;
  const search = useSearch({ from: '/app/jobs/$job/rejects' });
  const navigate = useNavigate();
  const maySteward = useMay('steward');
  const freeze = useFreeze();
  const { data } = useJob(jobId);
  const name = data === undefined ? 'Job' : visibleText(data.name);
  const q = search.q ?? '';
  const change = (next: Readonly<Record<string, string | undefined>>): void =>
    void navigate({ to: '/jobs/$job/rejects', params: { job }, search: (old) => ({ ...old, ...next }), replace: true, resetScroll: false });

  const fetchPage: FetchPage<RejectView> = ({ q: filter, cursor, limit }, signal) =>
    api.call('GET /jobs/{jobId}/rejects', { params: { jobId }, query: { q: filter, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

  return (
    <Page
      title={`Rejects · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> rejects
          {data !== undefined && <StateBadge state={data.state} />}
        </>
      }
      lead={
        data !== undefined && (
          <>
            {formatNoun(data.balance.rejected, 'record')} of {formatCount(data.balance.recordsIn)} rejected,{' '}
            {formatShare(data.balance.rejected, data.balance.recordsIn)}
          </>
        )
      }
      acts={
        maySteward &&
        data !== undefined &&
        data.balance.rejected > 0 && (
          <>
            <ExportRejects jobId={jobId} q={q} />
            {data.endedAt !== null && (
              <>
                <Go to={`/jobs/${jobId}/corrections`} className={buttonLink}>
                  Upload an edited export
                </Go>
                <FreezeButton body={{ target: 'rejects', jobId, filter: q === '' ? 'state:open' : q }}>
                  {q === '' ? 'Replay all that are open' : 'Replay all that match'}
                </FreezeButton>
              </>
            )}
          </>
        )
      }
    >
      <JobSums jobId={jobId} q={q} />
      <List
        nouns={['reject', 'rejects']}
        queryKey={[...jobKey(jobId), 'rejects']}
        fetchPage={fetchPage}
        idOf={({ rejectId }) => rejectId}
        topics={data?.endedAt === null ? [`job:${jobId}`] : []}
        columns={columns}
        fields={rejectFilterFields}
        search={search}
        onSearch={change}
        drawer={(rejectId) => <RejectPeek rejectId={rejectId} onShow={(row) => change({ row })} />}
        empty={<NoReject records={data?.balance.recordsIn ?? null} />}
        {...(maySteward && data !== undefined && data.endedAt !== null
          ? {
              selectionKeys: [
                {
                  keys: 'r',
                  does: 'Replay what is selected, or the row',
                  run: (selection: Selection) => freeze.mutate({ target: 'rejects', jobId, ...whatOf(selection) }),
                },
              ],
              bulk: (selection: Selection) => (
                <FreezeButton small body={{ target: 'rejects', jobId, ...whatOf(selection) }}>
                  Replay
                </FreezeButton>
              ),
            }
          : {})}
      />
    </Page>
  );
}

const sumDimensions: readonly Dimension[] = ['code', 'column', 'file'];

function JobSums({ jobId, q }: { readonly jobId: JobId; readonly q: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: [...jobKey(jobId), 'reject-sums'],
    queryFn: ({ signal }) => api.call('GET /rejects/summary', { query: { q: `job:${jobId}`, by: sumDimensions.join(',') } }, { signal }),
  });
  if (error !== null) return <ProblemNote error={error} doing="sum the rejects" onRetry={() => void refetch()} />;
  if (data === undefined || data.rejects === 0) return null;
  return (
    <RejectSums
      summary={data}
      dimensions={sumDimensions}
      targetOf={(dimension, key) => ({ to: pathOf.jobRejects(jobId), search: { q: withField(q, dimension, key) } })}
    />
  );
}

function NoReject({ records }: { readonly records: number | null }) {
  return <Empty title={records === null ? 'No rejects.' : `No rejects: ${formatNoun(records, 'record')} read.`} />;
}

const whatOf = (selection: Selection): { filter: string } | { ids: string[] } =>
  selection.kind === 'ids' ? { ids: [...selection.ids] } : { filter: selection.q === '' ? 'state:open' : selection.q };
