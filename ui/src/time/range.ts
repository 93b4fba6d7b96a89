/**
 * Time ranges in the syntax people know from Grafana: `now-1h`, `now/d`, `now-1d/d+8h`, a date and time (with an offset, or
 * else as the clocks of the chosen zone show it), or seconds, milliseconds, microseconds or nanoseconds since the epoch.
 */

import { Temporal } from 'temporal-polyfill';
import { zoneName } from '~/time/format';

export interface TimeRange {
  from: string;
  to: string;
}

/** Milliseconds since the epoch; `from` is always before `to`. */
export interface Interval {
  from: number;
  to: number;
}

export const DEFAULT_RANGE: TimeRange = { from: 'now-1h', to: 'now' };

const RELATIVE = /^now((?:[+-]\d{1,6}[smhdwMy]|\/[smhdwMy]){0,8})$/;
const STEP = /([+-])(\d+)([smhdwMy])|\/([smhdwMy])/g;
const EPOCH = /^\d{10}$|^\d{12,14}$|^\d{16}$|^\d{19}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)\s*(Z|[+-]\d{2}:?\d{2})?$/i;

const NAMES = {
  s: 'seconds',
  m: 'minutes',
  h: 'hours',
  d: 'days',
  w: 'weeks',
  M: 'months',
  y: 'years',
} as const;
type Unit = keyof typeof NAMES;

/**
 * The instant that `text` means at `now` in `zone`; undefined where it means none. At the `end` of a range, `/d` and a date
 * without a time mean the last millisecond of the day rather than its first.
 */
export function parseInstant(text: string, now: number, end: boolean, zone = 'browser'): number | undefined {
  const trimmed = text.trim();
  try {
    const relative = RELATIVE.exec(trimmed);
    if (relative) return shifted(zoned(now, zone), relative[1] ?? '', end);
    if (EPOCH.test(trimmed)) return Number(trimmed.length === 10 ? `${trimmed}000` : trimmed.slice(0, 13));
    if (DATE.test(trimmed)) {
      const day = Temporal.PlainDate.from(trimmed).toZonedDateTime(zoneName(zone));
      return end ? day.add({ days: 1 }).epochMilliseconds - 1 : day.epochMilliseconds;
    }
    const written = DATE_TIME.exec(trimmed);
    if (!written) return undefined;
    const [, date, time, offset] = written;
    if (offset) return Temporal.Instant.from(`${date}T${time}${offset}`).epochMilliseconds;
    return Temporal.PlainDateTime.from(`${date}T${time}`).toZonedDateTime(zoneName(zone)).epochMilliseconds;
  } catch {
    // The 30th of February, the year 999999: well written, but no instant.
    return undefined;
  }
}

/** Why a range means nothing, in words, and which end is to blame. */
export interface RangeProblem {
  field: 'from' | 'to';
  message: string;
}

/** What a range means at `now`, or why it means nothing. */
export function checkRange(range: TimeRange, now: number, zone = 'browser'): Interval | RangeProblem {
  const from = parseInstant(range.from, now, false, zone);
  if (from === undefined) return { field: 'from', message: unreadable(range.from) };
  const to = parseInstant(range.to, now, true, zone);
  if (to === undefined) return { field: 'to', message: unreadable(range.to) };
  if (from >= to) return { field: 'to', message: 'The end must be after the start.' };
  return { from, to };
}

/** What a range means at `now`; undefined where it means nothing or ends before it begins. */
export function resolveRange(range: TimeRange, now: number, zone = 'browser'): Interval | undefined {
  const checked = checkRange(range, now, zone);
  return 'field' in checked ? undefined : checked;
}

const LONGEST_QUOTE = 40;

function unreadable(text: string): string {
  if (text.trim() === '') return 'Say when: for example now-1h, or 2026-03-29 14:00.';
  const quote = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
  return `“${quote}” is no time. Write for example now-1h, now/d or 2026-03-29 14:00.`;
}

export function zoned(ms: number, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(ms)).toZonedDateTimeISO(zoneName(zone));
}

function shifted(start: Temporal.ZonedDateTime, steps: string, end: boolean): number {
  let at = start;
  for (const [, sign, count, unit, rounding] of steps.matchAll(STEP)) {
    if (rounding) at = rounded(at, rounding as Unit, end);
    else if (unit) at = at.add({ [NAMES[unit as Unit]]: sign === '-' ? -Number(count) : Number(count) });
  }
  return at.epochMilliseconds;
}

/** To the start of the unit, as the zone's clocks count it; to its last millisecond at the end of a range. */
function rounded(at: Temporal.ZonedDateTime, unit: Unit, end: boolean): Temporal.ZonedDateTime {
  const start = startOf(at, unit);
  return end ? start.add({ [NAMES[unit]]: 1 }).subtract({ milliseconds: 1 }) : start;
}

function startOf(at: Temporal.ZonedDateTime, unit: Unit): Temporal.ZonedDateTime {
  switch (unit) {
    case 's':
    case 'm':
    case 'h':
      return at.round({ smallestUnit: NAMES[unit], roundingMode: 'floor' });
    case 'd':
      return at.startOfDay();
    case 'w':
      return at.subtract({ days: at.dayOfWeek - 1 }).startOfDay();
    case 'M':
      return at.with({ day: 1 }).startOfDay();
    case 'y':
      return at.with({ month: 1, day: 1 }).startOfDay();
  }
}
