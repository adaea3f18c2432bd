/** An id: shortened in the middle, copied whole. */
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { shortenMiddle } from '../format/texts.ts';
import styles from './id.module.css';

interface IdProps {
  readonly id: string;
  /** Letters to show at most. Defaults to 13. */
  readonly most?: number;
  /** What the copy button says it copies. */
  readonly what?: string;
  /** A link around the id. */
  readonly link?: (text: ReactNode) => ReactNode;
}

export function Id({ id, most = 13, what = 'id', link }: IdProps) {
  const text = (
    <code className={styles.text} title={id}>
      {shortenMiddle(id, most)}
    </code>
  );
  return (
    <span className={styles.id}>
      {link === undefined ? text : link(text)}
      <CopyButton text={id} what={what} />
    </span>
  );
}

interface CopyButtonProps {
  readonly text: string;
  /** `copy <what>` is the name of the button. */
  readonly what: string;
  readonly children?: ReactNode;
}

const shownMs = 1_400;

export function CopyButton({ text, what, children }: CopyButtonProps) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = window.setTimeout(() => setCopied(false), shownMs);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? IconCheck : IconCopy;
  return (
    <button
      type="button"
      className={styles.copy}
      aria-label={children === undefined ? `copy ${what}` : undefined}
      title={`copy ${what}`}
      onClick={(event) => {
        event.preventDefault();
        event.stopPropagation();
        void copyText(text).then((done) => setCopied(done));
      }}
    >
      <Icon size={13} stroke={2} aria-hidden />
      {children}
      <span role="status" className={styles.unseen}>
        {copied ? 'copied' : ''}
      </span>
    </button>
  );
}

/** False where the browser refuses: pages without TLS have no clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
