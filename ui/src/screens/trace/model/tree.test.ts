import { describe, expect, it } from 'vitest';
import { anyTrace, chain, spanId, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree, childrenOf, hasMark, Mark, spansOfId } from '~/screens/trace/model/tree';

describe('buildTree', () => {
  it('puts children under their parents, siblings by start', () => {
    const spans = testTrace([
      { id: 'a', at: 0, lasts: 100 },
      { id: 'c', parent: 'a', at: 50, lasts: 10, status: 2 },
      { id: 'b', parent: 'a', at: 10, lasts: 30 },
      { id: 'd', parent: 'b', at: 20, lasts: 5, status: 2 },
    ]);
    const tree = buildTree(spans);
    const name = (span: number) => spans.ids[span]?.at(-1);
    expect([...tree.order].map(name)).toEqual(['a', 'b', 'd', 'c']);
    expect([...tree.order].map((span) => [tree.depth[span], tree.size[span], tree.errorsBelow[span]])).toEqual([
      [0, 4, 2],
      [1, 2, 1],
      [2, 1, 0],
      [1, 1, 0],
    ]);
    expect(childrenOf(tree, 0).map(name)).toEqual(['b', 'c']);
    expect([tree.roots, tree.maxDepth, [...tree.marks]]).toEqual([[0], 2, [0, 0, 0, 0]]);
  });

  it.each([
    ['orphan', [{ id: 'a', parent: 'f', at: 0, lasts: 1 }], 'a', Mark.orphan],
    ['span that is its own parent', [{ id: 'a', parent: 'a', at: 0, lasts: 1 }], 'a', Mark.cycle],
    [
      'child that starts first',
      [
        { id: 'a', at: 5, lasts: 9 },
        { id: 'b', parent: 'a', at: 2, lasts: 1 },
      ],
      'b',
      Mark.early,
    ],
    [
      'child that ends last',
      [
        { id: 'a', at: 0, lasts: 9 },
        { id: 'b', parent: 'a', at: 2, lasts: 8 },
      ],
      'b',
      Mark.late,
    ],
  ])('marks what is odd and nothing else: %s', (_, rows, id, mark) => {
    const spans = testTrace(rows);
    const { marks } = buildTree(spans);
    expect([...marks]).toEqual(spans.ids.map((other) => (other === spanId(id) ? mark : 0)));
  });

  it('cuts a circle at its earliest span and keeps what hangs on it', () => {
    const spans = testTrace([
      { id: 'a', parent: 'c', at: 1, lasts: 1 },
      { id: 'b', parent: 'a', at: 2, lasts: 1 },
      { id: 'c', parent: 'b', at: 3, lasts: 1 },
      { id: 'd', parent: 'b', at: 0, lasts: 1 },
    ]);
    const tree = buildTree(spans);
    const [d, a, b, c] = [0, 1, 2, 3];
    expect(tree.roots).toEqual([a]);
    expect([...tree.order]).toEqual([a, b, d, c]);
    expect([a, b, c, d].map((span) => hasMark(tree, span, Mark.cycle))).toEqual([true, true, true, false]);
  });

  it('names twins apart and hangs children under the first', () => {
    const spans = testTrace([
      { id: 'a', at: 0, lasts: 9 },
      { id: 'b', parent: 'a', at: 1, lasts: 3 },
      { id: 'b', parent: 'a', at: 2, lasts: 2 },
      { id: 'b', parent: 'a', at: 3, lasts: 1 },
      { id: 'c', parent: 'b', at: 4, lasts: 0 },
    ]);
    const tree = buildTree(spans);
    const b = spanId('b');
    expect(tree.keys.slice(1, 4)).toEqual([b, `${b}.2`, `${b}.3`]);
    expect([tree.byKey.get(`${b}.3`), tree.parent[4]]).toEqual([3, 1]);
    expect([0, 1, 2, 3].map((span) => hasMark(tree, span, Mark.twin))).toEqual([false, true, true, true]);
    expect(spansOfId(tree, b)).toEqual([1, 2, 3]);
    expect(spansOfId(tree, 'nobody')).toEqual([]);
  });

  it('holds for traces of any shape', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const spans = anyTrace(seed);
      const tree = buildTree(spans);
      expect(new Set(tree.order).size).toBe(spans.length);
      expect(tree.byKey.size).toBe(spans.length);
      expect(tree.roots.reduce((sum, root) => sum + (tree.size[root] ?? 0), 0)).toBe(spans.length);
      for (let span = 0; span < spans.length; span++) {
        const up = tree.parent[span] ?? -1;
        expect(tree.order[tree.place[span] ?? -1]).toBe(span);
        expect(tree.depth[span]).toBe(up < 0 ? 0 : (tree.depth[up] ?? 0) + 1);
        if (up >= 0) expect(tree.place[up] ?? 0).toBeLessThan(tree.place[span] ?? 0);
      }
    }
  });

  it.each([
    ['a chain', chain(50_000), 49_999],
    [
      'a circle',
      testTrace(
        Array.from({ length: 50_000 }, (_, at) => ({
          id: at.toString(16),
          parent: ((at + 49_999) % 50_000).toString(16),
          at,
          lasts: 1,
        })),
      ),
      49_999,
    ],
  ])('takes %s of 50,000 spans', (_, spans, depth) => expect(buildTree(spans).maxDepth).toBe(depth));

  it('takes a trace without spans', () => expect(buildTree(testTrace([]))).toMatchObject({ roots: [], maxDepth: 0 }));
});
