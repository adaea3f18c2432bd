/** One reject closely: its place, why, and, for stewards who ask, its bytes, letters and fields. */
import type { RejectDetail } from '@millrace/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useMay } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Facts, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { bytesRows, decodeBase64 } from './bytes-view.ts';
import styles from './rejects.module.css';

export function RejectPeek({ rejectId }: { readonly rejectId: string }) {
  const [revealed, setRevealed] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: ['reject', rejectId, revealed],
    queryFn: ({ signal }) => api.call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content: revealed ? 'true' : 'false' } }, { signal }),
    placeholderData: (old) => old,
    staleTime: 60_000,
  });
  if (error !== null) return <ProblemNote error={error} doing="show the reject" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the reject" />;
  return <Peek reject={data} onReveal={() => setRevealed(true)} />;
}

function Peek({ reject, onReveal }: { readonly reject: RejectDetail; readonly onReveal: () => void }) {
  const {
    rejectId,
    jobId,
    stage,
    chunkId,
    code,
    message,
    hint,
    state,
    file,
    record,
    line,
    byte,
    byteEnd,
    errorLine,
    errorByte,
    column,
    expected,
    replay,
    previous,
    next,
    errors,
  } = reject;
  const index = Number(chunkId.split('.').at(-1));
  return (
    <>
      <p className={styles.head}>
        <StateBadge state={state === 'replayed' ? 'resolved' : state === 'replaying' ? 'redriving' : 'open'} word={state} />
        <a href={`/docs/errors/${encodeURIComponent(code)}`}>
          <code>{code}</code>
        </a>
        <Id id={rejectId} most={20} what="reject id" />
        {previous !== null && <Go to={`/rejects/${previous}`}>previous</Go>}
        {next !== null && <Go to={`/rejects/${next}`}>next</Go>}
      </p>
      <p className={styles.message}>{visibleText(message, true)}</p>
      {hint !== '' && <p className={styles.hint}>{visibleText(hint)}</p>}
      <Facts
        facts={[
          ['File', <Id key="file" id={file} most={40} what="location" />],
          record === null ? null : ['Record', formatCount(record)],
          line === null
            ? null
            : ['Line', errorLine !== null && errorLine !== line ? `${formatCount(line)}, at fault ${formatCount(errorLine)}` : formatCount(line)],
          byte === null ? null : ['Bytes', `${formatCount(byte)} to ${byteEnd === null ? '?' : formatCount(byteEnd)}`],
          errorByte === null ? null : ['At fault', `byte ${formatCount(errorByte)}`],
          column === null ? null : ['Column', visibleText(column)],
          expected === null ? null : ['Expected', visibleText(expected)],
          ['Chunk', <Go key="chunk" to={pathOf.chunk(jobId, stage, index)}>{`${stage}.${index}`}</Go>],
        ]}
      />
      {errors.length > 1 && (
        <ul className={styles.groups}>
          {errors.map((fault) => (
            <li key={`${fault.code} ${fault.column} ${fault.byte}`}>
              <span>
                <code>{fault.code}</code> {fault.column !== null && visibleText(fault.column)}
              </span>
              <span>{visibleText(fault.message)}</span>
            </li>
          ))}
        </ul>
      )}
      <Content reject={reject} onReveal={onReveal} />
      {replay !== null && (
        <p className={styles.hint}>
          Replayed by {visibleText(replay.by)} <Time at={replay.at} />
          {replay.corrected ? ', corrected' : ''}, generation {replay.generation}
          {replay.reason !== '' && <>: “{visibleText(replay.reason)}”</>}
        </p>
      )}
      <p className={styles.more}>
        {fileName(file)}: <code>millrace peek</code> shows what stands around it.
      </p>
    </>
  );
}

function Content({ reject, onReveal }: { readonly reject: RejectDetail; readonly onReveal: () => void }) {
  const { raw, rawBytes, rawTruncated, value, valueCharacters, fields, byte, errorByte } = reject;
  const maySee = useMay('steward');
  if (raw === null) {
    return (
      <p className={styles.masked}>
        <span aria-hidden>▇▇▇</span> {formatBytes(rawBytes)} of the record
        {valueCharacters !== null && <>, value of {formatNoun(valueCharacters, 'character')}</>}
        {maySee && (
          <Button small onClick={onReveal} title="The view is recorded in the audit">
            reveal
          </Button>
        )}
      </p>
    );
  }
  const rows = bytesRows(decodeBase64(raw), byte ?? 0, errorByte);
  return (
    <>
      {value !== null && (
        <p>
          Value: <code className={styles.value}>{visibleText(value)}</code>
        </p>
      )}
      {fields !== null && fields.length > 0 && (
        <dl className={styles.fields}>
          {fields.map(({ name, value: text }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: fields may share a name, and their order is theirs
            <div key={at} data-culprit={name !== null && name === reject.column ? true : undefined}>
              <dt>{visibleText(name ?? `field ${at + 1}`)}</dt>
              <dd>
                <code>{visibleText(text)}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: many rows are scrolled with the keys */}
      <div className={styles.hexFrame} tabIndex={0} role="group" aria-label="bytes of the record">
        <table className={styles.hex}>
          <tbody>
            {rows.map((row) => (
              <tr key={row.offset}>
                <th scope="row">{formatCount(row.offset)}</th>
                <td>
                  {row.hex.map((digits, at) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: bytes are their places
                    <span key={at} data-culprit={at === row.culprit || undefined}>
                      {digits}{' '}
                    </span>
                  ))}
                </td>
                <td>
                  {row.letters.map((letter, at) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: bytes are their places
                    <span key={at} data-culprit={at === row.culprit || undefined}>
                      {letter}
                    </span>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rawTruncated && <p>Only the beginning of the record was kept.</p>}
    </>
  );
}
