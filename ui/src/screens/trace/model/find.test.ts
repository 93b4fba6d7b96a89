import { describe, expect, it } from 'vitest';
import { findSpans, nextIn } from '~/screens/trace/model/find';
import { spanId, testTrace } from '~/screens/trace/model/testTrace';

const spans = testTrace([
  { id: 'a', at: 0, lasts: 9, name: 'GET /Checkout', service: 'web', kind: 2 },
  { id: 'b', at: 1, lasts: 2, name: 'SELECT cart', service: 'catalog', kind: 3 },
  { id: 'c', at: 2, lasts: 1, name: 'charge.*', service: 'payments', status: 2 },
]);

describe('findSpans', () => {
  it.each([
    ['checkout', [0]],
    [' CAT ', [1]],
    ['client', [1]],
    ['clien', []],
    ['error', [2]],
    ['.*', [2]],
    [spanId('B'), [1]],
    [spanId('b').slice(1), []],
    ['e', [0, 1, 2]],
    ['  ', []],
  ])('%j is in %j', (text, found) => expect([...findSpans(spans, text)]).toEqual(found));
});

describe('nextIn', () => {
  const rows = Int32Array.of(4, 2, 7, 0);
  it.each([
    [undefined, 1, 2],
    [undefined, -1, 0],
    [2, 1, 0],
    [0, 1, 2],
    [2, -1, 0],
    [0, -1, 2],
    [7, 1, 0],
    [99, 1, 2],
  ] as const)('after %s by %s comes %s', (current, step, next) => {
    expect(nextIn(rows, new Set([2, 0, 50]), current, step)).toBe(next);
  });

  it('finds the only one again, and none where there is none', () => {
    expect(nextIn(rows, new Set([7]), 7, 1)).toBe(7);
    expect(nextIn(rows, new Set(), 7, 1)).toBeUndefined();
    expect(nextIn(rows, new Set([50]), 7, -1)).toBeUndefined();
    expect(nextIn([], new Set([7]), undefined, 1)).toBeUndefined();
  });
});
