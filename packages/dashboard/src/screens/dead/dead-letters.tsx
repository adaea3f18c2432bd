/** The inbox of dead letters: work that used up its attempts, or that retrying cannot cure. */
import type { DeadLetterDetail, DeadLetterRow } from '@millrace/api-contract';
import { failureClasses } from '@millrace/protocol/browser';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import type { FilterField } from '../../list/filter-text.ts';
import { type Column, List, type Selection, type SelectionKey } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Facts, Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { NoteDialog } from '../errors/decision-form.tsx';
import { FreezeButton, useFreeze } from '../job/freeze-button.tsx';
import styles from './dead-letters.module.css';

const fields: readonly FilterField[] = [
  { name: 'code', about: 'why it died', values: ['STORAGE_*', 'INPUT_*', 'CORE_*'] },
  { name: 'class', about: 'class of its failure', values: failureClasses },
  { name: 'name', about: 'the kind of work' },
  { name: 'job', about: 'id of its job' },
  { name: 'age', about: 'since it died', values: ['<1h', '<1d', '>7d'] },
  { name: 'file', about: 'location or name of its file' },
  { name: 'offset', about: 'a byte that lies in it' },
  { name: 'stage', about: 'name of its stage' },
  { name: 'chunk', about: 'index of its chunk' },
  { name: 'worker', about: 'host of its last attempt' },
  { name: 'attempts', about: 'how often it was tried' },
  { name: 'bytes', about: 'how much it reads' },
  { name: 'fingerprint', about: 'its error group' },
  { name: 'created', about: 'when it died' },
  { name: 'label.*', about: 'a label of its job' },
];

const columns: readonly Column<DeadLetterRow>[] = [
  {
    key: 'code',
    label: 'Code',
    width: 'minmax(0, 1.1fr)',
    when: 'always',
    render: ({ code, fingerprint }) => (fingerprint === null ? <code>{code}</code> : <Go to={pathOf.errorGroup(fingerprint)}>{code}</Go>),
  },
  {
    key: 'job',
    label: 'Job',
    width: 'minmax(0, 0.9fr)',
    when: 'always',
    render: ({ jobId, jobName }) => <Go to={pathOf.job(jobId)}>{visibleText(jobName)}</Go>,
  },
  {
    key: 'chunk',
    label: 'Chunk',
    width: '92px',
    when: 'always',
    render: ({ jobId, stage, index }) => <Go to={pathOf.chunk(jobId, stage, index)}>{`${stage}.${index}`}</Go>,
  },
  { key: 'message', label: 'What happened', width: 'minmax(140px, 2fr)', render: ({ message }) => visibleText(message) },
  { key: 'file', label: 'Reads', width: 'minmax(100px, 0.9fr)', when: 'roomy', render: ({ uri }) => (uri === null ? '–' : visibleText(fileName(uri))) },
  { key: 'bytes', label: 'Bytes', width: '66px', end: true, render: ({ bytes }) => formatBytes(bytes) },
  { key: 'attempts', label: 'Attempts', width: '66px', end: true, render: ({ attempts }) => formatCount(attempts) },
  { key: 'age', label: 'Died', width: '78px', end: true, render: ({ diedAt }) => <Time at={diedAt} /> },
  { key: 'class', label: 'Class', width: '84px', optional: true, render: (row) => row.class },
  { key: 'id', label: 'Id', width: '180px', optional: true, render: ({ deadLetterId }) => <Id id={deadLetterId} most={18} what="dead letter id" /> },
];

