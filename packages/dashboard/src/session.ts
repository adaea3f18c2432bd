/** Who is signed in, and what the pages may offer. The server decides rights; pages only leave out what it would refuse. */
import type { Identity, Role } from '@millrace/api-contract';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { api } from './api.ts';

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => api.call('GET /me', {}, { signal }),
  staleTime: 60_000,
});

const order: readonly Role[] = ['viewer', 'operator', 'steward', 'admin'];

/** Null until it is known. */
export function useIdentity(): Identity | null {
  return useQuery(meQuery).data ?? null;
}

/** Whether the one who is signed in may do what needs `role`. */
export function useMay(role: Role): boolean {
  const me = useIdentity();
  return me !== null && order.indexOf(me.role) >= order.indexOf(role);
}

/** A production installation asks for a reason with every act. */
export function useIsProduction(): boolean {
  return useIdentity()?.environment === 'production';
}
