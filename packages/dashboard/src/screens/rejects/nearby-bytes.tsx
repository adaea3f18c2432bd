/** What stands around a place in a file, read from the file itself at the version that the job has pinned. */
import type { RejectDetail } from '@millrace/api-contract';
import { ApiError } from '@millrace/api-contract/client';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { formatCount } from '../../format/numbers.ts';
import { Button } from '../../ui/button.tsx';
import { inputClass } from '../../ui/field.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { BytesView } from './bytes-view.tsx';
import styles from './rejects.module.css';

const around = 256;
const windowBytes = 2 * around;

type JobId = RejectDetail['jobId'];

export interface FilePlace {
  /** Tells one place from another. */
  readonly key: string;
  readonly jobId: JobId;
  /** Null: the file has rows, no bytes to look at. */
  readonly at: number | null;
  /** Number of the file in the job. */
  readonly fileOf: (signal: AbortSignal) => Promise<number>;
}

export function placeOfReject({ jobId, rejectId, stage, chunkId, file: uri, byte, errorByte }: RejectDetail): FilePlace {
  return {
    key: rejectId,
    jobId,
    at: byte === null ? null : (errorByte ?? byte),
    fileOf: async (signal) => {
      const index = chunkId.split('.').at(-1) ?? '';
      const chunk = await api.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage, index } }, { signal });
      const file = chunk.shares.find((share) => share.uri === uri)?.file ?? chunk.file;
      if (file === null) throw new Error('its chunk reads no file of its own: the record above is all there is');
      return file;
    },
  };
}

/** A window of the file; each one that is read is a line of the audit, so it is read once. */
async function readWindow({ jobId, fileOf }: FilePlace, offset: number, signal: AbortSignal) {
  const file = await fileOf(signal);
  const answer = await api.raw(
    'GET /jobs/{jobId}/bytes',
    { params: { jobId }, query: { file: String(file), offset: String(offset), length: String(windowBytes) } },
    { signal, accept: 'application/octet-stream' },
  );
  const total = /\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1];
  return { bytes: new Uint8Array(await answer.arrayBuffer()), total: total === undefined ? null : Number(total) };
}

export function NearbyBytes({ place }: { readonly place: FilePlace }) {
  const { at } = place;
  const [offset, setOffset] = useState<number | null>(null);
  const [wanted, setWanted] = useState('');
  const query = useQuery({
    queryKey: ['bytes', place.key, offset],
    queryFn: ({ signal }) => readWindow(place, offset ?? 0, signal),
    enabled: offset !== null,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    gcTime: 0,
  });
  if (at === null) return null;
  if (offset === null) {
    return (
      <p>
        <Button onClick={() => setOffset(Math.max(0, at - around))} title="Reads the file itself; the view is recorded in the audit">
          Bytes around it in the file
        </Button>
      </p>
    );
  }
  const { data, error } = query;
  const isChanged = error instanceof ApiError && error.code === 'INPUT_CHANGED';
  const end = data === undefined ? null : offset + data.bytes.length;
  return (
    <section className={styles.content} aria-label="bytes around it">
      <h2 className={styles.what}>In the file</h2>
      <p className={styles.windows}>
        <Button small disabled={offset === 0} onClick={() => setOffset(Math.max(0, offset - around))}>
          − {around} bytes
        </Button>
        <Button
          small
          disabled={end === null || (data?.total != null && end >= data.total) || (data !== undefined && data.bytes.length < windowBytes)}
          onClick={() => setOffset(offset + around)}
        >
          + {around} bytes
        </Button>
        {end !== null && (
          <span>
            {formatCount(offset)} to {formatCount(end)}
            {data?.total != null && <> of {formatCount(data.total)}</>}
          </span>
        )}
      </p>
      <form
        className={styles.windows}
        onSubmit={(event) => {
          event.preventDefault();
          const next = Number(wanted.replaceAll(/[\s,_]/g, ''));
          if (Number.isSafeInteger(next) && next >= 0 && wanted.trim() !== '') setOffset(next);
        }}
      >
        <input
          className={inputClass}
          aria-label="offset to go to"
          placeholder="offset"
          inputMode="numeric"
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        <Button small type="submit">
          Go
        </Button>
      </form>
      {isChanged && <p className={styles.note}>The file is another one now. The record above is what was read.</p>}
      {error !== null && <ProblemNote error={error} doing="read the file" onRetry={() => void query.refetch()} />}
      {data !== undefined && <BytesView key={offset} bytes={data.bytes} base={offset} fault={at >= offset ? at - offset : null} label="the file" />}
    </section>
  );
}
