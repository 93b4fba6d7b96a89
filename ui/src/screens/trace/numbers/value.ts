/** Values of metrics with their units (UCUM, as OpenTelemetry writes them). */

import { formatDuration } from '~/format/duration';
import { formatBytes, formatCount } from '~/format/number';

const TIMES = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['min', 60e9],
  ['h', 3_600e9],
  ['d', 86_400e9],
]);

export function formatValue(value: number, unit: string): string {
  if (Number.isNaN(value)) return '–';
  const nanoseconds = TIMES.get(unit);
  if (nanoseconds) return formatDuration(value * nanoseconds);
  if (unit === 'By') return formatBytes(value);
  // `{request}` counts requests, `1` counts nothing in particular.
  const word = unit === '1' ? '' : unit.replace(/^\{(.*)\}$/, '$1').slice(0, 30);
  return word ? `${formatCount(value)} ${word}` : formatCount(value);
}
