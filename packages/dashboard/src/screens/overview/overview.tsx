/** Overview: four sentences, what needs a person, and how the installation has run lately. */
import type { Overview, ThroughputView } from '@millrace/api-contract';
import { IconAlertTriangle, IconChevronRight } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatDuration, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { formatInstantInFull } from '../../format/times.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { Button } from '../../ui/button.tsx';
import type { ChartSeries } from '../../ui/chart.tsx';
import { Go } from '../../ui/go.tsx';
import { CopyButton } from '../../ui/id.tsx';
import { Columns, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Since, Time, useZone } from '../../ui/time.tsx';
import { needPlaces } from './need-places.ts';
import styles from './overview.module.css';

const Chart = lazy(() => import('../../ui/chart.tsx').then((module) => ({ default: module.Chart })));

export function OverviewScreen() {
  const overview = useQuery({ queryKey: ['overview'], queryFn: ({ signal }) => api.call('GET /stats/overview', {}, { signal }), refetchInterval: 15_000 });
  useLiveRefetch(['jobs', 'errors', 'deadLetters', 'operations', 'workers', 'queues'], [['overview']]);
  const { data, error } = overview;
  return (
    <Page title="Overview">
      {error !== null && <ProblemNote error={error} doing="read the overview" onRetry={() => void overview.refetch()} />}
      {data === undefined && error === null && <Waiting what="the overview" />}
      {data !== undefined && (data.isFirstRun ? <FirstRun /> : <Standing overview={data} />)}
    </Page>
  );
}

function Standing({ overview }: { readonly overview: Overview }) {
  return (
    <>
      <Sentences overview={overview} />
      {overview.rebuilding && <p className={styles.note}>The ledger is being read anew from the journal: counts here are not complete yet.</p>}
      <NeedsYou overview={overview} />
      <Lately overview={overview} />
    </>
  );
}

function Sentences({ overview: { errorGroups, oldestWaiting, deadLetters, hosts } }: { readonly overview: Overview }) {
  const total = hosts.ready + hosts.draining;
  const missing = hosts.wanted === null ? 0 : hosts.wanted - hosts.ready;
  const alarming = errorGroups.new + errorGroups.regressed > 0;
  return (
    <ul className={styles.sentences} data-dims>
      <Sentence to="/errors" search={{ q: alarming ? 'state:open,regressed' : undefined }} tone={alarming ? 'warn' : 'calm'}>
        {errorGroups.new === 0 ? (
          <>
            <b>No</b> error group is new since <Weekday at={errorGroups.newSince} />
          </>
        ) : (
          <>
            <b>{formatCount(errorGroups.new)}</b> {errorGroups.new === 1 ? 'error group is' : 'error groups are'} new since{' '}
            <Weekday at={errorGroups.newSince} />
          </>
        )}
        {errorGroups.regressed > 0 && <>, {formatCount(errorGroups.regressed)} regressed</>}
      </Sentence>
      <Sentence to="/queues" tone={oldestWaiting !== null && oldestWaiting.seconds > 300 ? 'warn' : 'calm'}>
        {oldestWaiting === null ? (
          <>
            <b>Nothing</b> waits
          </>
        ) : (
          <>
            Oldest waiting {oldestWaiting.queue === 'chunk' ? 'chunk' : `task of ${visibleText(oldestWaiting.queue)}`}{' '}
            <b>
              <Since at={oldestWaiting.enqueuedAt} />
            </b>
          </>
        )}
      </Sentence>
      <Sentence to="/dead" search={{ q: deadLetters.open > 0 ? 'state:open' : undefined }} tone={deadLetters.open > 0 ? 'bad' : 'calm'}>
        {deadLetters.open === 0 ? (
          <>
            <b>No</b> dead letter is open
          </>
        ) : (
          <>
            <b>{formatCount(deadLetters.open)}</b> dead {deadLetters.open === 1 ? 'letter,' : 'letters, oldest'} <Since at={deadLetters.oldestAt} />
            {deadLetters.open === 1 && ' old'}
          </>
        )}
      </Sentence>
      <Sentence to="/workers" tone={total === 0 || missing > 0 ? 'warn' : 'calm'}>
        <b>{formatCount(hosts.ready)}</b> of {formatNoun(total, 'host')} ready
        {missing > 0 ? <>, {formatCount(missing)} more wanted</> : ''}
        <span className={styles.aside}>
          {formatCount(hosts.busy)} of {formatNoun(hosts.slots, 'slot')} busy
        </span>
      </Sentence>
    </ul>
  );
}

