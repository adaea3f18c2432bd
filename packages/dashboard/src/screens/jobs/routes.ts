import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { listSearch } from '../../list/list-search.ts';
import { appRoute, searchTexts } from '../../routes.ts';

const jobsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./jobs.tsx'), 'JobsScreen'),
});

const newJobRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/new',
  validateSearch: searchTexts('from'),
  component: lazyRouteComponent(() => import('../new-job/new-job.tsx'), 'NewJobScreen'),
});

const jobRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job',
  validateSearch: searchTexts('tab', 'files'),
  component: lazyRouteComponent(() => import('../job/job.tsx'), 'JobScreen'),
});

const chunksRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/stages/$stage',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('../chunks/chunks.tsx'), 'ChunksScreen'),
});

const chunkRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/jobs/$job/chunks/$stage/$index',
  validateSearch: searchTexts('attempt', 'with'),
  component: lazyRouteComponent(() => import('../chunk/chunk.tsx'), 'ChunkScreen'),
});

export const jobRoutes = [jobsRoute, newJobRoute, jobRoute, chunksRoute, chunkRoute] as const;
