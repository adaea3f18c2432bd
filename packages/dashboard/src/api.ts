/** The client of the API as the pages use it: typed by the contract, with the browser's session; a session that ended leads to the sign-in page. */
import { ApiError, createClient, UnreachableError } from '@millrace/api-contract/client';
import { QueryClient } from '@tanstack/react-query';

export const api = createClient();

/** A new key for an act; the same for every try of one press of a button, so that it happens once. */
export const newActKey = (): string => crypto.randomUUID();

export const isSignedOut = (error: unknown): boolean => error instanceof ApiError && error.code === 'AUTH_REQUIRED';
export const isNotFound = (error: unknown): boolean => error instanceof ApiError && (error.status === 404 || error.status === 410);

/** Worth asking again by itself: the server said so, or it could not be reached. */
function isPassing(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ApiError && error.retryable);
}

export function createQueries(onSignedOut: () => void): QueryClient {
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2_000,
        gcTime: 5 * 60_000,
        refetchOnWindowFocus: true,
        retry: (failures, error) => isPassing(error) && failures < 2,
        retryDelay: (failures) => Math.min(8_000, 500 * 2 ** failures),
      },
      mutations: { retry: false },
    },
  });
  queries.getQueryCache().subscribe((event) => {
    if (event.type === 'updated' && event.action.type === 'error' && isSignedOut(event.action.error)) onSignedOut();
  });
  return queries;
}
