import { describe, expect, it } from 'vitest';
import { chosenBox, type Dot, layOut, nearest, zoomOf } from './dots';

const interval = { from: 0, to: 1_000 };
/** A plot of 1000 by 100 pixels: one pixel is a millisecond. */
const SIZE = { width: 62 + 1_000 + 12, height: 8 + 100 + 22 };

const dot = (id: string, start: number, duration: number, errors = 0): Dot => ({ id, start, duration, errors });
const lay = (dots: Dot[], scale: 'log' | 'linear' = 'log') => layOut(dots, SIZE, { interval, zone: 'utc', scale });
const drag = (fromX: number, fromY: number, toX: number, toY: number) => ({ fromX, fromY, toX, toY });

describe('layOut', () => {
  it('places dots by their start and duration, failed ones last', () => {
    const { dots } = lay([dot('failed', 0, 1e6, 2), dot('slow', 500, 100e6), dot('fast', 1_000, 1e6)]);
    expect(dots.map(({ dot }) => dot.id)).toEqual(['slow', 'fast', 'failed']);
    const [slow, fast, failed] = dots;
    expect([slow?.x, fast?.x, failed?.x]).toEqual([562, 1_062, 62]);
    expect(slow?.y).toBeLessThan(fast?.y ?? 0);
    expect(fast?.y).toBe(failed?.y);
  });

  it('keeps dots inside that began before the range, or last no time', () => {
    for (const scale of ['log', 'linear'] as const) {
      const { dots, left, top, height } = lay([dot('early', -5_000, 0), dot('wrong', 9_000, -7)], scale);
      for (const { x, y } of dots) {
        expect(x).toBeGreaterThanOrEqual(left);
        expect(x).toBeLessThanOrEqual(SIZE.width);
        expect(y).toBeGreaterThanOrEqual(top);
        expect(y).toBeLessThanOrEqual(top + height);
      }
    }
  });

  it('works without room and without dots', () => {
    const layout = layOut([], { width: 0, height: 0 }, { interval, zone: 'utc', scale: 'log' });
    expect([layout.width, layout.height, layout.dots]).toEqual([1, 1, []]);
  });
});

describe('nearest', () => {
  const { dots } = lay([dot('a', 100, 1e6), dot('b', 110, 1e6)]);
  const y = dots[0]?.y ?? 0;

  it('finds the dot that is meant, if any', () => {
    expect(nearest(dots, 164, y)?.dot.id).toBe('a');
    expect(nearest(dots, 170, y)?.dot.id).toBe('b');
    expect(nearest(dots, 172 + 14, y)?.dot.id).toBe('b');
    expect(nearest(dots, 172 + 15, y)).toBeUndefined();
    expect(nearest(dots, 162, y - 30)).toBeUndefined();
    expect(nearest([], 0, 0)).toBeUndefined();
  });

  it('prefers the one drawn on top', () => {
    const { dots } = lay([dot('failed', 100, 1e6, 1), dot('fine', 100, 1e6)]);
    expect(nearest(dots, 162, y)?.dot.id).toBe('failed');
  });
});

describe('zoomOf', () => {
  const layout = lay([dot('a', 100, 1e6), dot('b', 200, 1e9)]);
  const bottom = 8 + 100;

  it.each([
    ['a click', drag(100, 50, 105, 50)],
    ['an unsteady hand', drag(100, 50, 103, 60)],
  ])('is nothing for %s', (_, click) => {
    expect(chosenBox(click, layout)).toBeUndefined();
    expect(zoomOf(click, layout)).toBeUndefined();
  });

  it('is a time where one drags sideways, in either direction', () => {
    expect(zoomOf(drag(162, 50, 362, 60), layout)).toEqual({ time: { from: 100, to: 300 } });
    expect(zoomOf(drag(362, 50, 162, 60), layout)).toEqual({ time: { from: 100, to: 300 } });
    expect(chosenBox(drag(162, 50, 362, 60), layout)).toMatchObject({ left: 162, right: 362, top: 8, bottom });
  });

  it('ends at the edges of the plot', () => {
    expect(zoomOf(drag(500, 50, 5_000, 50), layout)?.time).toEqual({ from: 438, to: 1_000 });
    expect(zoomOf(drag(500, 50, -5, 50), layout)?.time).toEqual({ from: 0, to: 438 });
  });

  it('is never an empty time', () => {
    const narrow = layOut([], SIZE, { interval: { from: 0, to: 2 }, zone: 'utc', scale: 'log' });
    const time = zoomOf(drag(100, 50, 110, 50), narrow)?.time;
    expect(time).toEqual({ from: 0, to: 1 });
  });

  it('is a band of durations where one drags up or down, and both across', () => {
    const { y = 0 } = layout.dots[1] ?? {};
    const high = zoomOf(drag(300, y - 5, 301, bottom - 30), layout);
    expect(high?.time).toBeUndefined();
    expect(high?.duration?.max).toBeGreaterThan(1e9);
    expect(high?.duration?.min).toBeGreaterThan(1e6);
    expect(high?.duration?.min).toBeLessThan(1e9);
    expect(Object.keys(zoomOf(drag(100, 10, 200, 60), layout) ?? {})).toEqual(['time', 'duration']);
  });

  it('leaves out no trace that the chosen box shows', () => {
    // All that last less than the shortest of the scale stand at its lower end.
    const { dots, ...plot } = lay([dot('none', 100, 0), dot('short', 200, 300), dot('long', 300, 1e6)]);
    const lowest = Math.max(...dots.map(({ y }) => y));
    expect(zoomOf(drag(500, lowest + 1, 500, 20), { ...plot, dots })?.duration?.min).toBe(0);
  });
});
