import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute, searchTexts } from '../../routes.ts';

const rejectsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/rejects',
  validateSearch: searchTexts('q'),
  component: lazyRouteComponent(() => import('./all-rejects.tsx'), 'AllRejectsScreen'),
});

const rejectRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/rejects/$reject',
  component: lazyRouteComponent(() => import('./reject.tsx'), 'RejectScreen'),
});

const jobRejectsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/rejects',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./job-rejects.tsx'), 'JobRejectsScreen'),
});

const correctionsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/corrections',
  component: lazyRouteComponent(() => import('./corrections.tsx'), 'CorrectionsScreen'),
});

const peekRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/peek',
  validateSearch: searchTexts('file', 'at', 'record', 'reject'),
  component: lazyRouteComponent(() => import('./peek.tsx'), 'PeekScreen'),
});

export const rejectRoutes = [rejectsRoute, rejectRoute, jobRejectsRoute, correctionsRoute, peekRoute] as const;
