/** Equal pieces of a time range, for charts: at round times, so that they stay where they are when the range moves on. */

import { type Sql, sql } from '~/api/sql';
import type { Interval } from '~/time/range';

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;
const D = 24 * H;

/** The lengths that people can read off an axis, in milliseconds. */
const STEPS = [
  ...[S, 2 * S, 5 * S, 10 * S, 15 * S, 30 * S],
  ...[MIN, 2 * MIN, 5 * MIN, 10 * MIN, 15 * MIN, 30 * MIN],
  ...[H, 2 * H, 3 * H, 6 * H, 12 * H],
  ...[D, 2 * D, 7 * D, 14 * D, 30 * D, 90 * D, 365 * D],
];

export interface Buckets {
  /** Milliseconds a bucket. */
  step: number;
  /** The number of the first bucket, counted from the epoch: it starts at `first * step`. */
  first: number;
  count: number;
}

/** At most `most` buckets (and one more, where the range does not begin at a round time) that cover the range. */
export function bucketsOf({ from, to }: Interval, most = 60): Buckets {
  const wanted = (to - from) / most;
  const year = 365 * D;
  const step = STEPS.find((step) => step >= wanted) ?? Math.ceil(wanted / year) * year;
  const first = Math.floor(from / step);
  return { step, first, count: Math.max(1, Math.ceil(to / step) - first) };
}

/** When each bucket starts, in milliseconds since the epoch. */
export function bucketStarts({ step, first, count }: Buckets): number[] {
  return Array.from({ length: count }, (_, index) => (first + index) * step);
}

/** The number of the bucket that a time column falls into, counted from the first bucket. */
export function bucketNumber(column: Sql, { step, first }: Buckets): Sql {
  return sql`arrow_cast(${column}, 'Int64') / ${step * 1e6} - ${first}`;
}

/**
 * Events per second in each bucket, from how many there were. The first and the last bucket count only as far as the
 * range covers them, and not at all (null) when that is less than half: a few hundred milliseconds say little. Nor does
 * the future (after `now`).
 */
export function ratesOf(counts: readonly number[], buckets: Buckets, { from, to }: Interval, now: number) {
  const end = Math.min(to, now);
  return bucketStarts(buckets).map((start, index) => {
    const covered = Math.min(start + buckets.step, end) - Math.max(start, from);
    if (covered <= 0 || (covered < buckets.step / 2 && buckets.count > 1)) return null;
    return ((counts[index] ?? 0) * 1000) / covered;
  });
}

/** How many seconds of the range have passed; at least a millisecond, so that one can divide by it. */
export function secondsOf({ from, to }: Interval, now: number): number {
  return Math.max(1, Math.min(to, now) - from) / 1000;
}
