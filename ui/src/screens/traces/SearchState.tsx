import { Button, Loader, NativeSelect } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Partial } from '~/components/states';
import { SORT_KEYS, type SortKey, type TraceSort } from '~/data/traceSql';
import type { TraceSearch } from '~/data/traces';
import { formatCount } from '~/format/number';
import { formatInstant } from '~/time/format';
import { LIMITS, type Question } from './question';
import classes from './SearchState.module.css';

interface Props {
  search: TraceSearch | undefined;
  question: Question;
  zone: string;
  isSearching: boolean;
  /** What is there answers the question before. */
  isOld: boolean;
  /** Why there is nothing newer than what is there. */
  error: Error | null;
  onLimit: (limit: number) => void;
  onSort: (sort: TraceSort) => void;
  /** Where no heads of columns can be clicked. */
  showSort: boolean;
  stop: () => void;
  retry: () => void;
}

const SORT_WORDS: Record<SortKey, { descending: string; ascending: string }> = {
  time: { descending: 'newest first', ascending: 'oldest first' },
  duration: { descending: 'longest first', ascending: 'shortest first' },
  spans: { descending: 'most spans first', ascending: 'fewest spans first' },
  errors: { descending: 'most errors first', ascending: 'fewest errors first' },
};

const SORTS: readonly TraceSort[] = SORT_KEYS.flatMap((key) => [
  { key, descending: true },
  { key, descending: false },
]);

function orderOf({ key, descending }: TraceSort): string {
  return SORT_WORDS[key][descending ? 'descending' : 'ascending'];
}

/** The line above the list: how much of what was asked for it is, and how far the search has come. */
export function SearchState(props: Props) {
  const { search, question, zone, isSearching, isOld, error, onLimit, onSort, showSort, stop, retry } = props;
  const isSlow = useSlow(isSearching);
  const { sort, limit } = question;
  const newestFirst = sort.key !== 'time' || sort.descending;
  const end = search && formatInstant(newestFirst ? search.searched.from : search.searched.to, zone, 'seconds');
  return (
    <>
      <div className={classes.line}>
        <p className={classes.words} role="status">
          {isSearching && isSlow ? (
            <>
              <Loader size={14} aria-hidden />
              {search && !isOld
                ? `Searching, ${newestFirst ? 'back' : 'on'} to ${end} so far: ${traces(search.traces.length)}`
                : 'Still searching'}
            </>
          ) : (
            search && wordsFor(search, question)
          )}
        </p>
        {isSearching && isSlow && (
          <Button size="compact-xs" variant="default" onClick={stop}>
            Stop
          </Button>
        )}
        <div className={classes.choices}>
          {showSort && (
            <NativeSelect
              size="xs"
              aria-label="Sort by"
              value={SORTS.findIndex(({ key, descending }) => key === sort.key && descending === sort.descending)}
              data={SORTS.map((sort, index) => ({ value: String(index), label: orderOf(sort) }))}
              onChange={(event) => {
                const sort = SORTS[Number(event.currentTarget.value)];
                if (sort) onSort(sort);
              }}
            />
          )}
          <NativeSelect
            size="xs"
            aria-label="Most traces in the list"
            value={String(limit)}
            data={LIMITS.map((limit) => ({ value: String(limit), label: `Up to ${limit}` }))}
            onChange={(event) => onLimit(Number(event.currentTarget.value))}
          />
        </div>
      </div>
      {error && <Partial retry={retry}>These traces are of an earlier moment: {error.message}</Partial>}
      {search?.problem && !isSearching && (
        <Partial retry={retry}>
          {search.problem === 'stopped'
            ? 'The search was stopped'
            : `The search ended early (${search.problem.message})`}{' '}
          at {end}: what is {newestFirst ? 'before' : 'after'} that is missing.
        </Partial>
      )}
    </>
  );
}

function wordsFor({ traces: list, more, complete }: TraceSearch, { sort }: Question): string {
  const order = orderOf(sort);
  if (list.length === 0) return complete ? 'No traces' : '';
  if (more) return `${traces(list.length)}, ${order}; there are more`;
  return complete ? `${traces(list.length)}, ${order}: all that match` : `${traces(list.length)}, ${order}`;
}

function traces(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'trace' : 'traces'}`;
}

/** True once something has taken long enough to be spoken of. */
function useSlow(isBusy: boolean, after = 700): boolean {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    if (!isBusy) return setSlow(false);
    const timer = setTimeout(() => setSlow(true), after);
    return () => clearTimeout(timer);
  }, [isBusy, after]);
  return isSlow;
}
