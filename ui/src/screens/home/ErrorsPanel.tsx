import { SegmentedControl, Stack, Text } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import { serviceColors, statusColor } from '~/app/colors';
import { Answer } from '~/components/Answer';
import { AnchorLink } from '~/components/links';
import { useNow } from '~/components/useNow';
import { type ErrorGroups, fetchErrorLogs, fetchErrorSpans } from '~/data/errors';
import { formatCount } from '~/format/number';
import { ErrorList } from '~/screens/home/ErrorList';
import { Panel } from '~/screens/home/Panel';
import { useServices } from '~/screens/home/questions';
import { useChange } from '~/screens/home/useChange';
import { useTime } from '~/time/useTime';

/** The newest errors of the range, those of spans or those of log records. */
export function ErrorsPanel() {
  const { interval, zone } = useTime();
  const { errors } = useSearch({ from: '/' });
  const change = useChange();
  const now = useNow();
  const spans = useQuery({
    queryKey: ['errors', 'spans', interval],
    queryFn: ({ signal }) => fetchErrorSpans({ interval }, signal),
    placeholderData: keepPreviousData,
  });
  const logs = useQuery({
    queryKey: ['errors', 'logs', interval],
    queryFn: ({ signal }) => fetchErrorLogs({ interval }, signal),
    placeholderData: keepPreviousData,
  });
  const isLogs = errors === 'logs';
  // The same colours as in the table of services, for the same names.
  const services = useServices().query.data?.services;
  const colorOf = useMemo(() => serviceColors(services?.map(({ name }) => name) ?? []), [services]);
  return (
    <Panel
      title="Newest errors"
      tools={
        <SegmentedControl
          size="xs"
          aria-label="Which errors"
          value={isLogs ? 'logs' : 'spans'}
          onChange={(value) => change({ errors: value === 'logs' ? 'logs' : undefined })}
          data={[
            { value: 'spans', label: `Spans${kinds(spans.data)}` },
            { value: 'logs', label: `Logs${kinds(logs.data)}` },
          ]}
        />
      }
    >
      <Answer of={isLogs ? logs : spans} height={360} label="errors">
        {({ groups, truncated }) =>
          groups.length === 0 ? (
            <None what={isLogs ? 'No log record of severity error' : 'No span with status error'} />
          ) : (
            <Stack gap="xs">
              <ErrorList groups={groups} colorOf={colorOf} now={now} zone={zone} />
              <Text size="xs" c="dimmed">
                {truncated ? `Only the newest ${groups.length} kinds of error are listed. ` : ''}
                {!isLogs && (
                  <AnchorLink to="/traces" search={{ status: 'error' }} size="xs" underline="always">
                    All failed traces
                  </AnchorLink>
                )}
              </Text>
            </Stack>
          )
        }
      </Answer>
    </Panel>
  );
}

function kinds(groups: ErrorGroups | undefined): string {
  if (!groups) return '';
  return ` ${formatCount(groups.groups.length)}${groups.truncated ? '+' : ''}`;
}

function None({ what }: { what: string }) {
  return (
    <Text size="sm" c="dimmed" py="md">
      <IconCircleCheck size={16} color={statusColor('ok')} aria-hidden="true" style={{ verticalAlign: '-3px' }} />{' '}
      {what} in this time range.
    </Text>
  );
}
