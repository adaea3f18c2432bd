/** One row of a list; drawn anew only when what it shows has changed, so that scrolling and keys cost the rows they touch. */
import { type MouseEvent, memo } from 'react';
import type { Column } from './column.ts';
import styles from './list.module.css';

/** What a row asks of its list; the same object for the whole life of the list. */
export interface RowEvents<Row> {
  readonly onClick: (event: MouseEvent, row: Row) => void;
  readonly onFocus: (row: Row) => void;
  readonly onToggle: (index: number, range: boolean) => void;
}

interface ListRowProps<Row> {
  readonly row: Row;
  readonly id: string;
  /** From 0, in the list. */
  readonly index: number;
  /** Pixels from the top of the list. */
  readonly offset: number;
  readonly columns: readonly Column<Row>[];
  readonly isCurrent: boolean;
  readonly isFocusable: boolean;
  /** Null: rows cannot be selected. */
  readonly isSelected: boolean | null;
  readonly hasLeft: boolean;
  readonly events: RowEvents<Row>;
}

function PlainRow<Row>({ row, id, index, offset, columns, isCurrent, isFocusable, isSelected, hasLeft, events }: ListRowProps<Row>) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: rows answer to the keys of the list
    <div
      role="row"
      aria-rowindex={index + 2}
      tabIndex={isFocusable ? 0 : -1}
      className={styles.row}
      data-row={id}
      data-current={isCurrent || undefined}
      data-selected={isSelected === true || undefined}
      data-left={hasLeft || undefined}
      style={{ transform: `translateY(${offset}px)` }}
      onClick={(event) => events.onClick(event, row)}
      onFocus={() => events.onFocus(row)}
    >
      {isSelected !== null && (
        <span role="cell" className={styles.check}>
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`select row ${index + 1}`}
            checked={isSelected}
            onChange={() => undefined}
            onClick={(event) => events.onToggle(index, event.shiftKey)}
          />
        </span>
      )}
      {columns.map(({ key, end, when, render }) => (
        <span key={key} role="cell" className={styles.cell} data-end={end || undefined} data-when={when}>
          {render(row)}
        </span>
      ))}
    </div>
  );
}

export const ListRow = memo(PlainRow) as typeof PlainRow;
