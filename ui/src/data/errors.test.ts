import { afterEach, describe, expect, it, vi } from 'vitest';
import { errorLogsSql, errorSpansSql, fetchErrorLogs, fetchErrorSpans, MOST_GROUPS } from '~/data/errors';
import { serve, sqlAnswer } from '~/test/server';

const interval = { from: 0, to: 3_600_000 };

afterEach(() => vi.unstubAllGlobals());

const row = {
  service: 'catalog',
  operation: 'GET /items',
  message: 'no such item',
  type: 'KeyError',
  tenant: 'acme-books',
  count: 3,
  last_seen: 1_000,
  trace_id: 'AB'.repeat(16),
  span_id: 'cd'.repeat(8),
};

describe('fetchErrorSpans', () => {
  it('tells each kind of error', async () => {
    serve(() => sqlAnswer([row]));
    const { groups, truncated } = await fetchErrorSpans({ interval });
    expect(truncated).toBe(false);
    expect(groups).toEqual([
      {
        service: 'catalog',
        operation: 'GET /items',
        message: 'no such item',
        type: 'KeyError',
        tenant: 'acme-books',
        count: 3,
        lastSeen: 1_000,
        traceId: 'ab'.repeat(16),
        spanId: 'cd'.repeat(8),
      },
    ]);
  });

  it('says when there are more', async () => {
    serve(() => sqlAnswer(Array.from({ length: MOST_GROUPS + 1 }, () => row)));
    const { groups, truncated } = await fetchErrorSpans({ interval });
    expect([groups.length, truncated]).toEqual([MOST_GROUPS, true]);
  });
});

describe('fetchErrorLogs', () => {
  it('makes no link of what is no trace id', async () => {
    serve(() => sqlAnswer([{ ...row, trace_id: 'javascript:alert(1)', span_id: null, type: null, tenant: null }]));
    const { groups } = await fetchErrorLogs({ interval });
    expect(groups[0]).toMatchObject({ traceId: '', spanId: '', type: '', tenant: '' });
  });
});

describe('the SQL', () => {
  it.each([
    ['spans', errorSpansSql(interval).text, 'status_code = 2'],
    ['logs', errorLogsSql(interval).text, 'severity_number >= 17'],
  ])('of %s is bounded and asks for errors only', (_, text, condition) => {
    expect(text).toContain(condition);
    expect(text).toContain(">= TIMESTAMP '1970-01-01 00:00:00.000'");
    expect(text).toContain("< TIMESTAMP '1970-01-01 01:00:00.000'");
    expect(text).toContain(`LIMIT ${MOST_GROUPS + 1}`);
  });

  it('finds the trace id inside a line', () => {
    expect(errorLogsSql(interval).text).toContain(String.raw`'\b[0-9a-f]{32}\b'`);
  });
});
