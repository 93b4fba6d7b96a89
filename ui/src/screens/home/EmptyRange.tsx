import { Button, Group } from '@mantine/core';
import { Empty } from '~/components/states';
import type { Newest } from '~/data/ingest';
import { formatInstant } from '~/time/format';
import { useSetRange, useTime } from '~/time/useTime';

const HOUR = 3_600_000;

/** Nothing in the range, but elsewhere: says where. */
export function EmptyRange({ newest }: { newest: Newest }) {
  const { interval, zone } = useTime();
  const setRange = useSetRange();
  const at = Math.max(...Object.values(newest).map((time) => time ?? 0));
  // A whole minute further, so that the newest is inside.
  const to = Math.ceil((at + 1) / 60_000) * 60_000;
  return (
    <Empty title="Nothing in this time range">
      Neither spans nor log records nor metric points from {formatInstant(interval.from, zone)} to{' '}
      {formatInstant(interval.to, zone)}. The newest data is of {formatInstant(at, zone)}.
      <Group justify="center" mt="md">
        <Button onClick={() => setRange({ from: to - HOUR, to })}>Show its last hour</Button>
      </Group>
    </Empty>
  );
}
