/** The one time that a secret is seen. */
import type { ReactNode } from 'react';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/id.tsx';
import styles from './settings.module.css';

interface ShownOnceProps {
  readonly title: ReactNode;
  readonly secret: string;
  /** What the copy button says it copies. */
  readonly what: string;
  readonly onDone: () => void;
  readonly children: ReactNode;
}

export function ShownOnce({ title, secret, what, onDone, children }: ShownOnceProps) {
  return (
    <div className={styles.secret} role="status">
      <p>{title}</p>
      <p className={styles.secretText}>
        <code>{secret}</code>
        <CopyButton text={secret} what={what} />
      </p>
      <p className={styles.about}>{children}</p>
      <Button small onClick={onDone}>
        I have it
      </Button>
    </div>
  );
}
