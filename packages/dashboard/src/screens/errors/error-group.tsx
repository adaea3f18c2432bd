/** One error group: why its failures are one, how they are spread, what people decided, and what can be done about all of them. */
import type { ErrorGroupDetail } from '@millrace/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useLiveRefetch } from '../../live/use-live.ts';
import { useIdentity, useMay } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Columns, Facts, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { FreezeButton } from '../job/freeze-button.tsx';
import { type Decision, DecisionDialog, groupKey, groupQuery } from './decision-form.tsx';
import styles from './error-group.module.css';
import { failuresAndDead } from './failures-and-dead.ts';

export function ErrorGroupScreen() {
  const { fingerprint } = useParams({ from: '/app/errors/$fingerprint' });
  const { data, error, refetch } = useQuery(groupQuery(fingerprint));
  useLiveRefetch(['errors'], [groupKey(fingerprint)], ({ type }) => type === 'errorGroup');
  return (
    <Page
      title={data?.code ?? 'Error group'}
      heading={
        <>
          <Go to="/errors">Errors</Go> / {data?.code ?? ''}
          {data !== undefined && <StateBadge state={data.state} large />}
        </>
      }
      lead={data !== undefined && <Id id={data.fingerprint} most={24} what="fingerprint" />}
      acts={data !== undefined && <Acts group={data} />}
    >
      {error !== null && <ProblemNote error={error} doing="read the error group" onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Waiting what="the error group" />}
      {data !== undefined && <Group group={data} />}
    </Page>
  );
}

