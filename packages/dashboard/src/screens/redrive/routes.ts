import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute, searchTexts } from '../../routes.ts';

const redriveRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/redrives/new',
  validateSearch: searchTexts('plan'),
  component: lazyRouteComponent(() => import('./plan.tsx'), 'PlanScreen'),
});

const operationsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/operations',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./operations.tsx'), 'OperationsScreen'),
});

const operationRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/operations/$operation',
  validateSearch: searchTexts('outcome'),
  component: lazyRouteComponent(() => import('./operation.tsx'), 'OperationScreen'),
});

const deadRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/dead',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../dead/dead-letters.tsx'), 'DeadLettersScreen'),
});

export const redriveRoutes = [redriveRoute, operationsRoute, operationRoute, deadRoute] as const;
