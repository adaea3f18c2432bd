/** The budgets of a job: how much of each is used. */
import type { Job } from '@millrace/api-contract';
import { formatCount, formatShare } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import styles from './budget-bars.module.css';

type Budget = Job['budgets'][number];

export function BudgetBars({ budgets }: { readonly budgets: readonly Budget[] }) {
  return (
    <ul className={styles.budgets}>
      {budgets
        .toSorted((one, other) => pressure(other) - pressure(one))
        .map((budget) => {
          const share = pressure(budget);
          const tone = share > 1 ? 'bad' : share > 0.8 ? 'warn' : 'calm';
          return (
            <li key={`${budget.budget} ${budget.subject}`} data-tone={tone}>
              <span className={styles.name}>
                <code>{visibleText(budget.budget)}</code>
                {budget.subject !== null && <> of {visibleText(fileName(budget.subject))}</>}
              </span>
              <span className={styles.numbers}>{numbersOf(budget)}</span>
              <span className={styles.track} aria-hidden>
                <span style={{ width: `${Math.min(1, share) * 100}%` }} />
              </span>
            </li>
          );
        })}
    </ul>
  );
}

const usedOf = ({ value, of }: Budget): number => (of === null ? value : of === 0 ? 0 : value / of);

/** `0.4 % of 1 %`, or `93 of 100`. */
function numbersOf(budget: Budget): string {
  const { value, of, limit } = budget;
  if (of === null && limit === 0) return value === 0 ? 'none, and none is allowed' : `${formatCount(value)}, none is allowed · used up`;
  const numbers = of === null ? `${formatCount(value)} of ${formatCount(limit)}` : `${of === 0 ? '0 %' : formatShare(value, of)} of ${formatShare(limit, 1)}`;
  return pressure(budget) > 1 ? `${numbers} · used up` : numbers;
}

/** Above 1: over the budget. A budget of nothing is used up by one. */
function pressure(budget: Budget): number {
  const used = usedOf(budget);
  if (budget.limit > 0) return used / budget.limit;
  return used > 0 ? 2 : 0;
}
