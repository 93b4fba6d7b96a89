import { ActionIcon, Button, Popover, Tooltip } from '@mantine/core';
import { IconChevronDown, IconChevronLeft, IconChevronRight, IconClock, IconZoomOut } from '@tabler/icons-react';
import { useState } from 'react';
import { useShortcuts } from '~/components/useShortcuts';
import { describeInterval, describeRange } from '~/time/describe';
import { zoneName, zoneOffset } from '~/time/format';
import { shiftInterval, zoomOut } from '~/time/move';
import { RangePanel } from '~/time/RangePanel';
import { RefreshControl } from '~/time/RefreshControl';
import { useSetRange, useTime } from '~/time/useTime';
import classes from './TimeRangePicker.module.css';

/** Which time the screens show, and how it moves. Its state is the address bar's. */
export function TimeRangePicker() {
  const time = useTime();
  const setRange = useSetRange();
  const [opened, setOpened] = useState(false);
  const { range, interval, zone } = time;

  const shift = (direction: 1 | -1) => setRange(shiftInterval(interval, direction, Date.now()));
  const zoom = () => setRange(zoomOut(range, interval, Date.now()));
  const endsNow = range.to === 'now';

  useShortcuts('Time', [
    { keys: 't', does: 'Choose the time range', run: () => setOpened(true) },
    { keys: ',', does: 'Earlier', run: () => shift(-1) },
    { keys: '.', does: 'Later', run: () => !endsNow && shift(1) },
    { keys: 'z', does: 'Zoom out', run: zoom },
    { keys: 'r', does: 'Refresh', run: time.refresh },
  ]);

  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a look and a legend of its own.
    <div role="group" aria-label="Time" className={classes.bar}>
      <Step label="Earlier" onClick={() => shift(-1)}>
        <IconChevronLeft size={16} aria-hidden />
      </Step>
      <Popover
        opened={opened}
        onChange={setOpened}
        position="bottom-end"
        trapFocus
        returnFocus
        shadow="md"
        width="auto"
      >
        <Popover.Target>
          <Button
            variant="default"
            size="xs"
            className={classes.range}
            leftSection={<IconClock size={14} aria-hidden />}
            rightSection={<IconChevronDown size={14} aria-hidden />}
            onClick={() => setOpened((opened) => !opened)}
            aria-label={`Time range: ${describeRange(range, interval.to, zone)}, ${zoneName(zone)}`}
            title={`${describeInterval(interval, zone)}, ${zoneName(zone)} (${zoneOffset(zone, interval.to)})`}
          >
            {describeRange(range, interval.to, zone)}
            {zone !== 'browser' && <span className={classes.zone}>{zoneName(zone)}</span>}
          </Button>
        </Popover.Target>
        <Popover.Dropdown p={0} className={classes.dropdown} aria-label="Time range">
          <RangePanel close={() => setOpened(false)} />
        </Popover.Dropdown>
      </Popover>
      <Step label="Later" onClick={() => shift(1)} disabled={endsNow}>
        <IconChevronRight size={16} aria-hidden />
      </Step>
      <Step label="Zoom out" onClick={zoom}>
        <IconZoomOut size={16} aria-hidden />
      </Step>
      <RefreshControl />
    </div>
  );
}

interface StepProps {
  label: string;
  onClick: () => void;
  disabled?: boolean;
  children: React.ReactNode;
}

function Step({ label, onClick, disabled = false, children }: StepProps) {
  return (
    <Tooltip label={label} openDelay={300} withArrow>
      <ActionIcon variant="default" size={30} aria-label={label} onClick={onClick} disabled={disabled}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
