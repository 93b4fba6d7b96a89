import { Button } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { serviceColors } from '~/app/colors';
import type { Zoom } from '~/charts/dots';
import { PageHeader } from '~/components/PageHeader';
import { Failure, Loading } from '~/components/states';
import type { SortKey, TraceSort } from '~/data/traceSql';
import type { TraceSummary } from '~/data/traces';
import { absoluteRange } from '~/time/move';
import { useTime } from '~/time/useTime';
import { FilterBar } from './FilterBar';
import { NothingFound } from './NothingFound';
import { LIMITS, nextSort, readQuestion, writeBound, writeSort } from './question';
import { SearchState } from './SearchState';
import type { ChangeSearch } from './search';
import { TraceCards } from './TraceCards';
import { TraceScatter } from './TraceScatter';
import classes from './Traces.module.css';
import { TraceTable } from './TraceTable';
import { useLastWhen, useTraceDots, useTraceSearch } from './useTraces';

const NONE: TraceSummary[] = [];

/** The traces that match, newest first, with their durations over time above them. */
export function Traces() {
  const search = useSearch({ from: '/traces' });
  const navigate = useNavigate();
  const { interval, zone } = useTime();
  const change: ChangeSearch = useCallback(
    (change, { replace = false } = {}) => {
      navigate({ from: '/traces', to: '/traces', search: (search) => change(search), replace, resetScroll: false });
    },
    [navigate],
  );
  const question = useMemo(() => readQuestion(search), [search]);
  const { sort, limit, scale, problems } = question;
  const found = useTraceSearch(question, interval);
  const isSettled = !found.isFetching && !found.isOld;
  const { dots, sample } = useTraceDots(question, interval, found.data, isSettled);
  const [marked, setMarked] = useState<string>();
  const isNarrow = useMediaQuery('(max-width: 760px)', undefined, { getInitialValueInEffect: false });

  const traces = found.data?.traces ?? NONE;
  const color = useMemo(
    () => serviceColors(traces.flatMap((trace) => trace.services.map(({ name }) => name))),
    [traces],
  );
  const byId = useMemo(() => new Map(traces.map((trace) => [trace.id, trace])), [traces]);
  const nameOf = useCallback((id: string) => byId.get(id), [byId]);
  const next = found.data?.more ? LIMITS.find((more) => more > limit) : undefined;
  const setSort = useCallback(
    (sort: TraceSort) => change((search) => ({ ...search, sort: writeSort(sort) }), { replace: true }),
    [change],
  );
  const turnSort = useCallback((key: SortKey) => setSort(nextSort(sort, key)), [setSort, sort]);
  const setLimit = (limit: number) =>
    change((search) => ({ ...search, limit: limit === LIMITS[0] ? undefined : String(limit) }), { replace: true });
  const zoom = ({ time, duration }: Zoom) =>
    navigate({
      from: '/traces',
      to: '/traces',
      resetScroll: false,
      search: (search) => ({
        ...search,
        ...(time && absoluteRange(time)),
        ...(duration && { min: writeBound(duration.min, 'less'), max: writeBound(duration.max, 'more') }),
      }),
    });
  const list = { traces, color, zone, sort, onSort: turnSort, onMark: setMarked };
  const isEmpty = found.data?.traces.length === 0;
  // That there is nothing holds for what was asked before, until the answer to what is asked now is there.
  const asked = useMemo(() => ({ search, interval }), [search, interval]);
  const answered = useLastWhen(asked, isSettled);

  return (
    <div className={classes.screen}>
      <PageHeader title="Traces" />
      <FilterBar search={search} problems={problems} change={change} isNarrow={isNarrow ?? false} />
      {problems.length === 0 && (
        <>
          {!isEmpty && (found.data || !found.error) && (
            <TraceScatter
              dots={dots}
              query={sample}
              interval={interval}
              zone={zone}
              scale={scale}
              marked={marked}
              nameOf={nameOf}
              onScale={(scale) =>
                change((search) => ({ ...search, scale: scale === 'log' ? undefined : scale }), { replace: true })
              }
              onZoom={zoom}
            />
          )}
          <section aria-label="List of traces" aria-busy={found.isFetching}>
            <SearchState
              search={found.data}
              question={question}
              zone={zone}
              isSearching={found.isFetching}
              isOld={found.isOld}
              error={found.data ? found.error : null}
              onLimit={setLimit}
              onSort={setSort}
              showSort={isNarrow ?? false}
              stop={found.stop}
              retry={found.refetch}
            />
            {found.error && !found.data && (
              <Failure error={found.error} retry={found.refetch} retrying={found.isFetching} />
            )}
            {!found.data && !found.error && <Loading height={420} label="Searching traces" />}
            {isEmpty && found.data && !found.data.problem && <NothingFound {...answered} zone={zone} change={change} />}
            {traces.length > 0 && (isNarrow ? <TraceCards {...list} /> : <TraceTable {...list} />)}
            {next !== undefined && (
              <div className={classes.more}>
                <Button size="xs" variant="default" loading={found.isFetching} onClick={() => setLimit(next)}>
                  Show up to {next} traces
                </Button>
              </div>
            )}
          </section>
        </>
      )}
    </div>
  );
}
