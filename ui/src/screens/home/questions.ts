/** What the first screen asks, for the blocks that share an answer. */

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { fetchIngest, fetchNewest, type Signal } from '~/data/ingest';
import { fetchServices, PERCENTILES } from '~/data/services';
import { useTime } from '~/time/useTime';

/** The services of the range, and the percentiles that the table has columns for. */
export function useServices() {
  const { interval } = useTime();
  const { columns, sort } = useSearch({ from: '/' });
  const percentiles = PERCENTILES.filter((key) => key === 'p95' || columns?.includes(key) || sort?.endsWith(key));
  const query = useQuery({
    queryKey: ['services', 'totals', interval, percentiles],
    queryFn: ({ signal }) => fetchServices({ interval, percentiles }, signal),
    placeholderData: keepPreviousData,
  });
  return { query, percentiles };
}

/** How much of one signal came in the range. */
export function useIngest(which: Signal) {
  const { interval } = useTime();
  return useQuery({
    queryKey: ['ingest', which, interval],
    queryFn: ({ signal }) => fetchIngest({ signal: which, interval }, signal),
    placeholderData: keepPreviousData,
  });
}

/** When the newest data is of, in the whole store; asked only where the range has none. */
export function useNewest(isAsked: boolean) {
  const { interval } = useTime();
  return useQuery({
    queryKey: ['ingest', 'newest', interval],
    queryFn: ({ signal }) => fetchNewest(signal),
    placeholderData: keepPreviousData,
    enabled: isAsked,
  });
}
