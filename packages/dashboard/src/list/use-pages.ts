/**
 * The rows of a list: pages from the server one after another, kept still. Live events bring what is shown up to date in place; new rows wait behind
 * a button. Nothing is fetched anew while `held`: rows are selected, or a menu is open.
 */
import { type InfiniteData, type QueryKey, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useLive } from '../live/use-live.ts';
import { type ListPage, mergePages } from './merge-pages.ts';

export type FetchPage<Row> = (
  page: { readonly q: string; readonly cursor: string | undefined; readonly limit: number },
  signal: AbortSignal,
) => Promise<ListPage<Row>>;

interface PagesOptions<Row> {
  /** Without the filter. */
  readonly queryKey: QueryKey;
  readonly q: string;
  readonly fetchPage: FetchPage<Row>;
  readonly idOf: (row: Row) => string;
  /** Topics of live events that concern the rows. */
  readonly topics: readonly string[];
  readonly held: boolean;
  /** Number of the row at the top of the screen, so that its page is kept fresh too. */
  readonly firstShown: () => number;
}

export const pageLimit = 100;
const settleMs = 1_500;

export interface Pages<Row> {
  readonly rows: readonly Row[];
  /** Exact; null when the server does not count. */
  readonly total: number | null;
  /** The filter as the server understood it; null before it answered. */
  readonly understood: string | null;
  readonly newRows: number;
  readonly left: ReadonlySet<string>;
  readonly error: unknown;
  readonly isFirstLoad: boolean;
  readonly isLoadingMore: boolean;
  readonly hasMore: boolean;
  readonly loadMore: () => void;
  /** From the top, with all that is new. */
  readonly reload: () => void;
}

const nothingLeft: ReadonlySet<string> = new Set();

export function usePages<Row>({ queryKey, q, fetchPage, idOf, topics, held, firstShown }: PagesOptions<Row>): Pages<Row> {
  const client = useQueryClient();
  const key = [...queryKey, 'pages', q];
  const keyText = JSON.stringify(key);
  const [news, setNews] = useState<{ readonly of: string; readonly newRows: number; readonly left: ReadonlySet<string> }>({
    of: '',
    newRows: 0,
    left: nothingLeft,
  });
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => fetchPage({ q, cursor: pageParam, limit: pageLimit }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });

  const refresh = useRef<() => Promise<void>>(async () => undefined);
  refresh.current = async () => {
    const data = client.getQueryData<InfiniteData<ListPage<Row>, string | undefined>>(key);
    if (data === undefined || held) return;
    const shownPage = Math.min(Math.floor(firstShown() / pageLimit), data.pages.length - 1);
    const indexes = [...new Set([0, shownPage])];
    const answers = await Promise.all(
      indexes.map(async (index) => ({ index, page: await fetchPage({ q, cursor: data.pageParams[index], limit: pageLimit }, new AbortController().signal) })),
    );
    client.setQueryData<InfiniteData<ListPage<Row>, string | undefined>>(key, (current) => {
      if (current === undefined) return current;
      const merged = mergePages(current.pages, answers, idOf);
      setNews({ of: keyText, newRows: merged.newRows, left: merged.left });
      return { ...current, pages: [...merged.pages] };
    });
  };

  const timer = useRef<number | undefined>(undefined);
  const refreshSoon = useCallback(() => {
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined;
      // A page that cannot be had now is asked for again with the next event; the header says how old the data are.
      refresh.current().catch(() => undefined);
    }, settleMs);
  }, []);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  useLive(topics, ({ type }) => (type === 'notice' ? undefined : refreshSoon()));
  // What happened while rows were held is caught up with when they are let go.
  useEffect(() => (held ? undefined : refreshSoon()), [held, refreshSoon]);

  const pages = query.data?.pages ?? [];
  const rows = useMemo(() => (query.data?.pages ?? []).flatMap((page) => page.data), [query.data]);
  const isCurrent = news.of === keyText;
  return {
    rows,
    total: pages[0]?.total ?? null,
    understood: pages[0]?.filter ?? null,
    newRows: isCurrent ? news.newRows : 0,
    left: isCurrent ? news.left : nothingLeft,
    error: query.error,
    isFirstLoad: query.isPending,
    isLoadingMore: query.isFetchingNextPage,
    hasMore: query.hasNextPage,
    loadMore: () => {
      if (query.hasNextPage && !query.isFetchingNextPage && query.error === null) void query.fetchNextPage();
    },
    reload: () => {
      setNews({ of: keyText, newRows: 0, left: nothingLeft });
      void client.resetQueries({ queryKey: key, exact: true });
    },
  };
}
