/** One attempt as a story: what came of it, in one sentence, what to do, and then everything that is known. */
import type { AttemptRow, ChunkDetail } from '@millrace/api-contract';
import { useState } from 'react';
import { api } from '../../api.ts';
import { useNow } from '../../clock.ts';
import { formatBytes, formatCount, formatDuration, formatNoun, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useMay } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, Id } from '../../ui/id.tsx';
import { Facts } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Countdown, Time } from '../../ui/time.tsx';
import { attemptSentence, ownFramesFirst, tookMs } from './attempt-difference.ts';
import styles from './chunk.module.css';

interface AttemptStoryProps {
  readonly chunk: StoryOf;
  readonly attempt: AttemptRow;
  readonly number: number;
}

const modeWords: Readonly<Record<string, string>> = { less: 'alone and in smaller batches', bisect: 'in halves, to find the record that kills the core' };

export function AttemptStory({ chunk, attempt, number }: AttemptStoryProps) {
  const { outcome, failure, worker, pod, node, coreVersion, startedAt, endedAt, bytesDone, recordsDone, mode, generation } = attempt;
  return (
    <article>
      <p className={styles.storyHead}>
        <b>Attempt {number}</b> <StateBadge state={outcome} /> generation {generation}
        {mode !== null && modeWords[mode] !== undefined && <> · {modeWords[mode]}</>}
        <Id id={attempt.attemptId} what="attempt id" />
      </p>
      <p className={styles.sentence}>{visibleText(attemptSentence(attempt), true)}</p>
      {failure !== null && (
        <p className={styles.hint}>
          <Go to={pathOf.errorGroup(failure.fingerprint)}>
            <code>{failure.code}</code>
          </Go>{' '}
          ({failure.class}){failure.hint !== '' && <>: {visibleText(failure.hint)}</>}
        </p>
      )}
      {chunk.state === 'retrying' && chunk.retryAt !== null && outcome === 'failed' && chunk.history[0]?.attemptId === attempt.attemptId && (
        <p className={styles.hint}>
          The next attempt begins in <Countdown until={chunk.retryAt} />.
        </p>
      )}
      {outcome === 'running' && <RunningBar chunk={chunk} attempt={attempt} />}
      <Facts
        facts={[
          worker === null
            ? null
            : [
                'Host',
                <Go key="host" to="/workers" search={{ q: worker }}>
                  {visibleText(worker)}
                </Go>,
              ],
          pod === null ? null : ['Pod', visibleText(pod)],
          node === null ? null : ['Node', visibleText(node)],
          coreVersion === null ? null : ['Core', visibleText(coreVersion)],
          startedAt === null ? null : ['Started', <Time key="started" at={startedAt} absolute />],
          endedAt === null ? null : ['Ended', <Time key="ended" at={endedAt} absolute />],
          tookMs(attempt) === null ? null : ['Took', formatDuration(tookMs(attempt) ?? 0)],
          bytesDone === null ? null : ['Read', `${formatBytes(bytesDone)} of ${formatBytes(chunk.bytes)}`],
          recordsDone === null ? null : ['Records', formatCount(recordsDone)],
          failure?.peakRssBytes == null ? null : ['Peak memory', formatBytes(failure.peakRssBytes)],
          failure?.signal == null ? null : ['Signal', visibleText(failure.signal)],
          failure?.exitCode == null ? null : ['Exit code', failure.exitCode],
          failure?.position == null ? null : ['Position', <Position key="position" position={failure.position} />],
        ]}
      />
      {failure !== null && <Evidence chunk={chunk} attempt={attempt} failure={failure} />}
    </article>
  );
}

function RunningBar({ chunk, attempt: { startedAt, bytesDone } }: { readonly chunk: StoryOf; readonly attempt: AttemptRow }) {
  const now = useNow();
  return (
    <p className={styles.hint}>
      {bytesDone !== null && chunk.bytes > 0 && <>{formatShare(bytesDone, chunk.bytes)} read · </>}
      {startedAt !== null && <>for {formatDuration(Math.max(0, now - Date.parse(startedAt)))}</>}
    </p>
  );
}

