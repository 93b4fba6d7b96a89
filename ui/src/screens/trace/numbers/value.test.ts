import { expect, it } from 'vitest';
import { formatValue } from '~/screens/trace/numbers/value';

it.each([
  [0.25, 's', '250 ms'],
  [90, 'min', '1.5 h'],
  [1536, 'By', '1.5 KiB'],
  [3, '{request}', '3 request'],
  [3, '1', '3'],
  [3, '', '3'],
  [42, '%', '42 %'],
  [Number.NaN, 's', '–'],
  [7, 'constructor', '7 constructor'],
  [7, 'x'.repeat(99), `7 ${'x'.repeat(30)}`],
])('%s in %j is %s', (value, unit, text) => expect(formatValue(value, unit)).toBe(text));
