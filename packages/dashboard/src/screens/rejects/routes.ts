import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute } from '../../routes.ts';

const rejectsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/rejects',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./summary.tsx'), 'RejectsSummaryScreen'),
});

const jobRejectsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/rejects',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./job-rejects.tsx'), 'JobRejectsScreen'),
});

const rejectRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/rejects/$reject',
  component: lazyRouteComponent(() => import('./reject.tsx'), 'RejectScreen'),
});

export const rejectRoutes = [rejectsRoute, jobRejectsRoute, rejectRoute] as const;