/** What the story of an attempt tells of its chunk; planning and finishing are no chunks, and have attempts too. */
export type StoryOf = Pick<ChunkDetail, 'chunkId' | 'jobId' | 'stage' | 'index' | 'state' | 'retryAt' | 'bytes'> & {
  readonly history: readonly Pick<ChunkDetail['history'][number], 'attemptId'>[];
};

type Failure = NonNullable<AttemptRow['failure']>;

function Position({ position: { uri, record, line, byte } }: { readonly position: NonNullable<Failure['position']> }) {
  const parts = [
    uri === null ? null : fileName(uri),
    record === null ? null : `record ${formatCount(record)}`,
    line === null ? null : `line ${formatCount(line)}`,
    byte === null ? null : `byte ${formatCount(byte)}`,
  ];
  return <>{visibleText(parts.filter((part) => part !== null).join(', '))}</>;
}

/** Lines beyond this are one press away: a stack of 5,000 lines must not slow the page. */
const mostLines = 200;

function Evidence({ chunk, attempt, failure }: { readonly chunk: StoryOf; readonly attempt: AttemptRow; readonly failure: Failure }) {
  const details = Object.entries(failure.details);
  return (
    <div className={styles.evidence}>
      {failure.causes.length > 0 && (
        <>
          <h3>Caused by</h3>
          <ol className={styles.causes}>
            {failure.causes.map((cause) => (
              <li key={cause}>{visibleText(cause, true)}</li>
            ))}
          </ol>
        </>
      )}
      {failure.backtrace !== null && <LongText title="Stack, own frames first" text={ownFramesFirst(failure.backtrace)} />}
      {failure.stderrTailCharacters > 0 && <StderrTail chunk={chunk} attempt={attempt} failure={failure} />}
      {details.length > 0 && (
        <details>
          <summary>Details</summary>
          <dl className={styles.details}>
            {details.map(([name, value]) => (
              <div key={name}>
                <dt>{visibleText(name)}</dt>
                <dd>
                  <code>{visibleText(typeof value === 'string' ? value : JSON.stringify(value), true)}</code>
                </dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}

function LongText({ title, text }: { readonly title: string; readonly text: string }) {
  const [all, setAll] = useState(false);
  const lines = text.split('\n');
  const shown = all ? text : lines.slice(0, mostLines).join('\n');
  return (
    <details open={lines.length <= 60}>
      <summary>
        {title} ({formatNoun(lines.length, 'line')}) <CopyButton text={text} what={title.toLowerCase()} />
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled with the keys */}
      <pre className={styles.text} tabIndex={0}>
        {visibleText(shown, true)}
      </pre>
      {!all && lines.length > mostLines && (
        <Button small onClick={() => setAll(true)}>
          Show all {formatCount(lines.length)} lines
        </Button>
      )}
    </details>
  );
}

/** The core's last words may hold data: a steward asks for them, and the view is recorded. */
function StderrTail({ chunk, attempt, failure }: { readonly chunk: StoryOf; readonly attempt: AttemptRow; readonly failure: Failure }) {
  const maySee = useMay('steward');
  const [tail, setTail] = useState<string | null>(failure.stderrTail);
  const [error, setError] = useState<unknown>(null);
  const reveal = async (): Promise<void> => {
    try {
      const params = { jobId: chunk.jobId, stage: chunk.stage, index: String(chunk.index), attemptId: attempt.attemptId };
      const shown = await api.call('GET /jobs/{jobId}/chunks/{stage}/{index}/attempts/{attemptId}', { params, query: { content: 'true' } });
      setTail(shown.failure?.stderrTail ?? '');
      setError(null);
    } catch (refusal) {
      setError(refusal);
    }
  };
  if (tail !== null) return <LongText title="Last words of the core" text={tail} />;
  return (
    <p className={styles.masked}>
      Last words of the core: <span aria-hidden>▇▇▇</span> {formatNoun(failure.stderrTailCharacters, 'character')}
      {maySee && (
        <Button small tone="quiet" title="The view is recorded in the audit" onClick={() => void reveal()}>
          reveal
        </Button>
      )}
      {error !== null && <ProblemNote error={error} doing="show them" />}
    </p>
  );
}
