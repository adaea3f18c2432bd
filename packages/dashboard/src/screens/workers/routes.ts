import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { appRoute, searchTexts } from '../../routes.ts';

const workersRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/workers',
  validateSearch: searchTexts('q', 'pool'),
  component: lazyRouteComponent(() => import('./workers.tsx'), 'WorkersScreen'),
});

const queuesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/queues',
  component: lazyRouteComponent(() => import('../queues/queues.tsx'), 'QueuesScreen'),
});

const statusRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/status',
  component: lazyRouteComponent(() => import('../status/status.tsx'), 'StatusScreen'),
});

export const installationRoutes = [workersRoute, queuesRoute, statusRoute] as const;
