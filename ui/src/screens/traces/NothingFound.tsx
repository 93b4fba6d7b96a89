import { Button, Group, Stack } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { Empty } from '~/components/states';
import { cut, visibleLine } from '~/format/outside';
import { formatInstant } from '~/time/format';
import type { Interval } from '~/time/range';
import { useSetRange, useTime } from '~/time/useTime';
import { describeFilters, without, withoutFilters } from './question';
import type { ChangeSearch, TracesSearch } from './search';

interface Props {
  search: TracesSearch;
  interval: Interval;
  zone: string;
  change: ChangeSearch;
}

const HOUR = 3_600_000;
const WIDER = [
  { words: 'hour', text: '1h', length: HOUR },
  { words: '6 hours', text: '6h', length: 6 * HOUR },
  { words: '24 hours', text: '24h', length: 24 * HOUR },
  { words: '7 days', text: '7d', length: 168 * HOUR },
  { words: '30 days', text: '30d', length: 720 * HOUR },
];

/** What was searched, and how to search more. */
export function NothingFound({ search, interval, zone, change }: Props) {
  const { range } = useTime();
  const setRange = useSetRange();
  const filters = describeFilters(search);
  const wider = WIDER.filter(({ length }) => length > 1.1 * (interval.to - interval.from)).slice(0, 3);
  const until = range.to === 'now' ? 'now' : new Date(interval.to).toISOString();
  const sinceFor = (item: (typeof WIDER)[number]) =>
    range.to === 'now' ? `now-${item.text}` : new Date(interval.to - item.length).toISOString();
  return (
    <Empty title={filters.length > 0 ? 'No traces match' : 'No traces in this time'}>
      <Stack gap="sm" align="center">
        <span>
          Searched from {formatInstant(interval.from, zone)} to {formatInstant(interval.to, zone)}
          {filters.length > 0 ? ' for traces that fulfil all of:' : '.'}
        </span>
        {filters.length > 0 && (
          <Group gap={6} justify="center">
            {filters.map(({ field, text, words }) => (
              <Button
                key={`${field} ${text}`}
                size="compact-xs"
                variant="default"
                maw="100%"
                rightSection={<IconX size={12} aria-hidden />}
                aria-label={`Remove the filter: ${cut(words, 100)}`}
                onClick={() => change((search) => without(search, field, text))}
              >
                <bdi>{visibleLine(cut(words, 60))}</bdi>
              </Button>
            ))}
            <Button size="compact-xs" variant="subtle" onClick={() => change(withoutFilters)}>
              Remove all
            </Button>
          </Group>
        )}
        {wider.length > 0 && (
          <Group gap={6} justify="center">
            {wider.map((item) => (
              <Button
                key={item.text}
                size="xs"
                variant="default"
                onClick={() => setRange({ from: sinceFor(item), to: until })}
              >
                Search {range.to === 'now' ? 'the last' : ''} {item.words}
              </Button>
            ))}
          </Group>
        )}
      </Stack>
    </Empty>
  );
}
