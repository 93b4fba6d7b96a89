import { describe, expect, it } from 'vitest';
import { spanEnd } from '~/data/trace';
import type { TraceLog } from '~/data/traceLogs';
import { logsBySpan, placeLogs } from '~/screens/trace/model/placeLogs';
import { anyTrace, spanId, testTrace } from '~/screens/trace/model/testTrace';
import { buildTree } from '~/screens/trace/model/tree';

function record(log: Partial<TraceLog>): TraceLog {
  const key = { time: '0', stream: '0', hash: '' };
  const body = { body: '', bodyLength: 0, severity: 9, severityText: '' };
  return { offset: 0, service: 'shop', spanId: '', by: 'id', key, ...body, ...log };
}

describe('placeLogs', () => {
  const spans = testTrace([
    { id: 'a', at: 0, lasts: 100 },
    { id: 'b', parent: 'a', at: 10, lasts: 30 },
    { id: 'c', parent: 'a', at: 20, lasts: 40 },
    { id: 'd', parent: 'a', at: 50, lasts: 0, service: 'other' },
  ]);
  const tree = buildTree(spans);
  const [a, b, c, d] = [0, 1, 2, 3];

  it.each<[string, Partial<TraceLog>, number | undefined, string]>([
    ['by the span that it names', { spanId: spanId('b'), offset: 90 }, b, 'id'],
    ['by the span in its line', { body: `{"span_id":"${spanId('c')}"}`, offset: 90 }, c, 'line'],
    ['by the first span in its line that is here', { body: `${spanId('f')} ${spanId('b')}` }, b, 'line'],
    ['not by a part of the trace id', { body: `${'0'.repeat(31)}b`, offset: 90 }, a, 'time'],
    ['by time: the innermost', { offset: 15 }, b, 'time'],
    ['by time: of equally deep ones the latest', { offset: 25 }, c, 'time'],
    ['by time, although it names a span that is not here', { spanId: spanId('f'), offset: 45 }, c, 'time'],
    ['by time, in the moment that a span begins', { offset: 10 }, b, 'time'],
    ['by time, in the moment that a span ends', { offset: 60 }, c, 'time'],
    ['at a span without duration', { offset: 50, service: 'other' }, d, 'time'],
    ['nowhere before all spans of its service', { offset: 49, service: 'other' }, undefined, 'none'],
    ['nowhere after all spans', { offset: 101 }, undefined, 'none'],
    ['nowhere for a service without spans', { offset: 50, service: 'constructor' }, undefined, 'none'],
  ])('%s', (_, log, span, by) => {
    expect(placeLogs(spans, tree, [record(log)])).toMatchObject([{ span, by }]);
  });

  it('orders by time and leaves its input alone', () => {
    const logs = [record({ offset: 30 }), record({ offset: 5 }), record({ offset: 200 })];
    const placed = placeLogs(spans, tree, logs);
    expect(placed.map(({ log }) => log.offset)).toEqual([5, 30, 200]);
    expect(logs.map(({ offset }) => offset)).toEqual([30, 5, 200]);
    expect([...logsBySpan(placed)].map(([span, list]) => [span, list.length])).toEqual([
      [a, 1],
      [c, 1],
    ]);
  });

  it('finds what looking at every span finds', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const spans = anyTrace(seed);
      const tree = buildTree(spans);
      const logs = Array.from({ length: 180 }, (_, at) => record({ offset: at - 5, service: `service ${at % 3}` }));
      for (const { log, span } of placeLogs(spans, tree, logs)) {
        let best: number | undefined;
        for (let one = 0; one < spans.length; one++) {
          if (spans.serviceList[spans.services[one] ?? 0] !== log.service) continue;
          if ((spans.offsets[one] ?? 0) > log.offset || spanEnd(spans, one) < log.offset) continue;
          if (best === undefined || (tree.depth[one] ?? 0) >= (tree.depth[best] ?? 0)) best = one;
        }
        expect([seed, log.offset, span]).toEqual([seed, log.offset, best]);
      }
    }
  });

  it('looks at each span a few times, however many records there are', () => {
    const length = 2_000;
    const spans = testTrace(Array.from({ length }, (_, at) => ({ id: (at + 1).toString(16), at, lasts: 1 })));
    let looks = 0;
    const offsets = new Proxy(spans.offsets, {
      get: (column, at) => {
        looks++;
        return Reflect.get(column, at);
      },
    });
    const logs = Array.from({ length }, (_, offset) => record({ offset }));
    placeLogs({ ...spans, offsets }, buildTree(spans), logs);
    expect(looks).toBeLessThan(20 * length);
  });
});
