/** Durations for people: three significant digits, the unit that fits. All from nanoseconds. */

const UNITS: [string, number][] = [
  ['d', 86_400e9],
  ['h', 3_600e9],
  ['min', 60e9],
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
];

export function formatDuration(nanoseconds: number): string {
  if (!Number.isFinite(nanoseconds)) return '–';
  if (nanoseconds === 0) return '0';
  const size = Math.abs(nanoseconds);
  // What would be written as 1000 ms or 60 s is one of the next unit.
  const fits = UNITS.findIndex(([, factor], index) => {
    const below = UNITS[index + 1]?.[1] ?? factor;
    return size >= factor || (below < factor && Number(significant(size / below)) * below >= factor);
  });
  const [unit, factor] = UNITS[fits] ?? ['ns', 1];
  return `${significant(nanoseconds / factor)} ${unit}`;
}

function significant(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(2, digits)).replace(/\.0+$|(\.\d*?)0+$/, '$1');
}

const WRITTEN = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|μs|ms|s|m|min|h|d)?$/;
const FACTORS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  // The Greek letter; the one above is the sign of Latin-1.
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  min: 60e9,
  h: 3_600e9,
  d: 86_400e9,
};

/** Nanoseconds of a duration as people write it (`250ms`, `1.5s`; milliseconds without a unit); undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const match = WRITTEN.exec(text.trim());
  if (!match?.[1]) return undefined;
  return Number(match[1]) * (FACTORS[match[2] ?? 'ms'] ?? 1e6);
}