const fetchLetters: FetchPage<DeadLetterRow> = ({ q, cursor, limit }, signal) =>
  api.call('GET /dead-letters', { query: { q, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

export function DeadLettersScreen() {
  const search = useSearch({ from: '/app/dead' });
  const navigate = useNavigate();
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  const freeze = useFreeze();
  const [notedLetter, setNotedLetter] = useState<string | null>(null);
  const keys: readonly SelectionKey[] = [
    ...(mayOperate
      ? [
          {
            keys: 'r',
            does: 'Redrive what is selected, or the row',
            run: (selection: Selection) => freeze.mutate({ target: 'deadLetters', ...whatOf(selection) }),
          },
        ]
      : []),
    ...(maySteward
      ? [
          {
            keys: 'v',
            does: 'Waive what is selected, or the row',
            run: (selection: Selection) => freeze.mutate({ target: 'waiveDeadLetters', ...whatOf(selection) }),
          },
        ]
      : []),
    ...(mayOperate
      ? [
          {
            keys: 'n',
            does: 'Note on the error of the row',
            run: (selection: Selection) => setNotedLetter(selection.kind === 'ids' ? (selection.ids[0] ?? null) : null),
          },
        ]
      : []),
  ];
  return (
    <Page
      title="Dead letters"
      lead="Work that used up its attempts, or that trying again cannot cure. A redrive puts it back; nothing is lost meanwhile. A waiver accepts the gap."
    >
      <List
        nouns={['dead letter', 'dead letters']}
        queryKey={['deadLetters']}
        fetchPage={fetchLetters}
        idOf={({ deadLetterId }) => deadLetterId}
        topics={['deadLetters']}
        columns={columns}
        fields={fields}
        search={search}
        onSearch={(change) => void navigate({ to: '/dead', search: (old) => ({ ...old, ...change }), replace: change.row === undefined })}
        drawer={(id) => <Letter key={id} id={id} />}
        empty={
          <Empty title="Inbox zero.">
            <p>No work is dead. What fails in passing is tried again by itself; its errors are grouped under Errors.</p>
          </Empty>
        }
        selectionKeys={keys}
        {...(mayOperate
          ? {
              bulk: (selection: Selection) => (
                <>
                  <FreezeButton small body={{ target: 'deadLetters', ...whatOf(selection) }}>
                    Redrive
                  </FreezeButton>
                  {maySteward && (
                    <FreezeButton small quiet body={{ target: 'waiveDeadLetters', ...whatOf(selection) }}>
                      Waive
                    </FreezeButton>
                  )}
                </>
              ),
            }
          : {})}
      />
      {notedLetter !== null && <NoteOnLetter id={notedLetter} onClose={() => setNotedLetter(null)} />}
    </Page>
  );
}

const whatOf = (selection: Selection): { filter: string } | { ids: string[] } =>
  selection.kind === 'all' ? { filter: selection.q === '' ? 'state:open' : selection.q } : { ids: [...selection.ids] };

const letterQuery = (id: string) =>
  queryOptions({
    queryKey: ['deadLetter', id],
    queryFn: ({ signal }) => api.call('GET /dead-letters/{deadLetterId}', { params: { deadLetterId: id } }, { signal }),
  });

/** Notes stand with the error group of a letter. */
function NoteOnLetter({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { data } = useQuery(letterQuery(id));
  return data?.fingerprint == null ? null : <NoteDialog fingerprint={data.fingerprint} onClose={onClose} />;
}

function Letter({ id }: { readonly id: string }) {
  const { data, error, refetch } = useQuery(letterQuery(id));
  const maySteward = useMay('steward');
  const mayOperate = useMay('operator');
  if (error !== null) return <ProblemNote error={error} doing="read the dead letter" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the dead letter" />;
  const {
    code,
    message,
    hint,
    state,
    reason,
    notRedrivable,
    redrivable,
    jobId,
    jobName,
    stage,
    index,
    generation,
    diedAt,
    bytes,
    uri,
    start,
    end,
    attempts,
    fingerprint,
    waiver,
  } = data;
  return (
    <>
      <p className={styles.head}>
        <StateBadge state={state === 'redriven' ? 'redriving' : state} word={state} /> <code>{code}</code> <Id id={id} most={20} what="dead letter id" />
      </p>
      <p className={styles.message}>{visibleText(message, true)}</p>
      {hint !== '' && <p className={styles.hint}>{visibleText(hint)}</p>}
      <Facts
        facts={[
          [
            'Job',
            <Go key="job" to={pathOf.job(jobId)}>
              {visibleText(jobName)}
            </Go>,
          ],
          ['Chunk', <Go key="chunk" to={pathOf.chunk(jobId, stage, index)}>{`${stage}.${index}`}</Go>],
          ['Generation', generation],
          ['Died', <Time key="died" at={diedAt} />],
          ['Why no more', visibleText(reason)],
          uri === null ? null : ['Reads', <Id key="uri" id={uri} most={40} what="location" />],
          start === null || end === null ? null : ['Range', `${formatCount(start)} to ${formatCount(end)}`],
          ['Size', formatBytes(bytes)],
          ['Attempts', formatNoun(attempts.length, 'attempt')],
          waiver === null ? null : ['Waived', <Waiver key="waiver" waiver={waiver} />],
        ]}
      />
      <p className={styles.acts}>
        {mayOperate && redrivable && <FreezeButton body={{ target: 'deadLetters', ids: [id] }}>Redrive this one</FreezeButton>}
        {mayOperate && redrivable && fingerprint !== null && (
          <FreezeButton quiet body={{ target: 'deadLetters', fingerprint }}>
            All of this error
          </FreezeButton>
        )}
        {maySteward && state === 'open' && (
          <FreezeButton quiet body={{ target: 'waiveDeadLetters', ids: [id] }}>
            Waive
          </FreezeButton>
        )}
      </p>
      {notRedrivable !== null && <p className={styles.hint}>Not redrivable: {visibleText(notRedrivable)}</p>}
    </>
  );
}

/** Who has accepted that its work is missing. */
function Waiver({ waiver: { by, at, reason } }: { readonly waiver: NonNullable<DeadLetterDetail['waiver']> }) {
  return (
    <>
      by {visibleText(by)} <Time at={at} />: “{visibleText(reason)}”
    </>
  );
}
