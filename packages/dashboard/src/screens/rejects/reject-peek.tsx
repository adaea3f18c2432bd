/** One reject: where it stands, what is wrong with it and what would cure it; its value, fields and bytes once a steward asks for them. */
import type { RejectDetail } from '@millrace/api-contract';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useKeys } from '../../keys/keys.ts';
import { useMay } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, copyText, Id } from '../../ui/id.tsx';
import { Masked } from '../../ui/masked.tsx';
import { Facts, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import { Time } from '../../ui/time.tsx';
import { BytesView } from './bytes-view.tsx';
import { NearbyBytes, placeOfReject } from './nearby-bytes.tsx';
import { RecordFields } from './record-fields.tsx';
import { bytesOfBase64 } from './reject-bytes.ts';
import styles from './rejects.module.css';

type RejectId = RejectDetail['rejectId'];

interface RejectPeekProps {
  readonly rejectId: string;
  /** Shows the reject before or behind it. */
  readonly onShow: (rejectId: string) => void;
}

export function RejectPeek({ rejectId, onShow }: RejectPeekProps) {
  const { data, error, refetch, isPlaceholderData } = useQuery({
    queryKey: ['reject', rejectId],
    queryFn: ({ signal }) => api.call('GET /rejects/{rejectId}', { params: { rejectId: rejectId as RejectId } }, { signal }),
    placeholderData: keepPreviousData,
  });
  const step = (to: string | null | undefined): void => {
    if (to != null && !isPlaceholderData) onShow(to);
  };
  useKeys([
    { keys: '[', does: 'Reject before', group: 'Reject', run: () => step(data?.previous) },
    { keys: ']', does: 'Reject after', group: 'Reject', run: () => step(data?.next) },
    { keys: 'y', does: 'Copy the id of the reject', group: 'Reject', run: () => void copyText(rejectId) },
  ]);
  if (error !== null) return <ProblemNote error={error} doing="read the reject" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the reject" />;
  return (
    <article className={styles.peek} data-stale={isPlaceholderData || undefined}>
      <p className={styles.steps}>
        <Button small disabled={data.previous === null} onClick={() => step(data.previous)} title="[">
          Reject before
        </Button>
        <Button small disabled={data.next === null} onClick={() => step(data.next)} title="]">
          Reject after
        </Button>
        <CopyButton text={`${window.location.origin}/rejects/${encodeURIComponent(data.rejectId)}`} what="link to this reject">
          link
        </CopyButton>
      </p>
      <h2 className={styles.what}>
        <code>{data.code}</code> <StateBadge state={data.state} />
      </h2>
      <p className={styles.sentence}>{visibleText(data.message, true)}</p>
      {data.hint !== '' && (
        <p className={styles.hint}>
          What may cure it: {visibleText(data.hint)}. <a href={`/docs/errors/${encodeURIComponent(data.code)}`}>More about it</a>
        </p>
      )}
      <Place reject={data} />
      {data.errors.length > 1 && <Faults reject={data} />}
      {data.replay !== null && <Replay replay={data.replay} jobId={data.jobId} />}
      <Content key={data.rejectId} reject={data} />
    </article>
  );
}

function Place({ reject }: { readonly reject: RejectDetail }) {
  const { jobId, stage, chunkId, file, record, line, byte, byteEnd, errorLine, errorByte, column, columnIndex, expected, etag, rejectId } = reject;
  const index = Number(chunkId.split('.').at(-1));
  return (
    <Facts
      facts={[
        ['File', <Id key="file" id={file} most={44} what="location" />],
        record === null ? null : ['Record', formatCount(record)],
        line === null
          ? null
          : ['Line', errorLine === null || errorLine === line ? formatCount(line) : `${formatCount(line)}, at fault ${formatCount(errorLine)}`],
        byte === null ? null : ['Bytes', byteEnd === null ? `from ${formatCount(byte)}` : `${formatCount(byte)} to ${formatCount(byteEnd)}`],
        errorByte === null ? null : ['At byte', formatCount(errorByte)],
        column === null ? null : ['Column', `${visibleText(column)}${columnIndex === null ? '' : ` (number ${formatCount(columnIndex + 1)})`}`],
        expected === null ? null : ['Expected', visibleText(expected)],
        [
          'Chunk',
          <Go key="chunk" to={pathOf.chunk(jobId, stage, index)}>
            {stage} {formatCount(index)}
          </Go>,
        ],
        ['File version', <Id key="etag" id={etag} what="etag of the file" />],
        ['Reject', <Id key="id" id={rejectId} most={22} what="reject id" />],
      ]}
    />
  );
}

function Faults({ reject: { errors } }: { readonly reject: RejectDetail }) {
  return (
    <section aria-label="all that is wrong with it">
      <h3 className={styles.part}>All that is wrong with it</h3>
      <ul className={styles.faults}>
        {errors.map((fault) => (
          <li key={`${fault.code} ${fault.column} ${fault.byte}`}>
            <code>{fault.code}</code> {fault.column !== null && <b>{visibleText(fault.column)}</b>} {visibleText(fault.message)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Replay({ replay, jobId }: { readonly replay: NonNullable<RejectDetail['replay']>; readonly jobId: string }) {
  const [, stage = '', index = ''] = replay.chunkId.split('.');
  return (
    <p className={styles.hint}>
      {replay.corrected ? 'Corrected and replayed' : 'Replayed'} in generation {replay.generation} by {visibleText(replay.by)} <Time at={replay.at} />, as{' '}
      <Go to={pathOf.chunk(jobId, stage, Number(index))}>
        {stage} {index}
      </Go>
      {replay.reason !== '' && <>: {visibleText(replay.reason)}</>}
    </p>
  );
}

/** Asked for once: each time it is asked is a line of the audit. */
const contentQuery = (rejectId: RejectId, shown: boolean) => ({
  queryKey: ['reject-content', rejectId],
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    api.call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content: 'true' } as const }, { signal }),
  enabled: shown,
  staleTime: Number.POSITIVE_INFINITY,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
  gcTime: 0,
});

function Content({ reject }: { readonly reject: RejectDetail }) {
  const maySee = useMay('steward');
  const [shown, setShown] = useState(false);
  const { data, error, refetch } = useQuery(contentQuery(reject.rejectId, shown));
  if (!shown || data === undefined) {
    return (
      <section aria-label="content">
        <Facts
          facts={[
            reject.valueCharacters === null ? null : ['Value', <Masked key="value" value={null} length={reject.valueCharacters} />],
            ['Record', <Masked key="record" value={null} length={reject.rawBytes} unit="byte" />],
          ]}
        />
        {maySee && <p className={styles.note}>Data of a record are hidden until somebody asks for them; each look is recorded in the audit.</p>}
        {maySee ? (
          <Button
            tone="accent"
            busy={shown && error === null}
            title="The view is recorded in the audit"
            onClick={() => (shown ? void refetch() : setShown(true))}
          >
            Reveal
          </Button>
        ) : (
          <p className={styles.note}>A steward may see what stands there.</p>
        )}
        {error !== null && <ProblemNote error={error} doing="show the record" />}
      </section>
    );
  }
  return <Revealed reject={data} />;
}

function Revealed({ reject }: { readonly reject: RejectDetail }) {
  const { value, raw, fields, byte, errorByte, rawTruncated, rawBytes, replay, column } = reject;
  const fault = byte === null || errorByte === null || errorByte < byte ? null : errorByte - byte;
  return (
    <section className={styles.content} aria-label="content">
      {value !== null && (
        <>
          <h3 className={styles.part}>Value</h3>
          <p className={styles.value}>
            <code>{visibleText(value)}</code> <CopyButton text={value} what="value" />
          </p>
        </>
      )}
      {fields !== null && <RecordFields fields={fields} columns={column === null ? [] : [column]} />}
      {raw !== null && <BytesView bytes={bytesOfBase64(raw)} base={byte ?? 0} fault={fault} label="the record" />}
      {rawTruncated && <p className={styles.note}>Only its first {formatBytes(rawBytes)} were kept.</p>}
      {replay?.corrected === true && replay.raw !== null && (
        <>
          <h2 className={styles.what}>Read in its place</h2>
          <BytesView bytes={bytesOfBase64(replay.raw)} base={0} fault={null} label="the corrected record" />
        </>
      )}
      <NearbyBytes place={placeOfReject(reject)} />
    </section>
  );
}
