/** The chunks of one stage. */
import type { ChunkRow } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { api } from '../../api.ts';
import { useNow } from '../../clock.ts';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { type Column, List, type Selection } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Countdown } from '../../ui/time.tsx';
import { FileStrip, StripLegend } from '../job/file-strip.tsx';
import { type FreezeBody, FreezeButton, useFreeze } from '../job/freeze-button.tsx';
import { stagesQuery, useJob } from '../job/queries.ts';
import { chunkFilterFields } from '../jobs/job-fields.ts';
import styles from './chunks.module.css';

type Job = ChunkRow['jobId'];

const columns: readonly Column<ChunkRow>[] = [
  {
    key: 'index',
    label: 'Chunk',
    width: '58px',
    when: 'always',
    render: ({ jobId, stage, index }) => (
      <Go to={pathOf.chunk(jobId, stage, index)} className={styles.index}>
        {formatCount(index)}
      </Go>
    ),
  },
  { key: 'state', label: 'State', width: '142px', when: 'always', render: (row) => <ChunkState row={row} /> },
  {
    key: 'file',
    label: 'Reads',
    width: 'minmax(110px, 1.2fr)',
    render: ({ uri, files, kind }) => (uri === null ? (kind === 'files' ? formatNoun(files, 'small file') : kind) : visibleText(fileName(uri))),
  },
  {
    key: 'range',
    label: 'Range',
    width: 'minmax(120px, 1fr)',
    render: ({ start, end, kind }) =>
      start === null || end === null ? '–' : kind === 'rows' ? `rows ${formatCount(start)}–${formatCount(end)}` : `${formatBytes(start)} – ${formatBytes(end)}`,
  },
  { key: 'bytes', label: 'Bytes', width: '70px', end: true, render: ({ bytes }) => formatBytes(bytes) },
  { key: 'records', label: 'Records', width: '84px', end: true, render: ({ records }) => (records === null ? '–' : formatCount(records)) },
  {
    key: 'rejects',
    label: 'Rejects',
    width: '66px',
    end: true,
    render: ({ jobId, chunkId, rejects }) =>
      rejects === null ? (
        '–'
      ) : rejects === 0 ? (
        '0'
      ) : (
        <Go to={pathOf.jobRejects(jobId)} search={{ q: `chunk:${chunkId.split('.').at(-1) ?? ''}` }}>
          {formatCount(rejects)}
        </Go>
      ),
  },
  { key: 'attempts', label: 'Failed', width: '56px', end: true, render: ({ attempts }) => (attempts === null ? '–' : formatCount(attempts)) },
  {
    key: 'code',
    label: 'Last code',
    width: 'minmax(0, 1.3fr)',
    when: 'always',
    render: ({ code, fingerprint }) => (code === null ? '–' : fingerprint === null ? <code>{code}</code> : <Go to={pathOf.errorGroup(fingerprint)}>{code}</Go>),
  },
  { key: 'worker', label: 'Host', width: '96px', when: 'roomy', render: ({ worker }) => (worker === null ? '–' : visibleText(worker)) },
  {
    key: 'running',
    label: 'Runs',
    width: '70px',
    end: true,
    when: 'roomy',
    render: ({ startedAt, state }) => (startedAt === null || state !== 'running' ? '–' : <RunsFor since={startedAt} />),
  },
  { key: 'record', label: 'First record', width: '96px', end: true, optional: true, render: ({ record }) => (record === null ? '–' : formatCount(record)) },
  { key: 'generation', label: 'Generation', width: '84px', end: true, optional: true, render: ({ generation }) => generation },
  { key: 'id', label: 'Id', width: '180px', optional: true, render: ({ chunkId }) => <Id id={chunkId} most={18} what="chunk id" /> },
];

function RunsFor({ since }: { readonly since: string }) {
  return formatDuration(Math.max(0, useNow() - Date.parse(since)));
}

function ChunkState({ row: { state, retryAt, bytesDone, bytes } }: { readonly row: ChunkRow }) {
  return (
    <>
      <StateBadge state={state} />
      {state === 'retrying' && retryAt !== null && (
        <span className={styles.beside}>
          <Countdown until={retryAt} />
        </span>
      )}
      {state === 'running' && bytesDone !== null && bytes > 0 && <span className={styles.beside}>{formatShare(bytesDone, bytes)}</span>}
    </>
  );
}

