import { afterEach, describe, expect, it, vi } from 'vitest';
import { fetchTrace, keepIfSame, parseTraceId, spanEnd, spanName, spanService } from '~/data/trace';
import { serve, sqlAnswer } from '~/test/server';

afterEach(() => vi.unstubAllGlobals());

const ID = 'ab'.repeat(16);
const columns = {
  span_id: '00000000000000a1',
  parent_span_id: null,
  o: 0,
  start: '1767323045123456789',
  duration_nano: 1000,
  name: 'GET /',
  service: 'web',
  kind: 2,
  status_code: 0,
  events: 1,
  links: 0,
};
const child = {
  ...columns,
  span_id: '00000000000000b2',
  parent_span_id: columns.span_id,
  o: 500,
  start: null,
  name: 'SELECT',
};

describe('parseTraceId', () => {
  it.each([
    [ID, ID],
    [` ${ID.toUpperCase()}\n`, ID],
    ['a1', 'a1'.padStart(32, '0')],
    ['', undefined],
    ['0'.repeat(32), undefined],
    [`${ID}0`, undefined],
    ['xyz', undefined],
    ["a' OR 1=1", undefined],
  ])('%j is %j', (text, id) => expect(parseTraceId(text)).toBe(id));
});

describe('fetchTrace', () => {
  it('puts rows into columns', async () => {
    const fetched = serve(() =>
      sqlAnswer([columns, child, { ...child, service: null, duration_nano: -7, kind: 300, status_code: -2 }]),
    );
    const spans = await fetchTrace(ID);
    expect(spans).toMatchObject({ traceId: ID, length: 3, total: 3, duration: 1500, start: 1_767_323_045_123.456 });
    expect(spans.parents).toEqual(['', columns.span_id, columns.span_id]);
    expect([...spans.durations, spanEnd(spans, 1)]).toEqual([1000, 1000, 0, 1500]);
    expect([0, 1, 2].map((span) => [spanName(spans, span), spanService(spans, span)])).toEqual([
      ['GET /', 'web'],
      ['SELECT', 'web'],
      ['SELECT', ''],
    ]);
    // Numbers that OTLP does not have yet are none that it has.
    expect([[...spans.kinds], [...spans.statuses]]).toEqual([
      [2, 2, 0],
      [0, 0, 0],
    ]);
    expect(fetched).toHaveBeenCalledOnce();
    expect(fetched.mock.calls[0]?.[1]?.body).toContain(`trace_id = '${ID}'`);
  });

  it('counts a trace that is too large', async () => {
    serve((_, sql) => (sql.includes('count(*)') ? sqlAnswer([{ n: 70 }]) : sqlAnswer([columns, child, child])));
    expect(await fetchTrace(ID, undefined, 2)).toMatchObject({ length: 2, total: 70 });
  });

  it('has no span of a trace that is not there', async () => {
    serve(() => sqlAnswer([]));
    expect(await fetchTrace(ID)).toMatchObject({ length: 0, total: 0, duration: 0 });
  });

  it.each([
    ['no id', { span_id: null }],
    ['no start', { start: null }],
    ['a start that is no number', { start: 'yesterday' }],
    ['a duration in words', { duration_nano: 'long' }],
  ])('refuses an answer with %s', async (_, wrong) => {
    serve(() => sqlAnswer([{ ...columns, ...wrong }]));
    await expect(fetchTrace(ID)).rejects.toMatchObject({ kind: 'broken' });
  });
});

describe('keepIfSame', () => {
  it('keeps the old answer only as long as nothing changed', async () => {
    let rows: Record<string, unknown>[] = [columns, child];
    serve(() => sqlAnswer(rows));
    const old = await fetchTrace(ID);
    expect(keepIfSame(old, await fetchTrace(ID))).toBe(old);
    for (const change of [{ duration_nano: 1 }, { status_code: 2 }, { parent_span_id: null }, { o: 501 }]) {
      rows = [columns, { ...child, ...change }];
      const fresh = await fetchTrace(ID);
      expect(keepIfSame(old, fresh)).toBe(fresh);
    }
    expect(keepIfSame(undefined, old)).toBe(old);
  });
});
