import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration';

describe('formatDuration', () => {
  it.each([
    [0, '0'],
    [1, '1 ns'],
    [0.5, '0.5 ns'],
    [999, '999 ns'],
    [1_000, '1 µs'],
    [1_234_567, '1.23 ms'],
    [12_345_678, '12.3 ms'],
    [123_456_789, '123 ms'],
    [1e9, '1 s'],
    [59.94e9, '59.9 s'],
    [90e9, '1.5 min'],
    [3_600e9, '1 h'],
    [36 * 3_600e9, '1.5 d'],
    [400 * 86_400e9, '400 d'],
    [-1_500_000, '-1.5 ms'],
    // Rounded up, it is one of the next unit.
    [999_700, '1 ms'],
    [999_500_000, '1 s'],
    [59.96e9, '1 min'],
    [3_599e9, '1 h'],
    [23.99 * 3_600e9, '1 d'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%s is %s', (nanoseconds, text) => expect(formatDuration(nanoseconds)).toBe(text));
});

describe('parseDuration', () => {
  it.each([
    ['250ms', 250e6],
    [' 1.5 s ', 1.5e9],
    ['3us', 3e3],
    ['3µs', 3e3],
    ['3μs', 3e3],
    ['7ns', 7],
    ['2m', 120e9],
    ['2min', 120e9],
    ['1h', 3_600e9],
    ['1d', 86_400e9],
    ['100', 100e6],
    ['0', 0],
  ])('%j is %s', (text, nanoseconds) => expect(parseDuration(text)).toBe(nanoseconds));

  it.each(['', 's', '-1s', '1 week', '1.', '.5s', '1e3', '1s 2s', '0x10', '<b>1s</b>'])('%j is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('reads what is written for people', () => {
    for (const nanoseconds of [1, 1_000, 1_230_000, 59.9e9, 90e9, 3_600e9, 36 * 3_600e9]) {
      expect(parseDuration(formatDuration(nanoseconds))).toBeCloseTo(nanoseconds, 3);
    }
  });
});
