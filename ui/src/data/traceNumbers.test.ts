import { afterEach, describe, expect, it, vi } from 'vitest';
import type { TraceSpans } from '~/data/trace';
import { fetchNumbers, MOST_NUMBERS } from '~/data/traceNumbers';
import { searchTrace } from '~/data/traceSearch';
import { serve, sqlAnswer } from '~/test/server';

afterEach(() => vi.unstubAllGlobals());

const spans = {
  traceId: 'ab'.repeat(16),
  start: 1_767_323_045_000,
  startNano: 1_767_323_045_000_000_000n,
  duration: 5e6,
} as TraceSpans;
const exemplar = {
  metric_name: 'http.duration',
  series: '18446744073709551615',
  span_id: 'cd'.repeat(8),
  offset: 1000,
  value: 0.25,
};

describe('fetchNumbers', () => {
  it('joins numbers with the unit and service of their series', async () => {
    const fetched = serve((_, sql) =>
      sqlAnswer(
        sql.includes('FROM series')
          ? [{ series: exemplar.series, unit: 's', service: 'web' }]
          : [exemplar, { ...exemplar, series: '5', span_id: null, value: null }],
      ),
    );
    expect(await fetchNumbers(spans)).toEqual({
      isCut: false,
      numbers: [
        { metric: 'http.duration', value: 0.25, unit: 's', service: 'web', offset: 1000, spanId: exemplar.span_id },
        { metric: 'http.duration', value: Number.NaN, unit: '', service: '', offset: 1000, spanId: '' },
      ],
    });
    expect(fetched.mock.calls[1]?.[1]?.body).toContain(
      `metric_name IN ('http.duration') AND series_id IN (${exemplar.series}, 5)`,
    );
  });

  it('says when there are more', async () => {
    serve((_, sql) =>
      sqlAnswer(sql.includes('FROM series') ? [] : Array.from({ length: MOST_NUMBERS + 1 }, () => exemplar)),
    );
    const { numbers, isCut } = await fetchNumbers(spans);
    expect([numbers.length, isCut]).toEqual([MOST_NUMBERS, true]);
  });

  it('asks for no series where there are no numbers', async () => {
    const fetched = serve(() => sqlAnswer([]));
    expect(await fetchNumbers(spans)).toEqual({ numbers: [], isCut: false });
    expect(fetched).toHaveBeenCalledOnce();
  });
});

describe('searchTrace', () => {
  it('sends any text as one parameter, cut to what the server takes', async () => {
    const fetched = serve(() => Response.json({ spans: ['00000000000000a1'], truncated: true }));
    expect(await searchTrace('ab', `a&limit=1#${'x'.repeat(300)}`)).toEqual({
      spans: ['00000000000000a1'],
      truncated: true,
    });
    const address = new URL(String(fetched.mock.calls[0]?.[0]), 'http://here');
    expect([address.pathname, address.hash]).toEqual(['/api/v1/traces/ab/search', '']);
    expect([...address.searchParams]).toEqual([
      ['q', `a&limit=1#${'x'.repeat(246)}`],
      ['limit', '10000'],
    ]);
  });

  it('refuses what is no list of spans', async () => {
    serve(() => Response.json({ spans: [5] }));
    await expect(searchTrace('ab', 'x')).rejects.toMatchObject({ kind: 'broken' });
  });
});
