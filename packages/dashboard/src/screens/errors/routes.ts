import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute } from '../../routes.ts';

const errorsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/errors',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./errors.tsx'), 'ErrorsScreen'),
});

const errorGroupRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/errors/$fingerprint',
  component: lazyRouteComponent(() => import('./error-group.tsx'), 'ErrorGroupScreen'),
});

export const errorRoutes = [errorsRoute, errorGroupRoute] as const;
