/** Operations: redrives, replays and waivers that were started, and how far each is. */
import type { OperationView } from '@millrace/api-contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api } from '../../api.ts';
import { formatCount, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import type { FilterField } from '../../list/filter-text.ts';
import { type Column, List } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { SplitBar } from '../../ui/split-bar.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { operationParts } from './operation-parts.ts';

/** Spelled here: the file of the protocol that has them would bring zod along. */
const operationStates = ['pending', 'running', 'paused', 'finished', 'aborted', 'failed'] as const satisfies readonly OperationView['state'][];

const fields: readonly FilterField[] = [
  { name: 'state', about: 'state of the operation', values: operationStates },
  { name: 'job', about: 'a job that it is about' },
  { name: 'name', about: 'name of such a job' },
  { name: 'code', about: 'why it stands still' },
  { name: 'age', about: 'since it was started', values: ['<1h', '<1d', '<7d'] },
  { name: 'created', about: 'when it was started' },
  { name: 'id', about: 'id of the operation' },
];

const columns: readonly Column<OperationView>[] = [
  { key: 'does', label: 'Does', width: '76px', when: 'always', render: ({ operationId, does }) => <Go to={pathOf.operation(operationId)}>{does}</Go> },
  { key: 'state', label: 'State', width: '104px', when: 'always', render: ({ state }) => <StateBadge state={state} /> },
  {
    key: 'bar',
    label: 'Items',
    width: 'minmax(90px, 1.4fr)',
    render: ({ counts }) => <SplitBar parts={operationParts(counts)} total={counts.total} label="items" />,
  },
  {
    key: 'resolved',
    label: 'Resolved',
    width: 'minmax(84px, 0.6fr)',
    end: true,
    when: 'always',
    render: ({ counts }) => `${formatCount(counts.resolved)} of ${formatCount(counts.total)}`,
  },
  { key: 'why', label: 'Why', width: 'minmax(110px, 1.2fr)', render: ({ why, reason }) => visibleText(why?.message ?? reason) || '–' },
  {
    key: 'filter',
    label: 'Filter',
    width: 'minmax(110px, 1fr)',
    when: 'roomy',
    render: ({ filter }) => (filter === null ? 'by ids' : <code>{visibleText(filter)}</code>),
  },
  { key: 'by', label: 'By', width: '96px', when: 'roomy', render: ({ by }) => visibleText(by) },
  { key: 'started', label: 'Started', width: '84px', end: true, render: ({ startedAt }) => <Time at={startedAt} /> },
  { key: 'jobs', label: 'Jobs', width: '60px', end: true, optional: true, render: ({ jobs }) => formatNoun(jobs.length, 'job') },
  { key: 'id', label: 'Id', width: '150px', optional: true, render: ({ operationId }) => <Id id={operationId} what="operation id" /> },
];

const fetchOperations: FetchPage<OperationView> = ({ q, cursor, limit }, signal) =>
  api.call('GET /operations', { query: { q, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

export function OperationsScreen() {
  const search = useSearch({ from: '/app/operations' });
  const navigate = useNavigate();
  return (
    <Page title="Operations">
      <List
        nouns={['operation', 'operations']}
        queryKey={['operations']}
        fetchPage={fetchOperations}
        idOf={({ operationId }) => operationId}
        topics={['operations']}
        columns={columns}
        fields={fields}
        search={search}
        onSearch={(change) => void navigate({ to: '/operations', search: (old) => ({ ...old, ...change }), replace: change.row === undefined })}
        onOpen={({ operationId }) => void navigate({ to: pathOf.operation(operationId) })}
        empty={
          <Empty title="Nothing was redriven, replayed or waived yet.">
            <p>
              A redrive begins at the <Go to="/dead">dead letters</Go>.
            </p>
          </Empty>
        }
      />
    </Page>
  );
}
