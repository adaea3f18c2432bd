/** A bar in parts, such as what became of records or items; its numbers are told in words to those who cannot see it. */
import { formatCount } from '../format/numbers.ts';
import styles from './split-bar.module.css';

export type Fill = 'good' | 'part' | 'busy' | 'wait' | 'warn' | 'bad';

export interface BarPart {
  readonly name: string;
  readonly value: number;
  readonly fill: Fill;
}

interface SplitBarProps {
  readonly parts: readonly BarPart[];
  /** Of the whole bar; the sum of the parts when absent. The rest stays empty. */
  readonly total?: number;
  /** What the bar is about, for reading aloud. */
  readonly label: string;
  readonly tall?: boolean;
  /** Instead of the numbers of the parts, where these are no counts. */
  readonly words?: readonly string[];
}

export function SplitBar({ parts, total, label, tall = false, words: given }: SplitBarProps) {
  const sum = parts.reduce((all, { value }) => all + value, 0);
  const whole = Math.max(total ?? sum, sum);
  const words = given ?? parts.filter(({ value }) => value > 0).map(({ name, value }) => `${formatCount(value)} ${name}`);
  return (
    <div
      className={styles.bar}
      data-tall={tall || undefined}
      role="img"
      aria-label={`${label}: ${words.join(', ') || 'nothing yet'}`}
      title={words.join(' · ')}
    >
      {whole > 0 &&
        parts.map(({ name, value, fill }) =>
          value > 0 ? <span key={name} className={styles.part} data-fill={fill} style={{ width: `${(value / whole) * 100}%` }} /> : null,
        )}
    </div>
  );
}

/** The parts with their colours, names and numbers. */
export function BarLegend({ parts }: { readonly parts: readonly BarPart[] }) {
  return (
    <ul className={styles.legend}>
      {parts.map(({ name, value, fill }) => (
        <li key={name}>
          <span className={styles.swatch} data-fill={fill} aria-hidden />
          {formatCount(value)} {name}
        </li>
      ))}
    </ul>
  );
}
