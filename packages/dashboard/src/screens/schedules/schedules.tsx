/** Recurring jobs: when each fires next, and what became of its last runs. */
import type { ScheduleSummary } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { cronWords } from '../../format/cron-words.ts';
import { formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Empty, Facts, Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Since, Time } from '../../ui/time.tsx';
import styles from './schedules.module.css';

const schedulesKey = ['schedules'] as const;

export function SchedulesScreen() {
  const { data, error, refetch } = useQuery({
    queryKey: schedulesKey,
    queryFn: ({ signal }) => api.call('GET /schedules', {}, { signal }),
    refetchInterval: 30_000,
  });
  useLiveRefetch(['jobs'], [schedulesKey]);
  return (
    <Page title="Schedules" lead={data !== undefined && formatNoun(data.data.length, 'schedule')}>
      {error !== null && <ProblemNote error={error} doing="list the schedules" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the schedules" />}
      {data?.data.length === 0 && <NoSchedule />}
      <ul className={styles.schedules} data-dims>
        {data?.data.map((schedule) => (
          <Schedule key={`${schedule.tenant} ${schedule.name}`} schedule={schedule} />
        ))}
      </ul>
    </Page>
  );
}

function NoSchedule() {
  return (
    <Empty title="No schedule.">
      <p>A spec with these lines makes one, of its name, when it is submitted:</p>
      <pre className={styles.example}>{'name: nightly\nschedule:\n  cron: "15 2 * * *"\n  timezone: Europe/Berlin'}</pre>
    </Empty>
  );
}

const overlapWords: Readonly<Record<ScheduleSummary['overlap'], string>> = {
  skip: 'skipped while the last run goes on',
  queue: 'waits for the end of the last run',
  allow: 'runs beside the last one',
};
const catchUpWords: Readonly<Record<ScheduleSummary['catchUp'], string>> = {
  last: 'the last missed fire is made up for',
  none: 'missed fires are not made up for',
  all: 'every missed fire is made up for',
};

function Schedule({ schedule }: { readonly schedule: ScheduleSummary }) {
  const { tenant, name, cron, timezone, overlap, catchUp, paused, next, runs, missed, changedAt, changedBy, reason } = schedule;
  const words = cronWords(cron);
  return (
    <li className={styles.schedule}>
      <div className={styles.head}>
        <h2>{visibleText(name)}</h2>
        {paused && <StateBadge state="paused" />}
        <span className={styles.about}>
          {words !== null && <>{words} · </>}
          <code>{visibleText(cron)}</code> {visibleText(timezone)}
        </span>
        <Acts schedule={schedule} />
      </div>
      <Facts
        facts={[
          ['Next', next[0] === undefined ? paused ? 'not while it is paused' : 'none: it is over' : <Fire key="next" at={next[0]} timezone={timezone} />],
          next.length < 2 ? null : ['Then', <Fires key="then" fires={next.slice(1)} timezone={timezone} />],
          ['When late', catchUpWords[catchUp]],
          ['When busy', overlapWords[overlap]],
          ['Tenant', visibleText(tenant)],
          [
            'Changed',
            <span key="changed">
              <Time at={changedAt} /> by {visibleText(changedBy)}
              {reason !== '' && <>: {visibleText(reason)}</>}
            </span>,
          ],
        ]}
      />
      <Runs runs={runs} missed={missed} />
    </li>
  );
}

/** In both zones: that of the page, and that of the schedule. */
function Fire({ at, timezone }: { readonly at: string; readonly timezone: string }) {
  return (
    <span>
      <Time at={at} absolute />
      {timezone !== 'UTC' && <span className={styles.there}> {inZone(at, timezone)}</span>}
    </span>
  );
}

function Fires({ fires, timezone }: { readonly fires: readonly string[]; readonly timezone: string }) {
  return (
    <ol className={styles.fires}>
      {fires.map((at) => (
        <li key={at}>
          <Fire at={at} timezone={timezone} />
        </li>
      ))}
    </ol>
  );
}

/** A browser may not know every zone that the server knows. */
function inZone(at: string, timezone: string): string {
  try {
    const time = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, weekday: 'short', hour: '2-digit', minute: '2-digit' }).format(new Date(at));
    return `(${time} ${timezone})`;
  } catch {
    return `(${timezone})`;
  }
}

