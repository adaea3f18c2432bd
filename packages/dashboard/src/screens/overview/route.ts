import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { appRoute, searchTexts } from '../../routes.ts';

export const overviewRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/',
  validateSearch: searchTexts('from', 'to', 'window'),
  component: lazyRouteComponent(() => import('./overview.tsx'), 'OverviewScreen'),
});