export function ChunksScreen() {
  const { job, stage } = useParams({ from: '/app/jobs/$job/stages/$stage' });
  const jobId = job as Job;
  const search = useSearch({ from: '/app/jobs/$job/stages/$stage' });
  const navigate = useNavigate();
  const mayOperate = useMay('operator');
  const freeze = useFreeze();
  const { data } = useJob(jobId);
  const generation = data?.generation ?? 1;
  const stages = useQuery(stagesQuery(jobId)).data?.data;
  const shown = stages?.find(({ name }) => name === stage);
  const name = data === undefined ? '' : visibleText(data.name);

  const fetchPage: FetchPage<ChunkRow> = ({ q, cursor, limit }, signal) =>
    api.call('GET /jobs/{jobId}/chunks', { params: { jobId }, query: { q, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

  return (
    <Page
      title={`Chunks of ${stage} · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name === '' ? 'Job' : name}</Go> <span className={styles.slash}>/</span> {stage}
          {data !== undefined && <StateBadge state={data.state} />}
        </>
      }
      lead={
        <span className={styles.stages}>
          {shown !== undefined && (
            <span>
              {shown.kind} stage, {formatCount(shown.chunks.committed)} of {formatNoun(shown.chunks.total, 'chunk')} committed
            </span>
          )}
          {(['running', 'retrying', 'dead'] as const).map((state) => (
            <Go key={state} to={pathOf.stage(jobId, stage)} search={{ q: `state:${state}` }}>
              {state}
            </Go>
          ))}
          {stages
            ?.filter((other) => other.name !== stage)
            .map((other) => (
              <Go key={other.name} to={pathOf.stage(jobId, other.name)}>
                stage {other.name}
              </Go>
            ))}
        </span>
      }
    >
      <div className={styles.strip}>
        <FileStrip jobId={jobId} of={{ stage }} />
        <StripLegend />
      </div>
      <List
        nouns={['chunk', 'chunks']}
        queryKey={['job', jobId, 'chunks', stage]}
        fetchPage={fetchPage}
        idOf={({ chunkId }) => chunkId}
        topics={[`job:${jobId}`]}
        columns={columns}
        fields={chunkFilterFields}
        fixed={`stage:${stage}`}
        search={search}
        onSearch={(change) =>
          void navigate({ to: '/jobs/$job/stages/$stage', params: { job, stage }, search: (old) => ({ ...old, ...change }), replace: change.row === undefined })
        }
        onOpen={({ index }) => void navigate({ to: pathOf.chunk(jobId, stage, index) })}
        empty={
          <Empty title="No chunk is known yet.">
            <p>
              {shown?.kind === 'reduce'
                ? 'A reduce stage has its partitions once every stage before it is through.'
                : 'Planning brings them; the strip grows from the left.'}
            </p>
          </Empty>
        }
        {...(mayOperate
          ? {
              selectionKeys: [
                {
                  keys: 'r',
                  does: 'Redrive what is dead of the selection, or the row',
                  run: (selection: Selection) => freeze.mutate(lettersOf(jobId, selection, generation)),
                },
              ],
              bulk: (selection: Selection) => (
                <FreezeButton small body={lettersOf(jobId, selection, generation)}>
                  Redrive what is dead
                </FreezeButton>
              ),
            }
          : {})}
      />
    </Page>
  );
}

/** Dead letters have the id of their chunk and the generation in which it died. */
function lettersOf(jobId: Job, selection: Selection, generation: number): FreezeBody {
  return selection.kind === 'all'
    ? { target: 'deadLetters', filter: `job:${jobId} state:open ${lettersFilter(selection.q)}`.trim() }
    : { target: 'deadLetters', ids: selection.ids.map((id) => `${id}.${generation}`) };
}

/** Of a filter of chunks the terms that dead letters know too. */
function lettersFilter(q: string): string {
  return q
    .split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .filter((term) => /^-?(stage|code|class|fingerprint|file|offset|worker|attempts|bytes|generation):/.test(term))
    .join(' ');
}
