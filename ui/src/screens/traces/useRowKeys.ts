import type { Virtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useCallback, useEffect, useRef, useState } from 'react';

/** How far PageUp and PageDown go. */
const PAGE = 10;

/**
 * Arrows, Home, End, PageUp and PageDown move through the links of a virtual list; Enter is the link's own. One link is the
 * list's stop for Tab, and always drawn, so that scrolling never takes the focus away.
 */
export function useRowKeys(count: number, virtualizer: Virtualizer<Window, HTMLElement>) {
  const [active, setActive] = useState(0);
  const wanted = useRef<number>(undefined);
  const last = Math.max(0, count - 1);
  const current = Math.min(active, last);

  /** Takes the focus once the row is drawn. */
  const linkRef = useCallback((index: number, link: HTMLAnchorElement | null) => {
    if (!link || wanted.current !== index) return;
    wanted.current = undefined;
    link.focus({ preventScroll: true });
  }, []);
  // Where the row was drawn before, no ref is called.
  useEffect(() => {
    if (wanted.current !== current) return;
    const link = document.querySelector<HTMLAnchorElement>(`[data-row="${current}"] a[data-trace]`);
    if (link) linkRef(current, link);
  }, [current, linkRef]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLAnchorElement)) return;
    const to = destination(event.key, current, last);
    if (to === undefined) return;
    event.preventDefault();
    wanted.current = to;
    setActive(to);
    virtualizer.scrollToIndex(to);
  };
  return { active: current, setActive, onKeyDown, linkRef };
}

function destination(key: string, from: number, last: number): number | undefined {
  const to = { ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + PAGE, PageUp: from - PAGE, Home: 0, End: last }[
    key
  ];
  return to === undefined ? undefined : Math.min(last, Math.max(0, to));
}
