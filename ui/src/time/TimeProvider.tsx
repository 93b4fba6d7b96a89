import { useQueryClient } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { isZone } from '~/time/format';
import { checkRange, DEFAULT_RANGE, resolveRange } from '~/time/range';
import { isRefresh, parseRefresh } from '~/time/refresh';
import { TimeContext, useTimeSearch } from '~/time/useTime';

/** A clock that has stood longer than this moves when another screen is opened. */
const STALE = 30_000;

/**
 * Holds the clock that relative ranges are counted from. It moves with every refresh, with another range, and with another
 * screen; between them it stands still, so that all questions of a screen are about the same time.
 */
export function TimeProvider({ children }: { children: ReactNode }) {
  const search = useTimeSearch();
  const from = search.from ?? DEFAULT_RANGE.from;
  const to = search.to ?? DEFAULT_RANGE.to;
  const refreshEvery = parseRefresh(search.refresh);
  const { now, refresh } = useClock(`${from} ${to}`, refreshEvery);

  const tz = search.tz ?? 'browser';
  const zone = isZone(tz) ? tz : 'browser';
  const time = useMemo(() => {
    const asked = { from, to };
    const checked = checkRange(asked, now, zone);
    const problem = 'field' in checked ? checked : undefined;
    return {
      range: problem ? DEFAULT_RANGE : asked,
      interval: resolveRange(problem ? DEFAULT_RANGE : asked, now, zone) ?? { from: now - 3_600_000, to: now },
      zone,
      refreshEvery,
      refresh,
      problems: [
        ...(problem
          ? [
              `The ${problem.field === 'from' ? 'start' : 'end'} of the time range: ${problem.message} This is the last hour.`,
            ]
          : []),
        ...(zone === tz ? [] : [`There is no time zone “${tz.slice(0, 40)}”; times are in the browser’s.`]),
        ...(isRefresh(search.refresh) ? [] : ['How often to refresh is written like 5s, 1m or 1h.']),
      ],
    };
  }, [from, to, now, tz, zone, refreshEvery, refresh, search.refresh]);

  return <TimeContext value={time}>{children}</TimeContext>;
}

function useClock(range: string, refreshEvery: number): { now: number; refresh: () => void } {
  const client = useQueryClient();
  const pathname = useLocation({ select: (location) => location.pathname });
  const [clock, setClock] = useState(() => ({ now: Date.now(), range, pathname, refreshes: 0 }));

  // Set during rendering, so that nobody below sees the new range with the old clock.
  let { now } = clock;
  if (clock.range !== range || clock.pathname !== pathname) {
    if (clock.range !== range || Date.now() - now > STALE) now = Date.now();
    setClock({ ...clock, now, range, pathname });
  }

  const refresh = useCallback(() => {
    setClock((clock) => ({ ...clock, now: Date.now(), refreshes: clock.refreshes + 1 }));
  }, []);

  // What does not depend on the moved clock is asked again, too; what has just been asked because of it is not asked twice.
  const { refreshes } = clock;
  const done = useRef(0);
  useEffect(() => {
    if (refreshes === done.current) return;
    done.current = refreshes;
    client.invalidateQueries({}, { cancelRefetch: false });
  }, [client, refreshes]);

  useEffect(() => {
    if (refreshEvery === 0) return;
    let due = Date.now() + refreshEvery;
    const tick = () => {
      // A hidden tab asks nothing and catches up when it is looked at; a slow answer is waited for.
      if (document.hidden || Date.now() < due || client.isFetching() > 0) return;
      due = Date.now() + refreshEvery;
      refresh();
    };
    const timer = setInterval(tick, Math.min(refreshEvery, 1_000));
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [refreshEvery, refresh, client]);

  return { now, refresh };
}