interface SentenceProps {
  readonly to: string;
  readonly search?: Readonly<Record<string, string | undefined>>;
  readonly tone: 'calm' | 'warn' | 'bad';
  readonly children: ReactNode;
}

function Sentence({ to, search = {}, tone, children }: SentenceProps) {
  return (
    <li>
      <Go to={to} search={search} className={styles[tone]}>
        <span>{children}</span>
      </Go>
    </li>
  );
}

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

function Weekday({ at }: { readonly at: string }) {
  const zone = useZone();
  const date = new Date(at);
  return (
    <time dateTime={at} title={formatInstantInFull(date.getTime(), zone)}>
      {weekdays[zone === 'utc' ? date.getUTCDay() : date.getDay()]}
    </time>
  );
}

function NeedsYou({ overview: { needsYou, quietSince } }: { readonly overview: Overview }) {
  return (
    <Panel title="Needs you" aside={needsYou.length > 0 ? formatNoun(needsYou.length, 'matter') : undefined}>
      {needsYou.length === 0 ? (
        <p className={styles.quiet}>
          <StateBadge state="ok" word="quiet" /> Nothing needs you
          {quietSince !== null && (
            <>
              {' '}
              since <Time at={quietSince} absolute /> (<Since at={quietSince} />)
            </>
          )}
          .
        </p>
      ) : (
        <ul className={styles.needs}>
          {needsYou.map(({ kind, message, since, id }) => {
            const { to, search } = needPlaces(kind, id);
            return (
              <li key={`${kind} ${id}`}>
                <Go to={to} search={search} className={styles.need}>
                  <IconAlertTriangle size={16} stroke={1.9} aria-hidden />
                  <span>{visibleText(message)}</span>
                  <span className={styles.since}>{since !== null && <Time at={since} />}</span>
                  <IconChevronRight size={15} aria-hidden />
                </Go>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}

const windows = ['15m', '1h', '6h', '24h', '7d'] as const;

function Lately({ overview }: { readonly overview: Overview }) {
  const search = useSearch({ from: '/app/' });
  const chosen = windows.find((each) => each === search.window) ?? '1h';
  const throughput = useQuery({
    queryKey: ['throughput', chosen],
    queryFn: ({ signal }) => api.call('GET /stats/throughput', { query: { window: chosen } }, { signal }),
    refetchInterval: 15_000,
    placeholderData: (old) => old,
  });
  const running = overview.jobs.planning + overview.jobs.running + overview.jobs.finishing + overview.jobs.accepted;
  return (
    <Panel
      title="Lately"
      aside={
        <span className={styles.windows} role="group" aria-label="window of time">
          {windows.map((window) => (
            <Link
              key={window}
              to="/"
              search={(old) => ({ ...old, window: window === '1h' ? undefined : window })}
              replace
              className={window === chosen ? styles.chosen : undefined}
              title={window === chosen ? 'shown' : `the last ${window}`}
            >
              {window}
            </Link>
          ))}
        </span>
      }
    >
      <p className={styles.now}>
        <Go to="/jobs" search={{ q: 'state:accepted,planning,running,finishing' }}>
          {formatNoun(running, 'job')} at work
        </Go>
        {overview.jobs.paused > 0 && (
          <Go to="/jobs" search={{ q: 'state:paused' }}>
            {formatCount(overview.jobs.paused)} paused
          </Go>
        )}
        {overview.jobs.failed > 0 && (
          <Go to="/jobs" search={{ q: 'state:failed finished:<1d' }}>
            {formatCount(overview.jobs.failed)} failed in a day
          </Go>
        )}
        <span>{formatBytes(overview.bytesPerSecond)}/s</span>
        <span>{formatCount(Math.round(overview.recordsPerSecond))} records/s</span>
        {overview.waitP95Ms !== null && <span>wait p95 {formatDuration(overview.waitP95Ms)}</span>}
      </p>
      <Span />
      {throughput.error !== null && <ProblemNote error={throughput.error} doing="read the throughput" onRetry={() => void throughput.refetch()} />}
      {throughput.data !== undefined && (
        <Suspense fallback={<Waiting what="the charts" />}>
          <Charts throughput={throughput.data} />
        </Suspense>
      )}
    </Panel>
  );
}

/** What was dragged out of a chart, and where it leads: the lists of what happened in that span. */
function Span() {
  const { from, to } = useSearch({ from: '/app/' });
  const zone = useZone();
  const navigate = useNavigate({ from: '/' });
  if (from === undefined || to === undefined) return null;
  const range = `${from}..${to}`;
  return (
    <p className={styles.span}>
      <span>
        {formatInstantInFull(Date.parse(from), zone)} to {formatInstantInFull(Date.parse(to), zone)}:
      </span>
      <Go to="/jobs" search={{ q: `created:${range}` }}>
        jobs accepted
      </Go>
      <Go to="/jobs" search={{ q: `finished:${range}` }}>
        jobs ended
      </Go>
      <Go to="/dead" search={{ q: `created:${range}` }}>
        dead letters
      </Go>
      <Go to="/audit" search={{ q: `created:${range}` }}>
        audit
      </Go>
      <Button small tone="quiet" onClick={() => void navigate({ search: (old) => ({ ...old, from: undefined, to: undefined }), replace: true })}>
        Clear
      </Button>
    </p>
  );
}

function Charts({ throughput }: { readonly throughput: ThroughputView }) {
  const zone = useZone();
  const navigate = useNavigate({ from: '/' });
  const { startedAt, stepSeconds, bytesIn, bytesOut, attempts, dead, waitP50Ms, waitP95Ms, records } = throughput;
  const perSecond = (values: readonly number[]): number[] => values.map((value) => value / stepSeconds);
  const common = {
    startedAtMs: Date.parse(startedAt),
    stepSeconds,
    zone,
    onSelect: (fromMs: number, toMs: number) =>
      void navigate({ search: (old) => ({ ...old, from: secondOf(fromMs), to: secondOf(toMs) }), replace: true, resetScroll: false }),
  };
  const outcomes: ChartSeries[] = [
    { name: 'committed', colour: '--fill-good', values: attempts.committed, filled: true },
    { name: 'failed', colour: '--fill-bad', values: attempts.failed },
    { name: 'lost', colour: '--fill-warn', values: attempts.lost, dashed: true },
    { name: 'dead', colour: '--ink', values: dead, dashed: true },
  ];
  return (
    <Columns>
      <Chart
        {...common}
        title="Bytes a second"
        format={(value) => `${formatBytes(value)}/s`}
        series={[
          { name: 'read', colour: '--fill-busy', values: perSecond(bytesIn), filled: true },
          { name: 'written', colour: '--fill-good', values: perSecond(bytesOut) },
        ]}
      />
      <Chart {...common} title="Attempts by outcome" format={formatCount} series={outcomes} />
      <Chart
        {...common}
        title="Wait from dispatch to claim"
        format={formatDuration}
        series={[
          { name: 'p95', colour: '--fill-warn', values: waitP95Ms },
          { name: 'p50', colour: '--fill-busy', values: waitP50Ms },
        ]}
      />
      <Chart {...common} title="Rejects" format={formatCount} series={[{ name: 'rejected', colour: '--fill-warn', values: records.rejected, filled: true }]} />
    </Columns>
  );
}

const secondOf = (ms: number): string => new Date(Math.round(ms / 1_000) * 1_000).toISOString().replace('.000Z', 'Z');

const firstCommands = [
  ['make a dirty sample', 'millrace generate orders --out samples'],
  ['submit it', 'millrace submit samples/spec.yaml'],
  ['watch it', 'millrace watch @last'],
] as const;

function FirstRun() {
  return (
    <Panel title="Nothing ran here yet">
      <p className={styles.first}>Three commands bring the first job; this page fills as it runs.</p>
      <ol className={styles.commands}>
        {firstCommands.map(([what, command]) => (
          <li key={command} className={styles.step}>
            <span className={styles.what}>{what}</span>
            <code>{command}</code>
            <CopyButton text={command} what="command" />
          </li>
        ))}
      </ol>
      <p className={styles.first}>
        Or load the demo, with faults to find: <code>millrace dev --demo</code> <CopyButton text="millrace dev --demo" what="command" />
      </p>
    </Panel>
  );
}
