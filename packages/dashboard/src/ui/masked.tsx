/** A value from a record: hidden until a steward asks for it, which the server records. */
import { useState } from 'react';
import { formatNoun } from '../format/numbers.ts';
import { visibleText } from '../format/texts.ts';
import { Button } from './button.tsx';
import styles from './masked.module.css';

interface MaskedProps {
  /** Null: the server did not send it to this role. */
  readonly value: string | null;
  /** Characters, where the value itself is not sent. */
  readonly length?: number | null;
  /** What `length` counts. Defaults to characters. */
  readonly unit?: string;
  /** Asks the server for the value; absent for roles that may not see it. */
  readonly onReveal?: (() => void) | undefined;
}

export function Masked({ value, length = null, unit = 'character', onReveal }: MaskedProps) {
  const [shown, setShown] = useState(false);
  if (shown && value !== null) return <code className={styles.value}>{visibleText(value)}</code>;
  const characters = value === null ? length : [...value].length;
  return (
    <span className={styles.masked}>
      <span aria-hidden>▇▇▇</span> {characters === null ? 'hidden' : formatNoun(characters, unit)}
      {onReveal !== undefined && (
        <Button
          small
          tone="quiet"
          title="The view is recorded in the audit"
          onClick={() => {
            setShown(true);
            onReveal();
          }}
        >
          reveal
        </Button>
      )}
    </span>
  );
}
