import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatRate, formatShare } from '~/format/number';

describe('formatCount', () => {
  it.each([
    [0, '0'],
    [7, '7'],
    [1.5, '1.5'],
    [9876, '9,876'],
    [9999, '9,999'],
    [10_000, '10 k'],
    [12_345, '12.3 k'],
    [999_949, '1 M'],
    [999_400, '999 k'],
    [4_560_000, '4.56 M'],
    [7.2e9, '7.2 G'],
    [3e15, '3,000 T'],
    [-12_345, '-12.3 k'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%s is %s', (count, text) => expect(formatCount(count)).toBe(text));
});

describe('formatRate', () => {
  it.each([
    [0, '0/s'],
    [0.0004, '<0.001/s'],
    [0.0512, '0.051/s'],
    [0.5, '0.5/s'],
    [12.34, '12.3/s'],
    [999.9, '1 k/s'],
    [4560, '4.56 k/s'],
    [Number.NaN, '–'],
  ])('%s is %s', (rate, text) => expect(formatRate(rate)).toBe(text));
});

describe('formatShare', () => {
  it.each([
    [0, '0%'],
    [0.00001, '<0.01%'],
    [0.0123, '1.23%'],
    [0.5, '50%'],
    [0.996, '99.6%'],
    [0.99999, '>99.99%'],
    [0.99996, '>99.99%'],
    [0.9999, '99.99%'],
    [1, '100%'],
    [Number.NaN, '–'],
  ])('%s is %s', (share, text) => expect(formatShare(share)).toBe(text));
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1,023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1024 * 1024 - 1, '1 MiB'],
    [3.2 * 2 ** 20, '3.2 MiB'],
    [5 * 2 ** 40, '5 TiB'],
  ])('%s is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});
