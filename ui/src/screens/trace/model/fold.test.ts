import { describe, expect, it } from 'vitest';
import { isFolded, MOST_TOGGLED, parseFold, reveal, toggle, visibleRows, writeFold } from '~/screens/trace/model/fold';
import { chain, spanId, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree } from '~/screens/trace/model/tree';

//  0 a
//  1   b
//  2     c
//  3   d
//  4     e
const tree = buildTree(
  testTrace([
    { id: 'a', at: 0, lasts: 9 },
    { id: 'b', parent: 'a', at: 1, lasts: 2 },
    { id: 'c', parent: 'b', at: 2, lasts: 1 },
    { id: 'd', parent: 'a', at: 3, lasts: 2 },
    { id: 'e', parent: 'd', at: 4, lasts: 1 },
  ]),
);

describe('folds in addresses', () => {
  it.each([
    [[], []],
    [
      ['@2', spanId('b')],
      ['@2', spanId('b')],
    ],
    [[`${spanId('b')}.2`], [`${spanId('b')}.2`]],
    [['@', '@-1', '@1e3', 'b', '<b>', `${spanId('b')}.`, spanId('B')], []],
  ])('%j is read as %j', (texts, kept) => expect(writeFold(parseFold(texts))).toEqual(kept));

  it('are bounded', () => {
    const texts = Array.from({ length: MOST_TOGGLED + 5 }, (_, index) => spanId(index.toString(16)));
    expect(parseFold(texts).toggled.size).toBe(MOST_TOGGLED);
  });
});

describe('visibleRows', () => {
  const b = spanId('b');
  it.each([
    ['nothing folded', [], undefined, [0, 1, 2, 3, 4]],
    ['one span folded', [b], undefined, [0, 1, 3, 4]],
    ['a leaf folded', [spanId('c')], undefined, [0, 1, 2, 3, 4]],
    ['all from a depth on', ['@1'], undefined, [0, 1, 3]],
    ['all from a depth on but one', ['@1', b], undefined, [0, 1, 2, 3]],
    ['all', ['@0'], undefined, [0]],
    ['only some and those above', [], [2], [0, 1, 2]],
    ['only some, folded', [b], [2, 4], [0, 1, 3, 4]],
    ['none', [], [], []],
  ])('%s', (_, texts, only, rows) => {
    expect([...visibleRows(tree, parseFold(texts), only && new Set(only))]).toEqual(rows);
  });
});

describe('toggle', () => {
  it('undoes itself', () => {
    const once = toggle(tree, parseFold([]), [1]);
    expect([isFolded(tree, once, 1), isFolded(tree, toggle(tree, once, [1]), 1)]).toEqual([true, false]);
  });

  it('forgets the oldest first', () => {
    const long = buildTree(chain(MOST_TOGGLED + 2));
    const spans = Array.from({ length: MOST_TOGGLED + 1 }, (_, span) => span);
    const fold = toggle(long, parseFold([]), spans);
    expect([fold.toggled.size, isFolded(long, fold, 0), isFolded(long, fold, 1)]).toEqual([MOST_TOGGLED, false, true]);
  });
});

describe('reveal', () => {
  it.each([[['@0']], [[spanId('a'), spanId('b'), spanId('d')]], [['@1', spanId('a')]]])(
    'unfolds of %j what is above the span and no more',
    (texts) => expect([...visibleRows(tree, reveal(tree, parseFold(texts), 2))]).toEqual([0, 1, 2, 3]),
  );

  it('changes nothing where nothing hides the span', () => {
    const fold = parseFold([spanId('d')]);
    expect(reveal(tree, fold, 2)).toBe(fold);
  });

  it('reaches a span that is deeper than an address can say', () => {
    const long = buildTree(chain(50_000));
    const last = 49_999;
    const fold = reveal(long, parseFold(['@0', spanId('3')]), last);
    expect(visibleRows(long, fold).at(-1)).toBe(last);
    expect(writeFold(fold).length).toBeLessThanOrEqual(MOST_TOGGLED + 1);
  });
});
