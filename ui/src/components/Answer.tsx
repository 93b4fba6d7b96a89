import { Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { Failure, Loading, Partial } from '~/components/states';
import { formatTimeOfDay } from '~/time/format';
import { useTime } from '~/time/useTime';

/** After this many milliseconds without an answer the screen says that it is still waiting. */
export const SLOW_AFTER = 4_000;

interface AnswerProps<T> {
  of: UseQueryResult<T>;
  /** As high as what will stand here, in pixels, so that nothing jumps. */
  height: number;
  /** What is asked for, as in “The services are still being counted”. */
  label: string;
  children: (data: T) => ReactNode;
}

/**
 * A piece of a screen that shows the answer to one question, whatever becomes of it: on its way, slow, failed, failed
 * after it had worked (then the last answer stays, with a word about its age).
 */
export function Answer<T>({ of: query, height, label, children }: AnswerProps<T>) {
  const { zone } = useTime();
  const last = useLastAnswer(query);
  const isSlow = useIsSlow(query.isFetching);
  const retry = () => void query.refetch();

  if (!last) {
    if (query.error) return <Failure error={query.error} retry={retry} retrying={query.isFetching} />;
    return (
      <>
        <Loading height={height} label={`Loading ${label}`} />
        {isSlow && <StillAsking />}
      </>
    );
  }
  const age = formatTimeOfDay(last.at, zone);
  return (
    <>
      {query.error && (
        <Partial retry={retry}>
          The {label} could not be asked for again, these are of {age}: {query.error.message}
        </Partial>
      )}
      {!query.error && isSlow && <StillAsking age={age} />}
      {children(last.data)}
    </>
  );
}

function StillAsking({ age }: { age?: string }) {
  return (
    <Text size="xs" c="dimmed" role="status">
      Still asking{age && `; what is shown is of ${age}`}. A shorter time range reads less.
    </Text>
  );
}

/** The newest answer, also while the next question is asked or has failed; `at`: when it came. */
function useLastAnswer<T>(query: UseQueryResult<T>): { data: T; at: number } | undefined {
  const [last, setLast] = useState<{ data: T; at: number }>();
  const isNews = query.isSuccess && !query.isPlaceholderData && query.data !== last?.data;
  if (isNews) {
    const news = { data: query.data, at: query.dataUpdatedAt };
    setLast(news);
    return news;
  }
  return last;
}

function useIsSlow(isFetching: boolean): boolean {
  const [isSlow, setIsSlow] = useState(false);
  useEffect(() => {
    if (!isFetching) return;
    const timer = setTimeout(() => setIsSlow(true), SLOW_AFTER);
    return () => {
      clearTimeout(timer);
      setIsSlow(false);
    };
  }, [isFetching]);
  return isSlow;
}
