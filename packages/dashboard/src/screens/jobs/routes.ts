import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute, searchTexts } from '../../routes.ts';

const jobsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./jobs.tsx'), 'JobsScreen'),
});

const jobRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job',
  validateSearch: searchTexts('tab', 'files'),
  component: lazyRouteComponent(() => import('../job/job.tsx'), 'JobScreen'),
});

export const jobRoutes = [jobsRoute, jobRoute] as const;
