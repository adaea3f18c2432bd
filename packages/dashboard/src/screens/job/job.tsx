/** One job: how it stands and why, where in the files what is, whether its sums add up, and what can be done. */
import type { Job } from '@millrace/api-contract';
import { isTerminalJobState } from '@millrace/protocol/browser';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button, buttonLink } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, Id } from '../../ui/id.tsx';
import { Columns, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { failuresAndDead } from '../errors/failures-and-dead.ts';
import { FateBar } from '../jobs/fate-bar.tsx';
import { OverrideButton } from '../redrive/override-button.tsx';
import { BalanceSum } from './balance-sum.tsx';
import { BudgetBars } from './budget-bars.tsx';
import { FileStrip, StripLegend } from './file-strip.tsx';
import { FreezeButton } from './freeze-button.tsx';
import styles from './job.module.css';
import { JobTabs } from './job-tabs.tsx';
import { filesQuery, jobErrorsQuery, jobKey, stagesQuery, useJob } from './queries.ts';
import { StageGraph } from './stage-graph.tsx';

export function JobScreen() {
  const { job: jobId } = useParams({ from: '/app/jobs/$job' });
  const { data, error, refetch } = useJob(jobId);
  if (error !== null && data === undefined) {
    return (
      <Page title="Job">
        <ProblemNote error={error} doing="read the job" onRetry={() => void refetch()} />
      </Page>
    );
  }
  if (data === undefined) {
    return (
      <Page title="Job">
        <Waiting what="the job" />
      </Page>
    );
  }
  return <JobPage job={data} />;
}

function JobPage({ job }: { readonly job: Job }) {
  const { jobId, name, state, failure, waitingFor, chunks, balance } = job;
  return (
    <Page
      title={`${visibleText(name)} · ${state}`}
      heading={
        <>
          {visibleText(name)} <StateBadge state={state} large />
        </>
      }
      lead={<Lead job={job} />}
      acts={<JobActs job={job} />}
    >
      <div data-dims>
        {failure !== null && <WhyFailed job={job} failure={failure} />}
        {waitingFor !== null && <p className={styles.waiting}>Waiting for {visibleText(waitingFor)}</p>}
        {job.source === 'journal' && !isTerminalJobState(state) && (
          <p className={styles.waiting}>Redis is away or being filled again: these numbers come from the journal and count chunks that have an outcome.</p>
        )}
        <div className={styles.progress}>
          <FateBar chunks={chunks} balance={balance} tall />
          <p>
            <Go to={firstStage(job, '')}>
              {formatCount(chunks.committed)} of {formatNoun(chunks.total, 'chunk')}
            </Go>{' '}
            {formatShare(chunks.committed, chunks.total)}
            {chunks.running > 0 && <> · {formatCount(chunks.running)} running</>}
            {chunks.retrying > 0 && <> · {formatCount(chunks.retrying)} retrying</>}
            {chunks.dead > 0 && (
              <>
                {' · '}
                <Go to="/dead" search={{ q: `job:${jobId}` }} className={styles.bad}>
                  {formatCount(chunks.dead)} dead
                </Go>
              </>
            )}
            {job.endedAt === null && job.bytesPerSecond > 0 && <> · {formatBytes(job.bytesPerSecond)}/s</>}
            {job.endedAt === null && job.etaSeconds !== null && <> · about {formatDuration(job.etaSeconds * 1_000)} left</>}
          </p>
        </div>
        <Files job={job} />
        <Columns>
          <Panel title="Balance">
            <BalanceSum balance={balance} rejectsTo={pathOf.jobRejects(jobId)} tolerated={state !== 'failed' && state !== 'cancelled'} />
          </Panel>
          <Panel title="Budgets" aside={<RaiseBudget job={job} />}>
            <BudgetBars budgets={job.budgets} />
          </Panel>
        </Columns>
        <Stages job={job} />
        <Errors job={job} />
        <JobTabs job={job} />
      </div>
    </Page>
  );
}

function Lead({ job }: { readonly job: Job }) {
  const { jobId, description, tenant, generation, acceptedAt, endedAt, durationMs, inputs, priority, labels } = job;
  return (
    <>
      {description !== null && <p className={styles.description}>{visibleText(description)}</p>}
      <p className={styles.facts}>
        <Id id={jobId} what="job id" />
        <span>tenant {visibleText(tenant)}</span>
        <span>generation {generation}</span>
        <span>
          {formatNoun(inputs.files, 'file')}, {formatBytes(inputs.bytes)}
        </span>
        <span>priority {priority}</span>
        <span>
          accepted <Time at={acceptedAt} />
        </span>
        {endedAt !== null && (
          <span>
            ended <Time at={endedAt} />
            {durationMs !== null && <>, took {formatDuration(durationMs)}</>}
          </span>
        )}
        {Object.entries(labels).map(([key, value]) => (
          <Go key={key} to="/jobs" search={{ q: `label.${key}:"${value.replaceAll(/["\\]/g, '\\$&')}"` }}>
            {visibleText(key)}:{visibleText(value)}
          </Go>
        ))}
      </p>
    </>
  );
}

const firstStage = (job: Job, otherwise: string): string => {
  const stage = job.stages[0]?.name ?? otherwise;
  return stage === '' ? pathOf.job(job.jobId) : pathOf.stage(job.jobId, stage);
};

function WhyFailed({ job, failure }: { readonly job: Job; readonly failure: NonNullable<Job['failure']> }) {
  const codes = Object.entries(failure.evidence?.codes ?? {}).toSorted(([, one], [, other]) => other - one);
  return (
    <section className={styles.failed} aria-label="why it failed">
      <p>{visibleText(failure.message)}</p>
      {failure.evidence != null && (
        <p className={styles.failedWhen}>Counted when the budget was used up. Chunks that ran then still ended, so the sums below may be higher.</p>
      )}
      <p className={styles.failedMore}>
        <a href={`/docs/errors/${encodeURIComponent(failure.code)}`}>
          <code>{failure.code}</code>
        </a>
        {failure.code === 'BUDGET_DEAD_LETTERS' && codes.length === 0 && (
          <Go to="/dead" search={{ q: `job:${job.jobId}` }}>
            the dead letters
          </Go>
        )}
        {failure.code.startsWith('BUDGET_') && failure.code !== 'BUDGET_DEAD_LETTERS' && codes.length === 0 && (
          <Go to={pathOf.jobRejects(job.jobId)}>the rejects</Go>
        )}
        {codes.slice(0, 5).map(([code, count]) => (
          <Go
            key={code}
            to={failure.evidence?.budget.startsWith('deadLetters') === true ? '/dead' : pathOf.jobRejects(job.jobId)}
            search={{ q: `${failure.evidence?.budget.startsWith('deadLetters') === true ? `job:${job.jobId} ` : ''}code:${code}` }}
          >
            {formatCount(count)} {code}
          </Go>
        ))}
      </p>
    </section>
  );
}

type Verb = 'pause' | 'resume' | 'cancel';
const acts = {
  pause: { verb: 'Pause', key: 'POST /jobs/{jobId}/pause', text: 'No further chunk is begun; those in hand are handed back, and no attempt is used up.' },
  resume: { verb: 'Resume', key: 'POST /jobs/{jobId}/resume', text: 'Chunks are handed out again.' },
  cancel: {
    verb: 'Cancel',
    key: 'POST /jobs/{jobId}/cancel',
    text: 'The job ends. What is committed stays, nothing is published. A redrive can take it up again.',
  },
} as const;

function JobActs({ job }: { readonly job: Job }) {
  const { jobId, state, chunks, balance } = job;
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  const queries = useQueryClient();
  const [verb, setVerb] = useState<Verb | null>(null);
  const [pending, setPending] = useState<{ readonly verb: Verb; readonly from: string } | null>(null);
  if (!mayOperate) return null;
  const isOver = isTerminalJobState(state);
  const isPending = pending !== null && pending.from === state;
  return (
    <>
      {isPending && <StateBadge state="accepted" word={`${pending.verb} asked for`} />}
      {!isOver && state !== 'paused' && <Button onClick={() => setVerb('pause')}>Pause</Button>}
      {state === 'paused' && <Button onClick={() => setVerb('resume')}>Resume</Button>}
      {!isOver && (
        <Button tone="danger" onClick={() => setVerb('cancel')}>
          Cancel
        </Button>
      )}
      {chunks.dead > 0 && (
        <FreezeButton body={{ target: 'deadLetters', filter: `job:${jobId} state:open` }}>Redrive {formatCount(chunks.dead)} dead</FreezeButton>
      )}
      {isOver && state !== 'completed' && chunks.dead === 0 && <FreezeButton body={{ target: 'jobs', ids: [jobId] }}>Redrive the job</FreezeButton>}
      {maySteward && isOver && balance.rejected > 0 && (
        <FreezeButton quiet body={{ target: 'rejects', jobId, filter: 'state:open' }}>
          Replay {formatNoun(balance.rejected, 'reject')}
        </FreezeButton>
      )}
      {verb !== null && (
        <ConfirmDialog
          opened
          onClose={() => setVerb(null)}
          title={`${acts[verb].verb} ${visibleText(job.name)}?`}
          verb={`${acts[verb].verb} the job`}
          danger={verb === 'cancel'}
          act={(reason, actKey) => api.call(acts[verb].key, { params: { jobId }, body: { reason } }, { idempotencyKey: actKey })}
          onDone={() => {
            setPending({ verb, from: state });
            void queries.invalidateQueries({ queryKey: jobKey(jobId) });
          }}
        >
          <p className={styles.dialogText}>{acts[verb].text}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function RaiseBudget({ job }: { readonly job: Job }) {
  const mayOperate = useMay('operator');
  const isOver = job.failure?.code.startsWith('BUDGET_') === true;
  if (!mayOperate || !isOver) return null;
  return (
    <OverrideButton small jobId={job.jobId} body={{ target: 'jobs', ids: [job.jobId] }}>
      Redrive with a higher budget
    </OverrideButton>
  );
}

const filesPerPage = 12;

function FilesAside({ job }: { readonly job: Job }) {
  const maySee = useMay('steward');
  return (
    <span className={styles.filesAside}>
      <StripLegend />
      {maySee && job.inputs.files > 0 && (
        <Go to={pathOf.peek(job.jobId)} title="A record by its number, or by a byte that lies in it">
          look into a file
        </Go>
      )}
    </span>
  );
}

function Files({ job }: { readonly job: Job }) {
  const search = useSearch({ from: '/app/jobs/$job' });
  const { data, error, refetch } = useQuery(filesQuery(job.jobId, search.files));
  if (error !== null) return <ProblemNote error={error} doing="list the files" onRetry={() => void refetch()} />;
  if (data === undefined) return <Panel title="Files">{<Waiting what="the files" />}</Panel>;
  return (
    <Panel title={`Files (${formatCount(job.inputs.files)})`} aside={<FilesAside job={job} />}>
      {data.data.length === 0 && (
        <>
          <p className={styles.fileHead}>Chunks of the first stage</p>
          <FileStrip jobId={job.jobId} of={{}} />
        </>
      )}
      <ul className={styles.files}>
        {data.data.map((file) => (
          <li key={file.file}>
            <p className={styles.fileHead}>
              <span className={styles.fileName} title={visibleText(file.uri)}>
                {visibleText(fileName(file.uri))}
                <CopyButton text={file.uri} what="location" />
              </span>
              <span>
                {formatBytes(file.size)}
                {file.unit === 'byte' && file.length !== null && file.length > file.size * 1.2 && <> ({formatBytes(file.length)} inflated)</>}
              </span>
              {file.recordsIn !== null && (
                <span>
                  {formatNoun(file.recordsIn, 'record')}
                  {job.endedAt === null && ' so far'}
                </span>
              )}
              {file.rejected !== null && file.rejected > 0 && (
                <Go to={pathOf.jobRejects(job.jobId)} search={{ q: `file:"${fileName(file.uri).replaceAll(/["\\]/g, '\\$&')}"` }}>
                  {formatNoun(file.rejected, 'reject')}
                </Go>
              )}
              <span>{file.chunks.total === 0 ? 'not planned' : formatShare(file.chunks.committed, file.chunks.total)}</span>
            </p>
            {file.failure !== null && (
              <p className={styles.bad}>
                {visibleText(file.failure.message)} (<code>{file.failure.code}</code>)
              </p>
            )}
            {(file.chunks.total > 0 || file.failure === null) && <FileStrip jobId={job.jobId} of={{ file: file.file }} />}
          </li>
        ))}
      </ul>
      {(data.nextCursor !== null || search.files !== undefined) && (
        <p className={styles.filesMore}>
          {search.files !== undefined && (
            <Link to="." search={(old) => ({ ...old, files: undefined })} className={buttonLink}>
              First {filesPerPage}
            </Link>
          )}
          {data.nextCursor !== null && (
            <Link to="." search={(old) => ({ ...old, files: data.nextCursor ?? undefined })} className={buttonLink}>
              Next {filesPerPage} files
            </Link>
          )}
        </p>
      )}
    </Panel>
  );
}

function Stages({ job }: { readonly job: Job }) {
  const { data, error, refetch } = useQuery(stagesQuery(job.jobId));
  return (
    <Panel title="Stages">
      {error !== null && <ProblemNote error={error} doing="read the stages" onRetry={() => void refetch()} />}
      {data !== undefined && data.data.length > 0 && <StageGraph jobId={job.jobId} stages={data.data} running={job.endedAt === null} />}
      {data?.data.length === 0 && <p>No stage is known yet.</p>}
    </Panel>
  );
}

function Errors({ job }: { readonly job: Job }) {
  const { data, error, refetch } = useQuery(jobErrorsQuery(job.jobId));
  const { chunks } = job;
  return (
    <Panel
      title="Error groups"
      aside={
        data !== undefined && data.data.length > 0 ? (
          <Go to="/errors" search={{ q: `job:${job.jobId}` }}>
            all of this job
          </Go>
        ) : undefined
      }
    >
      {error !== null && <ProblemNote error={error} doing="list the error groups" onRetry={() => void refetch()} />}
      {data?.data.length === 0 && (
        <p>
          {chunks.total > 0 && chunks.committed === chunks.total
            ? `All ${formatNoun(chunks.total, 'chunk')} committed; no attempt that counts failed.`
            : 'No attempt has failed.'}
        </p>
      )}
      {data !== undefined && data.data.length > 0 && (
        <ul className={styles.errors}>
          {data.data.map((group) => {
            const here = group.jobs.find(({ jobId }) => jobId === job.jobId);
            return (
              <li key={group.fingerprint}>
                <StateBadge state={group.state} />
                <Go to={pathOf.errorGroup(group.fingerprint)} className={styles.errorCode}>
                  <code>{group.code}</code>
                </Go>
                <span className={styles.errorText}>{visibleText(group.message)}</span>
                <span className={styles.errorCount}>{failuresAndDead(here ?? group)}</span>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}
