/** The two roots of all routes: what every address has, and the frame that asks for a sign-in. Screens hang their routes below `appRoute`. */
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, lazyRouteComponent, Outlet, redirect, retainSearchParams } from '@tanstack/react-router';
import { isSignedOut } from './api.ts';
import { meQuery } from './session.ts';
import { ScreenFailed, ScreenMissing } from './ui/error-boundary.tsx';

export interface RouterContext {
  readonly queries: QueryClient;
}

export interface RootSearch {
  /** Times in the zone of the browser instead of UTC. */
  readonly tz?: 'local' | undefined;
}

export const rootRoute = createRootRouteWithContext<RouterContext>()({
  validateSearch: (search: Record<string, unknown>): RootSearch => (search['tz'] === 'local' ? { tz: 'local' } : {}),
  search: { middlewares: [retainSearchParams(['tz'])] },
  component: Outlet,
  errorComponent: ScreenFailed,
  notFoundComponent: ScreenMissing,
});

export const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'app',
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queries.ensureQueryData(meQuery);
    } catch (error) {
      if (isSignedOut(error)) throw redirect({ to: '/login', search: { next: location.href } });
      throw error;
    }
  },
  component: lazyRouteComponent(() => import('./shell/shell.tsx'), 'Shell'),
  errorComponent: ScreenFailed,
  notFoundComponent: ScreenMissing,
});

/** Any other address: said inside of the frame, so that its navigation is there. */
export const missingRoute = createRoute({ getParentRoute: () => appRoute, path: '$', component: ScreenMissing });

/** Text of a search parameter; absent when empty or of another kind. */
export function searchText(search: Record<string, unknown>, name: string): string | undefined {
  const value = search[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Keeps the named texts of an address and drops everything else. */
export function searchTexts<const Name extends string>(...names: readonly Name[]): (search: Record<string, unknown>) => { [N in Name]?: string | undefined } {
  return (search) =>
    Object.fromEntries(names.flatMap((name) => (searchText(search, name) === undefined ? [] : [[name, searchText(search, name)]]))) as {
      [N in Name]?: string | undefined;
    };
}
