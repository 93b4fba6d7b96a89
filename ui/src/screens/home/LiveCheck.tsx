import { Alert, Group, List, Loader, Text } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ButtonLink } from '~/components/links';
import { Outside } from '~/components/Outside';
import { Failure } from '~/components/states';
import { type Arrival, fetchArrivals, fetchNewest, type Newest, SIGNALS, type Signal } from '~/data/ingest';
import { formatCount } from '~/format/number';
import { useTime } from '~/time/useTime';

/** Between two looks. */
const LOOK_EVERY = 2_000;

/** Looks at the store again and again until something comes, then says what and leads to it. */
export function LiveCheck({ isEmpty }: { isEmpty: boolean }) {
  const { refresh } = useTime();
  // Only what comes from now on counts. The store's own time is the measure, as clocks differ; a look from before says nothing.
  const [opened] = useState(() => Date.now());
  const before = useQuery({
    queryKey: ['ingest', 'newest', opened],
    queryFn: ({ signal }) => fetchNewest(signal),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: !isEmpty,
  });
  const after = isEmpty ? undefined : startOf(before.data, opened);
  const arrivals = useQuery({
    queryKey: ['ingest', 'arrivals', after],
    queryFn: ({ signal }) => fetchArrivals(after, signal),
    enabled: isEmpty || before.isSuccess,
    staleTime: 0,
    refetchInterval: LOOK_EVERY,
    refetchIntervalInBackground: false,
  });
  const error = arrivals.error ?? before.error;
  if (error && !arrivals.data?.length) return <Failure error={error} />;
  const found = arrivals.data ?? [];
  if (found.length === 0) {
    return (
      <Alert color="gray" role="group" title={<span role="status">Waiting for data</span>} icon={<Loader size={16} />}>
        Looking every two seconds. This turns green when something arrives.
      </Alert>
    );
  }
  return (
    <Alert color="green" role="group" title={<span role="status">Data arrives</span>} icon={<IconCircleCheck />}>
      <List size="sm" listStyleType="none" mb="sm">
        {byService(found).map(([service, signals]) => (
          <List.Item key={service}>
            <Text span fw={600} size="sm">
              {service ? <Outside text={service} limit={100} /> : 'no service name'}
            </Text>
            {`: ${signals
              .toSorted(inOrder)
              .map(({ signal, count }) => `${formatCount(count)} ${nameOf(signal, count)}`)
              .join(', ')}`}
          </List.Item>
        ))}
      </List>
      <Group>
        <ButtonLink to="/" search={{ from: 'now-15m', to: 'now' }} onClick={refresh} size="xs">
          Show the services
        </ButtonLink>
      </Group>
    </Alert>
  );
}

/** What is newer than all that was there, or than the moment of opening where data is dated into the future. */
function startOf(newest: Newest | undefined, opened: number): number {
  const times = Object.values(newest ?? {}).filter((time) => time !== null);
  return Math.min(opened, times.length === 0 ? opened : times.reduce((a, b) => Math.max(a, b)));
}

function byService(arrivals: readonly Arrival[]): [string, Arrival[]][] {
  const services = new Map<string, Arrival[]>();
  for (const arrival of arrivals) services.set(arrival.service, [...(services.get(arrival.service) ?? []), arrival]);
  return [...services];
}

const NAMES: Record<Signal, [one: string, many: string]> = {
  spans: ['span', 'spans'],
  logs: ['log record', 'log records'],
  samples: ['metric series', 'metric series'],
};

const inOrder = (a: Arrival, b: Arrival) => SIGNALS.indexOf(a.signal) - SIGNALS.indexOf(b.signal);

function nameOf(signal: Signal, count: number): string {
  return NAMES[signal][count === 1 ? 0 : 1];
}
