import { describe, expect, it } from 'vitest';
import { describeRange } from '~/time/describe';
import { readRange, shiftInterval, zoomOut } from '~/time/move';
import { resolveRange } from '~/time/range';

const NOW = Date.parse('2026-05-20T14:00:00Z');
const HOUR = 3_600_000;

describe('describeRange', () => {
  it.each([
    ['now-1h', 'now', 'Last hour'],
    ['now-90m', 'now', 'Last 90 minutes'],
    ['now-1y', 'now', 'Last year'],
    ['now-1d/d', 'now-1d/d', 'Yesterday'],
    ['now-2h', 'now-1h', '2026-05-20 14:00 – 15:00'],
    ['2026-05-19T22:00:00Z', '2026-05-20T22:30:00Z', '2026-05-20 00:00 – 2026-05-21 00:30'],
    ['2026-05-20 10:00:01', '2026-05-20 10:00:05', '2026-05-20 10:00:01 – 10:00:05'],
    ['oops', 'now', 'oops – now'],
  ])('%s to %s: %s', (from, to, words) => expect(describeRange({ from, to }, NOW, 'Europe/Berlin')).toBe(words));
});

describe('shiftInterval', () => {
  it('goes half a length back and forth, but not into the future', () => {
    const interval = { from: NOW - 4 * HOUR, to: NOW - 2 * HOUR };
    expect(shiftInterval(interval, -1, NOW)).toEqual({ from: NOW - 5 * HOUR, to: NOW - 3 * HOUR });
    expect(shiftInterval(interval, 1, NOW)).toEqual({ from: NOW - 3 * HOUR, to: NOW - HOUR });
    expect(shiftInterval({ from: NOW - 2 * HOUR, to: NOW - HOUR / 4 }, 1, NOW)).toEqual({
      from: NOW - 1.75 * HOUR,
      to: NOW,
    });
    expect(shiftInterval({ from: NOW, to: NOW + HOUR }, 1, NOW)).toEqual({ from: NOW, to: NOW + HOUR });
  });
});

describe('zoomOut', () => {
  const zoom = (from: string, to: string) => {
    const interval = resolveRange({ from, to }, NOW, 'utc');
    return interval && zoomOut({ from, to }, interval, NOW);
  };

  it('keeps what ends now ending now', () => {
    expect(zoom('now-1h', 'now')).toEqual({ from: 'now-2h', to: 'now' });
    expect(zoom('now-45m', 'now')).toEqual({ from: 'now-90m', to: 'now' });
    expect(zoom('now-12h', 'now')).toEqual({ from: 'now-1d', to: 'now' });
    expect(zoom('now/d', 'now')).toEqual({ from: 'now-28h', to: 'now' });
  });

  it('doubles around the middle, but not into the future', () => {
    expect(zoom('now-4h', 'now-2h')).toEqual({ from: '2026-05-20T09:00:00.000Z', to: '2026-05-20T13:00:00.000Z' });
    expect(zoom('now-3h', 'now-30m')).toEqual({ from: '2026-05-20T09:00:00.000Z', to: '2026-05-20T14:00:00.000Z' });
  });

  it('comes to an end', () => {
    let range = { from: 'now-1h', to: 'now' };
    for (let step = 0; step < 40; step++) {
      const interval = resolveRange(range, NOW, 'utc');
      expect(interval).toBeDefined();
      if (interval) range = zoomOut(range, interval, NOW);
    }
  });
});

describe('readRange', () => {
  it.each([
    ['{"from":"now-6h","to":"now"}', 'now-6h', 'now'],
    ['{"from":1779287727500,"to":1779287728500}', '1779287727500', '1779287728500'],
    ['http://127.0.0.1:3000/traces?service=a&from=now-6h&to=now-1h#x', 'now-6h', 'now-1h'],
    ['now-6h to now', 'now-6h', 'now'],
    ['2026-05-20 10:00 – 2026-05-20 11:00', '2026-05-20 10:00', '2026-05-20 11:00'],
    ['2026-05-20 10:00 – 11:30', '2026-05-20 10:00', '2026-05-20 11:30'],
    ['2026-05-20T10:00:00Z\n2026-05-20T11:00:00Z', '2026-05-20T10:00:00Z', '2026-05-20T11:00:00Z'],
  ])('reads %j', (text, from, to) => expect(readRange(text)).toEqual({ from, to }));

  it.each(['', 'now-1h', '{"from":{},"to":1}', '{"from":"a"', 'a to b to c', 'x'.repeat(10_000)])(
    'does not read %j',
    (text) => expect(readRange(text)).toBeUndefined(),
  );
});
