/** Numbers for people: short, with their unit, never rounded into a statement that is not so. */

const STEPS: [string, number][] = [
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['k', 1e3],
];

/** How many: `0`, `9,876`, `12.3 k`, `4.56 M`. Whole up to four digits, three digits after that. */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return '–';
  if (Math.abs(count) < 9_999.5) return count.toLocaleString('en', { maximumFractionDigits: count % 1 === 0 ? 0 : 2 });
  return scaled(count, STEPS);
}

/** How often, from the number per second: `0/s`, `0.05/s`, `12.3/s`, `4.56 k/s`. */
export function formatRate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return '–';
  if (perSecond === 0) return '0/s';
  if (Math.abs(perSecond) < 0.001) return perSecond < 0 ? '>-0.001/s' : '<0.001/s';
  return `${scaled(perSecond, STEPS)}/s`;
}

/** A share of one as a percentage. Only nothing is `0%`, and only everything `100%`. */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return '–';
  const percent = share * 100;
  if (percent === 0 || percent === 100) return `${percent}%`;
  if (percent > 0 && percent < 0.01) return '<0.01%';
  if (percent > 99.99 && percent < 100) return '>99.99%';
  if (percent > 99 && percent < 100) return `${trimmed(Math.floor(percent * 100) / 100, 2)}%`;
  return `${significant(percent)}%`;
}

const BYTES: [string, number][] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

/** A size in bytes: `512 B`, `1.5 KiB`, `3.2 MiB`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  if (Math.abs(bytes) < 1024) return `${trimmed(bytes, 0)} B`;
  return scaled(bytes, BYTES);
}

/** Three significant digits of `value` in the largest of `steps` that leaves at least one before the point. */
function scaled(value: number, steps: [string, number][]): string {
  const size = Math.abs(value);
  const above = steps.findLast(([, factor]) => Number((size / factor).toPrecision(3)) < 1);
  const [unit, factor] = steps[above ? steps.indexOf(above) + 1 : 0] ?? ['', 1];
  const text = significant(value / factor);
  return unit ? `${text} ${unit}` : text;
}

function significant(value: number): string {
  const rounded = Number(value.toPrecision(3));
  const size = Math.abs(rounded);
  // Below one, three digits after the point rather than three significant ones: 0.012, not 0.0123.
  if (size < 1) return trimmed(Number(value.toPrecision(2)), 4);
  return trimmed(rounded, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function trimmed(value: number, digits: number): string {
  return Number(value.toFixed(digits)).toLocaleString('en', { maximumFractionDigits: digits });
}
