/** All jobs, newest first. */
import type { JobSummary } from '@millrace/api-contract';
import { isTerminalJobState } from '@millrace/protocol/browser';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { type Column, List, type Selection } from '../../list/list.tsx';
import type { FetchPage } from '../../list/use-pages.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button, buttonLink } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page } from '../../ui/page.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { FateBar } from './fate-bar.tsx';
import { jobFilterFields } from './job-fields.ts';
import styles from './jobs.module.css';

export const fetchJobs: FetchPage<JobSummary> = ({ q, cursor, limit }, signal) =>
  api.call('GET /jobs', { query: { q, limit, ...(cursor === undefined ? {} : { cursor }) } }, { signal });

const columns: readonly Column<JobSummary>[] = [
  {
    key: 'name',
    label: 'Name',
    width: 'minmax(96px, 1.5fr)',
    when: 'always',
    render: ({ jobId, name }) => (
      <Go to={pathOf.job(jobId)} className={styles.name} title={jobId}>
        {visibleText(name)}
      </Go>
    ),
  },
  { key: 'state', label: 'State', width: '104px', when: 'always', render: ({ state }) => <StateBadge state={state} /> },
  { key: 'bar', label: 'Chunks', width: 'minmax(110px, 1.4fr)', render: (job) => <FateBar {...job} /> },
  { key: 'done', label: 'Done', width: '54px', end: true, when: 'always', render: ({ chunks }) => formatShare(chunks.committed, chunks.total) },
  { key: 'records', label: 'Records', width: '92px', end: true, render: ({ balance }) => formatCount(balance.recordsIn) },
  {
    key: 'rejected',
    label: 'Rejected',
    width: '76px',
    end: true,
    render: ({ jobId, balance }) => (balance.rejected === 0 ? '0' : <Go to={pathOf.jobRejects(jobId)}>{formatCount(balance.rejected)}</Go>),
  },
  {
    key: 'dead',
    label: 'Dead',
    width: '56px',
    end: true,
    render: ({ jobId, chunks }) =>
      chunks.dead === 0 ? (
        '0'
      ) : (
        <Go to="/dead" search={{ q: `job:${jobId}` }} className={styles.bad}>
          {formatCount(chunks.dead)}
        </Go>
      ),
  },
  {
    key: 'rate',
    when: 'roomy',
    label: 'Rate',
    width: '78px',
    end: true,
    render: (job) => (job.endedAt === null && job.bytesPerSecond > 0 ? `${formatBytes(job.bytesPerSecond)}/s` : '–'),
  },
  {
    key: 'eta',
    when: 'roomy',
    label: 'Left',
    width: '70px',
    end: true,
    render: (job) => (job.endedAt !== null || job.etaSeconds === null ? '–' : formatDuration(job.etaSeconds * 1_000)),
  },
  { key: 'tenant', label: 'Tenant', width: '90px', when: 'roomy', render: ({ tenant }) => visibleText(tenant) },
  { key: 'age', label: 'Accepted', width: '84px', end: true, render: ({ acceptedAt }) => <Time at={acceptedAt} /> },
  {
    key: 'took',
    label: 'Took',
    width: '80px',
    end: true,
    optional: true,
    render: ({ durationMs }) => (durationMs === null ? '–' : formatDuration(durationMs)),
  },
  { key: 'bytes', label: 'Bytes', width: '80px', end: true, optional: true, render: ({ bytes }) => formatBytes(bytes.total) },
  { key: 'generation', label: 'Generation', width: '84px', end: true, optional: true, render: ({ generation }) => generation },
  {
    key: 'waiting',
    label: 'Waits for',
    width: 'minmax(120px, 1fr)',
    optional: true,
    render: ({ waitingFor }) => (waitingFor === null ? '–' : visibleText(waitingFor)),
  },
  {
    key: 'labels',
    label: 'Labels',
    width: 'minmax(120px, 1fr)',
    optional: true,
    render: ({ labels }) =>
      Object.entries(labels)
        .map(([name, value]) => `${visibleText(name)}:${visibleText(value)}`)
        .join(' '),
  },
  { key: 'id', label: 'Id', width: '150px', optional: true, render: ({ jobId }) => <Id id={jobId} what="job id" /> },
];

