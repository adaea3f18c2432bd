/** Task queues: how much waits, for how long, who takes from them, and when they will be empty. */
import type { QueueView } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatDuration, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { useMay } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { AreaField, TextField } from '../../ui/field.tsx';
import { Go } from '../../ui/go.tsx';
import { Empty, Facts, Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { SplitBar } from '../../ui/split-bar.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Since, Time } from '../../ui/time.tsx';
import styles from './queues.module.css';

const queuesKey = ['queues'] as const;

export function QueuesScreen() {
  const { data, error, refetch } = useQuery({ queryKey: queuesKey, queryFn: ({ signal }) => api.call('GET /queues', {}, { signal }), refetchInterval: 10_000 });
  useLiveRefetch(['queues'], [queuesKey], ({ type }) => type === 'queue');
  return (
    <Page title="Queues">
      {error !== null && <ProblemNote error={error} doing="list the queues" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the queues" />}
      {data?.data.length === 0 && <Empty title="No queue is known yet: the scheduler makes them with the first job." />}
      <ul className={styles.queues} data-dims>
        {data?.data.map((queue) => (
          <Queue key={queue.name} queue={queue} />
        ))}
      </ul>
    </Page>
  );
}

const kindWords: Readonly<Record<QueueView['kind'], string>> = { intake: 'new jobs', plan: 'planning', chunk: 'chunks', finish: 'finishing' };

function Queue({ queue }: { readonly queue: QueueView }) {
  const {
    name,
    kind,
    pool,
    waiting,
    active,
    oldestEnqueuedAt,
    consumers,
    slots,
    paused,
    maxConcurrency,
    setting,
    windowLimit,
    backlog,
    endedPerSecond,
    waitP95Ms,
    emptyInSeconds,
  } = queue;
  const mayOperate = useMay('operator');
  const [steering, setSteering] = useState(false);
  const nobody = consumers === 0;
  return (
    <li className={styles.queue}>
      <div className={styles.head}>
        <h2>{name}</h2>
        {paused ? (
          <StateBadge state="paused" />
        ) : nobody && waiting > 0 ? (
          <StateBadge state="open" word="nothing consumes it" />
        ) : (
          <StateBadge state="ok" word={active > 0 ? 'at work' : 'quiet'} />
        )}
        <span className={styles.about}>
          {kindWords[kind]}
          {pool !== null && (
            <>
              {' '}
              of pool{' '}
              <Go to="/workers" search={{ pool }}>
                {pool}
              </Go>
            </>
          )}
        </span>
        {mayOperate && (
          <Button small onClick={() => setSteering(true)}>
            {`${paused ? 'Resume' : 'Pause'}${kind === 'chunk' ? ' or bound' : ''} …`}
          </Button>
        )}
      </div>
      {nobody && !paused && waiting > 0 && (
        <p className={styles.warn}>No live process takes from this queue, by their heartbeats: {formatNoun(waiting, 'task')} wait.</p>
      )}
      {windowLimit !== null && (
        <SplitBar
          parts={[
            { name: 'in hand', value: active, fill: 'busy' },
            { name: 'waiting', value: waiting, fill: 'wait' },
          ]}
          total={windowLimit}
          label={`window of ${name}`}
          words={[`${formatCount(active)} in hand`, `${formatCount(waiting)} waiting`, `room for ${formatCount(windowLimit)}`]}
        />
      )}
      <Facts
        facts={[
          ['Waiting', formatCount(waiting)],
          ['In hand', formatCount(active)],
          ['Oldest', oldestEnqueuedAt === null ? 'none waits' : <Since key="oldest" at={oldestEnqueuedAt} />],
          ['Consumers', `${formatCount(consumers)}${slots > 0 ? `, ${formatNoun(slots, 'slot')}` : ''}`],
          endedPerSecond === null ? null : ['Rate', `${formatCount(Math.round(endedPerSecond * 10) / 10)} attempts/s`],
          waitP95Ms === null ? null : ['Wait, 95 of 100', `up to ${formatDuration(waitP95Ms)}`],
          windowLimit === null ? null : ['Handed out', `${formatCount(waiting + active)} of at most ${formatCount(windowLimit)} chunks`],
          backlog === null
            ? null
            : ['Backlog', `${formatNoun(backlog.chunks, 'chunk')}, ${formatBytes(backlog.bytes)}, ${formatDuration(backlog.workSeconds * 1_000)} of work`],
          emptyInSeconds === null ? null : ['Empty', emptyInSeconds === 0 ? 'now' : `in ${formatDuration(emptyInSeconds * 1_000)} at this rate`],
          maxConcurrency === null ? null : ['At most', `${formatCount(maxConcurrency)} at once`],
          setting === null
            ? null
            : [
                'Set',
                <span key="set">
                  by {visibleText(setting.by)} <Time at={setting.at} />
                  {setting.reason !== '' && <>: “{visibleText(setting.reason)}”</>}
                </span>,
              ],
        ]}
      />
      <Dialog title={`Steer ${name}`} opened={steering} onClose={() => setSteering(false)}>
        <SteerForm queue={queue} onClose={() => setSteering(false)} />
      </Dialog>
    </li>
  );
}

function SteerForm({ queue, onClose }: { readonly queue: QueueView; readonly onClose: () => void }) {
  const { name, kind, paused, maxConcurrency, version } = queue;
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  const [bound, setBound] = useState(maxConcurrency === null ? '' : String(maxConcurrency));
  const act = useAct({
    call: (change: { readonly paused?: boolean; readonly maxConcurrency?: number | null }, actKey) =>
      api.call('PATCH /queues/{name}', { params: { name }, body: { ...change, reason: reason.trim() } }, { idempotencyKey: actKey, ifMatch: `"${version}"` }),
    showsFailure: true,
    onDone: () => {
      void queries.invalidateQueries({ queryKey: queuesKey });
      onClose();
    },
  });
  const hasReason = reason.trim() !== '';
  const written = bound.trim() === '' ? null : Number(bound);
  const isBound = written === null || (Number.isInteger(written) && written >= 1 && written <= 100_000);
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <AreaField
        label="Reason"
        hint="Shown beside the queue and kept in the audit."
        value={reason}
        maxLength={1_000}
        rows={2}
        data-autofocus
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {kind === 'chunk' && (
        <TextField
          label="At most so many at once"
          hint="Empty: as many as the window holds."
          inputMode="numeric"
          value={bound}
          error={isBound ? null : 'expected a whole number from 1 to 100,000'}
          onChange={(event) => setBound(event.currentTarget.value)}
        />
      )}
      {act.isError && <ProblemNote error={act.error} doing="steer the queue" />}
      <div className={styles.acts}>
        {kind === 'chunk' && (
          <Button disabled={!hasReason || !isBound || written === maxConcurrency} busy={act.isPending} onClick={() => act.mutate({ maxConcurrency: written })}>
            Set the bound
          </Button>
        )}
        <Button tone={paused ? 'accent' : 'danger'} disabled={!hasReason} busy={act.isPending} onClick={() => act.mutate({ paused: !paused })}>
          {paused ? 'Resume the queue' : 'Pause the queue'}
        </Button>
      </div>
    </form>
  );
}
