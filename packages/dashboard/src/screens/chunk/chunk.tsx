/** One chunk: what it reads, how it stands, and the story of its attempts, the newest open. */
import type { AttemptRow, ChunkDetail } from '@millrace/api-contract';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useKeys } from '../../keys/keys.ts';
import { useMay } from '../../session.ts';
import { ConfirmDialog } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, copyText, Id } from '../../ui/id.tsx';
import { Columns, Facts, Page, Panel, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Countdown } from '../../ui/time.tsx';
import { BalanceSum } from '../job/balance-sum.tsx';
import { FreezeButton, useFreeze } from '../job/freeze-button.tsx';
import { jobKey, useJob } from '../job/queries.ts';
import { AttemptDifference } from './attempt-difference-table.tsx';
import { AttemptStory, type StoryOf } from './attempt-story.tsx';
import styles from './chunk.module.css';

type JobId = ChunkDetail['jobId'];

export function ChunkScreen() {
  const { job, stage, index } = useParams({ from: '/app/jobs/$job/chunks/$stage/$index' });
  const jobId = job as JobId;
  return stage === 'plan' || stage === 'finish' ? (
    <TaskPage jobId={jobId} stage={stage} index={index} />
  ) : (
    <ChunkPage jobId={jobId} stage={stage} index={index} />
  );
}

interface PlaceProps {
  readonly jobId: JobId;
  readonly stage: string;
  readonly index: string;
}

const attemptsQuery = ({ jobId, stage, index }: PlaceProps) =>
  queryOptions({
    queryKey: [...jobKey(jobId), 'attempts', stage, index],
    queryFn: ({ signal }) =>
      api.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts', { params: { jobId, stage, index }, query: { limit: 200 } }, { signal }),
  });

const taskWords = {
  plan: {
    name: 'planning',
    about: 'Planning reads a file once, finds out how it is written, and cuts it into chunks. A file that cannot be planned is a dead letter of its own.',
  },
  finish: { name: 'finishing', about: 'Finishing sums up the receipts of all chunks, checks the balance, and writes the manifest.' },
} as const;

