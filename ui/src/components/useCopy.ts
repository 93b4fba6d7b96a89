import { useEffect, useRef, useState } from 'react';
import { copyText } from '~/components/copy';

export type CopyState = 'idle' | 'copied' | 'failed';

/** How long the outcome stands before the button is itself again. */
const SHOWN_FOR = 2_000;

/** Copies and says for a moment how it went. */
export function useCopy(): { state: CopyState; copy: (value: string | (() => string)) => void } {
  const [state, setState] = useState<CopyState>('idle');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const say = (outcome: CopyState) => {
    setState(outcome);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setState('idle'), SHOWN_FOR);
  };
  const copy = (value: string | (() => string)) => {
    copyText(typeof value === 'function' ? value() : value).then(
      () => say('copied'),
      () => say('failed'),
    );
  };
  return { state, copy };
}
