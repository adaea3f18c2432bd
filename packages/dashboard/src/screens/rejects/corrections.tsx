/** An edited export that comes back: what it would change, cell by cell in numbers, then a replay of those records. Nothing runs before. */
import type { RejectView } from '@millrace/api-contract';
import type { DataOf } from '@millrace/api-contract/client';
import { useParams } from '@tanstack/react-router';
import { type DragEvent, useState } from 'react';
import { api } from '../../api.ts';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useMay } from '../../session.ts';
import { useAct } from '../../ui/act.tsx';
import { Go, pathOf } from '../../ui/go.tsx';
import { Id } from '../../ui/id.tsx';
import { Columns, Empty, Facts, Page, Panel } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { FreezeButton } from '../job/freeze-button.tsx';
import { useJob } from '../job/queries.ts';
import styles from './rejects.module.css';

type JobId = RejectView['jobId'];
type Answer = DataOf<'POST /jobs/{jobId}/corrections'>;

/** As much as the server takes. */
const mostBytes = 64 * 1024 * 1024;

/** By the ending of the name, as the command line does it. */
const mediaOf = (name: string) => (/\.(ndjson|jsonl)$/i.test(name) ? 'application/x-ndjson' : 'text/csv');

export function CorrectionsScreen() {
  const { job } = useParams({ from: '/app/jobs/$job/corrections' });
  const jobId = job as JobId;
  const maySteward = useMay('steward');
  const { data } = useJob(jobId);
  const name = data === undefined ? 'Job' : visibleText(data.name);
  return (
    <Page
      title={`Corrections · ${name}`}
      heading={
        <>
          <Go to={pathOf.job(jobId)}>{name}</Go> <span className={styles.slash}>/</span> <Go to={pathOf.jobRejects(jobId)}>rejects</Go>{' '}
          <span className={styles.slash}>/</span> corrections
        </>
      }
      lead="An export of rejects with cells set right. Rows are known by _reject_id; rows that were taken out stay as they are."
    >
      {maySteward ? <Upload jobId={jobId} /> : <Empty title="Corrections are for stewards: they hold what records hold." />}
    </Page>
  );
}

function Upload({ jobId }: { readonly jobId: JobId }) {
  const [over, setOver] = useState(false);
  const [file, setFile] = useState<File | null>(null);
  const act = useAct({
    call: (edited: File, actKey) => {
      if (edited.size > mostBytes) throw new Error(`${edited.name} has ${formatBytes(edited.size)}, more than ${formatBytes(mostBytes)}: upload it in pieces`);
      return api.call('POST /jobs/{jobId}/corrections', { params: { jobId }, body: edited, contentType: mediaOf(edited.name) }, { idempotencyKey: actKey });
    },
    showsFailure: true,
  });
  const take = (taken: File | null | undefined): void => {
    if (taken == null) return;
    setFile(taken);
    act.mutate(taken);
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is a shortcut of the field inside */}
      <div
        className={styles.drop}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <label>
          <span className={styles.dropLabel}>Edited export, CSV or NDJSON</span>
          <input
            type="file"
            accept=".csv,.ndjson,.jsonl,text/csv,application/x-ndjson"
            disabled={act.isPending}
            onChange={(event) => {
              take(event.currentTarget.files?.[0]);
              event.currentTarget.value = '';
            }}
          />
        </label>
        <p className={styles.note} role="status">
          {act.isPending ? `Reading ${visibleText(file?.name ?? 'it')} …` : 'or drop it here'}
        </p>
      </div>
      {act.isError && <ProblemNote error={act.error} doing={`take ${visibleText(file?.name ?? 'the export')}`} />}
      {act.isSuccess && !act.isPending && <Taken jobId={jobId} answer={act.data} name={file?.name ?? ''} />}
    </>
  );
}

function Taken({ jobId, answer, name }: { readonly jobId: JobId; readonly answer: Answer; readonly name: string }) {
  const { correctionId, matched, unchanged, changedCells, byCode, cannot, cannotTotal } = answer;
  const cells = Object.entries(changedCells);
  return (
    <>
      <Columns>
        <Panel title={`What ${visibleText(name)} changes`}>
          <Facts
            facts={[
              ['Matched', formatNoun(matched, 'reject')],
              ['Changed', formatNoun(matched - unchanged, 'reject')],
              ['Unchanged', formatNoun(unchanged, 'reject')],
              ['Cannot', formatNoun(cannotTotal, 'reject')],
              ['Corrections', <Id key="id" id={correctionId} what="correction id" />],
            ]}
          />
        </Panel>
        <Panel title="Changed cells by column">
          {cells.length === 0 ? (
            <p>No cell was changed: a replay reads the records as they are.</p>
          ) : (
            <Facts facts={cells.map(([column, count]) => [visibleText(column), formatCount(count)] as const)} />
          )}
        </Panel>
        <Panel title="By code">
          <Facts facts={Object.entries(byCode).map(([code, count]) => [code, formatCount(count)] as const)} wide />
        </Panel>
        {cannotTotal > 0 && (
          <Panel title="Cannot be replayed">
            <ul className={styles.faults}>
              {cannot.slice(0, 100).map(({ rejectId, reason }) => (
                <li key={rejectId}>
                  <Go to={`/rejects/${encodeURIComponent(rejectId)}`}>{rejectId.slice(jobId.length + 1)}</Go> {visibleText(reason)}
                </li>
              ))}
            </ul>
            {cannotTotal > 100 && <p className={styles.note}>The first 100 of {formatCount(cannotTotal)}.</p>}
          </Panel>
        )}
      </Columns>
      <FreezeButton body={{ target: 'rejects', jobId, correctionId }}>Replay {formatNoun(matched, 'reject')}</FreezeButton>
    </>
  );
}
