/** How many rejects there are by one thing or another: one table each, the largest first, every line a narrower filter. */
import type { RejectSummary } from '@millrace/api-contract';
import { useState } from 'react';
import { formatCount, formatShare } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { Button } from '../../ui/button.tsx';
import { Go } from '../../ui/go.tsx';
import { Panel } from '../../ui/page.tsx';
import styles from './rejects.module.css';

export type Dimension = keyof RejectSummary['by'];
export interface Target {
  readonly to: string;
  readonly search: Readonly<Record<string, string | undefined>>;
}

const titles: Readonly<Record<Dimension, string>> = { code: 'By code', column: 'By column', file: 'By file', job: 'By job', day: 'By day' };
const first = 8;

interface RejectSumsProps {
  readonly summary: RejectSummary;
  readonly dimensions: readonly Dimension[];
  /** Where the rejects of a group are. */
  readonly targetOf: (dimension: Dimension, key: string) => Target;
}

export function RejectSums({ summary, dimensions, targetOf }: RejectSumsProps) {
  return (
    <>
      {!summary.complete && summary.incomplete !== null && <p className={styles.note}>Not all is counted: {visibleText(summary.incomplete)}</p>}
      <div className={styles.sums}>
        {dimensions.map((dimension) => {
          const groups = summary.by[dimension] ?? [];
          return groups.length === 0 ? null : (
            <Panel key={dimension} title={titles[dimension]}>
              <Groups groups={groups} dimension={dimension} total={summary.rejects} targetOf={targetOf} />
            </Panel>
          );
        })}
      </div>
    </>
  );
}

interface GroupsProps {
  readonly groups: NonNullable<RejectSummary['by'][Dimension]>;
  readonly dimension: Dimension;
  readonly total: number;
  readonly targetOf: RejectSumsProps['targetOf'];
}

function Groups({ groups, dimension, total, targetOf }: GroupsProps) {
  const [all, setAll] = useState(false);
  const most = groups.reduce((largest, { rejects }) => Math.max(largest, rejects), 1);
  return (
    <>
      <ul className={styles.groups}>
        {(all ? groups : groups.slice(0, first)).map(({ key, label, rejects }) => {
          const { to, search } = targetOf(dimension, key);
          return (
            <li key={key}>
              <Go to={to} search={search} className={styles.groupName} title={key}>
                {label === '' ? '(none)' : visibleText(label)}
              </Go>
              <span className={styles.groupBar} aria-hidden>
                <span style={{ width: `${(rejects / most) * 100}%` }} />
              </span>
              <span className={styles.groupCount} title={formatShare(rejects, total)}>
                {formatCount(rejects)}
              </span>
            </li>
          );
        })}
      </ul>
      {groups.length > first && (
        <Button small tone="quiet" onClick={() => setAll(!all)}>
          {all ? 'Show the largest' : `Show all ${formatCount(groups.length)}`}
        </Button>
      )}
    </>
  );
}
