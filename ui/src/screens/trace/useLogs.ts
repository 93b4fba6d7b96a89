import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { fetchLogsById, fetchLogsInLines, MOST_LOGS } from '~/data/traceLogs';
import { askAgain, useRefreshed } from '~/screens/trace/asking';
import { logsBySpan, type PlacedLog, placeLogs } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';

export interface Logs {
  placed: PlacedLog[];
  bySpan: ReadonlyMap<number, PlacedLog[]>;
  isLoading: boolean;
  /** One of the two questions failed; what the other found is there. */
  error: Error | null;
  isCut: boolean;
  retry: () => void;
}

/** The trace's log records, each at its span: those that carry its id, and those that have it in their line. */
export function useLogs({ spans, tree }: TraceModel): Logs {
  // A trace that has grown may have more logs, too.
  const key = [spans.traceId, spans.length];
  const refetchInterval = askAgain(spans);
  const byId = useQuery({
    queryKey: ['traceLogs', 'id', ...key],
    queryFn: ({ signal }) => fetchLogsById(spans, signal),
    placeholderData: keepPreviousData,
    refetchInterval,
  });
  const inLines = useQuery({
    queryKey: ['traceLogs', 'lines', ...key],
    queryFn: ({ signal }) => fetchLogsInLines(spans, signal),
    placeholderData: keepPreviousData,
    refetchInterval,
  });
  const found = useMemo(() => [...(byId.data?.logs ?? []), ...(inLines.data?.logs ?? [])], [byId.data, inLines.data]);
  const placed = useMemo(() => placeLogs(spans, tree, found).slice(0, MOST_LOGS), [spans, tree, found]);
  const bySpan = useMemo(() => logsBySpan(placed), [placed]);
  const retry = () => {
    byId.refetch();
    inLines.refetch();
  };
  useRefreshed(retry);
  return {
    placed,
    bySpan,
    isLoading: byId.isPending || inLines.isPending,
    error: byId.error ?? inLines.error,
    isCut: found.length > MOST_LOGS || (byId.data?.isCut ?? false) || (inLines.data?.isCut ?? false),
    retry,
  };
}
