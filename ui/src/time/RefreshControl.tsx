import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core';
import { IconCheck, IconChevronDown, IconRefresh } from '@tabler/icons-react';
import { useIsFetching } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { parseRefresh, REFRESH_CHOICES } from '~/time/refresh';
import { useTime, useTimeSearch } from '~/time/useTime';
import classes from './TimeRangePicker.module.css';

/** Asks again now, or by itself every so often. */
export function RefreshControl() {
  const { refresh, refreshEvery } = useTime();
  const written = useTimeSearch().refresh ?? '';
  const navigate = useNavigate();
  const isAsking = useIsFetching() > 0;
  const choices = REFRESH_CHOICES.some((choice) => parseRefresh(choice) === refreshEvery)
    ? REFRESH_CHOICES
    : [...REFRESH_CHOICES, written];
  const label = isAsking ? 'Refresh (still asking)' : 'Refresh';
  return (
    <Button.Group>
      <Tooltip label={label} openDelay={300} withArrow>
        <ActionIcon
          variant="default"
          size={30}
          className={classes.refresh}
          aria-label="Refresh"
          aria-busy={isAsking}
          onClick={refresh}
        >
          <IconRefresh size={16} aria-hidden className={isAsking ? classes.asking : undefined} />
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button
            variant="default"
            size="xs"
            px={6}
            aria-label={refreshEvery ? `Refreshes every ${written}` : 'Refreshes when asked to'}
          >
            {refreshEvery > 0 && <span className={classes.every}>{written}</span>}
            <IconChevronDown size={14} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Refresh</Menu.Label>
          {choices.map((choice) => (
            <Menu.Item
              key={choice}
              role="menuitemradio"
              aria-checked={parseRefresh(choice) === refreshEvery}
              rightSection={parseRefresh(choice) === refreshEvery ? <IconCheck size={14} aria-hidden /> : undefined}
              onClick={() =>
                navigate({ to: '.', replace: true, search: (search) => ({ ...search, refresh: choice || undefined }) })
              }
            >
              {choice ? `Every ${choice}` : 'When asked to'}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </Button.Group>
  );
}
