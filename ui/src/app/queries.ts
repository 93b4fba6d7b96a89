import { QueryClient } from '@tanstack/react-query';
import { ApiError } from '~/api/http';

/** Between two attempts while the server is away. */
const RETRY_EVERY = 3_000;

/**
 * How screens ask: what failed in passing is asked again until it works (so that a screen recovers by itself), what was
 * refused is not. The last answer stays on the screen meanwhile.
 */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        gcTime: 5 * 60_000,
        retry: (failures, error) =>
          failures < 1 && error instanceof ApiError && error.isPassing && error.kind !== 'timeout',
        retryDelay: 500,
        refetchOnWindowFocus: false,
        refetchInterval: (query) => (isPassing(query.state.error) ? RETRY_EVERY : false),
        // Loopback works without a network; the browser's opinion of being online says nothing.
        networkMode: 'always',
      },
    },
  });
}

/** For questions with a rhythm of their own: that, or sooner after a failure that passes. */
export function refetchEvery(ms: number) {
  return (query: { state: { error: Error | null } }): number =>
    isPassing(query.state.error) ? Math.min(RETRY_EVERY, ms) : ms;
}

function isPassing(error: Error | null): boolean {
  return error instanceof ApiError && error.isPassing;
}
