import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouterHistory,
  retainSearchParams,
} from '@tanstack/react-router';
import * as v from 'valibot';
import { Shell } from '~/app/Shell';
import { parseSearch, SharedSearch, stringifySearch } from '~/app/search';
import { NotFound } from '~/components/NotFound';
import { ScreenError } from '~/components/ScreenError';
import { ScreenLoading } from '~/components/states';
import { HomeSearch } from '~/screens/home/search';
import { TraceSearch } from '~/screens/trace/search';
import { TracesSearch } from '~/screens/traces/search';

const root = createRootRoute({
  component: Shell,
  validateSearch: (search) => v.parse(SharedSearch, search),
  search: { middlewares: [retainSearchParams(['from', 'to', 'tz', 'refresh', 'tenant'])] },
  notFoundComponent: NotFound,
  errorComponent: ScreenError,
});

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: (search) => v.parse(HomeSearch, search),
  component: lazyRouteComponent(() => import('~/screens/home/Home'), 'Home'),
});

const traces = createRoute({
  getParentRoute: () => root,
  path: '/traces',
  validateSearch: (search) => v.parse(TracesSearch, search),
  component: lazyRouteComponent(() => import('~/screens/traces/Traces'), 'Traces'),
});

const trace = createRoute({
  getParentRoute: () => root,
  path: '/traces/$traceId',
  validateSearch: (search) => v.parse(TraceSearch, search),
  component: lazyRouteComponent(() => import('~/screens/trace/Trace'), 'Trace'),
});

const routeTree = root.addChildren([home, traces, trace]);

/** The pages by their addresses; `history` in place of the browser's own is for tests. */
export function createAppRouter(history?: RouterHistory) {
  return createRouter({
    routeTree,
    ...(history && { history }),
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPendingComponent: ScreenLoading,
    defaultErrorComponent: ScreenError,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
