import {
  ActionIcon,
  Button,
  Checkbox,
  Group,
  Pagination,
  Popover,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import { IconAlertTriangle, IconColumns3, IconSearch } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useDeferredValue, useMemo } from 'react';
import { serviceColors } from '~/app/colors';
import { Answer } from '~/components/Answer';
import { Empty, Partial } from '~/components/states';
import { useNow } from '~/components/useNow';
import {
  fetchTrends,
  MOST_SERVICES,
  MOST_TRENDS,
  type Percentile,
  type Services,
  type ServiceTotals,
} from '~/data/services';
import { formatCount } from '~/format/number';
import { filterServices, formatSort, PAGE_SIZE, pageOf, parseSort, type Sort, sortServices } from '~/screens/home/list';
import { Panel } from '~/screens/home/Panel';
import { useServices } from '~/screens/home/questions';
import classes from '~/screens/home/ServicesPanel.module.css';
import { ServicesTable } from '~/screens/home/ServicesTable';
import { useChange } from '~/screens/home/useChange';
import { useTime } from '~/time/useTime';

/** Every service that sent spans in the range. */
export function ServicesPanel() {
  const { query, percentiles } = useServices();
  const change = useChange();
  const services = query.data?.services ?? [];
  const failing = services.filter(({ errors }) => errors > 0).length;
  return (
    <Panel
      title="All services"
      note={
        query.data && (
          <>
            <Text size="sm" c="dimmed">
              {formatCount(services.length)}
            </Text>
            {failing > 0 && (
              <UnstyledButton className={classes.worst} onClick={() => change({ sort: '-errors', page: undefined })}>
                <IconAlertTriangle size={14} aria-hidden="true" />
                {formatCount(failing)} with errors: worst first
              </UnstyledButton>
            )}
          </>
        )
      }
      tools={<Tools percentiles={percentiles} />}
    >
      <Answer of={query} height={360} label="services">
        {(data) => <List data={data} percentiles={percentiles} />}
      </Answer>
    </Panel>
  );
}

function List({ data, percentiles }: { data: Services; percentiles: readonly Percentile[] }) {
  const { zone } = useTime();
  const search = useSearch({ from: '/' });
  const change = useChange();
  const now = useNow();
  const colorOf = useMemo(() => serviceColors(data.services.map(({ name }) => name)), [data.services]);
  const sort = parseSort(search.sort);
  const shown = useMemo(
    () => sortServices(filterServices(data.services, search.q ?? ''), parseSort(search.sort)),
    [data.services, search.q, search.sort],
  );
  const { rows, page, pages } = pageOf(shown, search.page);
  const trends = useTrends(data.services, rows);

  if (data.services.length === 0) {
    return <Empty title="No spans in this time range">Services are found by the spans that they send.</Empty>;
  }
  return (
    <Stack gap="xs">
      {data.truncated && (
        <Partial>There are more than {formatCount(MOST_SERVICES)} services; these are the busiest.</Partial>
      )}
      {trends.error && (
        <Partial retry={() => void trends.refetch()}>The small charts are missing: {trends.error.message}</Partial>
      )}
      <ServicesTable
        services={rows}
        trends={trends.data?.services}
        percentiles={percentiles}
        sort={sort}
        onSort={(sort: Sort) => change({ sort: formatSort(sort), page: undefined })}
        colorOf={colorOf}
        now={now}
        zone={zone}
      />
      {shown.length === 0 && (
        <Empty title="No service has such a name">
          <Button size="xs" variant="default" onClick={() => change({ q: undefined, page: undefined })}>
            Show all {formatCount(data.services.length)}
          </Button>
        </Empty>
      )}
      {pages > 1 && (
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            {formatCount((page - 1) * PAGE_SIZE + 1)} to {formatCount((page - 1) * PAGE_SIZE + rows.length)} of{' '}
            {formatCount(shown.length)}
          </Text>
          <Pagination
            size="sm"
            total={pages}
            value={page}
            onChange={(page) => change({ page: page === 1 ? undefined : String(page) })}
            getControlProps={(control) => ({ 'aria-label': `${control[0]?.toUpperCase()}${control.slice(1)} page` })}
            getItemProps={(page) => ({ 'aria-label': `Page ${page}` })}
          />
        </Group>
      )}
    </Stack>
  );
}

/** The small charts: of all services where they are few (so that sorting asks nothing), else of those on the page. */
function useTrends(all: readonly ServiceTotals[], page: readonly ServiceTotals[]) {
  const { interval } = useTime();
  // Typing in the filter changes the page with every letter; the charts follow when there is time.
  const shown = useDeferredValue(all.length <= MOST_TRENDS ? all : page);
  const services = useMemo(
    () => shown.map(({ name, basis }) => ({ name, basis })).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    [shown],
  );
  return useQuery({
    queryKey: ['services', 'trends', interval, services],
    queryFn: ({ signal }) => fetchTrends({ interval, services }, signal),
    placeholderData: keepPreviousData,
    enabled: services.length > 0,
  });
}

function Tools({ percentiles }: { percentiles: readonly Percentile[] }) {
  const { q, columns, sort } = useSearch({ from: '/' });
  const change = useChange();
  const toggle = (key: Percentile) => {
    const isShown = percentiles.includes(key);
    const left = columns?.filter((column) => column !== key) ?? [];
    change({
      columns: isShown ? left : [...left, key],
      // A column that goes takes its order with it.
      ...(isShown && sort?.endsWith(key) && { sort: undefined }),
    });
  };
  return (
    <Group gap="xs" wrap="nowrap">
      <TextInput
        size="xs"
        aria-label="Filter services by name"
        placeholder="Filter by name"
        leftSection={<IconSearch size={14} aria-hidden="true" />}
        value={q ?? ''}
        maxLength={200}
        onChange={(event) => change({ q: event.currentTarget.value || undefined, page: undefined }, { replace: true })}
      />
      <Popover position="bottom-end" withinPortal trapFocus>
        <Popover.Target>
          <ActionIcon variant="default" size={30} aria-label="Columns" title="Columns">
            <IconColumns3 size={16} />
          </ActionIcon>
        </Popover.Target>
        <Popover.Dropdown>
          <Stack gap="xs">
            <Checkbox
              size="xs"
              label="p50: the median"
              checked={percentiles.includes('p50')}
              onChange={() => toggle('p50')}
            />
            <Checkbox
              size="xs"
              label="p99: the slowest hundredth"
              checked={percentiles.includes('p99')}
              onChange={() => toggle('p99')}
            />
          </Stack>
        </Popover.Dropdown>
      </Popover>
    </Group>
  );
}
