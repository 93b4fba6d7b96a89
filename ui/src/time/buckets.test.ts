import { describe, expect, it } from 'vitest';
import { sql } from '~/api/sql';
import { bucketNumber, bucketStarts, bucketsOf, ratesOf, secondsOf } from '~/time/buckets';

const MIN = 60_000;
const at = Date.UTC(2026, 2, 29, 12, 0, 0);

describe('bucketsOf', () => {
  it.each([
    ['an instant', 1, 1_000],
    ['a minute', MIN, 1_000],
    ['an hour', 60 * MIN, MIN],
    ['three hours', 180 * MIN, 5 * MIN],
    ['a week', 7 * 1440 * MIN, 180 * MIN],
    ['a century', 36_525 * 1440 * MIN, 2 * 365 * 1440 * MIN],
  ])('cuts %s into round pieces', (_, length, step) => {
    const buckets = bucketsOf({ from: at - length, to: at });
    expect(buckets.step).toBe(step);
    expect(buckets.count).toBeLessThanOrEqual(61);
    const starts = bucketStarts(buckets);
    expect(starts[0]).toBeLessThanOrEqual(at - length);
    expect((starts.at(-1) ?? 0) + step).toBeGreaterThanOrEqual(at);
  });

  it('leaves pieces where they are when the range moves on', () => {
    const [before, after] = [0, 7_000].map((later) =>
      bucketStarts(bucketsOf({ from: at - 60 * MIN + later, to: at + later })),
    );
    expect(after?.slice(0, -1)).toEqual(before?.slice(0));
  });

  it('numbers the pieces from the first one', () => {
    const buckets = { step: MIN, first: 29_000_000, count: 3 };
    expect(bucketNumber(sql`t`, buckets).text).toBe("arrow_cast(t, 'Int64') / 60000000000 - 29000000");
  });
});

describe('ratesOf', () => {
  const buckets = { step: 10_000, first: 0, count: 3 };

  it('counts what the range covers of the first and the last piece', () => {
    expect(ratesOf([5, 10, 6], buckets, { from: 5_000, to: 26_000 }, 99_000)).toEqual([1, 1, 1]);
  });

  it('knows nothing of pieces that are hardly covered', () => {
    expect(ratesOf([1, 10, 6], buckets, { from: 9_000, to: 21_000 }, 99_000)).toEqual([null, 1, null]);
  });

  it('knows nothing of the future', () => {
    expect(ratesOf([10, 5, 0], buckets, { from: 0, to: 30_000 }, 15_000)).toEqual([1, 1, null]);
    expect(secondsOf({ from: 0, to: 30_000 }, 15_000)).toBe(15);
  });

  it('tells of the only piece, however short', () => {
    expect(ratesOf([3], { step: 1_000, first: 0, count: 1 }, { from: 0, to: 300 }, 99_000)).toEqual([10]);
  });
});
