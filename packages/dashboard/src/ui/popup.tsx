/**
 * A button that shows a few choices below itself. Escape, a press elsewhere and the focus leaving close it; the focus returns to the button.
 * Small on purpose: it is part of the first page that anybody loads.
 */
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import styles from './popup.module.css';

interface PopupProps {
  /** Name of the button, when its content is no text. */
  readonly label?: string;
  readonly title?: string;
  readonly className?: string | undefined;
  readonly button: ReactNode;
  readonly onOpen?: (opened: boolean) => void;
  readonly children: (close: () => void) => ReactNode;
}

export function Popup({ label, title, className, button, onOpen, children }: PopupProps) {
  const [opened, setOpened] = useState(false);
  const frame = useRef<HTMLSpanElement>(null);
  const id = useId();
  const change = (next: boolean): void => {
    setOpened(next);
    onOpen?.(next);
  };
  const close = (): void => {
    change(false);
    frame.current?.querySelector('button')?.focus();
  };
  const changeRef = useRef(change);
  changeRef.current = change;
  useEffect(() => {
    if (!opened) return;
    frame.current?.querySelector<HTMLElement>('[data-popup] button')?.focus();
    const outside = (event: PointerEvent): void => {
      if (event.target instanceof Node && frame.current?.contains(event.target) === false) changeRef.current(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [opened]);
  const move = (by: 1 | -1): void => {
    const items: readonly (Element | null)[] = [...(frame.current?.querySelectorAll('[data-popup] button') ?? [])];
    const next = items[(items.indexOf(document.activeElement) + by + items.length) % items.length];
    if (next instanceof HTMLElement) next.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys bubble up from the buttons inside
    <span
      ref={frame}
      className={styles.frame}
      onKeyDown={(event) => {
        if (!opened) return;
        if (event.key === 'Escape') close();
        else if (event.key === 'ArrowDown') move(1);
        else if (event.key === 'ArrowUp') move(-1);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
      onBlur={(event) => {
        if (opened && event.relatedTarget instanceof Node && !event.currentTarget.contains(event.relatedTarget)) change(false);
      }}
    >
      <button
        type="button"
        className={className}
        aria-expanded={opened}
        aria-controls={id}
        {...(label === undefined ? {} : { 'aria-label': label })}
        {...(title === undefined ? {} : { title })}
        onClick={() => change(!opened)}
      >
        {button}
      </button>
      {opened && (
        <div className={styles.panel} id={id} data-popup>
          {children(close)}
        </div>
      )}
    </span>
  );
}

interface PopupItemProps {
  readonly onClick: () => void;
  readonly icon?: ReactNode;
  /** It is one of several that are on or off. */
  readonly pressed?: boolean;
  readonly children: ReactNode;
}

export function PopupItem({ onClick, icon, pressed, children }: PopupItemProps) {
  return (
    <button type="button" className={styles.item} onClick={onClick} {...(pressed === undefined ? {} : { 'aria-pressed': pressed })}>
      {icon}
      <span>{children}</span>
      {pressed === true && <span aria-hidden>✓</span>}
    </button>
  );
}

export function PopupNote({ children }: { readonly children: ReactNode }) {
  return <p className={styles.note}>{children}</p>;
}
