/** Instants on the screen: year first, 24 hours, in the chosen zone; the same everywhere, so that they can be compared. */

export type Precision = 'date' | 'minutes' | 'seconds' | 'millis';

/** `2026-03-29 14:05:09.123` as far as `precision` goes. `zone`: `browser`, `utc` or an IANA name. */
export function formatInstant(ms: number, zone: string, precision: Precision = 'seconds'): string {
  const fields = fieldsOf(ms, zone);
  if (!fields) return '–';
  const date = `${fields.year}-${fields.month}-${fields.day}`;
  if (precision === 'date') return date;
  const minutes = `${date} ${fields.hour}:${fields.minute}`;
  if (precision === 'minutes') return minutes;
  if (precision === 'seconds') return `${minutes}:${fields.second}`;
  return `${minutes}:${fields.second}.${millis(ms)}`;
}

/** The time of the day alone, where the date stands elsewhere: `14:05:09.123`. */
export function formatTimeOfDay(ms: number, zone: string, precision: Exclude<Precision, 'date'> = 'seconds'): string {
  return formatInstant(ms, zone, precision).split(' ')[1] ?? '–';
}

const AGO: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

/** How long before `now`: `just now`, `12 s ago`, `3 h ago`; `in 5 s` for what a fast clock dates ahead. */
export function formatAgo(ms: number, now: number): string {
  const age = now - ms;
  if (!Number.isFinite(age)) return '–';
  const [unit, size] = AGO.find(([, size]) => Math.abs(age) >= size) ?? [];
  if (!unit || !size) return 'just now';
  const text = `${Math.trunc(Math.abs(age) / size).toLocaleString('en')} ${unit}`;
  return age < 0 ? `in ${text}` : `${text} ago`;
}

/** What a zone is called: `UTC`, or its IANA name; the browser's by its own name. */
export function zoneName(zone: string): string {
  const name = ianaName(zone) ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return name === 'Etc/UTC' || name === 'Etc/GMT' ? 'UTC' : name;
}

/** How far a zone is from UTC at an instant: `UTC`, `UTC+02:00`. */
export function zoneOffset(zone: string, ms: number): string {
  if (!Number.isFinite(ms)) return 'UTC';
  const name = new Intl.DateTimeFormat('en', { timeZone: zoneName(zone), timeZoneName: 'longOffset' })
    .formatToParts(ms)
    .find((part) => part.type === 'timeZoneName')?.value;
  return name?.replace('GMT', 'UTC').replace('+00:00', '') ?? 'UTC';
}

/** Whether times can be shown in `zone`. */
export function isZone(zone: string): boolean {
  if (zone === 'browser' || zone === 'utc') return true;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** `undefined`: whatever the browser has; a zone that does not exist is read as that. */
function ianaName(zone: string): string | undefined {
  if (zone === 'utc') return 'UTC';
  return zone === 'browser' || !isZone(zone) ? undefined : zone;
}

type Field = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

/** Making a formatter is a thousand times as dear as using it. */
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: ianaName(zone),
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  formatters.set(zone, made);
  return made;
}

function fieldsOf(ms: number, zone: string): Record<Field, string> | undefined {
  // The range of Date; beyond it the formatter throws.
  if (!(Math.abs(ms) <= 8.64e15)) return undefined;
  const fields = { year: '', month: '', day: '', hour: '', minute: '', second: '' };
  for (const { type, value } of formatter(zone).formatToParts(ms)) {
    if (type in fields) fields[type as Field] = value;
  }
  return fields;
}

function millis(ms: number): string {
  // Instants before 1970 count backwards.
  return String(((Math.floor(ms) % 1000) + 1000) % 1000).padStart(3, '0');
}
