import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute, searchTexts } from '../../routes.ts';

export const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: searchTexts('next'),
  component: lazyRouteComponent(() => import('./login.tsx'), 'LoginScreen'),
});
