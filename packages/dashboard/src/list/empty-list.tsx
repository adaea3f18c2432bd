/** An empty list says why: which term of the filter emptied it, and what is there without it. */
import { type QueryKey, useQueries } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { formatNoun } from '../format/numbers.ts';
import { visibleText } from '../format/texts.ts';
import { Button } from '../ui/button.tsx';
import { Empty } from '../ui/page.tsx';
import { termsOf, withoutTerm } from './filter-text.ts';
import type { FetchPage } from './use-pages.ts';

interface EmptyListProps<Row> {
  readonly nouns: readonly [string, string];
  readonly filter: string;
  readonly fixed: string;
  readonly queryKey: QueryKey;
  readonly fetchPage: FetchPage<Row>;
  readonly empty: ReactNode;
  readonly onFilter: (filter: string) => void;
}

const mostTerms = 6;

export function EmptyList<Row>({ nouns, filter, fixed, queryKey, fetchPage, empty, onFilter }: EmptyListProps<Row>) {
  const terms = termsOf(filter).slice(0, mostTerms);
  const counts = useQueries({
    queries: terms.map((_, index) => {
      const q = [fixed, withoutTerm(filter, index)].filter((text) => text !== '').join(' ');
      return { queryKey: [...queryKey, 'count', q], queryFn: ({ signal }: { signal: AbortSignal }) => fetchPage({ q, cursor: undefined, limit: 1 }, signal) };
    }),
  });
  if (terms.length === 0) return empty;
  const totals = counts.map(({ data }) => (data === undefined ? null : (data.total ?? data.data.length)));
  const blamed = totals.filter((total) => total !== null && total > 0).length;
  return (
    <Empty
      title={
        blamed === 0 || terms.length === 1
          ? `No ${nouns[0]} matches ${visibleText(filter)}.`
          : `No ${nouns[0]} matches: ${blamed} of ${terms.length} terms, taken alone, ${blamed === 1 ? 'excludes' : 'exclude'} everything.`
      }
    >
      {terms.map(({ text, start }, index) => {
        const total = totals[index] ?? null;
        if (total === null || total === 0) return null;
        return (
          <Button key={start} small onClick={() => onFilter(withoutTerm(filter, index))}>
            Remove {visibleText(text)}: {formatNoun(total, 'match', 'match')}
          </Button>
        );
      })}
      {terms.length > 1 && (
        <Button small tone="quiet" onClick={() => onFilter('')}>
          Remove the whole filter
        </Button>
      )}
    </Empty>
  );
}
