import { describe, expect, it } from 'vitest';
import { parseFold, visibleRows } from '~/screens/trace/model/fold';
import { spanId, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree } from '~/screens/trace/model/tree';
import { moved } from '~/screens/trace/waterfall/keys';

//  0 a
//  1   b
//  2     c
//  3   d
const tree = buildTree(
  testTrace([
    { id: 'a', at: 0, lasts: 9 },
    { id: 'b', parent: 'a', at: 1, lasts: 2 },
    { id: 'c', parent: 'b', at: 2, lasts: 1 },
    { id: 'd', parent: 'a', at: 3, lasts: 2 },
  ]),
);
const open = parseFold([]);
const folded = parseFold([spanId('b')]);

describe('moved', () => {
  it.each([
    ['ArrowDown', undefined, open, { select: 0 }],
    ['ArrowDown', 0, open, { select: 1 }],
    ['ArrowDown', 1, folded, { select: 3 }],
    ['ArrowDown', 3, open, { select: 3 }],
    ['ArrowUp', 3, open, { select: 2 }],
    ['ArrowUp', 0, open, { select: 0 }],
    ['PageDown', 0, open, { select: 2 }],
    ['PageUp', 3, open, { select: 1 }],
    ['Home', 3, open, { select: 0 }],
    ['End', undefined, open, { select: 3 }],
    ['ArrowRight', 1, open, { select: 2 }],
    ['ArrowRight', 1, folded, { toggle: 1 }],
    ['ArrowRight', 3, open, undefined],
    ['ArrowLeft', 1, open, { toggle: 1 }],
    ['ArrowLeft', 1, folded, { select: 0 }],
    ['ArrowLeft', 2, open, { select: 1 }],
    ['ArrowLeft', 0, parseFold([spanId('a')]), undefined],
    ['Enter', 1, open, { toggle: 1 }],
    [' ', 1, folded, { toggle: 1 }],
    ['Enter', 2, open, undefined],
    ['Enter', undefined, open, { select: 0 }],
    ['ArrowRight', undefined, open, undefined],
    // Its row is folded away.
    ['ArrowRight', 2, folded, undefined],
    ['ArrowDown', 2, folded, { select: 0 }],
    ['x', 1, open, undefined],
  ])('%j at %s', (key, selected, fold, move) => {
    expect(moved(key, tree, visibleRows(tree, fold), fold, selected, 2)).toEqual(move);
  });

  it('goes to no sibling where the children are filtered out', () => {
    expect(moved('ArrowRight', tree, visibleRows(tree, open, new Set([1, 3])), open, 1, 2)).toBeUndefined();
  });

  it('does nothing without rows', () => expect(moved('End', tree, new Int32Array(), open, 0, 2)).toBeUndefined());
});
