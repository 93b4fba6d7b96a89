import { ActionIcon, TextInput } from '@mantine/core';
import { IconCalendar } from '@tabler/icons-react';
import { useRef } from 'react';
import { formatInstant } from '~/time/format';
import { parseInstant } from '~/time/range';
import { useTime } from '~/time/useTime';
import classes from './TimeRangePicker.module.css';

interface Props {
  label: 'From' | 'To';
  value: string;
  /** Whether it is the end of the range, where `/d` means the end of the day. */
  end: boolean;
  error: string | undefined;
  onChange: (value: string) => void;
  /** Takes what is pasted if it is more than one instant. */
  takePasted: (text: string) => boolean;
}

/** One end of the range: as text in any notation, or from the browser's own calendar. */
export function EndInput({ label, value, end, error, onChange, takePasted }: Props) {
  const { zone } = useTime();
  const calendar = useRef<HTMLInputElement>(null);
  const at = parseInstant(value, Date.now(), end, zone);
  const meaning = at === undefined ? undefined : formatInstant(at, zone);
  return (
    <div className={classes.end}>
      <TextInput
        label={label}
        size="xs"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        onPaste={(event) => {
          if (takePasted(event.clipboardData.getData('text'))) event.preventDefault();
        }}
        error={error}
        // What the text means is said where it does not say so itself.
        description={meaning && !meaning.startsWith(value) ? meaning : undefined}
        inputWrapperOrder={['label', 'input', 'error', 'description']}
        autoComplete="off"
        spellCheck={false}
        maxLength={100}
        data-autofocus={end ? undefined : true}
        rightSection={
          <ActionIcon
            variant="subtle"
            color="gray"
            size={24}
            aria-label={`${label}: calendar`}
            onClick={() => calendar.current?.showPicker()}
          >
            <IconCalendar size={16} aria-hidden />
          </ActionIcon>
        }
      />
      <input
        ref={calendar}
        type="datetime-local"
        className={classes.calendar}
        step={1}
        tabIndex={-1}
        aria-hidden
        value={meaning?.replace(' ', 'T') ?? ''}
        onChange={(event) => {
          const written = event.currentTarget.value;
          if (written) onChange(written.replace('T', ' '));
        }}
      />
    </div>
  );
}
