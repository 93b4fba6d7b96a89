import * as v from 'valibot';
import type { TimeRange } from '~/time/range';

const KEY = 'trefoil-recent-ranges';
const MOST = 5;

const Ranges = v.pipe(
  v.array(v.object({ from: v.pipe(v.string(), v.maxLength(100)), to: v.pipe(v.string(), v.maxLength(100)) })),
  v.transform((ranges) => ranges.slice(0, MOST)),
);

/** The ranges typed in lately in this browser, newest first. */
export function recentRanges(): TimeRange[] {
  try {
    return v.parse(Ranges, JSON.parse(localStorage.getItem(KEY) ?? '[]'));
  } catch {
    // Storage is switched off, or somebody else wrote there.
    return [];
  }
}

export function rememberRange(range: TimeRange): void {
  const others = recentRanges().filter(({ from, to }) => from !== range.from || to !== range.to);
  try {
    localStorage.setItem(KEY, JSON.stringify([{ from: range.from, to: range.to }, ...others].slice(0, MOST)));
  } catch {
    // Storage is switched off or full: nothing is remembered.
  }
}
