import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { fetchStatus, type Status } from '~/api/status';
import { refetchEvery } from '~/app/queries';

/** Between two questions whether the server is still there. */
const ALIVE_EVERY = 15_000;

/** What the server says of itself; asked every so often, so that a screen knows when nobody answers any more. */
export function useStatus(): UseQueryResult<Status> {
  return useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => fetchStatus(signal),
    refetchInterval: refetchEvery(ALIVE_EVERY),
  });
}
