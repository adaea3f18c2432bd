import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { appRoute, searchTexts } from '../../routes.ts';

const auditRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/audit',
  validateSearch: searchTexts('q', 'cols', 'row', 'by', 'from', 'to'),
  component: lazyRouteComponent(() => import('./audit.tsx'), 'AuditScreen'),
});

const schedulesRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/schedules',
  component: lazyRouteComponent(() => import('../schedules/schedules.tsx'), 'SchedulesScreen'),
});

export const recordRoutes = [schedulesRoute, auditRoute] as const;
