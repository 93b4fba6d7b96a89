import { Autocomplete } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { type FormEvent, useEffect, useRef, useState } from 'react';

interface Props {
  label: string;
  placeholder: string;
  value: string;
  /** What may be chosen; anything else may be typed. */
  known?: readonly string[] | undefined;
  /** What is wrong with the value. */
  problem?: string | undefined;
  /** Searches while one types, not only on Enter and on leaving the field: for texts that mean something when half written. */
  whileTyping?: boolean;
  className?: string | undefined;
  onOpen?: () => void;
  /** `replace`: a passing state, not a step to come back to. */
  onChange: (value: string, replace: boolean) => void;
}

const TYPING_PAUSE = 400;
/** More in a list than these is not read but narrowed down by typing. */
const MOST_SHOWN = 60;
const NONE: readonly string[] = [];

/** A text that is searched for once it is finished. */
export function TextFilter(props: Props) {
  const { label, placeholder, value, known = NONE, problem, whileTyping = false, className, onOpen, onChange } = props;
  const [draft, setDraft] = useState(value);
  const sent = useRef(value);
  // The address changed by other means: Back, a link, Clear.
  useEffect(() => {
    if (value !== sent.current) setDraft(value);
    sent.current = value;
  }, [value]);

  const send = (text: string, replace: boolean) => {
    const trimmed = text.trim();
    if (trimmed === sent.current) return;
    sent.current = trimmed;
    onChange(trimmed, replace);
  };
  const sendSoon = useDebouncedCallback((text: string) => send(text, true), TYPING_PAUSE);
  const finish = (text: string) => {
    sendSoon.cancel();
    send(text, false);
  };
  const type = (text: string) => {
    setDraft(text);
    if (whileTyping) sendSoon(text);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    finish(draft);
  };
  return (
    <form className={className} onSubmit={submit}>
      <Autocomplete
        size="xs"
        label={label}
        placeholder={placeholder}
        value={draft}
        data={[...known]}
        limit={MOST_SHOWN}
        error={problem}
        maxLength={1000}
        clearable={known.length > 0}
        comboboxProps={{ width: 'max-content', position: 'bottom-start', shadow: 'sm' }}
        autoComplete="off"
        spellCheck={false}
        onFocus={() => onOpen?.()}
        onBlur={() => finish(draft)}
        onChange={type}
        onOptionSubmit={finish}
        onClear={() => finish('')}
      />
    </form>
  );
}
