import { describe, expect, it } from 'vitest';
import { spanEnd } from '~/data/trace';
import { criticalPath } from '~/screens/trace/model/criticalPath';
import { anyTrace, chain, type TestSpan, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree } from '~/screens/trace/model/tree';

function path(rows: TestSpan[]) {
  const spans = testTrace(rows);
  const { pieces, duration } = criticalPath(spans, buildTree(spans));
  return { duration, ...Object.fromEntries([...pieces].map(([span, list]) => [spans.ids[span]?.at(-1), list])) };
}

const root = { id: 'a', at: 0, lasts: 100 };

describe('criticalPath', () => {
  it.each<[string, TestSpan[], object]>([
    ['a span alone', [root], { duration: 100, a: [[0, 100]] }],
    [
      'children one after the other',
      [root, { id: 'b', parent: 'a', at: 10, lasts: 20 }, { id: 'c', parent: 'a', at: 40, lasts: 50 }],
      {
        duration: 100,
        a: [
          [0, 10],
          [30, 40],
          [90, 100],
        ],
        b: [[10, 30]],
        c: [[40, 90]],
      },
    ],
    [
      'of children at once the one that ends last',
      [root, { id: 'b', parent: 'a', at: 10, lasts: 20 }, { id: 'c', parent: 'a', at: 10, lasts: 50 }],
      {
        duration: 100,
        a: [
          [0, 10],
          [60, 100],
        ],
        c: [[10, 60]],
      },
    ],
    [
      'down into grandchildren',
      [root, { id: 'b', parent: 'a', at: 0, lasts: 100 }, { id: 'c', parent: 'b', at: 20, lasts: 30 }],
      {
        duration: 100,
        b: [
          [0, 20],
          [50, 100],
        ],
        c: [[20, 50]],
      },
    ],
    [
      'work that outlives its parent, and the wait before it belongs to nobody',
      [
        { ...root, lasts: 30 },
        { id: 'b', parent: 'a', at: 50, lasts: 50 },
      ],
      { duration: 80, a: [[0, 30]], b: [[50, 100]] },
    ],
    [
      'a child that starts before its parent',
      [
        { id: 'a', at: 10, lasts: 90 },
        { id: 'b', parent: 'a', at: 0, lasts: 50 },
      ],
      { duration: 100, a: [[50, 100]], b: [[0, 50]] },
    ],
    [
      'roots one after the other',
      [
        { id: 'a', at: 0, lasts: 40 },
        { id: 'b', at: 60, lasts: 40 },
      ],
      { duration: 80, a: [[0, 40]], b: [[60, 100]] },
    ],
    ['no time at all', [{ ...root, lasts: 0 }], { duration: 0 }],
    ['no span', [], { duration: 0 }],
  ])('%s', (_, rows, expected) => expect(path(rows)).toEqual(expected));

  it('never counts a moment twice, whatever the trace', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const spans = anyTrace(seed);
      const { pieces, duration } = criticalPath(spans, buildTree(spans));
      for (const [span, list] of pieces) {
        for (const [from, to] of list) {
          expect(from).toBeGreaterThanOrEqual(spans.offsets[span] ?? 0);
          expect(to).toBeLessThanOrEqual(spanEnd(spans, span));
        }
      }
      const all = [...pieces.values()].flat().sort((a, b) => a[0] - b[0]);
      for (let at = 1; at < all.length; at++) expect(all[at]?.[0]).toBeGreaterThanOrEqual(all[at - 1]?.[1] ?? 0);
      expect(duration).toBe(all.reduce((sum, [from, to]) => sum + to - from, 0));
    }
  });

  it('takes a chain of 50,000 spans', () => {
    const spans = chain(50_000);
    const { pieces, duration } = criticalPath(spans, buildTree(spans));
    expect([pieces.size, duration]).toEqual([50_000, spans.duration]);
  });
});
