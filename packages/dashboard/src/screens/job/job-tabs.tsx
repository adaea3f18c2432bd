/** What else is known of a job, a tab each, loaded when it is opened: timeline, outputs and gaps, pins, spec. */
import type { Job, TimelineEntry } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { Fragment, type ReactNode } from 'react';
import { isNotFound } from '../../api.ts';
import { formatBytes, formatCount, formatDuration, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, Id } from '../../ui/id.tsx';
import { Facts, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { gapsInPages, gapsOf, pinsOf } from './job-records.ts';
import styles from './job-tabs.module.css';
import { manifestQuery, resultQuery, specQuery, timelineQuery } from './queries.ts';
import { timelineLines } from './timeline-lines.ts';

const tabs = ['timeline', 'outputs', 'pins', 'spec'] as const;
type Tab = (typeof tabs)[number];
const labels: Readonly<Record<Tab, string>> = { timeline: 'Timeline', outputs: 'Outputs and gaps', pins: 'How inputs are read', spec: 'Spec' };

export function JobTabs({ job }: { readonly job: Job }) {
  const search = useSearch({ from: '/app/jobs/$job' });
  const shown = tabs.find((tab) => tab === search.tab) ?? 'timeline';
  return (
    <section className={styles.tabs} aria-label="more of this job">
      <nav className={styles.bar} aria-label="parts">
        {tabs.map((tab) => (
          <Link
            key={tab}
            to="."
            search={(old) => ({ ...old, tab: tab === 'timeline' ? undefined : tab })}
            replace
            resetScroll={false}
            className={tab === shown ? styles.shown : undefined}
          >
            {labels[tab]}
          </Link>
        ))}
      </nav>
      <div className={styles.body}>
        {shown === 'timeline' && <Timeline job={job} />}
        {shown === 'outputs' && <Outputs job={job} />}
        {shown === 'pins' && <Pins job={job} />}
        {shown === 'spec' && <Spec job={job} />}
      </div>
    </section>
  );
}

function Timeline({ job }: { readonly job: Job }) {
  const { data, error, refetch } = useQuery(timelineQuery(job.jobId));
  if (error !== null) return <ProblemNote error={error} doing="read the timeline" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the timeline" />;
  const lines = timelineLines(data.data);
  if (lines.length === 0) return <p>Nothing is recorded yet.</p>;
  return (
    <ol className={styles.timeline}>
      {lines.map(({ entry, alike }, at) => {
        const opensGeneration = entry.generation !== (lines[at + 1]?.entry.generation ?? entry.generation);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: entries have no id, and the list is only ever read anew as a whole
          <Fragment key={at}>
            <li>
              <span className={styles.at}>
                <Time at={entry.at} absolute />
              </span>
              <span className={styles.what}>
                {words(entry)}
                {alike > 0 && entry.kind === 'dead' && <> and {formatNoun(alike, 'more chunk')} just before, of the same error</>}
              </span>
              <span className={styles.ago}>
                <Time at={entry.at} />
              </span>
            </li>
            {opensGeneration && <li className={styles.generation}>generation {entry.generation}</li>}
          </Fragment>
        );
      })}
    </ol>
  );
}

function words(entry: TimelineEntry): ReactNode {
  switch (entry.kind) {
    case 'accepted':
      return (
        <>
          <StateBadge state="accepted" /> {formatNoun(entry.files, 'file')}, {formatBytes(entry.bytes)}
        </>
      );
    case 'state':
      return <StateBadge state={entry.state} />;
    case 'command':
      return (
        <>
          <b>{entry.command}</b> by {visibleText(entry.by)}
          {entry.items !== null && <> of {formatNoun(entry.items, 'chunk')}</>}
          {entry.opens !== null && <>, opens generation {entry.opens}</>}
          {entry.overrides && <>, with overrides</>}
          {entry.operationId !== null && (
            <>
              {' '}
              (<Go to={pathOf.operation(entry.operationId)}>operation</Go>)
            </>
          )}
          {entry.reason !== '' && <span className={styles.reason}>“{visibleText(entry.reason)}”</span>}
        </>
      );
    case 'dead':
      return (
        <>
          <StateBadge state="dead" /> chunk <ChunkLink id={entry.chunk} />: <Go to={pathOf.errorGroup(entry.fingerprint)}>{entry.code}</Go>
        </>
      );
    case 'warning':
      return (
        <>
          <StateBadge state="warning" /> {visibleText(entry.message)} (<code>{entry.code}</code>)
        </>
      );
    case 'ended':
      return (
        <>
          <StateBadge state={entry.state} /> {formatNoun(entry.rejected, 'reject')}
          {entry.gaps > 0 && <>, {formatNoun(entry.gaps, 'tolerated gap')}</>}
          {entry.failure !== null && (
            <span className={styles.reason}>
              {visibleText(entry.failure.message)} (<code>{entry.failure.code}</code>)
            </span>
          )}
        </>
      );
    case 'callback':
      return (
        <>
          callback <b>{visibleText(entry.event)}</b> to {visibleText(entry.url)}:{' '}
          {entry.state === 'delivered' ? 'delivered' : entry.state === 'pending' ? 'not delivered yet' : 'given up'} after{' '}
          {formatNoun(entry.tries, 'try', 'tries')}
          {entry.status !== null && <>, status {entry.status}</>}
        </>
      );
    default:
      return entry satisfies never;
  }
}

