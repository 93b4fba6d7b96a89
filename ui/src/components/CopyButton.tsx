import { ActionIcon, Tooltip, VisuallyHidden } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react';
import { useCopy } from '~/components/useCopy';

interface Props {
  /** What is copied; a function where making it is dear or depends on the moment. */
  value: string | (() => string);
  /** What the button does, in words: “Copy trace id”. */
  label: string;
  size?: number;
}

/** A small button that puts a value on the clipboard and says whether that worked. */
export function CopyButton({ value, label, size = 22 }: Props) {
  const { state, copy } = useCopy();
  const said = state === 'copied' ? 'Copied' : state === 'failed' ? 'The browser does not allow copying here' : label;
  return (
    <>
      <Tooltip label={said} openDelay={300} withArrow>
        <ActionIcon
          variant="subtle"
          color={state === 'failed' ? 'red' : state === 'copied' ? 'leaf' : 'gray'}
          size={size}
          aria-label={label}
          onClick={(event) => {
            // Rows and summaries around it have clicks of their own.
            event.stopPropagation();
            copy(value);
          }}
        >
          {state === 'copied' && <IconCheck size={size - 8} aria-hidden />}
          {state === 'failed' && <IconAlertTriangle size={size - 8} aria-hidden />}
          {state === 'idle' && <IconCopy size={size - 8} aria-hidden />}
        </ActionIcon>
      </Tooltip>
      {state !== 'idle' && <VisuallyHidden role="status">{said}</VisuallyHidden>}
    </>
  );
}
