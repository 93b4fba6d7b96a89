/** The words below a time axis. */

import { formatInstant, formatTimeOfDay } from '~/time/format';

const DAY = 86_400;

/**
 * One label a tick (seconds since the epoch; `step` between two): the time of the day, and the date where a day begins
 * or where days are all that is told apart.
 */
export function timeLabels(ticks: readonly number[], step: number, zone: string): string[] {
  return ticks.map((tick) => {
    const at = tick * 1000;
    const date = formatInstant(at, zone, 'date').slice(5);
    if (step >= DAY) return date;
    const time = formatTimeOfDay(at, zone, step < 60 ? 'seconds' : 'minutes');
    return step >= 60 && time === '00:00' ? date : time;
  });
}
