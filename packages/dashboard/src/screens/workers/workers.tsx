/** Worker hosts: who is alive, what each has in hand, and why a pool wants as many as it wants. */
import type { Overview, ScalingView, WorkerSummary } from '@millrace/api-contract';
import { parseChunkId } from '@millrace/protocol/browser';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { useNow } from '../../clock.ts';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Empty, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { SplitBar } from '../../ui/split-bar.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import styles from './workers.module.css';

const workersKey = ['workers'] as const;

export function WorkersScreen() {
  const search = useSearch({ from: '/app/workers' });
  const workers = useQuery({ queryKey: workersKey, queryFn: ({ signal }) => api.call('GET /workers', {}, { signal }), refetchInterval: 10_000 });
  const overview = useQuery({ queryKey: ['overview'], queryFn: ({ signal }) => api.call('GET /stats/overview', {}, { signal }), refetchInterval: 15_000 });
  useLiveRefetch(['workers'], [workersKey, ['scaling']], ({ type }) => type === 'worker');
  const { data, error } = workers;
  const pools = overview.data?.pools ?? [];
  const shown = (data?.data ?? []).filter((worker) => matches(worker, search.q, search.pool));
  const versions = [...new Set((data?.data ?? []).map(({ coreVersion }) => coreVersion))].toSorted();
  return (
    <Page
      title="Workers"
      lead={
        overview.data !== undefined && (
          <span>
            {formatCount(overview.data.hosts.ready)} ready
            {overview.data.hosts.draining > 0 && <>, {formatCount(overview.data.hosts.draining)} draining</>}
            {overview.data.hosts.wanted !== null && <>, {formatCount(overview.data.hosts.wanted)} wanted</>} · {formatCount(overview.data.hosts.busy)} of{' '}
            {formatNoun(overview.data.hosts.slots, 'slot')} busy
          </span>
        )
      }
    >
      {error !== null && <ProblemNote error={error} doing="list the hosts" onRetry={() => void workers.refetch()} />}
      {data === undefined && error === null && <Waiting what="the hosts" />}
      {(search.q !== undefined || search.pool !== undefined) && (
        <p className={styles.filter}>
          Shown: {formatNoun(shown.length, 'host')} of {visibleText([search.q, search.pool].filter((text) => text !== undefined).join(', '))}
          <Link to="/workers">all hosts</Link>
        </p>
      )}
      {data !== undefined && shown.length === 0 && <NoHosts pools={pools} filtered={search.q !== undefined || search.pool !== undefined} />}
      {versions.length > 1 && (
        <p className={styles.skew}>
          Hosts run {formatCount(versions.length)} versions of the core: {versions.map((version) => visibleText(version)).join(', ')}.
        </p>
      )}
      <ul className={styles.hosts} data-dims>
        {shown.map((worker) => (
          <Host key={worker.workerId} worker={worker} skewed={versions.length > 1 && worker.coreVersion !== versions.at(-1)} />
        ))}
      </ul>
      {pools.map((pool) => (
        <Scaling key={pool.pool} pool={pool.pool} />
      ))}
    </Page>
  );
}

function matches({ workerId, pool, node, pod }: WorkerSummary, q: string | undefined, wantedPool: string | undefined): boolean {
  if (wantedPool !== undefined && pool !== wantedPool) return false;
  return q === undefined || [workerId, node, pod ?? ''].some((text) => text.includes(q));
}

function NoHosts({ pools, filtered }: { readonly pools: Overview['pools']; readonly filtered: boolean }) {
  const wanted = pools.reduce((sum, pool) => sum + (pool.wanted ?? 0), 0);
  if (filtered) return <Empty title="No host of that name is alive." />;
  return (
    <Empty title={`No host is alive${wanted > 0 ? `, ${formatCount(wanted)} wanted` : ''}.`}>
      <p>
        A host registers itself when it starts. On this computer: <code>millrace dev</code>; in a cluster see what keeps its pods from starting.
      </p>
    </Empty>
  );
}

