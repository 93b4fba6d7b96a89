import { Button, Group, Stack, Text, UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { copyText } from '~/components/copy';
import { describeRange, QUICK_RANGES } from '~/time/describe';
import { EndInput } from '~/time/EndInput';
import { readRange } from '~/time/move';
import { checkRange, type RangeProblem, type TimeRange } from '~/time/range';
import { recentRanges, rememberRange } from '~/time/recent';
import { useSetRange, useTime } from '~/time/useTime';
import { ZoneSelect } from '~/time/ZoneSelect';
import classes from './TimeRangePicker.module.css';

/** What opens under the time range: both ends to write, the zone, and ranges to choose from. */
export function RangePanel({ close }: { close: () => void }) {
  const { range, interval, zone } = useTime();
  const setRange = useSetRange();
  const [draft, setDraft] = useState(range);
  const [recent] = useState(recentRanges);
  const [note, setNote] = useState('');
  const problem = problemOf(draft, zone);

  const choose = (chosen: TimeRange) => {
    setRange({ from: chosen.from, to: chosen.to });
    close();
  };
  const apply = () => {
    if (problem) return;
    const written = { from: draft.from.trim(), to: draft.to.trim() };
    if (!QUICK_RANGES.some((quick) => quick.from === written.from && quick.to === written.to)) rememberRange(written);
    choose(written);
  };
  const copy = () => {
    copyText(JSON.stringify({ from: draft.from, to: draft.to })).then(
      () => setNote('Copied'),
      () => setNote('The browser does not allow copying here'),
    );
  };
  /** A whole range that lands in one of the inputs fills both. */
  const takePasted = (text: string): boolean => {
    const pasted = readRange(text);
    if (pasted) setDraft(pasted);
    return pasted !== undefined;
  };
  const paste = () => {
    navigator.clipboard.readText().then(
      (text) => setNote(takePasted(text) ? 'Pasted' : 'What is on the clipboard is no time range'),
      () => setNote('The browser does not allow pasting here: press Ctrl+V in one of the boxes'),
    );
  };

  return (
    <div className={classes.panel}>
      <form
        className={classes.form}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <Stack gap="xs">
          <EndInput
            label="From"
            value={draft.from}
            end={false}
            error={problem?.field === 'from' ? problem.message : undefined}
            onChange={(from) => setDraft({ ...draft, from })}
            takePasted={takePasted}
          />
          <EndInput
            label="To"
            value={draft.to}
            end
            error={problem?.field === 'to' ? problem.message : undefined}
            onChange={(to) => setDraft({ ...draft, to })}
            takePasted={takePasted}
          />
          <Group gap="xs">
            <Button type="submit" size="xs" disabled={problem !== undefined}>
              Apply
            </Button>
            <Button size="xs" variant="default" onClick={copy}>
              Copy
            </Button>
            {/* Only where the browser has it: not over plain HTTP from another host. */}
            {navigator.clipboard && (
              <Button size="xs" variant="default" onClick={paste}>
                Paste
              </Button>
            )}
          </Group>
          <Text size="xs" c="dimmed" role="status">
            {note}
          </Text>
          <ZoneSelect />
          {recent.length > 0 && (
            <section aria-label="Used lately">
              <p className={classes.heading}>Used lately</p>
              {recent.map((used) => (
                <Choice key={`${used.from} ${used.to}`} range={used} current={range} choose={choose}>
                  {describeRange(used, interval.to, zone)}
                </Choice>
              ))}
            </section>
          )}
        </Stack>
      </form>
      <section className={classes.quick} aria-label="Ranges">
        {QUICK_RANGES.map((quick) => (
          <Choice key={quick.name} range={quick} current={range} choose={choose}>
            {quick.name}
          </Choice>
        ))}
      </section>
    </div>
  );
}

function problemOf(draft: TimeRange, zone: string): RangeProblem | undefined {
  const checked = checkRange(draft, Date.now(), zone);
  return 'field' in checked ? checked : undefined;
}

interface ChoiceProps {
  range: TimeRange;
  current: TimeRange;
  choose: (range: TimeRange) => void;
  children: string;
}

function Choice({ range, current, choose, children }: ChoiceProps) {
  const isCurrent = range.from === current.from && range.to === current.to;
  return (
    <UnstyledButton className={classes.choice} aria-current={isCurrent} onClick={() => choose(range)}>
      {children}
    </UnstyledButton>
  );
}
