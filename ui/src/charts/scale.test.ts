import { describe, expect, it } from 'vitest';
import { linearScale, logScale, timeScale } from './scale';

describe.each([
  ['logScale', logScale],
  ['linearScale', linearScale],
])('%s', (_, scale) => {
  it.each([[[]], [[0]], [[5e6]], [[1e3, 1e4, 1e5]], [[3, 9e18]], [[-5, 1e6]]])(
    'has a place inside for each of %j, and finds values by their places',
    (values) => {
      const { place, value, ticks } = scale(values);
      for (const item of values) {
        expect(place(item)).toBeGreaterThanOrEqual(0);
        expect(place(item)).toBeLessThanOrEqual(1);
      }
      for (const at of [0.1, 0.5, 1]) expect(place(Math.max(1_000, value(at)))).toBeCloseTo(Math.max(at, place(1_000)));
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThanOrEqual(9);
      for (const tick of ticks) expect(place(tick)).toBeLessThanOrEqual(1.000001);
    },
  );
});

describe('ticks', () => {
  it('are round, and fewer between more decades', () => {
    const ticks = (values: number[]) => logScale(values).ticks.map((tick) => Number(tick.toPrecision(6)));
    expect(ticks([1e6, 5e6])).toEqual([1e6, 2e6, 5e6]);
    expect(ticks([1e6, 1e8])).toEqual([1e6, 3e6, 1e7, 3e7, 1e8]);
    expect(ticks([1e3, 1e8])).toEqual([1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
    expect(linearScale([9e6]).ticks).toEqual([0, 5e6]);
    expect(linearScale([1e7]).ticks).toEqual([0, 5e6, 10e6]);
  });
});

describe('timeScale', () => {
  const noon = Date.UTC(2026, 4, 20, 12);
  const times = (from: number, to: number, zone: string, most: number) => {
    const { ticks, label } = timeScale({ from, to }, zone, most);
    return ticks.map(label);
  };

  it('goes from 0 to 1 and back', () => {
    const { place, value } = timeScale({ from: noon, to: noon + 1_000 }, 'utc', 4);
    expect([place(noon), place(noon + 250), value(1)]).toEqual([0, 0.25, noon + 1_000]);
  });

  it('has ticks at round times, named as finely as they lie', () => {
    expect(times(noon + 1, noon + 100, 'utc', 2)).toEqual(['12:00:00.050', '12:00:00.100']);
    expect(times(noon, noon + 60_000, 'utc', 4)).toEqual(['12:00:00', '12:00:15', '12:00:30', '12:00:45', '12:01:00']);
    expect(times(noon, noon + 3_600_000, 'utc', 4)).toEqual(['12:00', '12:15', '12:30', '12:45', '13:00']);
    expect(times(noon, noon + 86_400_000, 'utc', 4)).toEqual(['12:00', '18:00', '05-21', '06:00', '12:00']);
    expect(times(noon, noon + 3 * 86_400_000, 'utc', 3)).toEqual(['05-21', '05-22', '05-23']);
  });

  it('knows the clocks of the zone', () => {
    expect(times(noon, noon + 3_600_000, 'Asia/Kolkata', 2)).toEqual(['17:30', '18:00', '18:30']);
    expect(times(noon, noon + 3 * 86_400_000, 'Asia/Tokyo', 3)).toEqual(['05-21', '05-22', '05-23']);
  });

  it('stays at midnight when the clocks are changed', () => {
    // Summer time ended on the 25th of October.
    const from = Date.parse('2026-10-23T00:00:00+02:00');
    const to = Date.parse('2026-10-28T00:00:00+01:00');
    const { ticks, label } = timeScale({ from, to }, 'Europe/Berlin', 6);
    expect(ticks.map((tick) => new Date(tick).toISOString().slice(11, 16))).toEqual([
      ...['22:00', '22:00', '22:00', '23:00', '23:00', '23:00'],
    ]);
    expect(ticks.map(label)).toEqual(['10-23', '10-24', '10-25', '10-26', '10-27', '10-28']);
  });

  it('is bounded for ranges that nobody has data for', () => {
    const { ticks, label } = timeScale({ from: Date.UTC(1000, 0), to: Date.UTC(9000, 0) }, 'utc', 9);
    expect(ticks.length).toBeGreaterThan(2);
    expect(ticks.length).toBeLessThanOrEqual(9);
    expect(ticks.map(label).every((text) => /^\d{4}-\d\d-\d\d$/.test(text))).toBe(true);
  });
});
