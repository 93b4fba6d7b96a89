import { useNavigate, useSearch } from '@tanstack/react-router';
import { createContext, useContext } from 'react';
import { absoluteRange } from '~/time/move';
import type { Interval, TimeRange } from '~/time/range';

/** The time that a screen shows, from the address bar. One for all screens; see TimeProvider. */
export interface Time {
  range: TimeRange;
  /** What the range means now; moves on with every refresh. The same object until then. */
  interval: Interval;
  /** `browser`, `utc` or an IANA name. */
  zone: string;
  /** Between refreshes, in milliseconds; 0: none. */
  refreshEvery: number;
  /** Asks everything again, relative ranges moved on. */
  refresh: () => void;
  /** What the address asks for and cannot have, in words; `range`, `zone` or `refreshEvery` are the usual ones then. */
  problems: readonly string[];
}

export const TimeContext = createContext<Time | undefined>(undefined);

export function useTime(): Time {
  const time = useContext(TimeContext);
  if (!time) throw new Error('useTime outside TimeProvider');
  return time;
}

/** Changes the range in the address bar; the other parameters stay. */
export function useSetRange(): (range: TimeRange | Interval) => void {
  const navigate = useNavigate();
  return (range) => {
    const { from, to } = isInterval(range) ? absoluteRange(range) : range;
    navigate({ to: '.', search: (search) => ({ ...search, from, to }) });
  };
}

function isInterval(range: TimeRange | Interval): range is Interval {
  return typeof range.from === 'number';
}

export function useTimeSearch() {
  return useSearch({ from: '__root__' });
}
