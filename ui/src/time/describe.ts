/** Ranges in words. */

import { formatInstant, type Precision } from '~/time/format';
import { checkRange, type Interval, type TimeRange } from '~/time/range';

export interface NamedRange extends TimeRange {
  name: string;
}

export const QUICK_RANGES: readonly NamedRange[] = [
  { name: 'Last 5 minutes', from: 'now-5m', to: 'now' },
  { name: 'Last 15 minutes', from: 'now-15m', to: 'now' },
  { name: 'Last 30 minutes', from: 'now-30m', to: 'now' },
  { name: 'Last hour', from: 'now-1h', to: 'now' },
  { name: 'Last 3 hours', from: 'now-3h', to: 'now' },
  { name: 'Last 6 hours', from: 'now-6h', to: 'now' },
  { name: 'Last 12 hours', from: 'now-12h', to: 'now' },
  { name: 'Last 24 hours', from: 'now-24h', to: 'now' },
  { name: 'Last 2 days', from: 'now-2d', to: 'now' },
  { name: 'Last 7 days', from: 'now-7d', to: 'now' },
  { name: 'Last 14 days', from: 'now-14d', to: 'now' },
  { name: 'Last 30 days', from: 'now-30d', to: 'now' },
  { name: 'Today', from: 'now/d', to: 'now/d' },
  { name: 'Yesterday', from: 'now-1d/d', to: 'now-1d/d' },
  { name: 'This week', from: 'now/w', to: 'now/w' },
  { name: 'Last week', from: 'now-1w/w', to: 'now-1w/w' },
];

const UNIT_NAMES: Record<string, string> = {
  s: 'second',
  m: 'minute',
  h: 'hour',
  d: 'day',
  w: 'week',
  M: 'month',
  y: 'year',
};

/** `Last hour`, `Last 90 minutes`, `2026-05-20 10:00 – 11:30`; a range that cannot be read as it is written. */
export function describeRange(range: TimeRange, now: number, zone: string): string {
  const quick = QUICK_RANGES.find((quick) => quick.from === range.from && quick.to === range.to);
  if (quick) return quick.name;
  const last = /^now-(\d+)([smhdwMy])$/.exec(range.from);
  if (last?.[1] && last[2] && range.to === 'now') {
    const count = Number(last[1]);
    return count === 1 ? `Last ${UNIT_NAMES[last[2]]}` : `Last ${count} ${UNIT_NAMES[last[2]]}s`;
  }
  const checked = checkRange(range, now, zone);
  return 'field' in checked ? `${range.from} – ${range.to}` : describeInterval(checked, zone);
}

/** Both ends as the zone's clocks show them; the date once where it is the same. */
export function describeInterval({ from, to }: Interval, zone: string): string {
  const precision: Precision = to - from < 1_000 ? 'millis' : to - from < 600_000 ? 'seconds' : 'minutes';
  const start = formatInstant(from, zone, precision);
  const end = formatInstant(to, zone, precision);
  const sameDay = start.slice(0, 10) === end.slice(0, 10);
  return `${start} – ${sameDay ? end.slice(11) : end}`;
}
