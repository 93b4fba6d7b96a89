/** When the questions of this screen are asked again by themselves. */

import type { Query } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { ApiError } from '~/api/http';
import type { TraceSpans } from '~/data/trace';
import { useTime } from '~/time/useTime';

/** A trace whose last span ended less than this ago may still grow (milliseconds). */
const YOUNG = 20_000;
const EVERY = 3_000;

export function isYoung(spans: TraceSpans, now: number): boolean {
  return Math.abs(now - (spans.start + spans.duration / 1e6)) < YOUNG;
}

/** For `refetchInterval`: while the server is away or the trace is young. */
export function askAgain(spans: TraceSpans) {
  return ({ state: { error } }: Pick<Query<unknown, Error, unknown, readonly unknown[]>, 'state'>): number | false => {
    if (error) return error instanceof ApiError && error.isPassing ? EVERY : false;
    return isYoung(spans, Date.now()) ? EVERY : false;
  };
}

/**
 * Asks again when the screen is refreshed. The questions about one trace do not depend on the time range and have it not in
 * their keys: each answer may be megabytes, and would be kept for every refresh.
 */
export function useRefreshed(refetch: () => unknown): void {
  const { interval } = useTime();
  const shown = useRef(interval);
  const latest = useRef(refetch);
  useEffect(() => {
    latest.current = refetch;
  });
  useEffect(() => {
    if (shown.current === interval) return;
    shown.current = interval;
    latest.current();
  }, [interval]);
}
