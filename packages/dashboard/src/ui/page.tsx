/** The frame of a screen: its title (also of the tab), what it is about, its acts; panels and facts inside. */
import { type ReactNode, useEffect, useId } from 'react';
import styles from './page.module.css';

interface PageProps {
  /** Of the heading and the browser's tab. */
  readonly title: string;
  /** Instead of the plain title. */
  readonly heading?: ReactNode;
  readonly lead?: ReactNode;
  readonly acts?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, heading, lead, acts, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Millrace`;
  }, [title]);
  return (
    <>
      <header className={styles.head}>
        <div className={styles.titles}>
          <h1>{heading ?? title}</h1>
          {lead !== undefined && <div className={styles.lead}>{lead}</div>}
        </div>
        {acts !== undefined && <div className={styles.acts}>{acts}</div>}
      </header>
      {children}
    </>
  );
}

interface PanelProps {
  readonly title: ReactNode;
  /** Beside the title, such as a count or a switch. */
  readonly aside?: ReactNode;
  /** Folded away until opened. */
  readonly folded?: boolean;
  readonly id?: string;
  readonly children: ReactNode;
}

export function Panel({ title, aside, folded, id, children }: PanelProps) {
  const headingId = useId();
  if (folded !== undefined) {
    return (
      <details className={styles.panel} open={!folded} id={id}>
        <summary className={styles.panelHead}>
          <h2>{title}</h2>
          {aside !== undefined && <div className={styles.aside}>{aside}</div>}
        </summary>
        <div className={styles.panelBody}>{children}</div>
      </details>
    );
  }
  return (
    <section className={styles.panel} aria-labelledby={headingId} id={id}>
      <div className={styles.panelHead}>
        <h2 id={headingId}>{title}</h2>
        {aside !== undefined && <div className={styles.aside}>{aside}</div>}
      </div>
      <div className={styles.panelBody}>{children}</div>
    </section>
  );
}

/** Panels side by side where there is room. */
export function Columns({ children }: { readonly children: ReactNode }) {
  return <div className={styles.columns}>{children}</div>;
}

interface FactsProps {
  /** Nulls are left out. */
  readonly facts: readonly (readonly [name: string, value: ReactNode] | null)[];
  /** One below the other, for long values. */
  readonly wide?: boolean;
}

/** Names and values. */
export function Facts({ facts, wide = false }: FactsProps) {
  return (
    <dl className={styles.facts} data-wide={wide || undefined}>
      {facts
        .filter((fact) => fact !== null)
        .map(([name, value]) => (
          <div key={name} className={styles.fact}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Shown while the first answer is on its way; says so only after a moment, as most answers come at once. */
export function Waiting({ what }: { readonly what: string }) {
  return (
    <p className={styles.waiting} role="status">
      Reading {what} …
    </p>
  );
}

/** Nothing to show, said in words. */
export function Empty({ title, children }: { readonly title: ReactNode; readonly children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p className={styles.emptyTitle}>{title}</p>
      {children}
    </div>
  );
}
