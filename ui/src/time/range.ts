/**
 * Time ranges in the syntax people know from Grafana: `now-1h`, `now/d`, `now-1d/d`, an ISO 8601 date and time, or
 * milliseconds since the epoch.
 */

export interface TimeRange {
  from: string;
  to: string;
}

/** Milliseconds since the epoch; `from` is never after `to`. */
export interface Interval {
  from: number;
  to: number;
}

export const DEFAULT_RANGE: TimeRange = { from: 'now-1h', to: 'now' };

export const UNITS = ['s', 'm', 'h', 'd', 'w', 'M', 'y'] as const;
type Unit = (typeof UNITS)[number];

const RELATIVE = /^now(?:([+-])(\d{1,6})([smhdwMy]))?(?:\/([smhdwMy]))?$/;

/** The instant that `text` means at `now`; undefined where it means none. `end` rounds `/d` up to the end of the unit. */
export function parseInstant(text: string, now: number, end: boolean): number | undefined {
  const trimmed = text.trim();
  const relative = RELATIVE.exec(trimmed);
  if (relative) {
    const [, sign, count, unit, rounding] = relative;
    let at = new Date(now);
    if (sign && count && unit) at = shift(at, unit as Unit, sign === '-' ? -Number(count) : Number(count));
    if (rounding) at = round(at, rounding as Unit, end);
    return Number.isNaN(at.getTime()) ? undefined : at.getTime();
  }
  if (/^\d{10,14}$/.test(trimmed)) return Number(trimmed);
  if (!/^\d{4}-\d{2}-\d{2}/.test(trimmed)) return undefined;
  const at = Date.parse(trimmed.includes('T') || !trimmed.includes(' ') ? trimmed : trimmed.replace(' ', 'T'));
  return Number.isNaN(at) ? undefined : at;
}

/** What a range means at `now`; undefined where it means nothing or ends before it begins. */
export function resolveRange(range: TimeRange, now: number): Interval | undefined {
  const from = parseInstant(range.from, now, false);
  const to = parseInstant(range.to, now, true);
  if (from === undefined || to === undefined || from >= to) return undefined;
  return { from, to };
}

function shift(at: Date, unit: Unit, count: number): Date {
  const moved = new Date(at);
  if (unit === 'M') moved.setMonth(moved.getMonth() + count);
  else if (unit === 'y') moved.setFullYear(moved.getFullYear() + count);
  else moved.setTime(moved.getTime() + count * SIZE[unit]);
  return moved;
}

const SIZE = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function round(at: Date, unit: Unit, end: boolean): Date {
  const start = new Date(at);
  if (unit === 's') start.setMilliseconds(0);
  else if (unit === 'm') start.setSeconds(0, 0);
  else if (unit === 'h') start.setMinutes(0, 0, 0);
  else start.setHours(0, 0, 0, 0);
  if (unit === 'w') start.setDate(start.getDate() - ((start.getDay() + 6) % 7));
  if (unit === 'M' || unit === 'y') start.setDate(1);
  if (unit === 'y') start.setMonth(0);
  return end ? new Date(shift(start, unit, 1).getTime() - 1) : start;
}
