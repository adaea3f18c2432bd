/** A column of a list. */
import type { ReactNode } from 'react';

export interface Column<Row> {
  readonly key: string;
  readonly label: string;
  /** A track of a CSS grid, such as `minmax(120px, 1fr)` or `90px`. */
  readonly width: string;
  readonly end?: boolean;
  /** Shown only when it is chosen. */
  readonly optional?: boolean;
  /** Where it stays: `always`, also on a phone; `roomy`, only where there is much room. Defaults to all but a phone. */
  readonly when?: 'always' | 'roomy';
  /** Of the row alone: it is called again only when the row is another one. */
  readonly render: (row: Row) => ReactNode;
}
