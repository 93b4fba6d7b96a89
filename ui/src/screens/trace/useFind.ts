import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { searchTrace } from '~/data/traceSearch';
import { findSpans } from '~/screens/trace/model/find';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { spansOfId } from '~/screens/trace/model/tree';

/** Between the last key and the question to the server (milliseconds). */
const ASK_AFTER = 300;

export interface Find {
  /** Undefined while nothing is searched for. */
  matches: ReadonlySet<number> | undefined;
  /** The server is still looking through attributes. */
  isAsking: boolean;
  /** Attributes could not be searched: why. */
  error: Error | null;
  /** There are more matches than the server lists. */
  isCut: boolean;
}

/** Spans that match: by what is on the screen at once, by attributes and events when the server has answered. */
export function useFind({ spans, tree }: TraceModel, text: string): Find {
  const wanted = text.trim();
  const [asked] = useDebouncedValue(wanted, ASK_AFTER);
  const known = useMemo(() => (wanted ? findSpans(spans, wanted) : undefined), [spans, wanted]);
  const search = useQuery({
    queryKey: ['traceSearch', spans.traceId, spans.length, asked],
    queryFn: ({ signal }) => searchTrace(spans.traceId, asked, signal),
    enabled: asked !== '',
  });
  const isCurrent = asked === wanted;
  const answer = isCurrent ? search.data : undefined;
  const matches = useMemo(() => {
    if (!known || !answer) return known;
    const all = new Set(known);
    for (const id of answer.spans) {
      // Which of several with this id it is, the server does not say.
      for (const span of spansOfId(tree, id)) all.add(span);
    }
    return all;
  }, [known, answer, tree]);
  return {
    matches,
    isAsking: wanted !== '' && (!isCurrent || search.isFetching),
    error: isCurrent && wanted ? search.error : null,
    isCut: answer?.truncated ?? false,
  };
}