export function JobsScreen() {
  const search = useSearch({ from: '/app/jobs' });
  const navigate = useNavigate();
  const maySubmit = useMay('operator');
  return (
    <Page
      title="Jobs"
      acts={
        maySubmit && (
          <Go to="/jobs/new" className={buttonLink}>
            New job
          </Go>
        )
      }
    >
      <List
        nouns={['job', 'jobs']}
        queryKey={['jobs']}
        fetchPage={fetchJobs}
        idOf={({ jobId }) => jobId}
        topics={['jobs']}
        columns={columns}
        fields={jobFilterFields}
        search={search}
        onSearch={(change) => void navigate({ to: '/jobs', search: (old) => ({ ...old, ...change }), replace: change.row === undefined })}
        onOpen={({ jobId }) => void navigate({ to: pathOf.job(jobId) })}
        empty={<NoJob />}
        {...(maySubmit ? { bulk: (selection: Selection, clear: () => void) => <JobActs selection={selection} clear={clear} /> } : {})}
      />
    </Page>
  );
}

function NoJob() {
  return (
    <Empty title="No job was submitted yet.">
      <p>
        Submit one <Go to="/jobs/new">here</Go>, or from the command line:
      </p>
      <pre className={styles.commands}>{'millrace generate --out samples\nmillrace submit samples/job.yaml\nmillrace watch'}</pre>
    </Empty>
  );
}

type Verb = 'pause' | 'resume' | 'cancel';
const verbs: Readonly<Record<Verb, string>> = { pause: 'Pause', resume: 'Resume', cancel: 'Cancel' };
const keys = { pause: 'POST /jobs/{jobId}/pause', resume: 'POST /jobs/{jobId}/resume', cancel: 'POST /jobs/{jobId}/cancel' } as const;

/** Acts on several jobs, one request each: a job that is past such an act is told, the others go on. */
function JobActs({ selection, clear }: { readonly selection: Selection; readonly clear: () => void }) {
  const [verb, setVerb] = useState<Verb | null>(null);
  const count = selection.kind === 'ids' ? selection.ids.length : selection.total;
  return (
    <>
      {(['pause', 'resume', 'cancel'] as const).map((each) => (
        <Button key={each} small tone={each === 'cancel' ? 'danger' : 'plain'} onClick={() => setVerb(each)}>
          {verbs[each]}
        </Button>
      ))}
      {verb !== null && (
        <ConfirmDialog
          opened
          onClose={() => setVerb(null)}
          title={`${verbs[verb]} ${formatNoun(count, 'job')}?`}
          verb={`${verbs[verb]} ${formatNoun(count, 'job')}`}
          danger={verb === 'cancel'}
          act={async (reason, actKey) => {
            const ids = selection.kind === 'ids' ? selection.ids : await idsThatMatch(selection.q);
            const refused = await actOnAll(ids, (jobId) =>
              api.call(keys[verb], { params: { jobId }, body: { reason } }, { idempotencyKey: `${actKey}.${jobId}` }),
            );
            if (refused.length > 0) throw new Error(`${formatNoun(refused.length, 'job')} of ${formatCount(ids.length)} refused: ${refused[0] ?? ''}`);
          }}
          onDone={clear}
        >
          <p className={styles.dialogText}>
            {verb === 'cancel'
              ? 'What is committed stays; nothing is published. Jobs that have ended refuse.'
              : 'Jobs that cannot do so refuse; the others go on.'}
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}

/** Bound of a bulk act from here; more is work for the command line. */
const mostJobs = 1_000;

async function idsThatMatch(q: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.call('GET /jobs', { query: { q, limit: 200, ...(cursor === undefined ? {} : { cursor }) } });
    ids.push(...page.data.filter(({ state }) => !isTerminalJobState(state)).map(({ jobId }) => jobId));
    cursor = page.nextCursor ?? undefined;
    if (ids.length > mostJobs) throw new Error(`more than ${formatCount(mostJobs)} jobs match: narrow the filter`);
  } while (cursor !== undefined);
  return ids;
}

/** Four at a time; the refusals in words. */
async function actOnAll(ids: readonly string[], act: (id: string) => Promise<unknown>): Promise<string[]> {
  const refused: string[] = [];
  const waiting = [...ids];
  const next = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      await act(id).catch((error: unknown) => refused.push(error instanceof Error ? error.message : String(error)));
    }
  };
  await Promise.all([next(), next(), next(), next()]);
  return refused;
}