/** Planning and finishing are no chunks: they read no range and have no receipt, but attempts, and a dead letter when they fail for good. */
function TaskPage({ jobId, stage, index }: PlaceProps & { readonly stage: keyof typeof taskWords }) {
  const { data: job } = useJob(jobId);
  const attempts = useQuery(attemptsQuery({ jobId, stage, index }));
  const letters = useQuery({
    queryKey: ['deadLetters', 'of', jobId, stage, index],
    queryFn: ({ signal }) => api.call('GET /dead-letters', { query: { q: `job:${jobId} stage:${stage}`, limit: 200 } }, { signal }),
  });
  const letter = letters.data?.data.find((each) => String(each.index) === index);
  const name = job === undefined ? 'Job' : visibleText(job.name);
  const { name: what, about } = taskWords[stage];
  const rows = attempts.data?.data ?? [];
  const state = letter !== undefined ? 'dead' : rows[0]?.outcome === 'committed' ? 'committed' : 'pending';
  const of: StoryOf = {
    chunkId: `${jobId}.${stage}.${index}` as StoryOf['chunkId'],
    jobId,
    stage,
    index: Number(index),
    state,
    retryAt: null,
    bytes: letter?.bytes ?? 0,
    history: rows,
  };
  return (
    <Page
      title={`${what} ${index} · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> {what}
          {letter !== undefined && <StateBadge state="dead" large />}
        </>
      }
      lead={about}
      acts={letter !== undefined && <LetterActs deadLetterId={letter.deadLetterId} />}
    >
      {attempts.error !== null && <ProblemNote error={attempts.error} doing="list the attempts" onRetry={() => void attempts.refetch()} />}
      {attempts.data === undefined && attempts.error === null && <Waiting what="the attempts" />}
      <div data-dims>
        {letter != null && letter.uri !== null && (
          <Panel title="Reads">
            <Facts
              facts={[
                ['File', <Id key="file" id={letter.uri} most={64} what="location" />],
                ['Size', formatBytes(letter.bytes)],
              ]}
            />
          </Panel>
        )}
        {attempts.data !== undefined && <Attempts chunk={of} attempts={rows} total={attempts.data.total} />}
      </div>
    </Page>
  );
}

function LetterActs({ deadLetterId }: { readonly deadLetterId: string }) {
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  if (!mayOperate) return null;
  return (
    <>
      <FreezeButton body={{ target: 'deadLetters', ids: [deadLetterId] }}>Redrive</FreezeButton>
      {maySteward && (
        <FreezeButton quiet body={{ target: 'waiveDeadLetters', ids: [deadLetterId] }}>
          Waive
        </FreezeButton>
      )}
    </>
  );
}

function ChunkPage({ jobId, stage, index }: PlaceProps) {
  const params = { jobId, stage, index };
  const jobData = useJob(jobId).data;
  const chunk = useQuery({
    queryKey: [...jobKey(jobId), 'chunk', stage, index],
    queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params }, { signal }),
  });
  const attempts = useQuery(attemptsQuery({ jobId, stage, index }));
  const { data, error } = chunk;
  const name = jobData === undefined ? 'Job' : visibleText(jobData.name);
  const title = `${stage}.${index}`;
  return (
    <Page
      title={`Chunk ${title} · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> <Go to={pathOf.stage(jobId, stage)}>{stage}</Go>{' '}
          <span className={styles.slash}>/</span> chunk {formatCount(Number(index))}
          {data !== undefined && <StateBadge state={data.state} large />}
        </>
      }
      lead={data !== undefined && <Id id={data.chunkId} most={44} what="chunk id" />}
      acts={data !== undefined && <ChunkActs chunk={data} />}
    >
      {error !== null && <ProblemNote error={error} doing="read the chunk" onRetry={() => void chunk.refetch()} />}
      {data === undefined && error === null && <Waiting what="the chunk" />}
      {data !== undefined && (
        <div data-dims>
          <WhatItReads chunk={data} />
          {attempts.error !== null && <ProblemNote error={attempts.error} doing="list the attempts" onRetry={() => void attempts.refetch()} />}
          {attempts.data !== undefined && <Attempts chunk={data} attempts={attempts.data.data} total={attempts.data.total} />}
          {data.receipt !== null && <ReceiptPanel chunk={data} receipt={data.receipt} />}
        </div>
      )}
    </Page>
  );
}

function ChunkActs({ chunk }: { readonly chunk: ChunkDetail }) {
  const { jobId, stage, index, state, retryAt, deadLetterId } = chunk;
  const mayOperate = useMay('operator');
  const maySteward = useMay('steward');
  const [asking, setAsking] = useState(false);
  const freeze = useFreeze();
  useKeys([
    ...(mayOperate && deadLetterId !== null
      ? [{ keys: 'r', does: 'Redrive the chunk', group: 'Chunk', run: () => freeze.mutate({ target: 'deadLetters', ids: [deadLetterId] }) }]
      : []),
    ...(maySteward && deadLetterId !== null
      ? [{ keys: 'v', does: 'Waive the chunk', group: 'Chunk', run: () => freeze.mutate({ target: 'waiveDeadLetters', ids: [deadLetterId] }) }]
      : []),
  ]);
  if (!mayOperate) return null;
  return (
    <>
      {state === 'retrying' && (
        <Button onClick={() => setAsking(true)}>
          Retry now
          {retryAt !== null && (
            <>
              {' '}
              (in <Countdown until={retryAt} />)
            </>
          )}
        </Button>
      )}
      {deadLetterId !== null && <LetterActs deadLetterId={deadLetterId} />}
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        title="End the wait?"
        verb="Retry now"
        act={(reason, actKey) =>
          api.call(
            'POST /jobs/{jobId}/chunks/{stage}/{index}/retry-now',
            { params: { jobId, stage, index: String(index) }, body: { reason } },
            { idempotencyKey: actKey },
          )
        }
      >
        <p className={styles.dialogText}>The next attempt begins as soon as a slot is free, instead of when its delay is over.</p>
      </ConfirmDialog>
    </>
  );
}

