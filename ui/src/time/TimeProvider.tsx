import { type ReactNode, useCallback, useEffect, useMemo, useState } from 'react';
import { DEFAULT_RANGE, resolveRange } from '~/time/range';
import { parseRefresh } from '~/time/refresh';
import { TimeContext, useTimeSearch } from '~/time/useTime';

/** Holds the clock that relative ranges are counted from: it moves with every refresh and stands still between them. */
export function TimeProvider({ children }: { children: ReactNode }) {
  const search = useTimeSearch();
  const [now, setNow] = useState(() => Date.now());
  const refresh = useCallback(() => setNow(Date.now()), []);
  const refreshEvery = parseRefresh(search.refresh);

  useEffect(() => {
    if (refreshEvery === 0) return;
    const timer = setInterval(() => {
      // A hidden tab asks nothing; it catches up when it is looked at.
      if (!document.hidden) refresh();
    }, refreshEvery);
    document.addEventListener('visibilitychange', refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', refresh);
    };
  }, [refreshEvery, refresh]);

  const from = search.from ?? DEFAULT_RANGE.from;
  const to = search.to ?? DEFAULT_RANGE.to;
  const zone = search.tz ?? 'browser';
  const time = useMemo(() => {
    const asked = { from, to };
    const interval = resolveRange(asked, now);
    const range = interval ? asked : DEFAULT_RANGE;
    return {
      range,
      interval: interval ?? resolveRange(DEFAULT_RANGE, now) ?? { from: now - 3_600_000, to: now },
      zone,
      refreshEvery,
      refresh,
    };
  }, [from, to, now, zone, refreshEvery, refresh]);

  return <TimeContext value={time}>{children}</TimeContext>;
}
