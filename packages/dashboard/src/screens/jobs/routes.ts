import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute } from '../../routes.ts';

const jobsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./jobs.tsx'), 'JobsScreen'),
});

export const jobRoutes = [jobsRoute] as const;
