/** The balance as a sum that visibly adds up: every record that was read has exactly one fate. */
import { IconCheck, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { formatBytes, formatCount, formatNoun, formatShare } from '../../format/numbers.ts';
import { Go } from '../../ui/go.tsx';
import { BarLegend, type BarPart, SplitBar } from '../../ui/split-bar.tsx';
import styles from './balance-sum.module.css';

export interface Fates {
  readonly recordsIn: number;
  readonly emitted: number;
  readonly filtered: number;
  readonly deduplicated: number;
  readonly rejected: number;
  readonly rowsOut?: number;
  readonly repaired?: number;
  readonly unreadBytes?: number;
}

interface BalanceSumProps {
  /** What is unread is accepted: its job has completed. */
  readonly tolerated?: boolean;
  readonly balance: Fates;
  /** Where the rejects are listed. */
  readonly rejectsTo?: string;
  /** `records`, or `rows` of a reduce stage. */
  readonly unit?: string;
}

export function BalanceSum({ balance, rejectsTo, unit = 'records', tolerated = true }: BalanceSumProps) {
  const { recordsIn, emitted, filtered, deduplicated, rejected, rowsOut, repaired = 0, unreadBytes = 0 } = balance;
  const missing = recordsIn - emitted - filtered - deduplicated - rejected;
  const parts: BarPart[] = [
    { name: 'emitted', value: emitted, fill: 'good' },
    { name: 'filtered', value: filtered, fill: 'part' },
    { name: 'deduplicated', value: deduplicated, fill: 'busy' },
    { name: 'rejected', value: rejected, fill: 'warn' },
  ];
  return (
    <div>
      <table className={styles.sum}>
        <tbody>
          <Line sign="" value={recordsIn} name={`${unit} read`} share="" strong />
          <Line sign="=" value={emitted} name="emitted" share={formatShare(emitted, recordsIn)} />
          <Line sign="+" value={filtered} name="filtered" share={formatShare(filtered, recordsIn)} />
          <Line sign="+" value={deduplicated} name="deduplicated" share={formatShare(deduplicated, recordsIn)} />
          <Line
            sign="+"
            value={rejected}
            name={rejectsTo !== undefined && rejected > 0 ? <Go to={rejectsTo}>rejected</Go> : 'rejected'}
            share={formatShare(rejected, recordsIn)}
          />
        </tbody>
        <tfoot>
          <tr data-adds-up={missing === 0}>
            <td />
            <td className={`${styles.number} ${styles.total}`}>{formatCount(recordsIn - missing)}</td>
            <td colSpan={2} className={styles.verdict}>
              {missing === 0 ? (
                <>
                  <IconCheck size={14} stroke={2.4} aria-hidden /> adds up
                </>
              ) : (
                <>
                  <IconX size={14} stroke={2.4} aria-hidden /> {formatNoun(Math.abs(missing), 'record')} {missing > 0 ? 'without a fate' : 'too many'}
                </>
              )}
            </td>
          </tr>
        </tfoot>
      </table>
      <SplitBar parts={parts} label="fates of records" />
      <div className={styles.more}>
        <BarLegend parts={parts.filter(({ value }) => value > 0)} />
        <p>
          {rowsOut !== undefined && <>{formatNoun(rowsOut, 'row')} out</>}
          {repaired > 0 && <> · {formatNoun(repaired, 'record')} repaired</>}
          {unreadBytes > 0 && (
            <>
              {' '}
              · {formatBytes(unreadBytes)} unread, {tolerated ? 'inside tolerated gaps' : 'as their work is dead'}
            </>
          )}
        </p>
      </div>
    </div>
  );
}

interface LineProps {
  readonly sign: string;
  readonly value: number;
  readonly name: ReactNode;
  readonly share: string;
  readonly strong?: boolean;
}

function Line({ sign, value, name, share, strong = false }: LineProps) {
  return (
    <tr data-strong={strong || undefined}>
      <td className={styles.sign}>{sign}</td>
      <td className={styles.number}>{formatCount(value)}</td>
      <td>{name}</td>
      <td className={styles.share}>{share}</td>
    </tr>
  );
}
