/** Any place of an input: the record at a byte or with a number, or a reject, as fields, text and hex, with steps to its neighbours. The address is the place. */
import type { RejectView } from '@millrace/api-contract';
import type { DataOf } from '@millrace/api-contract/client';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type SubmitEvent, useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useKeys } from '../../keys/keys.ts';
import { useMay } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { CopyButton, Id } from '../../ui/id.tsx';
import { Empty, Facts, Page, Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { filesQuery, useJob } from '../job/queries.ts';
import { BytesView } from './bytes-view.tsx';
import { NearbyBytes } from './nearby-bytes.tsx';
import { type PeekSearch, type PeekTarget, peekCommand, peekTarget, wholeNumber } from './peek-target.ts';
import { RecordFields } from './record-fields.tsx';
import { bytesOfBase64 } from './reject-bytes.ts';
import { RejectPeek } from './reject-peek.tsx';
import styles from './rejects.module.css';

type JobId = RejectView['jobId'];
type RecordView = DataOf<'GET /jobs/{jobId}/record'>;

export function PeekScreen() {
  const { job } = useParams({ from: '/app/jobs/$job/peek' });
  const jobId = job as JobId;
  const search = useSearch({ from: '/app/jobs/$job/peek' });
  const navigate = useNavigate();
  const { data } = useJob(jobId);
  const maySee = useMay('steward');
  const name = data === undefined ? 'Job' : visibleText(data.name);
  const target = peekTarget(jobId, search);
  const show = (to: PeekSearch): void => void navigate({ to: pathOf.peek(jobId), search: to as never, resetScroll: false });
  return (
    <Page
      title={`Peek · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> peek
        </>
      }
      lead="What stands at a place of an input, at the version that this job has pinned."
      acts={
        target !== null && (
          <>
            <CopyButton text={window.location.href} what="link to this place">
              link
            </CopyButton>
            <CopyButton text={peekCommand(jobId, target)} what="command that shows this place">
              millrace peek …
            </CopyButton>
          </>
        )
      }
    >
      {maySee && <PlaceForm key={JSON.stringify(search)} jobId={jobId} search={search} onShow={show} />}
      <div className={styles.alone} data-dims>
        {target?.kind === 'reject' && <RejectPeek rejectId={target.rejectId} onShow={(rejectId) => show({ reject: rejectId })} />}
        {!maySee && target?.kind !== 'reject' && (
          <Empty title="What stands in an input is shown to stewards.">
            <p>An administrator gives that role; each look is recorded in the audit.</p>
          </Empty>
        )}
        {maySee && target !== null && target.kind !== 'reject' && <RecordPlace jobId={jobId} target={target} onShow={show} />}
        {maySee && target === null && <Empty title="Say which record: by its number, or by a byte that lies in it." />}
      </div>
    </Page>
  );
}

interface PlaceFormProps {
  readonly jobId: JobId;
  readonly search: PeekSearch;
  readonly onShow: (to: PeekSearch) => void;
}

/** Where to look. Files beyond the first twelve are given by their number. */
function PlaceForm({ jobId, search, onShow }: PlaceFormProps) {
  const { data: files } = useQuery(filesQuery(jobId, undefined));
  const [file, setFile] = useState(search.file ?? '0');
  const [by, setBy] = useState<'record' | 'at'>(search.at !== undefined ? 'at' : 'record');
  const [place, setPlace] = useState(search.at ?? search.record ?? '');
  const number = wholeNumber(place);
  const isFine = number !== null && wholeNumber(file) !== null && !(by === 'record' && number === '0');
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isFine) onShow({ file, [by]: number });
  };
  const named = files?.data ?? [];
  const isMany = files?.nextCursor != null;
  return (
    <form className={styles.place} onSubmit={submit}>
      {isMany || named.length === 0 ? (
        <TextField label="File" hint="Its number, from 0." inputMode="numeric" value={file} onChange={(event) => setFile(event.currentTarget.value)} />
      ) : (
        <SelectField
          label="File"
          value={file}
          options={named.map((each) => ({ value: String(each.file), label: visibleText(fileName(each.uri)) }))}
          onChange={(event) => setFile(event.currentTarget.value)}
        />
      )}
      <SelectField
        label="By"
        value={by}
        options={[
          { value: 'record', label: 'number of the record' },
          { value: 'at', label: 'byte offset' },
        ]}
        onChange={(event) => setBy(event.currentTarget.value === 'at' ? 'at' : 'record')}
      />
      <TextField
        label={by === 'record' ? 'Record, from 1' : 'Byte, from 0'}
        inputMode="numeric"
        value={place}
        error={place.trim() === '' || isFine ? null : by === 'record' ? 'expected a whole number from 1' : 'expected a whole number from 0'}
        onChange={(event) => setPlace(event.currentTarget.value)}
      />
      <Button type="submit" tone="accent" disabled={!isFine} title="The view is recorded in the audit">
        Show
      </Button>
    </form>
  );
}

interface RecordPlaceProps {
  readonly jobId: JobId;
  readonly target: Exclude<PeekTarget, { kind: 'reject' }>;
  readonly onShow: (to: PeekSearch) => void;
}

/** Read once a place, as each time is a line of the audit: a link shows it only when it is asked to, steps from there at once. */
function RecordPlace({ jobId, target, onShow }: RecordPlaceProps) {
  const [shown, setShown] = useState(false);
  const { file } = target;
  const at = target.kind === 'record' ? { record: target.record } : { byte: target.byte };
  const { data, error, refetch, isPlaceholderData } = useQuery({
    queryKey: ['record', jobId, file, at],
    queryFn: ({ signal }) => api.call('GET /jobs/{jobId}/record', { params: { jobId }, query: { file, ...at } }, { signal }),
    enabled: shown,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
    gcTime: 0,
  });
  const step = (by: number): void => {
    if (data !== undefined && !isPlaceholderData && data.record + by >= 1) onShow({ file, record: String(data.record + by) });
  };
  useKeys([
    { keys: '[', does: 'Record before', group: 'Peek', run: () => step(-1) },
    { keys: ']', does: 'Record after', group: 'Peek', run: () => step(1) },
  ]);
  if (!shown) {
    return (
      <section className={styles.content} aria-label="content">
        <p className={styles.note}>Data of a record are hidden until somebody asks for them; each look is recorded in the audit.</p>
        <p>
          <Button tone="accent" onClick={() => setShown(true)} title="The view is recorded in the audit">
            Reveal
          </Button>
        </p>
      </section>
    );
  }
  if (error !== null) return <ProblemNote error={error} doing="read the record" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the record" />;
  return (
    <article className={styles.peek} data-stale={isPlaceholderData || undefined}>
      <p className={styles.steps}>
        <Button small disabled={data.record <= 1} onClick={() => step(-1)} title="[">
          Record before
        </Button>
        <Button small onClick={() => step(1)} title="]">
          Record after
        </Button>
      </p>
      <RecordAt jobId={jobId} view={data} wanted={target.kind === 'byte' ? Number(target.byte) : null} />
    </article>
  );
}

function RecordAt({ jobId, view, wanted }: { readonly jobId: JobId; readonly view: RecordView; readonly wanted: number | null }) {
  const { file, uri, chunk, record, line, byte, byteEnd, fields, raw, rawTruncated, reject } = view;
  const [, stage = '', index = ''] = chunk.split('.').length === 3 ? chunk.split('.') : ['', ...chunk.split('.')];
  const errors = reject?.errors ?? [];
  const at = errors.find((each) => each.byte !== null)?.byte ?? wanted ?? byte;
  const bytes = bytesOfBase64(raw);
  return (
    <>
      <h2 className={styles.what}>Record {formatCount(record)}</h2>
      <Facts
        facts={[
          ['File', <Id key="file" id={uri} most={44} what="location" />],
          line === null ? null : ['Line', formatCount(line)],
          byte === null ? null : ['Bytes', byteEnd === null ? `from ${formatCount(byte)}` : `${formatCount(byte)} to ${formatCount(byteEnd)}`],
          [
            'Chunk',
            <Go key="chunk" to={pathOf.chunk(jobId, stage, Number(index))}>
              {stage} {formatCount(Number(index))}
            </Go>,
          ],
          ['Can be read', reject === null ? 'yes' : `no, ${formatNoun(errors.length, 'fault')}`],
        ]}
      />
      {reject !== null && (
        <ul className={styles.faults} aria-label="what is wrong with it">
          {errors.map((fault) => (
            <li key={`${fault.code} ${fault.column} ${fault.byte}`}>
              <a href={`/docs/errors/${encodeURIComponent(fault.code)}`}>
                <code>{fault.code}</code>
              </a>{' '}
              {fault.column !== null && <b>{visibleText(fault.column)}</b>} {visibleText(fault.message)}
            </li>
          ))}
        </ul>
      )}
      {reject !== null && reject.hint !== '' && <p className={styles.hint}>What may cure it: {visibleText(reject.hint)}.</p>}
      <section className={styles.content} aria-label="content">
        {fields.length > 0 && <RecordFields fields={fields} columns={errors.flatMap(({ column }) => (column === null ? [] : [column]))} />}
        {bytes.length > 0 && (
          <BytesView
            key={`bytes ${file} ${record}`}
            bytes={bytes}
            base={byte ?? 0}
            fault={byte === null || at === null || at < byte || (wanted === null && reject === null) ? null : at - byte}
            label="the record"
          />
        )}
        {rawTruncated && <p className={styles.note}>Only its first {formatBytes(bytes.length)} are shown.</p>}
        <NearbyBytes
          key={`near ${file} ${record}`}
          place={{ key: `${jobId} ${file} ${record}`, jobId, at: byte === null ? null : at, fileOf: () => Promise.resolve(file) }}
        />
      </section>
    </>
  );
}