const tones: Readonly<Record<ScheduleSummary['runs'][number]['outcome'], string>> = {
  fired: 'running',
  waiting: 'queued',
  missed: 'warning',
  skipped: 'skipped',
  failed: 'failed',
};

function Runs({ runs, missed }: { readonly runs: ScheduleSummary['runs']; readonly missed: number }) {
  if (runs.length === 0) return <p className={styles.about}>It has not fired yet.</p>;
  return (
    <>
      <h3 className={styles.part}>Last runs, newest first{missed > 0 && <>: {formatNoun(missed, 'fire')} missed</>}</h3>
      <ol className={styles.runs}>
        {runs.map(({ at, outcome, jobId, jobState, code, message }) => (
          <li key={`${at} ${jobId}`} title={message === null ? undefined : visibleText(message)}>
            <StateBadge state={jobState ?? tones[outcome]} word={jobState ?? outcome} />
            {jobId === null ? (
              <Since at={at} />
            ) : (
              <Go to={pathOf.job(jobId)} title="The job that it fired">
                <Since at={at} />
              </Go>
            )}
            {code !== null && <code>{code}</code>}
          </li>
        ))}
      </ol>
    </>
  );
}

type Verb = 'fire' | 'pause' | 'resume' | 'remove';
const verbs: Readonly<Record<Verb, { readonly label: string; readonly text: string }>> = {
  fire: { label: 'Fire now', text: 'A job is submitted now, whatever its cron says; a run that is not over counts as for any other fire.' },
  pause: { label: 'Pause', text: 'No fires until it is resumed.' },
  resume: { label: 'Resume', text: 'It fires again; what was due in between is not made up for.' },
  remove: { label: 'Remove', text: 'It fires no more. Its jobs stay.' },
};

async function act(verb: Verb, { name, tenant, version }: ScheduleSummary, reason: string, actKey: string): Promise<unknown> {
  const [input, options] = [{ params: { name }, query: { tenant }, body: { reason } }, { idempotencyKey: actKey }];
  switch (verb) {
    case 'fire':
      return api.call('POST /schedules/{name}/fire', input, options);
    case 'pause':
      return api.call('POST /schedules/{name}/pause', input, options);
    case 'resume':
      return api.call('POST /schedules/{name}/resume', input, options);
    case 'remove': {
      const { etag, data } = await api.reply('GET /schedules/{name}', { params: { name }, query: { tenant } });
      if (data.version !== version) throw new Error('it was changed meanwhile: look at it again');
      return api.call('DELETE /schedules/{name}', { params: { name }, query: { tenant, reason } }, { ...options, ...(etag === null ? {} : { ifMatch: etag }) });
    }
  }
}

function Acts({ schedule }: { readonly schedule: ScheduleSummary }) {
  const mayOperate = useMay('operator');
  const queries = useQueryClient();
  const [verb, setVerb] = useState<Verb | null>(null);
  if (!mayOperate) return null;
  const { name, paused } = schedule;
  return (
    <span className={styles.acts}>
      {(['fire', paused ? 'resume' : 'pause', 'remove'] as const).map((each) => (
        <Button key={each} small tone={each === 'remove' ? 'danger' : 'plain'} onClick={() => setVerb(each)} label={`${verbs[each].label} ${name}`}>
          {verbs[each].label}
        </Button>
      ))}
      {verb !== null && (
        <ConfirmDialog
          opened
          onClose={() => setVerb(null)}
          title={`${verbs[verb].label}: ${visibleText(name)}?`}
          verb={verbs[verb].label}
          danger={verb === 'remove'}
          act={(reason, actKey) => act(verb, schedule, reason, actKey)}
          onDone={() => void queries.invalidateQueries({ queryKey: schedulesKey })}
        >
          <p className={styles.dialogText}>{verbs[verb].text}</p>
        </ConfirmDialog>
      )}
    </span>
  );
}
