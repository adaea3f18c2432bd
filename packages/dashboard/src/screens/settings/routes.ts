import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { appRoute } from '../../routes.ts';

const settingsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/settings',
  component: lazyRouteComponent(() => import('./settings.tsx'), 'SettingsScreen'),
});

export const settingsRoutes = [settingsRoute] as const;