function Group({ group }: { readonly group: ErrorGroupDetail }) {
  const { message, hint, failures, dead, firstSeenAt, lastSeenAt, owner, triage, groupedBy, spread, jobs, places, notes, fingerprint } = group;
  return (
    <div data-dims>
      <p className={styles.message}>{visibleText(message, true)}</p>
      {hint !== '' && <p className={styles.hint}>{visibleText(hint)}</p>}
      <Columns>
        <Panel title="Seen">
          <Facts
            facts={[
              failures === 0 && dead > 0 ? null : ['Failed attempts', formatCount(failures)],
              [
                'Dead letters',
                dead === 0 ? (
                  '0'
                ) : (
                  <Go key="dead" to="/dead" search={{ q: `fingerprint:${fingerprint}` }}>
                    {formatCount(dead)}
                  </Go>
                ),
              ],
              ['First', <Time key="first" at={firstSeenAt} />],
              ['Last', <Time key="last" at={lastSeenAt} />],
              ['Class', group.class],
              ['Owner', owner === null ? 'nobody' : visibleText(owner)],
              triage === null
                ? null
                : [
                    'Decided',
                    <span key="decided">
                      {triage.state} by {visibleText(triage.by)} <Time at={triage.at} />
                      {triage.note !== '' && <>: “{visibleText(triage.note)}”</>}
                    </span>,
                  ],
            ]}
          />
        </Panel>
        <Panel title="Why it is one group">
          <ul className={styles.why}>
            {groupedBy.map((what) => (
              <li key={what}>{visibleText(what)}</li>
            ))}
          </ul>
        </Panel>
      </Columns>
      <Panel title="Spread of its dead letters" aside={<span>over {formatNoun(spread.counted, 'dead letter')}</span>}>
        {spread.counted === 0 ? (
          <p>None is open.</p>
        ) : (
          <div className={styles.spread}>
            <Spread title="Hosts" parts={spread.workers} counted={spread.counted} />
            <Spread title="Core versions" parts={spread.coreVersions} counted={spread.counted} />
            <Spread title="Files" parts={spread.files.map(({ name, dead: count }) => ({ name: fileName(name), dead: count }))} counted={spread.counted} />
            <Spread title="Stages" parts={spread.stages} counted={spread.counted} />
          </div>
        )}
      </Panel>
      <Columns>
        <Panel title="Jobs">
          <ul className={styles.lines}>
            {jobs.map(({ jobId, name, failures: failed, dead: count }) => (
              <li key={jobId}>
                <Go to={pathOf.job(jobId)}>{visibleText(name)}</Go>
                <span>{failuresAndDead({ failures: failed, dead: count })}</span>
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="Newest places">
          <ul className={styles.lines}>
            {places.map(({ uri, start, end }) => (
              <li key={`${uri} ${start}`}>
                <span title={visibleText(uri)}>{visibleText(fileName(uri))}</span>
                <span>
                  bytes {formatCount(start)} to {formatCount(end)}
                </span>
              </li>
            ))}
          </ul>
          {places.length === 0 && <p>Not tied to a place in a file.</p>}
        </Panel>
      </Columns>
      <Samples fingerprint={fingerprint} />
      <Panel title={`Notes (${formatCount(notes.length)})`}>
        <ol className={styles.notes}>
          {notes.toReversed().map(({ at, by, text }) => (
            <li key={`${at} ${text}`}>
              <p>{visibleText(text, true)}</p>
              <p className={styles.by}>
                {visibleText(by)} <Time at={at} />
              </p>
            </li>
          ))}
        </ol>
        {notes.length === 0 && <p>None yet.</p>}
      </Panel>
    </div>
  );
}

function Spread({
  title,
  parts,
  counted,
}: {
  readonly title: string;
  readonly parts: readonly { readonly name: string; readonly dead: number }[];
  readonly counted: number;
}) {
  if (parts.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className={styles.lines}>
        {parts.map(({ name, dead }) => (
          <li key={name}>
            <span>{visibleText(name)}</span>
            <span>
              {formatCount(dead)}, {formatShare(dead, counted)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Samples({ fingerprint }: { readonly fingerprint: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: [...groupKey(fingerprint), 'samples'],
    queryFn: ({ signal }) => api.call('GET /errors/{fingerprint}/samples', { params: { fingerprint }, query: { limit: 10 } }, { signal }),
  });
  return (
    <Panel title="Newest samples">
      {error !== null && <ProblemNote error={error} doing="list the samples" onRetry={() => void refetch()} />}
      <ul className={styles.lines}>
        {data?.data.map(({ jobId, chunkId, attemptId, attempt }) => {
          const [, stage = '', index = '0'] = chunkId.split('.');
          return (
            <li key={attemptId}>
              <span>
                <Go to={pathOf.chunk(jobId, stage, Number(index))} search={{ attempt: attemptId }}>{`${stage}.${index}`}</Go>{' '}
                {visibleText(attempt.failure?.message ?? attempt.outcome)}
              </span>
              <span>
                {attempt.worker !== null && <>{visibleText(attempt.worker)} · </>}
                <Time at={attempt.endedAt} />
              </span>
            </li>
          );
        })}
      </ul>
      {data?.data.length === 0 && <p>Their records are no longer kept.</p>}
    </Panel>
  );
}

function Acts({ group }: { readonly group: ErrorGroupDetail }) {
  const { fingerprint, state, dead, owner, version } = group;
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  const me = useIdentity();
  const queries = useQueryClient();
  const [asking, setAsking] = useState<Decision | null>(null);
  const assign = useAct({
    call: (next: string | null, actKey) =>
      api.call('POST /errors/{fingerprint}/assign', { params: { fingerprint }, body: { owner: next } }, { idempotencyKey: actKey, ifMatch: `"${version}"` }),
    onDone: () => void queries.invalidateQueries({ queryKey: ['errors'] }),
  });
  if (!mayOperate || me === null) return null;
  const isMine = owner === me.name;
  return (
    <>
      {dead > 0 && <FreezeButton body={{ target: 'deadLetters', fingerprint }}>Redrive {formatCount(dead)} dead</FreezeButton>}
      {dead > 0 && maySteward && (
        <FreezeButton quiet body={{ target: 'waiveDeadLetters', fingerprint }}>
          Waive
        </FreezeButton>
      )}
      {state === 'open' || state === 'regressed' ? (
        <>
          <Button onClick={() => setAsking('resolve')}>Resolve</Button>
          <Button onClick={() => setAsking('ignore')}>Ignore …</Button>
        </>
      ) : (
        <Button onClick={() => setAsking('reopen')}>Reopen</Button>
      )}
      <Button busy={assign.isPending} onClick={() => assign.mutate(isMine ? null : me.name)}>
        {isMine ? 'Give it back' : 'Assign to me'}
      </Button>
      <Button onClick={() => setAsking('note')}>Note</Button>
      {asking !== null && <DecisionDialog group={group} decision={asking} onClose={() => setAsking(null)} />}
    </>
  );
}
