/** Short messages in the corner: what was done, or refused. Announced; they go by themselves, and stay while they are pointed at. */
import { IconX } from '@tabler/icons-react';
import { useEffect, useSyncExternalStore } from 'react';
import styles from './toasts.module.css';

interface Toast {
  readonly id: number;
  readonly message: string;
  readonly tone: 'plain' | 'bad';
}

const most = 4;
const plainMs = 4_500;
const badMs = 12_000;
let toasts: readonly Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

/** Says something to the person, in the corner of the page. */
export function tell(message: string, tone: Toast['tone'] = 'plain'): void {
  set([...toasts.filter((toast) => toast.message !== message), { id: nextId++, message, tone }].slice(-most));
}

const dismiss = (id: number): void => set(toasts.filter((toast) => toast.id !== id));

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles.corner} role="status">
      {shown.map((toast) => (
        <ShownToast key={toast.id} toast={toast} />
      ))}
    </div>
  );
}

function ShownToast({ toast: { id, message, tone } }: { readonly toast: Toast }) {
  useEffect(() => {
    const timer = window.setTimeout(() => dismiss(id), tone === 'bad' ? badMs : plainMs);
    return () => window.clearTimeout(timer);
  }, [id, tone]);
  return (
    <div className={styles.toast} data-tone={tone}>
      <p>{message}</p>
      <button type="button" aria-label="dismiss" onClick={() => dismiss(id)}>
        <IconX size={14} aria-hidden />
      </button>
    </div>
  );
}
