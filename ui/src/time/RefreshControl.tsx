import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core';
import { IconChevronDown, IconRefresh } from '@tabler/icons-react';
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
  // An address may say it in other words (60s), or say another.
  const chosen = REFRESH_CHOICES.find((choice) => parseRefresh(choice) === refreshEvery) ?? written;
  const choices = REFRESH_CHOICES.includes(chosen) ? REFRESH_CHOICES : [...REFRESH_CHOICES, chosen];
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
          <Menu.RadioGroup
            value={chosen}
            onChange={(choice) =>
              navigate({ to: '.', replace: true, search: (search) => ({ ...search, refresh: choice || undefined }) })
            }
          >
            {choices.map((choice) => (
              <Menu.RadioItem key={choice} value={choice} closeMenuOnClick>
                {choice ? `Every ${choice}` : 'When asked to'}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
        </Menu.Dropdown>
      </Menu>
    </Button.Group>
  );
}
