/**
 * The bones of every list: filter bar, exact count, column chooser, rows that hold still, a drawer for the row, a bar for what is selected, keys.
 * Rows are drawn as they come into view, so that a list of a million is as light as one of ten.
 */
import { IconArrowUp, IconColumns3, IconX } from '@tabler/icons-react';
import type { QueryKey } from '@tanstack/react-query';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { type MouseEvent, type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { formatCount, formatNoun } from '../format/numbers.ts';
import { useKeys } from '../keys/keys.ts';
import { usePreferences } from '../preferences.ts';
import { Button } from '../ui/button.tsx';
import { copyText } from '../ui/id.tsx';
import { Popup, PopupItem } from '../ui/popup.tsx';
import { ProblemNote } from '../ui/problem.tsx';
import type { Column } from './column.ts';
import { EmptyList } from './empty-list.tsx';
import { FilterBar } from './filter-bar.tsx';
import type { FilterField } from './filter-text.ts';
import styles from './list.module.css';
import { ListRow, type RowEvents } from './list-row.tsx';
import type { ListSearch } from './list-search.ts';
import { type FetchPage, usePages } from './use-pages.ts';

export type { Column } from './column.ts';

/** What is selected: some rows, or all that match the filter, also those that are not loaded. */
export type Selection = { readonly kind: 'ids'; readonly ids: readonly string[] } | { readonly kind: 'all'; readonly q: string; readonly total: number };

/** A key that acts on what is selected, or on the row that is current; it opens a plan or a dialog and does nothing by itself. */
export interface SelectionKey {
  readonly keys: string;
  readonly does: string;
  readonly run: (selection: Selection) => void;
}

export interface ListProps<Row> {
  /** What one row is, in singular and plural: `job`, `jobs`. */
  readonly nouns: readonly [string, string];
  readonly queryKey: QueryKey;
  readonly fetchPage: FetchPage<Row>;
  readonly idOf: (row: Row) => string;
  readonly topics: readonly string[];
  readonly columns: readonly Column<Row>[];
  readonly fields: readonly FilterField[];
  readonly search: ListSearch;
  /** Changes the address in place. */
  readonly onSearch: (change: Partial<Record<keyof ListSearch, string | undefined>>) => void;
  /** Opens a row: its page. Absent: the drawer. */
  readonly onOpen?: (row: Row) => void;
  /** What the drawer of a row shows; null while its row is not loaded. */
  readonly drawer?: (id: string, row: Row | null) => ReactNode;
  /** Acts on what is selected. Without it rows cannot be selected. */
  readonly bulk?: (selection: Selection, clear: () => void) => ReactNode;
  readonly selectionKeys?: readonly SelectionKey[];
  /** Shown when there is nothing and no filter: what to do first. */
  readonly empty: ReactNode;
  /** Beside the filter. */
  readonly tools?: ReactNode;
  /** Always added to the filter and not shown in it, such as the stage of the page. */
  readonly fixed?: string;
  /** Rows may be taller on a narrow screen. */
  readonly rowHeight?: number;
}

const loadAhead = 15;
/** Rows drawn beyond each end of the screen. More hide a flick better, and a jump of a screen draws all of them in one go: 12 took 54 ms. */
const rowsBeyond = 6;

export function List<Row>(props: ListProps<Row>) {
  const { nouns, idOf, columns, fields, search, onSearch, onOpen, drawer, bulk } = props;
  const { density } = usePreferences();
  const rowHeight = props.rowHeight ?? (density === 'roomy' ? 38 : 30);
  const filter = search.q ?? '';
  const q = [props.fixed ?? '', filter].filter((text) => text !== '').join(' ');
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isAll, setIsAll] = useState(false);
  const [menuOpen, setMenuOpen] = useState(false);
  const [current, setCurrent] = useState<string | null>(null);
  const anchor = useRef<number>(0);
  const firstShown = useRef(0);
  const body = useRef<HTMLDivElement>(null);

  const held = selected.size > 0 || menuOpen;
  const pages = usePages({ queryKey: props.queryKey, q, fetchPage: props.fetchPage, idOf, topics: props.topics, held, firstShown: () => firstShown.current });
  const { rows, total, loadMore } = pages;
  const clear = useCallback(() => {
    setSelected(new Set());
    setIsAll(false);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter is another list
  useEffect(() => {
    clear();
    setCurrent(null);
  }, [q, clear]);

  const shown = useMemo(() => {
    const chosen = search.cols === undefined ? null : new Set(search.cols.split('.'));
    return columns.filter(({ key, optional }) => (chosen === null ? optional !== true : chosen.has(key)));
  }, [columns, search.cols]);
  const tracksOf = (columns: readonly Column<Row>[]): string => [...(bulk === undefined ? [] : ['24px']), ...columns.map(({ width }) => width)].join(' ');

  const [top, setTop] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the place is known once there are rows
  useLayoutEffect(() => setTop((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY), [rows.length > 0]);
  const virtual = useWindowVirtualizer({ count: rows.length, estimateSize: () => rowHeight, overscan: rowsBeyond, scrollMargin: top });
  const items = virtual.getVirtualItems();
  firstShown.current = items[0]?.index ?? 0;
  const lastIndex = items.at(-1)?.index ?? 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: asks again when the end comes near, not when the function is a new one
  useEffect(() => {
    if (rows.length > 0 && lastIndex >= rows.length - loadAhead) loadMore();
  }, [lastIndex, rows.length]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows of another height are measured anew
  useEffect(() => virtual.measure(), [rowHeight]);

  const indexOf = (id: string | null): number => (id === null ? -1 : rows.findIndex((row) => idOf(row) === id));
  const moveTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (row === undefined) return;
    const id = idOf(row);
    setCurrent(id);
    virtual.scrollToIndex(rows.indexOf(row), { align: 'auto' });
    window.requestAnimationFrame(() => body.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(id)}"]`)?.focus({ preventScroll: true }));
    if (search.row !== undefined && drawer !== undefined) onSearch({ row: id });
  };
  const toggle = (index: number, range = false): void => {
    const row = rows[index];
    if (row === undefined || bulk === undefined) return;
    const next = new Set(selected);
    const [from, to] = range ? [Math.min(anchor.current, index), Math.max(anchor.current, index)] : [index, index];
    const on = range || !next.has(idOf(row));
    for (const each of rows.slice(from, to + 1)) on ? next.add(idOf(each)) : next.delete(idOf(each));
    anchor.current = index;
    setIsAll(false);
    setSelected(next);
  };
  const open = (row: Row): void => (onOpen === undefined ? onSearch({ row: idOf(row) }) : onOpen(row));
  const at = (): number => indexOf(current);

  useKeys([
    { keys: 'j', does: 'Next row', group: 'List', run: () => moveTo(at() + 1) },
    { keys: 'k', does: 'Row before', group: 'List', run: () => moveTo(at() < 0 ? 0 : at() - 1) },
    { keys: 'Enter', does: 'Open the row', group: 'List', run: () => withRow(open) },
    { keys: 'o', does: 'Open the row', group: 'List', run: () => withRow(drawer === undefined ? open : (row) => onSearch({ row: idOf(row) })) },
    { keys: 'y', does: 'Copy the id of the row', group: 'List', run: () => withRow((row) => void copyText(idOf(row))) },
    {
      keys: 'Escape',
      does: 'Close the drawer, then clear the selection',
      group: 'List',
      run: () => (search.row === undefined ? clear() : onSearch({ row: undefined })),
    },
    ...(bulk === undefined
      ? []
      : [
          { keys: 'x', does: 'Select the row', group: 'List', run: () => toggle(Math.max(0, at())) },
          { keys: 'Shift+x', does: 'Select a range', group: 'List', run: () => toggle(Math.max(0, at()), true) },
          { keys: '*', does: 'Select all that are loaded', group: 'List', run: () => setSelected(new Set(rows.map(idOf))) },
          {
            keys: 'a',
            does: 'Select all that match',
            group: 'List',
            run: () => {
              setSelected(new Set(rows.map(idOf)));
              setIsAll(total !== null);
            },
          },
        ]),
    ...(props.selectionKeys ?? []).map(({ keys, does, run }) => ({
      keys,
      does,
      group: 'List',
      run: () => (isAll || selected.size > 0 ? run(selection) : withRow((row) => run({ kind: 'ids', ids: [idOf(row)] }))),
    })),
  ]);
  function withRow(act: (row: Row) => void): void {
    const row = rows[at()];
    if (row !== undefined) act(row);
  }

  const selection: Selection = isAll && total !== null ? { kind: 'all', q, total } : { kind: 'ids', ids: [...selected] };
  const onRowClick = (event: MouseEvent, row: Row): void => {
    if (event.target instanceof Element && event.target.closest('a, button, input, label') !== null) return;
    if (window.getSelection()?.isCollapsed === false) return;
    setCurrent(idOf(row));
    if (drawer !== undefined) onSearch({ row: idOf(row) });
    else if (onOpen !== undefined) onOpen(row);
  };
  const latest = useRef({ onRowClick, toggle });
  latest.current = { onRowClick, toggle };
  const events = useRef<RowEvents<Row>>({
    onClick: (event, row) => latest.current.onRowClick(event, row),
    onFocus: (row) => setCurrent(idOf(row)),
    onToggle: (index, range) => latest.current.toggle(index, range),
  });

  return (
    <div className={styles.frame} data-drawer={search.row === undefined || drawer === undefined ? undefined : true}>
      <div className={styles.list} data-dims>
        <div className={styles.bar}>
          <FilterBar
            filter={filter}
            understood={props.fixed === undefined ? pages.understood : null}
            fields={fields}
            onChange={(text) => onSearch({ q: text === '' ? undefined : text, row: undefined })}
            label={`filter ${nouns[1]}`}
          />
          <p className={styles.count} role="status">
            {total === null ? (pages.isFirstLoad ? '' : `${formatCount(rows.length)}${pages.hasMore ? '+' : ''} ${nouns[1]}`) : formatNoun(total, ...nouns)}
          </p>
          {props.tools}
          <ColumnChooser columns={columns} shown={shown} onOpen={setMenuOpen} onChange={(keys) => onSearch({ cols: keys })} />
        </div>
        {pages.error !== null && <ProblemNote error={pages.error} doing={`list ${nouns[1]}`} onRetry={pages.reload} />}
        {pages.newRows > 0 && !held && (
          <button
            type="button"
            className={styles.news}
            onClick={() => {
              pages.reload();
              window.scrollTo({ top: 0 });
            }}
          >
            {formatCount(pages.newRows)} new <IconArrowUp size={14} aria-hidden />
          </button>
        )}
        {selected.size > 0 && bulk !== undefined && (
          <section className={styles.bulk} aria-label="selected">
            <span>{isAll && total !== null ? `All ${formatNoun(total, ...nouns)} that match` : `${formatNoun(selected.size, ...nouns)} selected`}</span>
            {!isAll && total !== null && total > selected.size && selected.size >= rows.length && (
              <Button small tone="quiet" onClick={() => setIsAll(true)}>
                Select all {formatCount(total)} that match
              </Button>
            )}
            <span className={styles.bulkActs}>{bulk(selection, clear)}</span>
            <Button small tone="quiet" onClick={clear} icon={<IconX size={13} aria-hidden />}>
              Clear
            </Button>
          </section>
        )}
        {pages.isFirstLoad && pages.error === null && <p className={styles.loading}>Reading {nouns[1]} …</p>}
        {!pages.isFirstLoad && rows.length === 0 && pages.error === null && (
          <EmptyList
            nouns={nouns}
            filter={filter}
            fixed={props.fixed ?? ''}
            queryKey={props.queryKey}
            fetchPage={props.fetchPage}
            empty={props.empty}
            onFilter={(text) => onSearch({ q: text === '' ? undefined : text })}
          />
        )}
        {rows.length > 0 && (
          <div
            className={styles.table}
            role="table"
            aria-label={nouns[1]}
            aria-rowcount={(total ?? rows.length) + 1}
            style={
              {
                '--tracks': tracksOf(shown),
                '--middle-tracks': tracksOf(shown.filter(({ when }) => when !== 'roomy')),
                '--narrow-tracks': tracksOf(shown.filter(({ when }) => when === 'always')),
                '--row-height': `${rowHeight}px`,
              } as Record<string, string>
            }
          >
            <div role="rowgroup" className={styles.headGroup}>
              <div className={styles.head} role="row" aria-rowindex={1}>
                {bulk !== undefined && (
                  <span role="columnheader" className={styles.check}>
                    <input
                      type="checkbox"
                      aria-label="select all that are loaded"
                      checked={selected.size > 0 && selected.size >= rows.length}
                      onChange={(event) => (event.currentTarget.checked ? setSelected(new Set(rows.map(idOf))) : clear())}
                    />
                  </span>
                )}
                {shown.map(({ key, label, end, when }) => (
                  <span key={key} role="columnheader" className={styles.cell} data-end={end || undefined} data-when={when}>
                    {label}
                  </span>
                ))}
              </div>
            </div>
            <div role="rowgroup" ref={body} className={styles.body} style={{ height: virtual.getTotalSize() }}>
              {items.map(({ index, start }) => {
                const row = rows[index];
                if (row === undefined) return null;
                const id = idOf(row);
                return (
                  <ListRow
                    key={id}
                    row={row}
                    id={id}
                    index={index}
                    offset={start - top}
                    columns={shown}
                    isCurrent={id === current || id === search.row}
                    isFocusable={id === current || (current === null && index === 0)}
                    isSelected={bulk === undefined ? null : selected.has(id) || isAll}
                    hasLeft={pages.left.has(id)}
                    events={events.current}
                  />
                );
              })}
            </div>
          </div>
        )}
        {pages.isLoadingMore && <p className={styles.loading}>Reading more …</p>}
      </div>
      {drawer !== undefined && search.row !== undefined && (
        <Drawer onClose={() => onSearch({ row: undefined })} label={`this ${nouns[0]}`}>
          {drawer(search.row, rows[indexOf(search.row)] ?? null)}
        </Drawer>
      )}
    </div>
  );
}

/** Beside the list, so that `j` and `k` go on working; over it on a narrow screen. */
function Drawer({ label, onClose, children }: { readonly label: string; readonly onClose: () => void; readonly children: ReactNode }) {
  return (
    <aside className={styles.drawer} aria-label={label}>
      <div className={styles.drawerHead}>
        <Button small tone="quiet" onClick={onClose} label="close" icon={<IconX size={14} aria-hidden />}>
          Close
        </Button>
      </div>
      {children}
    </aside>
  );
}

interface ColumnChooserProps<Row> {
  readonly columns: readonly Column<Row>[];
  readonly shown: readonly Column<Row>[];
  readonly onOpen: (opened: boolean) => void;
  readonly onChange: (keys: string | undefined) => void;
}

function ColumnChooser<Row>({ columns, shown, onOpen, onChange }: ColumnChooserProps<Row>) {
  const keys = new Set(shown.map(({ key }) => key));
  const toggled = (key: string): string | undefined => {
    const next = columns.filter((column) => (column.key === key ? !keys.has(key) : keys.has(column.key))).map((column) => column.key);
    const usual = columns.filter(({ optional }) => optional !== true).map((column) => column.key);
    return next.length === 0 || next.join('.') === usual.join('.') ? undefined : next.join('.');
  };
  return (
    <Popup className={styles.columns} label="columns" title="Columns" onOpen={onOpen} button={<IconColumns3 size={16} stroke={1.8} aria-hidden />}>
      {() =>
        columns.map(({ key, label }) => (
          <PopupItem key={key} pressed={keys.has(key)} onClick={() => onChange(toggled(key))}>
            {label}
          </PopupItem>
        ))
      }
    </Popup>
  );
}
