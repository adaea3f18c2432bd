/** The router: every screen's routes in one tree. Each screen is its own piece of code, loaded when its address is first opened. */
import type { QueryClient } from '@tanstack/react-query';
import { createRouter } from '@tanstack/react-router';
import { appRoute, missingRoute, rootRoute } from './routes.ts';
import { recordRoutes } from './screens/audit/routes.ts';
import { errorRoutes } from './screens/errors/routes.ts';
import { jobRoutes } from './screens/jobs/routes.ts';
import { loginRoute } from './screens/login/route.ts';
import { overviewRoute } from './screens/overview/route.ts';
import { redriveRoutes } from './screens/redrive/routes.ts';
import { rejectRoutes } from './screens/rejects/routes.ts';
import { settingsRoutes } from './screens/settings/routes.ts';
import { installationRoutes } from './screens/workers/routes.ts';
import { ScreenFailed, ScreenMissing } from './ui/error-boundary.tsx';

const tree = rootRoute.addChildren([
  loginRoute,
  appRoute.addChildren([
    overviewRoute,
    ...jobRoutes,
    ...errorRoutes,
    ...rejectRoutes,
    ...redriveRoutes,
    ...recordRoutes,
    ...installationRoutes,
    ...settingsRoutes,
    missingRoute,
  ]),
]);

function writeSearch(search: Record<string, unknown>): string {
  const texts = Object.entries(search).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : []));
  const written = new URLSearchParams(texts).toString();
  return written === '' ? '' : `?${written}`;
}

export function createPages(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: 'intent',
    defaultPreloadDelay: 80,
    defaultErrorComponent: ScreenFailed,
    defaultNotFoundComponent: ScreenMissing,
    scrollRestoration: true,
    // Every value of an address is text: a filter such as `"no space"` must not be read as JSON.
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: writeSearch,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createPages>;
  }
}
