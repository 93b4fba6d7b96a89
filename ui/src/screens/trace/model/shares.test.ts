import { describe, expect, it } from 'vitest';
import { selfTimes, serviceShares } from '~/screens/trace/model/shares';
import { anyTrace, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree } from '~/screens/trace/model/tree';

describe('selfTimes', () => {
  it.each([
    [
      'children that overlap count once',
      [
        [10, 30],
        [20, 30],
      ],
      60,
    ],
    [
      'children one after the other',
      [
        [0, 10],
        [50, 50],
      ],
      40,
    ],
    [
      'a child inside another',
      [
        [10, 50],
        [20, 10],
      ],
      50,
    ],
    ['what a child does before its parent', [[-10, 20]], 90],
    ['what a child does after its parent', [[90, 100]], 90],
    ['a child that only comes after its parent', [[150, 10]], 100],
    ['a child without duration', [[50, 0]], 100],
  ])('%s', (_, children, self) => {
    const spans = testTrace([
      { id: 'a', at: 100, lasts: 100 },
      ...children.map(([at = 0, lasts = 0], index) => ({ id: `b${index}`, parent: 'a', at: at + 100, lasts })),
    ]);
    expect(selfTimes(spans, buildTree(spans))[spans.parents.indexOf('')]).toBe(self);
  });

  it('is never negative', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const spans = anyTrace(seed);
      expect(Math.min(...selfTimes(spans, buildTree(spans)))).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('serviceShares', () => {
  it('puts first what took most of the time', () => {
    const spans = testTrace([
      { id: 'a', at: 0, lasts: 100, service: 'web' },
      { id: 'b', parent: 'a', at: 10, lasts: 75, service: 'db', status: 2 },
      { id: 'c', parent: 'a', at: 90, lasts: 0, service: 'db' },
    ]);
    expect(serviceShares(spans, selfTimes(spans, buildTree(spans)))).toEqual([
      { service: 'db', spans: 2, errors: 1, share: 0.75 },
      { service: 'web', spans: 1, errors: 0, share: 0.25 },
    ]);
  });

  it('shares out nothing where there is nothing', () => {
    const spans = testTrace([{ id: 'a', at: 0, lasts: 0 }]);
    expect(serviceShares(spans, Float64Array.of(0))).toEqual([{ service: 'shop', spans: 1, errors: 0, share: 0 }]);
  });
});
