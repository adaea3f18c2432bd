/** Bytes as hex and letters, or as text, with the one at fault told apart; long ones a window at a time. */
import { useState } from 'react';
import { formatCount } from '../../format/numbers.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/id.tsx';
import { bytesInView, hexRows, type Marked, markedText, viewStart } from './reject-bytes.ts';
import styles from './rejects.module.css';

interface BytesViewProps {
  readonly bytes: Uint8Array;
  /** Offset of the first byte in the file; 0 where it is not known. */
  readonly base: number;
  /** Index of the byte at fault. */
  readonly fault: number | null;
  /** For reading aloud. */
  readonly label: string;
}

export function BytesView({ bytes, base, fault, label }: BytesViewProps) {
  const [from, setFrom] = useState(() => viewStart(bytes.length, fault));
  const shown = bytes.subarray(from, from + bytesInView);
  const at = fault === null ? null : fault - from;
  const rows = hexRows(shown, base + from, at);
  return (
    <div className={styles.bytes}>
      <h3 className={styles.part}>
        Text <CopyButton text={new TextDecoder().decode(bytes)} what="text" />
      </h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long bytes are scrolled with the keys */}
      <pre className={styles.text} tabIndex={0} role="group" aria-label={`${label} as text`}>
        <MarkedPieces pieces={markedText(shown, at)} />
      </pre>
      <h3 className={styles.part}>
        Bytes <CopyButton text={[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')} what="bytes as hex" />
      </h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long bytes are scrolled with the keys */}
      <pre className={styles.hex} tabIndex={0} role="group" aria-label={`${label} as hex`}>
        {rows.map(({ offset, hex, letters }) => (
          <span key={offset} className={styles.hexRow}>
            <span className={styles.offset}>{offset.toString(16).padStart(8, '0')}</span>
            <span className={styles.hexCells}>
              <MarkedPieces pieces={hex} />
            </span>
            <span>
              <MarkedPieces pieces={letters} />
            </span>
            {'\n'}
          </span>
        ))}
      </pre>
      {bytes.length > bytesInView && (
        <p className={styles.windows}>
          <Button small disabled={from === 0} onClick={() => setFrom(Math.max(0, from - bytesInView))}>
            Earlier bytes
          </Button>
          {formatCount(from)} to {formatCount(from + shown.length)} of {formatCount(bytes.length)}
          <Button small disabled={from + shown.length >= bytes.length} onClick={() => setFrom(from + bytesInView)}>
            Later bytes
          </Button>
        </p>
      )}
    </div>
  );
}

function MarkedPieces({ pieces: { before, fault, behind } }: { readonly pieces: Marked }) {
  return (
    <>
      {before}
      {fault !== '' && (
        <mark className={styles.fault} title="here">
          {fault}
        </mark>
      )}
      {behind}
    </>
  );
}
