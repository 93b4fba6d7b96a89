import { QueryClientProvider } from '@tanstack/react-query';
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  RouterProvider,
} from '@tanstack/react-router';
import type { ReactNode } from 'react';
import * as v from 'valibot';
import { createQueryClient } from '~/app/queries';
import { parseSearch, SharedSearch, stringifySearch } from '~/app/search';
import { renderInTheme } from '~/test/render';
import { TimeProvider } from '~/time/TimeProvider';

interface Screen {
  path: string;
  search: v.GenericSchema<unknown, Record<string, unknown>>;
  component: () => ReactNode;
}

/** One screen at an address, with what the frame gives every screen. Of `others`, which it may lead to, only the paths are there. */
export function renderScreen(screen: Screen, address: string, others: readonly string[]) {
  const root = createRootRoute({
    validateSearch: (search) => v.parse(SharedSearch, search),
    component: () => (
      <TimeProvider>
        <Outlet />
      </TimeProvider>
    ),
  });
  const shown = createRoute({
    getParentRoute: () => root,
    path: screen.path,
    validateSearch: (search) => v.parse(screen.search, search),
    component: screen.component,
  });
  const elsewhere = others.map((path) => createRoute({ getParentRoute: () => root, path, component: () => path }));
  const history = createMemoryHistory({ initialEntries: [address] });
  const router = createRouter({
    routeTree: root.addChildren([shown, ...elsewhere]),
    history,
    parseSearch,
    stringifySearch,
  });
  const view = renderInTheme(
    <QueryClientProvider client={createQueryClient()}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return { ...view, router, history };
}