function Host({ worker, skewed }: { readonly worker: WorkerSummary; readonly skewed: boolean }) {
  const { workerId, pool, pod, node, coreVersion, resultVersion, slots, busy, draining, drainAsked, heartbeatAt, heartbeatAgeMs, memoryBytes, attempts } =
    worker;
  const mayOperate = useMay('operator');
  const queries = useQueryClient();
  const [asking, setAsking] = useState(false);
  const isQuiet = heartbeatAgeMs > 15_000;
  return (
    <li className={styles.host}>
      <div className={styles.hostHead}>
        <h2>
          <Id id={workerId} most={28} what="host id" />
        </h2>
        <StateBadge
          state={draining ? 'draining' : isQuiet ? 'stalled' : busy > 0 ? 'running' : 'ok'}
          word={draining ? 'draining' : isQuiet ? 'silent' : busy > 0 ? 'at work' : 'ready'}
        />
        <span className={styles.facts}>
          <span>pool {visibleText(pool)}</span>
          {pod !== null && <span>pod {visibleText(pod)}</span>}
          <span>node {visibleText(node)}</span>
          <span className={skewed ? styles.skewed : undefined}>
            core {visibleText(coreVersion)}
            {skewed ? ' (older)' : ''}, result version {resultVersion}
          </span>
          {memoryBytes !== null && <span>{formatBytes(memoryBytes)} of memory</span>}
          <span>
            heard <Time at={heartbeatAt} />
          </span>
        </span>
        {mayOperate && !draining && (
          <Button small onClick={() => setAsking(true)} disabled={drainAsked}>
            {drainAsked ? 'Drain asked' : 'Drain'}
          </Button>
        )}
      </div>
      <div className={styles.slots}>
        <SplitBar
          parts={[{ name: 'busy', value: busy, fill: 'busy' }]}
          total={slots}
          label={`slots of ${workerId}`}
          words={[`${formatCount(busy)} of ${formatNoun(slots, 'slot')} busy`]}
        />
        <span>
          {formatCount(busy)} of {formatCount(slots)}
        </span>
      </div>
      {attempts.length > 0 && (
        <ul className={styles.attempts}>
          {attempts.map((attempt) => (
            <Attempt key={attempt.attemptId} attempt={attempt} />
          ))}
        </ul>
      )}
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Drain ${workerId}?`}
        verb="Drain the host"
        act={(reason, actKey) => api.call('POST /workers/{workerId}/drain', { params: { workerId }, body: { reason } }, { idempotencyKey: actKey })}
        onDone={() => void queries.invalidateQueries({ queryKey: workersKey })}
      >
        <p className={styles.dialogText}>
          It takes no more tasks, ends or hands back the {formatNoun(attempts.length, 'chunk')} in hand, and leaves. No chunk loses an attempt by it.
        </p>
      </ConfirmDialog>
    </li>
  );
}

function Attempt({ attempt: { jobId, chunkId, startedAt, bytes, bytesDone } }: { readonly attempt: WorkerSummary['attempts'][number] }) {
  const now = useNow();
  const parts = partsOf(chunkId);
  return (
    <li>
      {parts === null ? (
        <Go to={pathOf.job(jobId)}>{visibleText(chunkId)}</Go>
      ) : (
        <Go to={pathOf.chunk(jobId, parts.stage, parts.chunk)}>{visibleText(`${parts.stage}.${parts.chunk}`)}</Go>
      )}
      <span>{bytes > 0 ? formatShare(bytesDone, bytes) : formatBytes(bytesDone)}</span>
      <span>{formatDuration(Math.max(0, now - Date.parse(startedAt)))}</span>
    </li>
  );
}

function partsOf(chunkId: string): { readonly stage: string; readonly chunk: number } | null {
  try {
    return parseChunkId(chunkId as never);
  } catch {
    return null;
  }
}

const limitWords: Readonly<Record<ScalingView['limitedBy'], string>> = {
  target: 'the work to be done in its target time',
  inHand: 'the attempts in hand: no host is taken away while it works',
  minPods: 'the least number of hosts that is set',
  maxPods: 'the greatest number of hosts that is set: more would be used',
  maxSlots: 'the greatest number of slots that is set: more would be used',
  idle: 'nothing to do and no job that needs this version',
};

/** The rule with its live numbers: anybody can add it up again. */
function Scaling({ pool }: { readonly pool: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['scaling', pool],
    queryFn: ({ signal }) => api.call('GET /stats/scaling', { query: { pool } }, { signal }),
    refetchInterval: 10_000,
    retry: false,
  });
  if (error !== null) return <ProblemNote error={error} doing={`read what pool ${pool} wants`} onRetry={() => void refetch()} />;
  if (data === undefined) return null;
  const { podsWanted, podsReady, podsDraining, slotsWanted, slotsPerPod, inHand, minPods, maxPods, maxSlots, bands, limitedBy, notCounted, decisions, ageMs } =
    data;
  const left = Object.entries(notCounted).filter(([, count]) => count > 0);
  return (
    <Panel title={`Scaling of pool ${visibleText(pool)}`} aside={<span>computed {formatDuration(ageMs)} ago</span>}>
      <p className={styles.wanted}>
        <b>{formatCount(podsWanted)}</b> {podsWanted === 1 ? 'host' : 'hosts'} wanted, <b>{formatCount(podsReady)}</b> ready
        {podsDraining > 0 && <>, {formatCount(podsDraining)} draining</>}. Decided by {limitWords[limitedBy]}.
      </p>
      <div className={styles.scroll}>
        <table className={styles.bands}>
          <thead>
            <tr>
              <th scope="col">priority</th>
              <th scope="col">chunks</th>
              <th scope="col">bytes</th>
              <th scope="col">work</th>
              <th scope="col">target</th>
              <th scope="col">held beyond it</th>
              <th scope="col">slots</th>
            </tr>
          </thead>
          <tbody>
            {bands.map(({ band, chunks, bytes, workSeconds, targetSeconds, heldBeyondTarget, slots }) => (
              <tr key={band}>
                <th scope="row">{band}</th>
                <td>{formatCount(chunks)}</td>
                <td>{formatBytes(bytes)}</td>
                <td>{formatDuration(workSeconds * 1_000)}</td>
                <td>{formatDuration(targetSeconds * 1_000)}</td>
                <td>{formatCount(heldBeyondTarget)}</td>
                <td>{formatCount(slots)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ol className={styles.formula}>
        <li>
          slots wanted = the greatest of {bands.map(({ slots }) => formatCount(slots)).join(', ')} and {formatCount(inHand)} in hand
          {maxSlots !== null && <>, at most {formatCount(maxSlots)}</>} = <b>{formatCount(slotsWanted)}</b>
        </li>
        <li>
          hosts = {formatCount(slotsWanted)} ÷ {formatNoun(slotsPerPod, 'slot')} of a host, rounded up, from {formatCount(minPods)} to {formatCount(maxPods)} ={' '}
          <b>{formatCount(podsWanted)}</b>
        </li>
      </ol>
      {left.length > 0 && (
        <p className={styles.note}>
          Not counted, as more hosts would not help: {left.map(([why, count]) => `${formatCount(count)} ${notCountedWords[why] ?? why}`).join(', ')}.
        </p>
      )}
      {decisions.length > 0 && (
        <details className={styles.decisions}>
          <summary>Last {formatNoun(decisions.length, 'decision')}</summary>
          <ul>
            {decisions.map(({ at, podsWanted: wanted, podsReady: ready, workSeconds, limitedBy: by }) => (
              <li key={at}>
                <Time at={at} absolute /> {formatCount(wanted)} wanted, {formatCount(ready)} ready, {formatDuration(workSeconds * 1_000)} of work ({by})
              </li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

const notCountedWords: Readonly<Record<string, string>> = {
  paused: 'of paused jobs',
  tenantLimit: 'beyond the limit of their tenant',
  circuitOpen: 'whose store does not answer',
  notDue: 'whose time has not come',
  noHostForVersion: 'that need another version of the core',
};
