import { afterEach, describe, expect, it, vi } from 'vitest';
import type { TraceSpans } from '~/data/trace';
import { fetchLog, fetchLogsById, fetchLogsInLines, MOST_LOGS } from '~/data/traceLogs';
import { serve, sqlAnswer } from '~/test/server';

afterEach(() => vi.unstubAllGlobals());

const ID = 'ab'.repeat(16);
const spans = {
  traceId: ID,
  start: 1_767_323_045_123.456,
  startNano: 1_767_323_045_123_456_789n,
  duration: 5e6,
  serviceList: ['web', '', "o'neill"],
} as TraceSpans;
const row = {
  time: '1767323045123500000',
  offset: 43_211,
  severity_number: 9,
  severity_text: null,
  service_name: 'web',
  body: 'sold out',
  body_length: 8,
  span_id: null,
  stream: '18446744073709551615',
  hash: 'd41d',
};

describe('fetchLogsById', () => {
  it('counts from the start of the trace, to the nanosecond', async () => {
    const fetched = serve(() => sqlAnswer([row]));
    const { logs, isCut } = await fetchLogsById(spans);
    expect(logs[0]).toMatchObject({
      offset: 43_211,
      service: 'web',
      severityText: '',
      spanId: '',
      by: 'id',
      key: { stream: row.stream },
    });
    expect(isCut).toBe(false);
    const sql = String(fetched.mock.calls[0]?.[1]?.body);
    expect(sql).toContain(`trace_id = '${ID}'`);
    expect(sql).toContain("'Int64') - 1767323045123456789 AS offset");
    expect(sql).toContain(">= TIMESTAMP '2026-01-02 02:04:05.123'");
    expect(sql).toContain("<= TIMESTAMP '2026-01-02 04:04:05.128'");
  });

  it('says when there are more', async () => {
    serve(() => sqlAnswer(Array.from({ length: MOST_LOGS + 1 }, () => row)));
    const { logs, isCut } = await fetchLogsById(spans);
    expect([logs.length, isCut]).toEqual([MOST_LOGS, true]);
  });

  it.each([{ time: 'yesterday' }, { stream: '' }, { offset: null }])('refuses %j', async (wrong) => {
    serve(() => sqlAnswer([{ ...row, ...wrong }]));
    await expect(fetchLogsById(spans)).rejects.toMatchObject({ kind: 'broken' });
  });
});

describe('fetchLogsInLines', () => {
  it('looks through the lines of the services that have a name', async () => {
    const fetched = serve(() => sqlAnswer([row]));
    expect((await fetchLogsInLines(spans)).logs[0]?.by).toBe('line');
    const sql = String(fetched.mock.calls[0]?.[1]?.body);
    expect(sql).toContain(`trace_id IS NULL AND service_name IN ('web', 'o''neill') AND strpos(body, '${ID}') > 0`);
  });

  it('asks nothing where no service has a name', async () => {
    const fetched = serve(() => sqlAnswer([row]));
    expect(await fetchLogsInLines({ ...spans, serviceList: [''] })).toEqual({ logs: [], isCut: false });
    expect(fetched).not.toHaveBeenCalled();
  });
});

describe('fetchLog', () => {
  const key = { time: row.time, stream: row.stream, hash: row.hash };

  it('gathers attributes from columns and JSON', async () => {
    const fetched = serve(() =>
      sqlAnswer([
        {
          body: 'whole',
          'log.user.id': 'u1',
          'log.gone': null,
          log_attributes: '{"a":1}',
          'resource.host': 'h',
          resource_attributes: null,
          scope_name: 'lib',
          scope_version: null,
        },
      ]),
    );
    expect(await fetchLog(key)).toEqual({
      body: 'whole',
      attributes: [
        { key: 'a', value: { type: 'int', digits: '1' } },
        { key: 'user.id', value: { type: 'string', text: 'u1' } },
      ],
      resource: [{ key: 'host', value: { type: 'string', text: 'h' } }],
      scope: 'lib',
    });
    expect(fetched.mock.calls[0]?.[1]?.body).toContain(`stream_id = ${row.stream}\n          AND md5(body) = 'd41d'`);
  });

  it('tells when it is gone', async () => {
    serve(() => sqlAnswer([]));
    expect(await fetchLog({ ...key, hash: '' })).toBeUndefined();
  });
});
