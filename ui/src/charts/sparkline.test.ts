import { describe, expect, it } from 'vitest';
import { sparkline } from '~/charts/sparkline';

describe('sparkline', () => {
  it('goes from the left to the right, from nothing to the highest', () => {
    expect(sparkline([0, 5, 10], 22, 12)).toEqual({ line: 'M1 11L11 6L21 1', area: 'M1 11L1 11L11 6L21 1L21 11Z' });
  });

  it('leaves gaps where nothing is known', () => {
    expect(sparkline([1, 1, null, 1, 1], 42, 12).line).toBe('M1 1L11 1M31 1L41 1');
  });

  it('draws a lonely value as a dot', () => {
    expect(sparkline([null, 4, null], 22, 12)).toEqual({ line: 'M11 1h0', area: '' });
    expect(sparkline([4], 22, 12).line).toBe('M11 1h0');
  });

  it('is flat at the bottom without any', () => {
    expect(sparkline([0, 0], 22, 12).line).toBe('M1 11L21 11');
  });

  it('is empty without values', () => {
    expect(sparkline([], 22, 12)).toEqual({ line: '', area: '' });
    expect(sparkline([null, null], 22, 12)).toEqual({ line: '', area: '' });
  });
});