function ChunkLink({ id }: { readonly id: string }) {
  const [jobId, stage, index] = id.split('.');
  if (jobId === undefined || stage === undefined || index === undefined) return <code>{visibleText(id)}</code>;
  return (
    <Go to={pathOf.chunk(jobId, stage, Number(index))}>
      {stage}.{index}
    </Go>
  );
}

function Outputs({ job }: { readonly job: Job }) {
  const isCompleted = job.state === 'completed';
  const result = useQuery({ ...resultQuery(job.jobId), enabled: isCompleted });
  const manifest = useQuery({ ...manifestQuery(job.jobId), enabled: job.endedAt !== null, retry: false });
  const gaps = gapsOf(manifest.data);
  const paged = gapsInPages(manifest.data);
  const answer = result.data !== undefined && 'manifestUri' in result.data ? result.data : null;
  return (
    <>
      <Facts
        wide
        facts={[
          ['Output', <Id key="output" id={job.outputUri} most={70} what="location" />],
          ['Rejects', <Id key="rejects" id={job.rejectsUri} most={70} what="location" />],
          answer === null ? null : ['Manifest', <Id key="manifest" id={answer.manifestUri} most={70} what="location" />],
          answer === null ? null : ['Written', `${formatNoun(answer.parts, 'part')}, ${formatNoun(answer.rows, 'row')}, ${formatBytes(answer.bytes)}`],
          answer === null ? null : ['Took', formatDuration(answer.durationMs)],
          ['Result version', job.resultVersion],
        ]}
      />
      {!isCompleted && <p className={styles.note}>Nothing is published before the job completes: readers trust only what the manifest names.</p>}
      {result.error !== null && <ProblemNote error={result.error} doing="read the result" onRetry={() => void result.refetch()} />}
      {manifest.error !== null && !isNotFound(manifest.error) && <ProblemNote error={manifest.error} doing="read the manifest" />}
      {job.endedAt !== null && manifest.data !== undefined && (
        <>
          <h3 className={styles.heading}>Gaps</h3>
          {gaps.length + paged === 0 ? (
            <p>None: every chunk that was planned is in the output{isCompleted ? '' : ' or has no outcome'}.</p>
          ) : (
            <ul className={styles.gaps}>
              {gaps.slice(0, 200).map((gap) => (
                <li key={gap.chunk}>
                  <ChunkLink id={gap.chunk} /> <code>{gap.code}</code>
                  {gap.range !== null && (
                    <>
                      {' '}
                      {formatBytes(gap.range.start)} to {formatBytes(gap.range.end)}
                    </>
                  )}{' '}
                  accepted by {visibleText(gap.acceptedBy)}
                </li>
              ))}
            </ul>
          )}
          {gaps.length > 200 && <p>{formatCount(gaps.length - 200)} more stand in the manifest.</p>}
          {paged > 0 && <p>{formatCount(paged)} stand in pages that the manifest names.</p>}
        </>
      )}
    </>
  );
}

function Pins({ job }: { readonly job: Job }) {
  const { data, error, refetch } = useQuery(specQuery(job.jobId));
  if (error !== null) return <ProblemNote error={error} doing="read the pins" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the pins" />;
  if (data.pins === null) return <p>Not planned yet: what the inputs are is decided at planning.</p>;
  return (
    <>
      {pinsOf(data.pins).map(({ name, pins, fields, notes }) => (
        <div key={name} className={styles.pins}>
          <h3 className={styles.heading}>Input {visibleText(name)}</h3>
          <dl className={styles.pinList}>
            {pins.map(({ key, value, how, why }) => (
              <div key={key} title={why === '' ? undefined : visibleText(why)}>
                <dt>{visibleText(key)}</dt>
                <dd>
                  <code>{visibleText(value)}</code> <span className={styles.how}>{how}</span>
                  {why !== '' && <span className={styles.how}> · {visibleText(why)}</span>}
                </dd>
              </div>
            ))}
          </dl>
          {fields.length > 0 && (
            <details>
              <summary>{formatNoun(fields.length, 'column')}</summary>
              <ul className={styles.fields}>
                {fields.slice(0, 500).map((field) => (
                  <li key={field.name}>
                    <code>{visibleText(field.name)}</code> {visibleText(field.type)} <span className={styles.how}>{field.isInferred ? 'inferred' : 'set'}</span>
                  </li>
                ))}
              </ul>
            </details>
          )}
          {notes.map((note) => (
            <p key={note} className={styles.note}>
              {visibleText(note)}
            </p>
          ))}
        </div>
      ))}
    </>
  );
}

function Spec({ job }: { readonly job: Job }) {
  const { data, error, refetch } = useQuery(specQuery(job.jobId));
  if (error !== null) return <ProblemNote error={error} doing="read the spec" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the spec" />;
  const text = JSON.stringify(data.spec, null, 2);
  return (
    <>
      <p className={styles.specHead}>
        As it was resolved, generation {data.generation}, <Id id={data.specDigest} most={20} what="digest" />
        <CopyButton text={text} what="spec">
          copy the spec
        </CopyButton>
        <Go to="/jobs/new" search={{ from: job.jobId }}>
          submit again
        </Go>
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled with the keys */}
      <pre className={styles.spec} tabIndex={0}>
        {visibleText(text, true)}
      </pre>
    </>
  );
}
