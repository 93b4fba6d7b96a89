import { hashKey, keepPreviousData, type UseQueryResult, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import {
  sampleTraces,
  searchTraces,
  type TraceDot,
  type TraceSample,
  type TraceSearch,
  type TraceSummary,
  type TracesQuestion,
} from '~/data/traces';
import type { Interval } from '~/time/range';
import type { Question } from './question';

/** The list: what is found so far while the search goes on, then all of it. `stop` ends it with what there is. */
export function useTraceSearch({ filter, sort, limit, problems }: Question, interval: Interval) {
  const client = useQueryClient();
  const stopper = useRef<AbortController>(undefined);
  const question: TracesQuestion = { interval, filter, sort, limit };
  const key = ['traces', 'search', question] as const;
  const result = useQuery({
    queryKey: key,
    queryFn: ({ signal }): Promise<TraceSearch> => {
      const controller = new AbortController();
      stopper.current = controller;
      return searchTraces(question, {
        signal,
        stop: controller.signal,
        onProgress: (search) => {
          // An empty beginning is no reason to take away what is there.
          if (!signal.aborted && search.traces.length > 0) client.setQueryData<TraceSearch>(key, search);
        },
      });
    },
    enabled: problems.length === 0,
    placeholderData: keepPreviousData,
  });
  const stop = useCallback(() => stopper.current?.abort(), []);
  const shown = useShown(result, { hash: hashKey(key), about: hashKey([filter, sort]) });
  return { ...shown, isFetching: result.isFetching, refetch: result.refetch, stop };
}

interface Shown {
  data: TraceSearch | undefined;
  /** The data answers the question before, or the same one at an earlier moment. */
  isOld: boolean;
  error: Error | null;
}

/**
 * What stands on the screen while a question fails and is asked again and again, which makes the query forget both its
 * failure and the answer before: the failure, and the last answer as far as it is `about` the same.
 */
function useShown(result: UseQueryResult<TraceSearch>, { hash, about }: { hash: string; about: string }): Shown {
  const [last, setLast] = useState<{ data: TraceSearch; about: string }>();
  const [failed, setFailed] = useState<{ error: Error; hash: string }>();
  const { data, error: newest, isPlaceholderData: isOld } = result;
  const isAnswered = data !== undefined && !isOld;
  if (isAnswered && data !== last?.data) setLast({ data, about });
  if (newest && newest !== failed?.error) setFailed({ error: newest, hash });
  if (isAnswered) return { data, isOld, error: newest };
  const error = newest ?? (failed?.hash === hash ? failed.error : null);
  if (!error) return { data, isOld, error };
  return { data: last?.about === about ? last.data : undefined, isOld: true, error };
}

/** The value of the last rendering in which `when` held. */
export function useLastWhen<T>(value: T, when: boolean): T {
  const [last, setLast] = useState({ value });
  if (!when) return last.value;
  if (last.value !== value) setLast({ value });
  return value;
}

export interface Dots extends TraceSample {
  /** All that match, not a sample of them. */
  whole: boolean;
}

/** The dots above the list: the list itself where it holds all that match, else a sample of the whole range. */
export function useTraceDots(
  { filter, sort, problems }: Question,
  interval: Interval,
  search: TraceSearch | undefined,
  settled: boolean,
) {
  const isWhole = search?.complete === true && !search.more;
  const question = { interval, filter };
  const sample = useQuery({
    queryKey: ['traces', 'sample', question],
    queryFn: ({ signal }) => sampleTraces(question, signal),
    // After the list, which is waited for.
    enabled: problems.length === 0 && settled && search !== undefined && !isWhole,
    placeholderData: keepPreviousData,
  });
  const listed = search?.traces ?? NONE;
  const isRanked = sort.key !== 'time';
  const now = useMemo(
    () => (isWhole ? wholeOf(listed) : withListed(sample.data, isRanked ? listed : NONE)),
    [isWhole, listed, sample.data, isRanked],
  );
  // Between two answers, the dots of the one before.
  const last = useRef(now);
  useEffect(() => {
    if (now) last.current = now;
  }, [now]);
  return { sample, dots: now ?? last.current };
}

const NONE: TraceSummary[] = [];

function wholeOf(dots: TraceDot[]): Dots {
  return { dots, oneIn: 1, failedOneIn: 1, whole: true };
}

/** The slowest, the largest of all are in the list; so that they are seen here too, they are dots as well. */
function withListed(sample: TraceSample | undefined, listed: readonly TraceDot[]): Dots | undefined {
  if (!sample) return undefined;
  const dots = new Map([...sample.dots, ...listed].map((dot) => [dot.id, dot]));
  return { ...sample, dots: [...dots.values()], whole: false };
}
