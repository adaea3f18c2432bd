/** How far a job is and what became of its records, in one bar: committed chunks by the fate of their records, and the dead ones. */
import type { JobSummary } from '@millrace/api-contract';
import { formatCount, formatShare } from '../../format/numbers.ts';
import { type BarPart, SplitBar } from '../../ui/split-bar.tsx';

type Counted = Pick<JobSummary, 'balance' | 'chunks'>;

/** Chunks are the whole; the committed ones are shared out as their records were. */
export function fateParts({ balance, chunks }: Counted): BarPart[] {
  const share = (records: number): number => (balance.recordsIn === 0 ? 0 : (chunks.committed * records) / balance.recordsIn);
  return [
    { name: 'emitted', value: balance.recordsIn === 0 ? chunks.committed : share(balance.emitted), fill: 'good' },
    { name: 'filtered or deduplicated', value: share(balance.filtered + balance.deduplicated), fill: 'part' },
    { name: 'rejected', value: share(balance.rejected), fill: 'warn' },
    { name: 'dead', value: chunks.dead, fill: 'bad' },
  ];
}

export function FateBar({ balance, chunks, tall = false }: Counted & { readonly tall?: boolean }) {
  const words = [
    `${formatCount(chunks.committed)} of ${formatCount(chunks.total)} chunks committed`,
    `${formatCount(balance.emitted)} records emitted`,
    ...(balance.filtered + balance.deduplicated > 0 ? [`${formatCount(balance.filtered + balance.deduplicated)} filtered or deduplicated`] : []),
    ...(balance.rejected > 0 ? [`${formatCount(balance.rejected)} rejected`] : []),
    ...(chunks.dead > 0 ? [`${formatCount(chunks.dead)} chunks dead`] : []),
  ];
  return (
    <SplitBar
      parts={fateParts({ balance, chunks })}
      total={chunks.total}
      label={`${formatShare(chunks.committed, chunks.total)} done`}
      words={words}
      tall={tall}
    />
  );
}
