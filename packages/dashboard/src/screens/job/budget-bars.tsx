/** The budgets of a job: how much of each is used. */
import type { Job } from '@millrace/api-contract';
import { formatCount, formatShare } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import styles from './budget-bars.module.css';

type Budget = Job['budgets'][number];

const isRatio = (budget: string): boolean => /ratio$/i.test(budget);
const amount = (budget: string, value: number): string => (isRatio(budget) ? formatShare(value, 1) : formatCount(value));

export function BudgetBars({ budgets }: { readonly budgets: readonly Budget[] }) {
  return (
    <ul className={styles.budgets}>
      {budgets
        .toSorted((one, other) => pressure(other) - pressure(one))
        .map(({ budget, used, limit }) => {
          const share = pressure({ budget, used, limit });
          const tone = share > 1 ? 'bad' : share > 0.8 ? 'warn' : 'calm';
          return (
            <li key={budget} data-tone={tone}>
              <span className={styles.name}>
                <code>{visibleText(budget)}</code>
              </span>
              <span className={styles.numbers}>
                {amount(budget, used)} of {amount(budget, limit)}
                {share > 1 ? ' · used up' : ''}
              </span>
              <span className={styles.track} aria-hidden>
                <span style={{ width: `${Math.min(1, share) * 100}%` }} />
              </span>
            </li>
          );
        })}
    </ul>
  );
}

/** Above 1: over the budget. A budget of nothing is used up by one. */
function pressure({ used, limit }: Budget): number {
  if (limit > 0) return used / limit;
  return used > 0 ? 2 : 0;
}
