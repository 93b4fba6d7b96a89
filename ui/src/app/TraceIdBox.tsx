import { TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { readTraceId } from '~/app/traceId';
import { useShortcuts } from '~/components/useShortcuts';
import classes from './Shell.module.css';

/** Takes a trace id, pasted or typed, and goes to the trace. */
export function TraceIdBox({ onGone }: { onGone?: () => void }) {
  const navigate = useNavigate();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [error, setError] = useState('');

  useShortcuts('Everywhere', [{ keys: 'i', does: 'Go to a trace by its id', run: () => input.current?.focus() }]);

  const go = (written: string) => {
    const traceId = readTraceId(written);
    if (!traceId) {
      setError('A trace id has 32 digits from 0 to f.');
      return;
    }
    setText('');
    setError('');
    navigate({ to: '/traces/$traceId', params: { traceId } });
    onGone?.();
  };

  return (
    <form
      className={classes.traceId}
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) go(text);
      }}
    >
      <TextInput
        ref={input}
        size="xs"
        aria-label="Trace id"
        placeholder="Trace id"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={text}
        error={error || undefined}
        autoComplete="off"
        spellCheck={false}
        maxLength={2_000}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setError('');
        }}
        onBlur={() => setError('')}
        onPaste={(event) => {
          const pasted = event.clipboardData.getData('text');
          if (!readTraceId(pasted)) return;
          event.preventDefault();
          go(pasted);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') input.current?.blur();
        }}
      />
    </form>
  );
}
