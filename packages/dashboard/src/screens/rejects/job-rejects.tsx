/** The rejects of one job: where each stands and why, its export, and the way back of an edited export. */
import type { RejectView } from '@millrace/api-contract';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { api } from '../../api.ts';
import { formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import type { FilterField } from '../../list/filter-text.ts';
import { type Column, List, type Selection } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { ProblemNote, problemLine } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { tell } from '../../ui/toasts.tsx';
import { FreezeButton } from '../job/freeze-button.tsx';
import { useJob } from '../job/queries.ts';
import { RejectPeek } from './reject-peek.tsx';
import styles from './rejects.module.css';

const fields: readonly FilterField[] = [
  { name: 'code', about: 'what is wrong', values: ['CSV_*', 'TYPE_*', 'CONSTRAINT_*', 'ENCODING_*'] },
  { name: 'column', about: 'column at fault' },
  { name: 'file', about: 'location or name of its file' },
  { name: 'state', about: 'whether it was replayed', values: ['open', 'replaying', 'replayed'] },
  { name: 'record', about: 'number in its file' },
  { name: 'line', about: 'physical line' },
  { name: 'offset', about: 'a byte that lies in it' },
  { name: 'stage', about: 'stage that rejected it' },
  { name: 'chunk', about: 'index of its chunk' },
];

const columns: readonly Column<RejectView>[] = [
  { key: 'code', label: 'Code', width: 'minmax(0, 1fr)', when: 'always', render: ({ code, rejectId }) => <Go to={`/rejects/${rejectId}`}>{code}</Go> },
  { key: 'column', label: 'Column', width: 'minmax(0, 0.7fr)', when: 'always', render: ({ column }) => (column === null ? '–' : visibleText(column)) },
  { key: 'record', label: 'Record', width: '76px', end: true, when: 'always', render: ({ record }) => (record === null ? '–' : formatCount(record)) },
  { key: 'line', label: 'Line', width: '76px', end: true, render: ({ line }) => (line === null ? '–' : formatCount(line)) },
  { key: 'message', label: 'What is wrong', width: 'minmax(120px, 2fr)', render: ({ message }) => visibleText(message) },
  { key: 'file', label: 'File', width: 'minmax(90px, 0.8fr)', render: ({ file }) => visibleText(fileName(file)) },
  {
    key: 'state',
    label: 'State',
    width: '92px',
    when: 'roomy',
    render: ({ state }) => <StateBadge state={state === 'replayed' ? 'resolved' : state === 'replaying' ? 'redriving' : 'open'} word={state} />,
  },
  { key: 'byte', label: 'Byte', width: '90px', end: true, optional: true, render: ({ byte }) => (byte === null ? '–' : formatCount(byte)) },
  { key: 'id', label: 'Id', width: '170px', optional: true, render: ({ rejectId }) => <Id id={rejectId} most={16} what="reject id" /> },
];

type JobId = RejectView['jobId'];

export function JobRejectsScreen() {
  const { job } = useParams({ from: '/app/jobs/$job/rejects' });
  const jobId = job as JobId;
  const search = useSearch({ from: '/app/jobs/$job/rejects' });
  const navigate = useNavigate();
  const maySteward = useMay('steward');
  const { data } = useJob(jobId);
  const q = search.q ?? '';
  const fetchPage: FetchPage<RejectView> = ({ q: filter, cursor, limit }, signal) =>
    api.call('GET /jobs/{jobId}/rejects', { params: { jobId }, query: { q: filter, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });
  const name = data === undefined ? 'Job' : visibleText(data.name);
  return (
    <Page
      title={`Rejects · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> / rejects
        </>
      }
      lead={data !== undefined && `${formatNoun(data.balance.rejected, 'reject')} of ${formatNoun(data.balance.recordsIn, 'record')}`}
      acts={
        maySteward && (
          <>
            <Export jobId={jobId} q={q} />
            <Corrections jobId={jobId} />
            {data?.endedAt != null && data.balance.rejected > 0 && (
              <FreezeButton body={{ target: 'rejects', jobId, filter: q === '' ? 'state:open' : q }}>Replay {q === '' ? 'all' : 'what matches'}</FreezeButton>
            )}
          </>
        )
      }
    >
      <List
        nouns={['reject', 'rejects']}
        queryKey={['job', jobId, 'rejects']}
        fetchPage={fetchPage}
        idOf={({ rejectId }) => rejectId}
        topics={[]}
        columns={columns}
        fields={fields}
        search={search}
        onSearch={(change) =>
          void navigate({ to: '/jobs/$job/rejects', params: { job }, search: (old) => ({ ...old, ...change }), replace: change.row === undefined })
        }
        drawer={(id) => <RejectPeek key={id} rejectId={id} />}
        empty={<Empty title={`No rejects: ${formatNoun(data?.balance.recordsIn ?? 0, 'record')} read.`} />}
        {...(maySteward
          ? {
              bulk: (selection: Selection) => (
                <FreezeButton
                  small
                  body={
                    selection.kind === 'ids'
                      ? { target: 'rejects', jobId, ids: [...selection.ids] }
                      : { target: 'rejects', jobId, filter: selection.q || 'state:open' }
                  }
                >
                  Replay
                </FreezeButton>
              ),
            }
          : {})}
      />
    </Page>
  );
}

function Export({ jobId, q }: { readonly jobId: JobId; readonly q: string }) {
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const answer = await api.raw('GET /jobs/{jobId}/rejects', { params: { jobId }, query: { q, content: 'true' } }, { accept: 'text/csv' });
      const url = URL.createObjectURL(await answer.blob());
      const link = document.createElement('a');
      link.href = url;
      link.download = `rejects-${jobId}.csv`;
      link.click();
      URL.revokeObjectURL(url);
    } catch (error) {
      tell(problemLine(error), 'bad');
    }
    setBusy(false);
  };
  return (
    <Button busy={busy} title="With what the records hold; the export is recorded in the audit" onClick={() => void save()}>
      Export CSV
    </Button>
  );
}

/** An edited export comes back: what it would change is shown, and its replay is a plan like any other. */
function Corrections({ jobId }: { readonly jobId: JobId }) {
  const input = useRef<HTMLInputElement>(null);
  const [opened, setOpened] = useState(false);
  const act = useAct({
    call: async (file: File, actKey) =>
      api.call(
        'POST /jobs/{jobId}/corrections',
        { params: { jobId }, body: file, contentType: /json/.test(file.name) ? 'application/x-ndjson' : 'text/csv' },
        { idempotencyKey: actKey },
      ),
    showsFailure: true,
  });
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".csv,.ndjson"
        hidden
        aria-label="edited export"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = '';
          if (file === undefined) return;
          setOpened(true);
          act.mutate(file);
        }}
      />
      <Button onClick={() => input.current?.click()}>Upload corrections …</Button>
      <Dialog title="Corrections" opened={opened} onClose={() => setOpened(false)}>
        {act.isPending && <p role="status">Reading the file …</p>}
        {act.error !== null && <ProblemNote error={act.error} doing="take the corrections" />}
        {act.data !== undefined && !act.isPending && (
          <>
            <p className={styles.note}>
              {formatNoun(act.data.matched, 'reject')} named, {formatCount(act.data.unchanged)} unchanged. Changed cells:{' '}
              {Object.entries(act.data.changedCells)
                .map(([column, count]) => `${visibleText(column)} ${formatCount(count)}`)
                .join(', ') || 'none'}
              .{act.data.cannotTotal > 0 && <> {formatNoun(act.data.cannotTotal, 'reject')} cannot be replayed.</>}
            </p>
            <FreezeButton body={{ target: 'rejects', jobId, correctionId: act.data.correctionId }}>Replay the corrected</FreezeButton>
          </>
        )}
      </Dialog>
    </>
  );
}
