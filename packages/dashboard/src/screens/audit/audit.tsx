/** Who did what, and when: one's own acts; for admins those of all. Before the act, and again with what came of it. */
import type { AuditView } from '@millrace/api-contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api } from '../../api.ts';
import { visibleText } from '../../format/texts.ts';
import type { FilterField } from '../../list/filter-text.ts';
import { type Column, List } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Go } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Facts, Page } from '../../ui/page.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import styles from './audit.module.css';
import { objectPath } from './object-path.ts';

const fields: readonly FilterField[] = [
  { name: 'act', about: 'what was done', values: ['job.*', 'reject.show', 'redrive.*', 'bytes.show', 'schedule.*'] },
  { name: 'by', about: 'who did it' },
  { name: 'object', about: 'what it was done to', values: ['job:*'] },
  { name: 'outcome', about: 'what came of it', values: ['done', 'refused', 'failed'] },
  { name: 'code', about: 'why it was refused or failed' },
  { name: 'role', about: 'with which role', values: ['viewer', 'operator', 'steward', 'admin'] },
  { name: 'tenant', about: 'of which tenant' },
  { name: 'from', about: 'from which address' },
  { name: 'age', about: 'since', values: ['<1h', '<1d', '<7d'] },
  { name: 'created', about: 'when' },
  { name: 'id', about: 'id of the record' },
];

const columns: readonly Column<AuditView>[] = [
  { key: 'at', label: 'When', width: '104px', when: 'always', render: ({ at }) => <Time at={at} /> },
  { key: 'by', label: 'Who', width: 'minmax(80px, 1fr)', when: 'always', render: ({ by }) => visibleText(by) },
  { key: 'act', label: 'Did', width: 'minmax(90px, 1fr)', when: 'always', render: ({ act }) => <code>{visibleText(act)}</code> },
  { key: 'object', label: 'To', width: 'minmax(110px, 1.6fr)', render: ({ object }) => <ObjectLink object={object} /> },
  { key: 'outcome', label: 'Outcome', width: '96px', render: ({ outcome }) => <Outcome outcome={outcome} /> },
  { key: 'reason', label: 'Reason', width: 'minmax(80px, 1.4fr)', render: ({ reason }) => (reason === '' ? '–' : visibleText(reason)) },
  { key: 'code', label: 'Code', width: 'minmax(80px, 1fr)', optional: true, render: ({ code }) => (code === null ? '–' : <code>{code}</code>) },
  { key: 'role', label: 'Role', width: '80px', when: 'roomy', render: ({ role }) => role ?? '–' },
  { key: 'from', label: 'From', width: '110px', when: 'roomy', render: ({ from }) => (from === null ? '–' : visibleText(from)) },
  { key: 'tenant', label: 'Tenant', width: '90px', optional: true, render: ({ tenant }) => (tenant === null ? '–' : visibleText(tenant)) },
  { key: 'id', label: 'Id', width: '150px', optional: true, render: ({ auditId }) => <Id id={auditId} what="audit id" /> },
];

function ObjectLink({ object }: { readonly object: string }) {
  const path = objectPath(object);
  return path === null ? visibleText(object) : <Go to={path}>{visibleText(object)}</Go>;
}

/** The record from before the act has none yet: the one behind it says what came of it. */
function Outcome({ outcome }: Pick<AuditView, 'outcome'>) {
  return outcome === null ? <span title="The record from before the act">begun</span> : <StateBadge state={outcome} />;
}

export function AuditScreen() {
  const search = useSearch({ from: '/app/audit' });
  const navigate = useNavigate();
  const isAdmin = useMay('admin');
  const { from, to } = search;
  const days = { ...(isDay(from) ? { from } : {}), ...(isDay(to) ? { to } : {}) };
  const change = (next: Readonly<Record<string, string | undefined>>): void =>
    void navigate({ to: '/audit', search: (old) => ({ ...old, ...next }), replace: true, resetScroll: false });
  const fetchPage: FetchPage<AuditView> = ({ q, cursor, limit }, signal) =>
    api.call('GET /audit', { query: { q, limit, ...days, ...(cursor === undefined ? {} : { cursor }) } }, { signal });
  return (
    <Page
      title="Audit"
      lead={isAdmin ? 'What was done and looked at, by everybody.' : 'What you did and looked at.'}
      acts={<Export q={search.q ?? ''} days={days} />}
    >
      <div className={styles.days}>
        <TextField label="From day" type="date" value={days.from ?? ''} onChange={(event) => change({ from: event.currentTarget.value || undefined })} />
        <TextField label="To day" type="date" value={days.to ?? ''} onChange={(event) => change({ to: event.currentTarget.value || undefined })} />
      </div>
      <List
        nouns={['record', 'records']}
        queryKey={['audit', days.from, days.to]}
        fetchPage={fetchPage}
        idOf={({ auditId }) => auditId}
        topics={[]}
        columns={columns}
        fields={fields}
        search={search}
        onSearch={change}
        drawer={(_, row) => (row === null ? <p>It is further down: scroll to it.</p> : <Details record={row} />)}
        empty={
          <Empty title="Nothing in this range.">
            {(days.from !== undefined || days.to !== undefined) && (
              <Button small onClick={() => change({ from: undefined, to: undefined })}>
                Look at all days
              </Button>
            )}
          </Empty>
        }
      />
    </Page>
  );
}

const isDay = (text: string | undefined): text is string => text !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(text);

function Details({ record }: { readonly record: AuditView }) {
  const { auditId, at, follows, by, role, tenant, from, requestId, act, object, before, after, outcome, code, reason } = record;
  return (
    <>
      <h2 className={styles.act}>
        <code>{visibleText(act)}</code> <Outcome outcome={outcome} />
      </h2>
      <Facts
        facts={[
          ['Who', `${visibleText(by)}${role === null ? '' : `, ${role}`}`],
          ['When', <Time key="at" at={at} absolute />],
          ['To', <ObjectLink key="object" object={object} />],
          tenant === null ? null : ['Tenant', visibleText(tenant)],
          from === null ? null : ['From', visibleText(from)],
          code === null ? null : ['Code', code],
          reason === '' ? null : ['Reason', visibleText(reason)],
          requestId === null ? null : ['Request', <Id key="request" id={requestId} what="request id" />],
          follows === null ? null : ['Begun as', <Id key="follows" id={follows} what="audit id" />],
          ['Record', <Id key="id" id={auditId} what="audit id" />],
        ]}
        wide
      />
      {before !== null && <Document title="Before" document={before} />}
      {after !== null && <Document title="After" document={after} />}
    </>
  );
}

function Document({ title, document }: { readonly title: string; readonly document: Readonly<Record<string, unknown>> }) {
  return (
    <>
      <h3 className={styles.part}>{title}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled with the keys */}
      <pre className={styles.document} tabIndex={0} role="group" aria-label={title.toLowerCase()}>
        {visibleText(JSON.stringify(document, null, 2), true)}
      </pre>
    </>
  );
}

function Export({ q, days }: { readonly q: string; readonly days: { readonly from?: string; readonly to?: string } }) {
  const act = useAct({
    call: async () => {
      const answer = await api.raw('GET /audit', { query: { q, ...days } }, { accept: 'application/x-ndjson' });
      const url = URL.createObjectURL(await answer.blob());
      const link = document.createElement('a');
      link.href = url;
      link.download = 'audit.ndjson';
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
  });
  return (
    <Button busy={act.isPending} onClick={() => act.mutate(undefined)}>
      Export NDJSON
    </Button>
  );
}
