/** One operation: who asked for what and why, how far it is, how it is steered, and what it did not do. */
import type { OperationView } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { BarLegend, SplitBar } from '../../ui/split-bar.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { FreezeButton } from '../job/freeze-button.tsx';
import { operationParts } from './operation-parts.ts';
import styles from './redrive.module.css';

const keyOf = (operationId: string) => ['operation', operationId] as const;

export function OperationScreen() {
  const { operation: operationId } = useParams({ from: '/app/operations/$operation' });
  const { data, error, refetch } = useQuery({
    queryKey: [...keyOf(operationId), 'operation'],
    queryFn: ({ signal }) => api.call('GET /operations/{operationId}', { params: { operationId } }, { signal }),
    refetchInterval: ({ state }) => (state.data?.endedAt === null ? 5_000 : false),
  });
  useLiveRefetch(['operations'], [keyOf(operationId)], ({ type }) => type === 'operation');
  const title = data === undefined ? 'Operation' : `${word(data.does)} of ${formatNoun(data.counts.total, 'item')}`;
  return (
    <Page
      title={title}
      heading={
        <>
          {title}
          {data !== undefined && <StateBadge state={data.state} large />}
        </>
      }
      lead={data !== undefined && <Lead operation={data} />}
      acts={data !== undefined && <Acts operation={data} />}
    >
      {error !== null && <ProblemNote error={error} doing="read the operation" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the operation" />}
      {data !== undefined && (
        <div data-dims>
          {data.why !== null && (
            <p className={styles.note}>
              {visibleText(data.why.message)} (<code>{data.why.code}</code>)
            </p>
          )}
          <div className={styles.bar}>
            <SplitBar parts={operationParts(data.counts)} total={data.counts.total} label="items" tall />
            <div className={styles.legend}>
              <BarLegend parts={operationParts(data.counts)} />
            </div>
            <p role="status">
              {formatShare(data.counts.resolved, data.counts.total)} of {formatNoun(data.counts.total, 'item')} resolved
              {data.canary !== null && (
                <>
                  {' '}
                  · canary of {formatCount(data.canary.count)},{' '}
                  {data.canaryPassed ? 'passed' : `${Math.round(data.canary.minResolved * 100)} % must be resolved before the rest follows`}
                </>
              )}
            </p>
          </div>
          <Jobs operation={data} />
          <Items operation={data} />
        </div>
      )}
    </Page>
  );
}

const word = (does: OperationView['does']): string => ({ redrive: 'Redrive', replay: 'Replay', waive: 'Waiver' })[does];

function Lead({ operation: { operationId, by, reason, filter, startedAt, endedAt, rate, overrides } }: { readonly operation: OperationView }) {
  return (
    <span className={styles.facts}>
      <Id id={operationId} what="operation id" />
      <span>
        by {visibleText(by)} <Time at={startedAt} />
      </span>
      {endedAt !== null && (
        <span>
          ended <Time at={endedAt} />
        </span>
      )}
      {reason !== '' && <span>“{visibleText(reason)}”</span>}
      {filter !== null && (
        <span>
          of <code>{visibleText(filter)}</code>
        </span>
      )}
      <span>{rate === null ? 'no limit of pace' : `at most ${formatCount(rate)} a second`}</span>
      {Object.keys(overrides).length > 0 && <span>with {formatNoun(Object.keys(overrides).length, 'override')}</span>}
    </span>
  );
}

function Acts({ operation }: { readonly operation: OperationView }) {
  const { operationId, state, endedAt, counts, does } = operation;
  const mayOperate = useMay('operator');
  const queries = useQueryClient();
  const [asking, setAsking] = useState<'paused' | 'running' | 'aborted' | 'rate' | null>(null);
  const [rate, setRate] = useState('');
  if (!mayOperate) return null;
  const close = (): void => setAsking(null);
  const steer = (body: { readonly state?: 'paused' | 'running' | 'aborted'; readonly rate?: number | null }, reason: string, actKey: string) =>
    api.call('PATCH /operations/{operationId}', { params: { operationId }, body: { ...body, reason } }, { idempotencyKey: actKey });
  const undone = counts.failedAgain + counts.skipped;
  if (endedAt !== null) {
    return does === 'redrive' && undone > 0 ? (
      <FreezeButton body={{ target: 'deadLetters', filter: `${jobsFilter(operation)} state:open` }}>Do the rest</FreezeButton>
    ) : null;
  }
  const titles = { paused: 'Pause the operation?', running: 'Go on?', aborted: 'Abort the operation?', rate: 'Change the pace' } as const;
  const verbs = { paused: 'Pause', running: 'Go on', aborted: 'Abort', rate: 'Set the pace' } as const;
  return (
    <>
      {state === 'paused' ? <Button onClick={() => setAsking('running')}>Go on</Button> : <Button onClick={() => setAsking('paused')}>Pause</Button>}
      <Button onClick={() => setAsking('rate')}>Pace …</Button>
      <Button tone="danger" onClick={() => setAsking('aborted')}>
        Abort
      </Button>
      {asking !== null && (
        <ConfirmDialog
          opened
          onClose={close}
          title={titles[asking]}
          verb={verbs[asking]}
          danger={asking === 'aborted'}
          act={(reason, actKey) => steer(asking === 'rate' ? { rate: rate.trim() === '' ? null : Number(rate) } : { state: asking }, reason, actKey)}
          onDone={() => void queries.invalidateQueries({ queryKey: keyOf(operationId) })}
        >
          {asking === 'rate' ? (
            <TextField
              label="Items a second"
              hint="Empty: no limit."
              inputMode="decimal"
              value={rate}
              onChange={(event) => setRate(event.currentTarget.value)}
            />
          ) : (
            <p className={styles.estimate}>
              {asking === 'aborted'
                ? 'What was requeued stays so; the rest stays dead.'
                : asking === 'paused'
                  ? 'Nothing more is let go until it goes on.'
                  : 'The rest follows at its pace.'}
            </p>
          )}
        </ConfirmDialog>
      )}
    </>
  );
}

const jobsFilter = ({ jobs }: OperationView): string => `job:${jobs.map(({ jobId }) => jobId).join(',')}`;

function Jobs({ operation: { jobs } }: { readonly operation: OperationView }) {
  return (
    <Panel title={`Jobs (${formatCount(jobs.length)})`}>
      <ul className={styles.lines}>
        {jobs.map(({ jobId, name, state, generation, counts, why }) => (
          <li key={jobId}>
            <span>
              <Go to={pathOf.job(jobId)}>{visibleText(name)}</Go> <StateBadge state={state} /> generation {generation}
              {why !== null && <> · {visibleText(why.message)}</>}
            </span>
            <span>
              {formatCount(counts.resolved)} of {formatCount(counts.total)} resolved
              {counts.failedAgain > 0 && <>, {formatCount(counts.failedAgain)} failed again</>}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const outcomes = ['failedAgain', 'skipped', 'pending', 'resolved'] as const;
const outcomeWords = { failedAgain: 'failed again', skipped: 'skipped', pending: 'not yet', resolved: 'resolved' } as const;

function Items({ operation: { operationId, counts } }: { readonly operation: OperationView }) {
  const search = useSearch({ from: '/app/operations/$operation' });
  const outcome = outcomes.find((each) => each === search.outcome) ?? (counts.failedAgain > 0 ? 'failedAgain' : counts.skipped > 0 ? 'skipped' : 'resolved');
  const { data, error, refetch } = useQuery({
    queryKey: [...keyOf(operationId), 'items', outcome],
    queryFn: ({ signal }) => api.call('GET /operations/{operationId}/items', { params: { operationId }, query: { outcome, limit: 100 } }, { signal }),
  });
  return (
    <Panel
      title="Items"
      aside={
        <span className={styles.outcomes}>
          {outcomes.map((each) => (
            <Go key={each} to={pathOf.operation(operationId)} search={{ outcome: each }}>
              <span data-shown={each === outcome || undefined}>{outcomeWords[each]}</span>
            </Go>
          ))}
        </span>
      }
    >
      {error !== null && <ProblemNote error={error} doing="list the items" onRetry={() => void refetch()} />}
      {data?.data.length === 0 && <p>None is {outcomeWords[outcome]}.</p>}
      <ul className={styles.lines}>
        {data?.data.map(({ id, jobId, outcome: became, why }) => (
          <li key={id}>
            <span>
              <ItemLink id={id} jobId={jobId} /> <StateBadge state={became} word={outcomeWords[became]} />
            </span>
            {why !== null && (
              <span>
                {visibleText(why.message)} (<code>{why.code}</code>)
              </span>
            )}
          </li>
        ))}
      </ul>
      {data?.nextCursor != null && <p className={styles.estimate}>The first hundred; the command line lists all: millrace ops items {operationId}</p>}
    </Panel>
  );
}

function ItemLink({ id, jobId }: { readonly id: string; readonly jobId: string }) {
  const [, stage, index] = id.split('.');
  if (stage === undefined || index === undefined) return <Go to={pathOf.job(jobId)}>{visibleText(id)}</Go>;
  return (
    <Go to={pathOf.chunk(jobId, stage, Number(index))}>
      {stage}.{index}
    </Go>
  );
}
