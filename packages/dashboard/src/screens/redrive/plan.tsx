/** A frozen plan: what a redrive would do, in numbers that add up, and the start of it. Nothing has been done yet. */
import type { PlanView } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type KeyboardEvent, type SubmitEvent, useState } from 'react';
import { api } from '../../api.ts';
import { useNow } from '../../clock.ts';
import { formatBytes, formatCount, formatDuration, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useIsProduction } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { AreaField, TextField } from '../../ui/field.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton } from '../../ui/id.tsx';
import { Columns, Empty, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Countdown } from '../../ui/time.tsx';
import { FreezeButton } from '../job/freeze-button.tsx';
import { OverrideButton } from './override-button.tsx';
import styles from './redrive.module.css';
import { startProblem, waiverProblem } from './start-choices.ts';

export function PlanScreen() {
  const { plan: planId } = useSearch({ from: '/app/redrives/new' });
  const plan = useQuery({
    queryKey: ['plan', planId],
    queryFn: ({ signal }) => api.call('GET /redrives/plans/{planId}', { params: { planId: planId ?? '' } }, { signal }),
    enabled: planId !== undefined,
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (planId === undefined) {
    return (
      <Page title="Redrive">
        <Empty title="A redrive begins with what is to be redriven.">
          <p>
            Select <Go to="/dead">dead letters</Go>, an <Go to="/errors">error group</Go>, or open a job that failed: each offers to freeze a plan, which counts
            first.
          </p>
        </Empty>
      </Page>
    );
  }
  return (
    <Page title={wordsOf(plan.data?.target).title} lead={plan.data !== undefined && <PlanLead plan={plan.data} />}>
      {plan.error !== null && (
        <>
          <ProblemNote error={plan.error} doing="read the plan" onRetry={() => void plan.refetch()} />
          <p>A plan holds for a quarter of an hour. Freeze it again where it came from: the counts then show what has changed.</p>
        </>
      )}
      {plan.data === undefined && plan.error === null && <Waiting what="the plan" />}
      {plan.data !== undefined && <Plan key={plan.data.planId} plan={plan.data} />}
    </Page>
  );
}

/** What the acts of a plan are called. */
interface PlanWords {
  readonly title: string;
  readonly verb: string;
  /** What happens to those that are taken. */
  readonly will: string;
  readonly cannot: string;
}

const redriveWords: PlanWords = { title: 'Redrive', verb: 'Redrive', will: 'will be redriven', cannot: 'Cannot be redriven' };
const wordsOf = (target: PlanView['target'] | undefined): PlanWords => {
  if (target === 'rejects') return { title: 'Replay', verb: 'Replay', will: 'will be replayed', cannot: 'Cannot be replayed' };
  if (target === 'waiveDeadLetters') return { title: 'Waiver', verb: 'Waive', will: 'will be waived', cannot: 'Cannot be waived' };
  return redriveWords;
};

const targetWords: Readonly<Record<PlanView['target'], string>> = {
  deadLetters: 'dead letters',
  rejects: 'rejects, replayed',
  jobs: 'jobs that are opened again',
  waiveDeadLetters: 'dead letters to be waived',
};

function PlanLead({ plan: { target, filter, asOf, expiresAt } }: { readonly plan: PlanView }) {
  const now = useNow();
  const isOver = Date.parse(expiresAt) <= now;
  return (
    <span>
      {targetWords[target]}
      {filter !== null && (
        <>
          {' '}
          of <code>{visibleText(filter)}</code>
        </>
      )}
      , frozen {formatDuration(Math.max(0, now - Date.parse(asOf)))} ago ·{' '}
      {isOver ? (
        'expired'
      ) : (
        <>
          holds for <Countdown until={expiresAt} />
        </>
      )}
    </span>
  );
}

function Plan({ plan }: { readonly plan: PlanView }) {
  const { counts, bytesToRead, estimate, byCode, jobs, reduceAgain, warnings, cannot, changes, operationId, expiresAt, filter, target } = plan;
  const now = useNow();
  const isOver = Date.parse(expiresAt) <= now;
  const words = wordsOf(target);
  const isWaiver = target === 'waiveDeadLetters';
  return (
    <>
      {operationId !== null && (
        <p className={styles.note}>
          This plan was started: <Go to={pathOf.operation(operationId)}>see the operation</Go>.
        </p>
      )}
      {isOver && operationId === null && (
        <div className={styles.note}>
          <p>It has expired. Freezing it again shows what has changed since.</p>
          {filter !== null && target !== 'rejects' && <FreezeButton body={{ target, filter }}>Freeze again</FreezeButton>}
        </div>
      )}
      {operationId === null && <WithChanges plan={plan} />}
      {warnings.map(({ code, message }) => (
        <p key={`${code} ${message}`} className={styles.warning}>
          <StateBadge state="warning" word={code} /> {visibleText(message)}
        </p>
      ))}
      <Columns>
        <Panel title="What will happen">
          <table className={styles.sum}>
            <tbody>
              <SumLine sign="" value={counts.matched} name="match" />
              <SumLine sign="−" value={counts.resolvedSince} name="resolved since" />
              <SumLine sign="−" value={counts.cannot} name="cannot, see below" />
            </tbody>
            <tfoot>
              <SumLine sign="=" value={counts.willRedrive} name={words.will} />
            </tfoot>
          </table>
          {isWaiver && (
            <p className={styles.estimate}>
              {formatBytes(bytesToRead)} stay unread. Each counts as tolerated and its gap is named in the manifest; a job that failed for its budget alone then
              completes.
            </p>
          )}
          {!isWaiver && (
            <p className={styles.estimate}>
              {formatBytes(bytesToRead)} to read · about {formatDuration(estimate.requeueSeconds * 1_000)} to requeue
              {estimate.workSeconds !== null && <>, {formatDuration(estimate.workSeconds * 1_000)} of work</>}
            </p>
          )}
        </Panel>
        {operationId === null && !isOver && plan.confirm > 0 && (isWaiver ? <StartWaiver plan={plan} /> : <Start plan={plan} />)}
      </Columns>
      <Columns>
        <Panel title="By code">
          <ul className={styles.lines}>
            {Object.entries(byCode)
              .toSorted(([, one], [, other]) => other - one)
              .map(([code, count]) => (
                <li key={code}>
                  <code>{code}</code> <span>{formatCount(count)}</span>
                </li>
              ))}
          </ul>
        </Panel>
        <Panel title={`Jobs (${formatCount(jobs.length)})`}>
          <ul className={styles.lines}>
            {jobs.map(({ jobId, name, state, generation, items }) => (
              <li key={jobId}>
                <span>
                  <Go to={pathOf.job(jobId)}>{visibleText(name)}</Go> <StateBadge state={state} /> opens generation {generation + 1}
                </span>
                <span>{formatCount(items)}</span>
              </li>
            ))}
          </ul>
          {reduceAgain.map(({ jobId, stage, partitions }) => (
            <p key={`${jobId} ${stage}`}>
              {formatNoun(partitions, 'partition')} of stage {stage} may run again, as what they read changes.
            </p>
          ))}
        </Panel>
      </Columns>
      {changes.length > 0 && (
        <Panel title="What will be different">
          <table className={styles.changes}>
            <thead>
              <tr>
                <th scope="col">field</th>
                <th scope="col">was</th>
                <th scope="col">will be</th>
              </tr>
            </thead>
            <tbody>
              {changes.slice(0, shownChanges).map(({ jobId, pointer, first, now: next }) => (
                <tr key={`${jobId} ${pointer}`}>
                  <td>
                    <code>{visibleText(pointer.slice(1).replaceAll('/', '.'))}</code>
                    {jobs.length > 1 && <> of {visibleText(jobs.find((job) => job.jobId === jobId)?.name ?? jobId)}</>}
                  </td>
                  <td className={styles.was}>{changeText(first)}</td>
                  <td>{changeText(next)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {changes.length > shownChanges && <p>{formatCount(changes.length - shownChanges)} more.</p>}
        </Panel>
      )}
      {cannot.length > 0 && (
        <Panel title={`${words.cannot} (${formatCount(counts.cannot)})`} folded={cannot.length > 20}>
          <ul className={styles.lines}>
            {cannot.slice(0, 200).map(({ id, reason }) => (
              <li key={id}>
                <span>
                  <code>{visibleText(id)}</code>
                  <CopyButton text={id} what="id" />
                </span>
                <code>{visibleText(reason)}</code>
              </li>
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}

/** Another plan of the same, that runs with other budgets, limits or SQL. The form begins with the spec of the job that has most items. */
function WithChanges({ plan: { target, filter, jobs, overrides } }: { readonly plan: PlanView }) {
  const [most] = jobs.toSorted((one, other) => other.items - one.items);
  if (most === undefined || (target !== 'jobs' && target !== 'deadLetters')) return null;
  const what = target === 'jobs' ? { ids: jobs.map(({ jobId }) => jobId) } : filter === null ? null : { filter };
  if (what === null) return null;
  const isChanged = Object.keys(overrides).length > 0;
  return (
    <p className={styles.changeActs}>
      <OverrideButton small jobId={most.jobId} body={{ target, ...what, overrides }}>
        {isChanged ? 'Change more' : 'Run it with changes'}
      </OverrideButton>
      <span>
        Budgets, limits or SQL
        {jobs.length > 1 && (
          <>
            , of all {formatNoun(jobs.length, 'job')}; the form begins with {visibleText(most.name)}
          </>
        )}
        .
      </span>
    </p>
  );
}

function SumLine({ sign, value, name }: { readonly sign: string; readonly value: number; readonly name: string }) {
  return (
    <tr>
      <td className={styles.sign}>{sign}</td>
      <td className={styles.number}>{formatCount(value)}</td>
      <td>{name}</td>
    </tr>
  );
}

const shownChanges = 200;

/** Lines of a text stay lines: SQL is read better so. */
function changeText(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  return visibleText(typeof value === 'string' ? value : JSON.stringify(value), true);
}

/** Above so many items the number is typed: a hand that presses Enter too fast is not enough. */
const typeAbove = 1_000;

function Start({ plan }: { readonly plan: PlanView }) {
  const { planId, confirm } = plan;
  const navigate = useNavigate();
  const isProduction = useIsProduction();
  const [rate, setRate] = useState(plan.rate === null ? '' : String(plan.rate));
  const [canaryCount, setCanaryCount] = useState(plan.canary === null ? '' : String(plan.canary.count));
  const [minResolved, setMinResolved] = useState(String(Math.round((plan.canary?.minResolved ?? 0.8) * 100)));
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const choices = { rate, canaryCount, minResolved, reason, typed, confirm, mustType: confirm > typeAbove, needsReason: isProduction };
  const problem = startProblem(choices);
  const act = useAct({
    call: (_: null, actKey) =>
      api.call(
        'POST /redrives',
        {
          body: {
            planId,
            confirm,
            rate: rate.trim() === '' ? null : Number(rate),
            canary: canaryCount.trim() === '' ? null : { count: Number(canaryCount), minResolved: Number(minResolved) / 100 },
            reason: reason.trim(),
          },
        },
        { idempotencyKey: actKey },
      ),
    showsFailure: true,
    onDone: (operation) => void navigate({ to: pathOf.operation(operation.operationId) }),
  });
  const submit = (): void => {
    if (problem === null && !act.isPending) act.mutate(null);
  };
  return (
    <Panel title="Start">
      <form {...submitting(submit)}>
        <div className={styles.fields}>
          <TextField label="Items a second" hint="Empty: no limit." inputMode="decimal" value={rate} onChange={(event) => setRate(event.currentTarget.value)} />
          <TextField
            label="Canary first"
            hint="Items that go first; empty: none."
            inputMode="numeric"
            value={canaryCount}
            onChange={(event) => setCanaryCount(event.currentTarget.value)}
          />
          <TextField
            label="of which resolved, %"
            hint="Else it pauses itself."
            inputMode="numeric"
            value={minResolved}
            disabled={canaryCount.trim() === ''}
            onChange={(event) => setMinResolved(event.currentTarget.value)}
          />
        </div>
        <AreaField
          label={isProduction ? 'Reason' : 'Reason (optional)'}
          hint="Kept in the audit and shown with the operation."
          rows={2}
          maxLength={1_000}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {confirm > typeAbove && <TypedField confirm={confirm} value={typed} onChange={setTyped} />}
        {act.error !== null && <ProblemNote error={act.error} doing="start it" />}
        <Button type="submit" tone={isProduction ? 'danger' : 'accent'} disabled={problem !== null} busy={act.isPending} title={problem ?? '⌘Enter'}>
          {wordsOf(plan.target).verb} {formatCount(confirm)}
        </Button>
        {problem !== null && <p className={styles.problem}>{problem}</p>}
      </form>
    </Panel>
  );
}

/** A submit by button or Enter in a field, and ⌘Enter from anywhere in the form. */
const submitting = (submit: () => void) => ({
  onSubmit: (event: SubmitEvent) => {
    event.preventDefault();
    submit();
  },
  onKeyDown: (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || (!event.metaKey && !event.ctrlKey)) return;
    event.preventDefault();
    submit();
  },
});

function TypedField({ confirm, value, onChange }: { readonly confirm: number; readonly value: string; readonly onChange: (text: string) => void }) {
  return (
    <TextField
      label={`Type ${confirm} to confirm`}
      inputMode="numeric"
      autoComplete="off"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

/** A waiver runs nothing, so it has no pace; it stands under a reason, always. */
function StartWaiver({ plan: { planId, confirm } }: { readonly plan: PlanView }) {
  const navigate = useNavigate();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const problem = waiverProblem({ reason, typed, confirm, mustType: confirm > typeAbove });
  const act = useAct({
    call: (_: null, actKey) => api.call('POST /waivers', { body: { planId, confirm, reason: reason.trim() } }, { idempotencyKey: actKey }),
    showsFailure: true,
    onDone: (operation) => void navigate({ to: pathOf.operation(operation.operationId) }),
  });
  const submit = (): void => {
    if (problem === null && !act.isPending) act.mutate(null);
  };
  return (
    <Panel title="Start">
      <form {...submitting(submit)}>
        <AreaField
          label="Reason"
          hint="Why the gap may stay. Kept in the audit, with each letter and in the timeline of its job."
          rows={2}
          maxLength={1_000}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {confirm > typeAbove && <TypedField confirm={confirm} value={typed} onChange={setTyped} />}
        {act.error !== null && <ProblemNote error={act.error} doing="waive it" />}
        <Button type="submit" tone="danger" disabled={problem !== null} busy={act.isPending} title={problem ?? '⌘Enter'}>
          Waive {formatCount(confirm)}
        </Button>
        {problem !== null && <p className={styles.problem}>{problem}</p>}
      </form>
    </Panel>
  );
}
