/** From values to places on a chart and back, and which values deserve a tick. */

import { formatInstant, formatTimeOfDay } from '~/time/format';

export interface Scale {
  /** The place of a value, 0 to 1. */
  place: (value: number) => number;
  /** The value at a place. */
  value: (place: number) => number;
  ticks: number[];
}

/** Nothing is shorter on a logarithmic scale: it has no place for zero, and clocks are no better. Nanoseconds. */
export const SHORTEST = 1_000;

/** For durations in nanoseconds. Whole decades would waste half of the chart, so it ends shortly beyond the values. */
export function logScale(values: readonly number[]): Scale {
  let low = Number.POSITIVE_INFINITY;
  let high = SHORTEST;
  for (const value of values) {
    const size = Math.max(value, SHORTEST);
    if (size < low) low = size;
    if (size > high) high = size;
  }
  if (low > high) low = high = 1e6;
  const from = Math.log10(low / 1.3);
  const to = Math.log10(Math.max(high * 1.3, low * 4));
  return {
    place: (value) => (Math.log10(Math.max(value, SHORTEST)) - from) / (to - from),
    value: (place) => 10 ** (from + place * (to - from)),
    ticks: logTicks(10 ** from, 10 ** to),
  };
}

/** Powers of ten, with 2 and 5 between them where there are few. */
function logTicks(from: number, to: number): number[] {
  const decades = Math.log10(to / from);
  const factors = decades > 3.5 ? [1] : decades > 1.8 ? [1, 3] : [1, 2, 5];
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(from)); exponent <= Math.log10(to); exponent++) {
    for (const factor of factors) {
      const tick = factor * 10 ** exponent;
      if (tick >= from && tick <= to) ticks.push(tick);
    }
  }
  // Seven decades and more: every second one.
  return ticks.length > 7 ? ticks.filter((_, index) => index % 2 === 0) : ticks;
}

/** From zero to shortly beyond the largest. */
export function linearScale(values: readonly number[]): Scale {
  const high = 1.08 * values.reduce((most, value) => Math.max(most, value), SHORTEST);
  const step = niceStep(high / 4);
  const ticks: number[] = [];
  for (let tick = 0; tick <= high; tick += step) ticks.push(tick);
  return { place: (value) => Math.max(value, 0) / high, value: (place) => place * high, ticks };
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const TIME_STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 90].map((days) => days * DAY),
  ...[1, 2, 5, 10, 50, 100, 500, 1000, 10_000].map((years) => years * YEAR),
];

export interface TimeScale extends Scale {
  label: (tick: number) => string;
}

/** For instants in milliseconds since the epoch, with at most about `most` ticks at round times of `zone`. */
export function timeScale({ from, to }: { from: number; to: number }, zone: string, most: number): TimeScale {
  const step = TIME_STEPS.find((step) => (to - from) / step <= most) ?? 10_000 * YEAR;
  const shift = zoneShift(from, zone);
  const ticks: number[] = [];
  // Clocks are changed by whole steps up to an hour; beyond, every tick must be asked what they show.
  const change = step > HOUR ? 3 * HOUR : 0;
  for (let even = Math.ceil((from + shift) / step) * step - shift; even <= to + change; even += step) {
    const tick = change === 0 ? even : even + shift - zoneShift(even, zone);
    if (tick >= from && tick <= to) ticks.push(tick);
  }
  return {
    place: (value) => (value - from) / (to - from),
    value: (place) => from + place * (to - from),
    ticks,
    label: (tick) => timeLabel(tick, step, zone),
  };
}

function timeLabel(tick: number, step: number, zone: string): string {
  if (step >= YEAR) return formatInstant(tick, zone, 'date');
  if (step >= DAY) return formatInstant(tick, zone, 'date').slice(5);
  if (step < 1000) return formatTimeOfDay(tick, zone, 'millis');
  if (step < MINUTE) return formatTimeOfDay(tick, zone, 'seconds');
  const time = formatTimeOfDay(tick, zone, 'minutes');
  return time === '00:00' ? formatInstant(tick, zone, 'date').slice(5) : time;
}

/** How far the clocks of `zone` are ahead of UTC at an instant, in milliseconds. */
function zoneShift(at: number, zone: string): number {
  const whole = Math.floor(at / 1000) * 1000;
  const local = Date.parse(`${formatInstant(whole, zone, 'seconds').replace(' ', 'T')}Z`);
  return Number.isNaN(local) ? 0 : local - whole;
}
