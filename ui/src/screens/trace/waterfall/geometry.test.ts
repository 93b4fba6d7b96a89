import { describe, expect, it } from 'vitest';
import { extent, extents } from '~/screens/trace/waterfall/geometry';

const window = { from: 100, to: 200 };

describe('extent', () => {
  it.each([
    [100, 200, { left: 0, width: 100 }],
    [125, 150, { left: 25, width: 25 }],
    [0, 150, { left: 0, width: 50 }],
    [150, 999, { left: 50, width: 50 }],
    [0, 999, { left: 0, width: 100 }],
    [150, 150, { left: 50, width: 0 }],
    [0, 100, { left: 0, width: 0 }],
    [200, 300, { left: 100, width: 0 }],
    [0, 99, undefined],
    [201, 300, undefined],
  ])('%s to %s stands at %j', (from, to, place) => expect(extent(from, to, window)).toEqual(place));
});

describe('extents', () => {
  it('joins what would run into each other, and leaves out what is not in sight', () => {
    const pieces: [number, number][] = [
      [0, 50],
      [110, 120],
      [115, 118],
      [120.05, 130],
      [150, 160],
      [300, 400],
    ];
    expect(extents(pieces, window)).toEqual([
      { left: 10, width: expect.closeTo(20) },
      { left: 50, width: expect.closeTo(10) },
    ]);
  });

  it('draws a bounded number of things that reach as far as all of them', () => {
    const pieces = Array.from({ length: 400 }, (_, at): [number, number] => [at * 10, at * 10 + 2]);
    const drawn = extents(pieces, { from: 0, to: 3_992 });
    expect(drawn).toHaveLength(200);
    expect((drawn.at(-1)?.left ?? 0) + (drawn.at(-1)?.width ?? 0)).toBeCloseTo(100);
  });
});
