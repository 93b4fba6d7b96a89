import { describe, expect, it } from 'vitest';
import { type TestSpan, testTrace } from '~/screens/trace/model/testTrace';
import { traceModel } from '~/screens/trace/model/traceModel';

describe('traceModel', () => {
  it.each<[string, TestSpan[], object]>([
    [
      'the span without a parent, though an orphan is earlier',
      [
        { id: 'b', parent: 'f', at: 0, lasts: 1 },
        { id: 'a', at: 1, lasts: 9 },
      ],
      { root: 1, isRootMissing: false, orphans: 1 },
    ],
    [
      'of two without a parent the earlier',
      [
        { id: 'b', at: 3, lasts: 1 },
        { id: 'a', at: 1, lasts: 9 },
      ],
      { root: 0, isRootMissing: false, orphans: 0 },
    ],
    [
      'an orphan where there is nothing better',
      [{ id: 'b', parent: 'f', at: 0, lasts: 1 }],
      { root: 0, isRootMissing: true, orphans: 1 },
    ],
    [
      'the start of a circle',
      [{ id: 'b', parent: 'b', at: 0, lasts: 1 }],
      { root: 0, isRootMissing: true, orphans: 0 },
    ],
  ])('names the trace after %s', (_, rows, expected) => expect(traceModel(testTrace(rows))).toMatchObject(expected));

  it('lists errors in the order of the rows', () => {
    const { errors } = traceModel(
      testTrace([
        { id: 'a', at: 0, lasts: 9, status: 2 },
        { id: 'b', at: 1, lasts: 1, status: 2 },
        { id: 'c', parent: 'a', at: 2, lasts: 1, status: 2 },
        { id: 'd', parent: 'a', at: 3, lasts: 1, status: 1 },
      ]),
    );
    expect(errors).toEqual([0, 2, 1]);
  });

  it('looks for the critical path once', () => {
    const model = traceModel(testTrace([{ id: 'a', at: 0, lasts: 9 }]));
    expect(model.path()).toBe(model.path());
  });
});
