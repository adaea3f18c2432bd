/** Error groups: failures of one cause over all jobs, a line each. */
import type { ErrorGroupRow } from '@millrace/api-contract';
import { failureClasses } from '@millrace/protocol/browser';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatCount, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import type { FilterField } from '../../list/filter-text.ts';
import { type Column, List, type Selection, type SelectionKey } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { useFreeze } from '../job/freeze-button.tsx';
import { NoteDialog } from './decision-form.tsx';

/** Spelled here: the file of the protocol that has them would bring zod along. */
const groupStates = ['open', 'resolved', 'ignored', 'regressed'] as const satisfies readonly ErrorGroupRow['state'][];

const fields: readonly FilterField[] = [
  { name: 'state', about: 'what was decided, and what happened since', values: groupStates },
  { name: 'code', about: 'code of the failures', values: ['STORAGE_*', 'CORE_*', 'INPUT_*'] },
  { name: 'class', about: 'class of the failures', values: failureClasses },
  { name: 'dead', about: 'dead letters that are open', values: ['>0'] },
  { name: 'failures', about: 'attempts that failed so', values: ['>100'] },
  { name: 'job', about: 'id of a job' },
  { name: 'name', about: 'name of a job' },
  { name: 'file', about: 'a file where it was seen' },
  { name: 'age', about: 'since it was last seen', values: ['<1h', '<1d'] },
  { name: 'fingerprint', about: 'the group itself' },
];

const columns: readonly Column<ErrorGroupRow>[] = [
  { key: 'state', label: 'State', width: '104px', when: 'always', render: ({ state }) => <StateBadge state={state} /> },
  {
    key: 'code',
    label: 'Code',
    width: 'minmax(110px, 1fr)',
    when: 'always',
    render: ({ code, fingerprint }) => <Go to={pathOf.errorGroup(fingerprint)}>{code}</Go>,
  },
  { key: 'message', label: 'Newest', width: 'minmax(140px, 2fr)', render: ({ message }) => visibleText(message) },
  {
    key: 'dead',
    label: 'Dead',
    width: '58px',
    end: true,
    when: 'always',
    render: ({ dead, fingerprint }) =>
      dead === 0 ? (
        '0'
      ) : (
        <Go to="/dead" search={{ q: `fingerprint:${fingerprint}` }}>
          {formatCount(dead)}
        </Go>
      ),
  },
  {
    key: 'failures',
    label: 'Failures',
    width: '72px',
    end: true,
    render: ({ failures, dead }) => (failures === 0 && dead > 0 ? <span title="Found while planning: no attempt failed">–</span> : formatCount(failures)),
  },
  { key: 'jobs', label: 'Jobs', width: 'minmax(90px, 0.8fr)', render: ({ jobs }) => visibleText([...new Set(jobs.map(({ name }) => name))].join(', ')) || '–' },
  { key: 'owner', label: 'Owner', width: '90px', when: 'roomy', render: ({ owner }) => (owner === null ? '–' : visibleText(owner)) },
  { key: 'first', label: 'First seen', width: '84px', end: true, when: 'roomy', render: ({ firstSeenAt }) => <Time at={firstSeenAt} /> },
  { key: 'last', label: 'Last seen', width: '84px', end: true, render: ({ lastSeenAt }) => <Time at={lastSeenAt} /> },
  { key: 'class', label: 'Class', width: '84px', optional: true, render: (group) => group.class },
  { key: 'notes', label: 'Notes', width: '64px', end: true, optional: true, render: ({ notes }) => formatNoun(notes, 'note') },
  { key: 'id', label: 'Fingerprint', width: '170px', optional: true, render: ({ fingerprint }) => <Id id={fingerprint} most={16} what="fingerprint" /> },
];

const fetchGroups: FetchPage<ErrorGroupRow> = ({ q, cursor, limit }, signal) =>
  api.call('GET /errors', { query: { q, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

export function ErrorsScreen() {
  const search = useSearch({ from: '/app/errors' });
  const navigate = useNavigate();
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  const freeze = useFreeze();
  const [noted, setNoted] = useState<string | null>(null);
  const ofRow = (act: (fingerprint: string) => void) => (selection: Selection) => {
    const [fingerprint] = selection.kind === 'ids' ? selection.ids : [];
    if (fingerprint !== undefined) act(fingerprint);
  };
  const keys: readonly SelectionKey[] = [
    ...(mayOperate
      ? [{ keys: 'r', does: 'Redrive what died of the row', run: ofRow((fingerprint) => freeze.mutate({ target: 'deadLetters', fingerprint })) }]
      : []),
    ...(maySteward
      ? [{ keys: 'v', does: 'Waive what died of the row', run: ofRow((fingerprint) => freeze.mutate({ target: 'waiveDeadLetters', fingerprint })) }]
      : []),
    ...(mayOperate ? [{ keys: 'n', does: 'Note on the row', run: ofRow(setNoted) }] : []),
  ];
  return (
    <Page
      title="Errors"
      lead={
        <>
          Failures of one cause are one line.{' '}
          <Go to="/errors" search={{ q: 'state:open,regressed' }}>
            Those that nobody has decided on
          </Go>
        </>
      }
    >
      <List
        nouns={['error group', 'error groups']}
        queryKey={['errors']}
        fetchPage={fetchGroups}
        idOf={({ fingerprint }) => fingerprint}
        topics={['errors']}
        columns={columns}
        fields={fields}
        search={search}
        onSearch={(change) => void navigate({ to: '/errors', search: (old) => ({ ...old, ...change }), replace: change.row === undefined })}
        onOpen={({ fingerprint }) => void navigate({ to: pathOf.errorGroup(fingerprint) })}
        selectionKeys={keys}
        empty={<Empty title="No attempt has failed yet." />}
      />
      {noted !== null && <NoteDialog fingerprint={noted} onClose={() => setNoted(null)} />}
    </Page>
  );
}
