/** Two attempts side by side; what differs is marked by more than a colour. */
import type { AttemptRow } from '@millrace/api-contract';
import { nowMs } from '../../clock.ts';
import { formatBytes, formatDuration } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { formatInstant } from '../../format/times.ts';
import { Button } from '../../ui/button.tsx';
import { useZone } from '../../ui/time.tsx';
import { compareAttempts } from './attempt-difference.ts';
import styles from './chunk.module.css';

interface AttemptDifferenceProps {
  readonly one: AttemptRow;
  readonly other: AttemptRow;
  readonly numbers: readonly [number, number];
  readonly onClose: () => void;
}

export function AttemptDifference({ one, other, numbers, onClose }: AttemptDifferenceProps) {
  const zone = useZone();
  const lines = compareAttempts(one, other, { instant: (at) => formatInstant(Date.parse(at), zone, nowMs()), bytes: formatBytes, duration: formatDuration });
  return (
    <div className={styles.differenceFrame}>
      <table className={styles.difference}>
        <caption>
          Attempts {numbers[0]} and {numbers[1]}: {lines.filter(({ differs }) => differs).length} of {lines.length} lines differ{' '}
          <Button small tone="quiet" onClick={onClose}>
            Close the comparison
          </Button>
        </caption>
        <thead>
          <tr>
            <td className={styles.name} />
            <th scope="col">attempt {numbers[0]}</th>
            <th scope="col">attempt {numbers[1]}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ name, one: left, other: right, differs }) => (
            <tr key={name} data-differs={differs || undefined}>
              <th scope="row">
                {differs ? '≠ ' : ''}
                {name}
              </th>
              <td>{visibleText(left, true)}</td>
              <td>{differs ? visibleText(right, true) : 'the same'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
