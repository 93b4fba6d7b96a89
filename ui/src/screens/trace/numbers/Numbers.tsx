import { Anchor, Table } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Outside } from '~/components/Outside';
import { Empty, Failure, Partial } from '~/components/states';
import { spanName } from '~/data/trace';
import { fetchNumbers, MOST_NUMBERS } from '~/data/traceNumbers';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import { askAgain, useRefreshed } from '~/screens/trace/asking';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { formatValue } from '~/screens/trace/numbers/value';
import { StillAsking } from '~/screens/trace/StillAsking';
import classes from './Numbers.module.css';

/** The points of metrics that name this trace as their example. */
export function Numbers({ model, onSelect }: { model: TraceModel; onSelect: (span: number) => void }) {
  const { spans, tree } = model;
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['traceNumbers', spans.traceId, spans.length],
    queryFn: ({ signal }) => fetchNumbers(spans, signal),
    placeholderData: keepPreviousData,
    refetchInterval: askAgain(spans),
  });
  useRefreshed(refetch);
  if (!data) {
    return error ? (
      <Failure error={error} retry={refetch} retrying={isFetching} />
    ) : (
      <StillAsking height={200} label="Loading numbers" />
    );
  }
  if (data.numbers.length === 0) {
    return (
      <Empty title="No metric names this trace">
        Programs attach a trace to some points of their histograms and counters (exemplars), as an example of what was
        measured. None of them chose this trace.
      </Empty>
    );
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: wide tables are scrolled by keyboard.
    <section className={classes.screen} aria-label="Numbers of the trace" tabIndex={0}>
      {error && <Partial retry={refetch}>Not refreshed: {error.message}</Partial>}
      {data.isCut && <Partial>There are more: only the first {formatCount(MOST_NUMBERS)} are shown.</Partial>}
      <Table className={classes.table}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Metric</Table.Th>
            <Table.Th ta="right">Value</Table.Th>
            <Table.Th>Service</Table.Th>
            <Table.Th ta="right">Time</Table.Th>
            <Table.Th>Span</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.numbers.map((number, index) => {
            const span = tree.byKey.get(number.spanId);
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: exemplars have no identity.
              <Table.Tr key={index}>
                <Table.Td>
                  <Outside text={number.metric} limit={120} />
                </Table.Td>
                <Table.Td ta="right">
                  <Outside text={formatValue(number.value, number.unit)} line />
                </Table.Td>
                <Table.Td>
                  <span className={classes.mark} style={{ background: model.colorOf(number.service) }} />{' '}
                  <Outside text={number.service} line limit={60} />
                </Table.Td>
                <Table.Td ta="right">
                  {number.offset < 0 ? '' : '+'}
                  {formatDuration(number.offset)}
                </Table.Td>
                <Table.Td>
                  {span === undefined ? (
                    <span className={classes.quiet}>{number.spanId ? 'not here' : 'none named'}</span>
                  ) : (
                    <Anchor component="button" type="button" fz="inherit" ta="start" onClick={() => onSelect(span)}>
                      <Outside text={spanName(spans, span) || 'no name'} line limit={80} />
                    </Anchor>
                  )}
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </section>
  );
}
