/** Other ranges made of the one that is shown. All results are text for the address bar. */

import type { Interval, TimeRange } from '~/time/range';

/** An interval as it is written in the address bar: in UTC, so that it means the same to everybody. */
export function absoluteRange({ from, to }: Interval): TimeRange {
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

/** The half of its length back (-1) or forward (1). Never beyond `now`, where there is nothing to see yet. */
export function shiftInterval({ from, to }: Interval, direction: 1 | -1, now: number): Interval {
  const by = Math.max(1, Math.round((to - from) / 2)) * direction;
  if (direction === 1 && to + by > now) {
    const end = Math.max(to, now);
    return { from: from + (end - to), to: end };
  }
  return { from: from + by, to: to + by };
}

/** Beyond this nothing is stored that anybody asks for by zooming out. */
const LONGEST = 10 * 366 * 86_400_000;

/** Twice as much around the same middle; what ends now still ends now. */
export function zoomOut(range: TimeRange, interval: Interval, now: number): TimeRange {
  const span = interval.to - interval.from;
  if (span >= LONGEST) return range;
  if (range.to === 'now') return { from: `now-${shortest(span * 2)}`, to: 'now' };
  let to = interval.to + Math.round(span / 2);
  if (to > now) to = Math.max(now, interval.to);
  return absoluteRange({ from: to - span * 2, to });
}

const SIZES = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

function shortest(ms: number): string {
  for (const [unit, size] of SIZES) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${Math.max(1, Math.ceil(ms / 1000))}s`;
}

/** The longest text that can be a range. */
const LONGEST_TEXT = 4_096;

/** A range out of what people have on their clipboard: what this page or Grafana copied, an address, `A to B`, `A – B`. */
export function readRange(text: string): TimeRange | undefined {
  const trimmed = text.trim();
  if (!trimmed || trimmed.length > LONGEST_TEXT) return undefined;
  return rangeOfJson(trimmed) ?? rangeOfAddress(trimmed) ?? rangeOfWords(trimmed);
}

function rangeOfJson(text: string): TimeRange | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('from' in value) || !('to' in value)) return undefined;
    const { from, to } = value;
    const isTime = (end: unknown) => typeof end === 'string' || typeof end === 'number';
    return isTime(from) && isTime(to) ? { from: String(from), to: String(to) } : undefined;
  } catch {
    return undefined;
  }
}

function rangeOfAddress(text: string): TimeRange | undefined {
  const query = text.split('?')[1]?.split('#')[0];
  const parameters = new URLSearchParams(query ?? '');
  const from = parameters.get('from');
  const to = parameters.get('to');
  return from && to ? { from, to } : undefined;
}

function rangeOfWords(text: string): TimeRange | undefined {
  const [from, to, more] = text.split(/\s+(?:to|–|—|-|until)\s+|\s*→\s*|\s*\n\s*/);
  if (!from || !to || more !== undefined) return undefined;
  // `2026-05-20 10:00 – 11:30`, as this page writes a range within a day.
  if (/^\d{2}:\d{2}/.test(to) && /^\d{4}-\d{2}-\d{2}/.test(from)) return { from, to: `${from.slice(0, 10)} ${to}` };
  return { from, to };
}