function WhatItReads({ chunk }: { readonly chunk: ChunkDetail }) {
  const { uri, start, end, record, records, bytes, kind, files, shares, keys, partition, isReplay, generation, rejects, jobId } = chunk;
  return (
    <Panel
      title={isReplay ? 'Replays rejects of' : 'Reads'}
      aside={start !== null && uri !== null && kind !== 'rows' && <PeekLinks chunk={chunk} uri={uri} start={start} />}
    >
      <Facts
        facts={[
          uri === null ? null : ['File', <Id key="file" id={uri} most={64} what="location" />],
          files > 1 ? ['Files', formatNoun(files, 'small file')] : null,
          partition === null ? null : ['Partition', formatCount(partition)],
          start === null || end === null ? null : [kind === 'rows' ? 'Rows' : 'Bytes', `${formatCount(start)} to ${formatCount(end)}`],
          ['Size', formatBytes(bytes)],
          record === null ? null : ['First record', formatCount(record)],
          records === null ? null : ['Records', formatCount(records)],
          ['Generation', generation],
          rejects === null
            ? null
            : [
                'Rejects',
                rejects === 0 ? (
                  '0'
                ) : (
                  <Go key="rejects" to={pathOf.jobRejects(jobId)} search={{ q: `chunk:${chunk.index}` }}>
                    {formatCount(rejects)}
                  </Go>
                ),
              ],
          ['Kind', kind],
        ]}
      />
      {shares.length > 0 && (
        <details className={styles.more}>
          <summary>{formatNoun(shares.length, 'file')}</summary>
          <ul>
            {shares.map((share) => (
              <li key={share.file}>
                {visibleText(fileName(share.uri))} {formatBytes(share.end - share.start)}
              </li>
            ))}
          </ul>
        </details>
      )}
      {keys.length > 0 && (
        <details className={styles.more}>
          <summary>{formatNoun(keys.length, 'key')}</summary>
          <ul>
            {keys.map((key) => (
              <li key={key}>
                <code>{visibleText(key)}</code>
              </li>
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

/** One word of a shell, whatever stands in it. */
const shellWord = (text: string): string => (/^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function PeekLinks({ chunk: { jobId, file }, uri, start }: { readonly chunk: ChunkDetail; readonly uri: string; readonly start: number }) {
  const maySee = useMay('steward');
  return (
    <>
      {maySee && file !== null && (
        <Go to={pathOf.peek(jobId)} search={{ file: String(file), at: String(start) }}>
          its first bytes
        </Go>
      )}
      <CopyButton text={`millrace peek ${jobId} --at ${start} --file ${shellWord(fileName(uri))}`} what="command to peek at its first bytes">
        millrace peek …
      </CopyButton>
    </>
  );
}

interface AttemptsProps {
  readonly chunk: StoryOf;
  readonly attempts: readonly AttemptRow[];
  readonly total: number | null;
}

function Attempts({ chunk, attempts, total }: AttemptsProps) {
  const search = useSearch({ from: '/app/jobs/$job/chunks/$stage/$index' });
  const navigate = useNavigate({ from: '/jobs/$job/chunks/$stage/$index' });
  const at = Math.max(
    0,
    attempts.findIndex(({ attemptId }) => attemptId === search.attempt),
  );
  const shown = attempts[at];
  const other = attempts.find(({ attemptId }) => attemptId === search.with);
  const show = (index: number): void => {
    const next = attempts[index];
    if (next !== undefined)
      void navigate({ search: (old) => ({ ...old, attempt: index === 0 ? undefined : next.attemptId }), replace: true, resetScroll: false });
  };
  const compare = (attemptId: string | undefined): void => void navigate({ search: (old) => ({ ...old, with: attemptId }), replace: true, resetScroll: false });
  useKeys([
    { keys: '[', does: 'Attempt before', group: 'Chunk', run: () => show(at + 1) },
    { keys: ']', does: 'Attempt after', group: 'Chunk', run: () => show(at - 1) },
    { keys: 'y', does: 'Copy the id of the chunk', group: 'Chunk', run: () => void copyText(chunk.chunkId) },
  ]);
  if (shown === undefined) {
    return (
      <Panel title="Attempts">
        <p>{chunk.state === 'committed' ? 'Its attempts are no longer kept; the receipt is below.' : 'No attempt was made yet.'}</p>
      </Panel>
    );
  }
  return (
    <Panel title={`Attempts (${formatCount(total ?? attempts.length)})`} aside={<span>[ and ] step through them</span>}>
      <div className={styles.attempts}>
        <ol className={styles.rail} aria-label="attempts, newest first">
          {attempts.map((attempt, index) => (
            <li key={attempt.attemptId}>
              <button type="button" className={styles.step} aria-current={index === at ? 'step' : undefined} onClick={() => show(index)}>
                <span className={styles.number}>{attempts.length - index}</span>
                <span className={styles.stepBody}>
                  <StateBadge state={attempt.outcome} />
                  {attempt.failure !== null && <code>{attempt.failure.code}</code>}
                </span>
              </button>
              {index !== at && (
                <Button
                  small
                  tone="quiet"
                  pressed={attempt.attemptId === search.with}
                  onClick={() => compare(attempt.attemptId === search.with ? undefined : attempt.attemptId)}
                >
                  compare
                </Button>
              )}
            </li>
          ))}
        </ol>
        <div className={styles.story}>
          {other !== undefined && other !== shown ? (
            <AttemptDifference
              one={shown}
              other={other}
              numbers={[attempts.length - at, attempts.length - attempts.indexOf(other)]}
              onClose={() => compare(undefined)}
            />
          ) : (
            <AttemptStory key={shown.attemptId} chunk={chunk} attempt={shown} number={attempts.length - at} />
          )}
        </div>
      </div>
    </Panel>
  );
}

function ReceiptPanel({ chunk, receipt }: { readonly chunk: ChunkDetail; readonly receipt: NonNullable<ChunkDetail['receipt']> }) {
  const { counts, byCode, repairs, parts, rejects, exchange, unread } = receipt;
  return (
    <Columns>
      <Panel title="Receipt: the sum">
        <BalanceSum balance={counts} rejectsTo={pathOf.jobRejects(chunk.jobId)} />
        <p className={styles.counts}>
          {formatBytes(counts.bytesIn)} read
          {counts.blankLines > 0 && <> · {formatNoun(counts.blankLines, 'blank line')}</>}
          {counts.commentLines > 0 && <> · {formatNoun(counts.commentLines, 'comment line')}</>}
          {counts.damagedBytes > 0 && <> · {formatBytes(counts.damagedBytes)} damaged</>}
          {Object.entries({ ...byCode, ...repairs }).map(([code, count]) => (
            <span key={code}>
              {' '}
              · {formatCount(count)} <code>{code}</code>
            </span>
          ))}
        </p>
      </Panel>
      <Panel title="Receipt: parts">
        <ul className={styles.parts}>
          {parts.map((part) => (
            <li key={part.uri}>
              <Id id={part.uri} most={48} what="location" /> {formatNoun(part.rows, 'row')}, {formatBytes(part.bytes)}, sha256{' '}
              <Id id={part.sha256} most={13} what="sha256" />
            </li>
          ))}
          {rejects.map((part) => (
            <li key={part.uri}>
              <Id id={part.uri} most={48} what="location" /> {formatNoun(part.rows, 'reject')}, {formatBytes(part.bytes)}
            </li>
          ))}
          {exchange !== null && (
            <li>
              handed on: {formatNoun(exchange.rows, 'row')} for {formatNoun(exchange.partitions, 'partition')}, {formatBytes(exchange.bytes)}
            </li>
          )}
          {unread.map((file) => (
            <li key={file.file} className={styles.bad}>
              file {file.file} was not read: {visibleText(file.message)} (<code>{file.code}</code>)
            </li>
          ))}
        </ul>
        <Facts
          facts={[
            ['Attempt', <Id key="attempt" id={receipt.attemptId} what="attempt id" />],
            ['Core', visibleText(receipt.coreVersion)],
            ['Result version', receipt.resultVersion],
            ['Generation', receipt.generation],
          ]}
        />
      </Panel>
    </Columns>
  );
}
