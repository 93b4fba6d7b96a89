import { ActionIcon, Button, Loader, Menu, TextInput, Tooltip } from '@mantine/core';
import {
  IconAlertCircleFilled,
  IconChevronDown,
  IconChevronUp,
  IconFilter,
  IconFold,
  IconRoute,
  IconSearch,
  IconX,
  IconZoomReset,
} from '@tabler/icons-react';
import type { RefObject } from 'react';
import { LONGEST_SEARCH } from '~/data/traceSearch';
import { formatCount } from '~/format/number';
import type { Find } from '~/screens/trace/useFind';
import classes from './Trace.module.css';

interface Props {
  searchBox: RefObject<HTMLInputElement | null>;
  text: string;
  find: Find;
  /** Which of the matches is selected, from 1; 0: none. */
  position: number;
  isOnly: boolean;
  isCritical: boolean;
  isZoomed: boolean;
  errors: number;
  maxDepth: number;
  onText: (text: string) => void;
  onStep: (step: 1 | -1) => void;
  onOnly: () => void;
  onCritical: () => void;
  /** Folds all spans from a depth on; undefined unfolds everything. */
  onFold: (from: number | undefined) => void;
  onError: () => void;
  onWhole: () => void;
}

/** Levels that the fold menu offers. */
const LEVELS = 6;

/** What can be done with the waterfall. */
export function Toolbar(props: Props) {
  const { text, find, position, errors } = props;
  return (
    <div className={classes.toolbar}>
      <TextInput
        ref={props.searchBox}
        size="xs"
        className={classes.search}
        aria-label="Search spans"
        placeholder="Search names, services, attributes"
        value={text}
        maxLength={LONGEST_SEARCH}
        leftSection={<IconSearch size={14} aria-hidden />}
        rightSection={
          find.isAsking ? (
            <Loader size={14} aria-label="Searching attributes" />
          ) : (
            text && <Clear onClear={() => props.onText('')} />
          )
        }
        onChange={(event) => props.onText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') props.onStep(event.shiftKey ? -1 : 1);
          if (event.key === 'Escape') {
            if (text) props.onText('');
            else event.currentTarget.blur();
          }
        }}
      />
      {find.matches && (
        <div className={classes.group}>
          <output className={classes.count} aria-live="polite">
            {position > 0 ? `${formatCount(position)}/` : ''}
            {formatCount(find.matches.size)}
            {find.isCut ? ' or more' : ''} {find.matches.size === 1 ? 'match' : 'matches'}
          </output>
          <Step
            label="Previous match"
            icon={<IconChevronUp size={14} />}
            onClick={() => props.onStep(-1)}
            isOff={find.matches.size === 0}
          />
          <Step
            label="Next match"
            icon={<IconChevronDown size={14} />}
            onClick={() => props.onStep(1)}
            isOff={find.matches.size === 0}
          />
          <Button
            size="compact-xs"
            variant={props.isOnly ? 'light' : 'default'}
            aria-pressed={props.isOnly}
            leftSection={<IconFilter size={13} aria-hidden />}
            onClick={props.onOnly}
          >
            Only matches
          </Button>
          {find.error && (
            <span className={classes.warning} title={find.error.message} role="status">
              Attributes could not be searched
            </span>
          )}
        </div>
      )}
      <div className={classes.group}>
        {errors > 0 && (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconAlertCircleFilled size={13} className={classes.errorText} aria-hidden />}
            rightSection={<IconChevronDown size={13} aria-hidden />}
            onClick={props.onError}
            title="Go to the next span with an error (e)"
          >
            {formatCount(errors)} {errors === 1 ? 'error' : 'errors'}
          </Button>
        )}
        <Button
          size="compact-xs"
          variant={props.isCritical ? 'light' : 'default'}
          aria-pressed={props.isCritical}
          leftSection={<IconRoute size={13} aria-hidden />}
          onClick={props.onCritical}
          title="Underline what the trace was waiting for at each moment (c)"
        >
          Critical path
        </Button>
        <Menu position="bottom-end" withinPortal>
          <Menu.Target>
            <Button size="compact-xs" variant="default" leftSection={<IconFold size={13} aria-hidden />}>
              Fold
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => props.onFold(undefined)}>Unfold all</Menu.Item>
            {Array.from({ length: Math.min(LEVELS, props.maxDepth) }, (_, level) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the level is what it is.
              <Menu.Item key={level} onClick={() => props.onFold(level)}>
                {level === 0 ? 'Fold all' : `Show ${level + 1} levels`}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
        {props.isZoomed && (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconZoomReset size={13} aria-hidden />}
            onClick={props.onWhole}
            title="Show the whole trace (0)"
          >
            Whole trace
          </Button>
        )}
      </div>
    </div>
  );
}

function Clear({ onClear }: { onClear: () => void }) {
  return (
    <ActionIcon size={20} variant="subtle" color="gray" aria-label="Clear the search" onClick={onClear}>
      <IconX size={13} />
    </ActionIcon>
  );
}

function Step({
  label,
  icon,
  onClick,
  isOff,
}: {
  label: string;
  icon: React.ReactNode;
  onClick: () => void;
  isOff: boolean;
}) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon size={22} variant="default" aria-label={label} onClick={onClick} disabled={isOff}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
