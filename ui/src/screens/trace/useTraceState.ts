import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { TraceSearch } from '~/screens/trace/search';

/**
 * The address bar is written no more often than this (milliseconds). Browsers ignore or refuse more than a few changes a
 * second, and a key held down makes thirty.
 */
const WRITE_AFTER = 200;

export type ChangeState = (change: Partial<TraceSearch>) => void;

/**
 * The screen's state: the address bar with what is on its way there laid over it, so that the screen answers at once.
 * Changes replace the entry of the history: Back leads to where the reader came from.
 */
export function useTraceState(): [state: TraceSearch, change: ChangeState] {
  const search = useSearch({ from: '/traces/$traceId' });
  const navigate = useNavigate({ from: '/traces/$traceId' });
  const [pending, setPending] = useState<Partial<TraceSearch>>({});
  const unwritten = useRef<Partial<TraceSearch>>({});
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const change = useCallback<ChangeState>(
    (change) => {
      unwritten.current = { ...unwritten.current, ...change };
      setPending((pending) => ({ ...pending, ...change }));
      clearTimeout(timer.current);
      timer.current = setTimeout(async () => {
        const written = unwritten.current;
        unwritten.current = {};
        await navigate({ search: (search) => ({ ...search, ...written }), replace: true });
        setPending((pending) => without(pending, written));
      }, WRITE_AFTER);
    },
    [navigate],
  );
  const state = useMemo(() => ({ ...search, ...pending }), [search, pending]);
  return [state, change];
}

/** `pending` less the entries that are as they were `written`. */
export function without(pending: Partial<TraceSearch>, written: Partial<TraceSearch>): Partial<TraceSearch> {
  const known = new Map<string, unknown>(Object.entries(written));
  return Object.fromEntries(
    Object.entries(pending).filter(([key, value]) => !known.has(key) || known.get(key) !== value),
  );
}
