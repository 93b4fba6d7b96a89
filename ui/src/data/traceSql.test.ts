import { describe, expect, it } from 'vitest';
import {
  describeSql,
  MOST_PARTS,
  matchingSql,
  needsWholeTraces,
  type RankQuestion,
  rankSql,
  type TraceFilter,
  type TraceSort,
} from './traceSql';

const NONE: TraceFilter = {
  services: [],
  operation: '',
  status: undefined,
  minDuration: undefined,
  maxDuration: undefined,
  attributes: [],
};
const slice = { from: 60_000, to: 120_000 };
const SLICE =
  "start_time_unix_nano >= TIMESTAMP '1970-01-01 00:01:00.000' AND start_time_unix_nano < TIMESTAMP '1970-01-01 00:02:00.000'";

/** As one line, so that only words are compared. */
const line = ({ text }: { text: string }) => text.replace(/\s+/g, ' ').trim();

const rank = (question: Partial<RankQuestion> & { filter?: TraceFilter } = {}) =>
  line(
    rankSql({ slice, margin: 10_000, filter: NONE, sort: { key: 'time', descending: true }, limit: 101, ...question }),
  );

describe('needsWholeTraces', () => {
  it.each([
    [{}, false],
    [{ services: ['a'], operation: 'x', status: 'error' }, false],
    [{ status: 'ok' }, true],
    [{ minDuration: 0 }, true],
    [{ maxDuration: 5 }, true],
  ] as [Partial<TraceFilter>, boolean][])('%j: %s', (filter, needs) =>
    expect(needsWholeTraces({ ...NONE, ...filter })).toBe(needs),
  );
});

describe('matchingSql', () => {
  it('asks for the newest or the oldest, and no more than a limit', () => {
    expect(line(matchingSql(slice, NONE, true, 101))).toBe(
      `SELECT trace_id FROM spans WHERE ${SLICE} GROUP BY trace_id ORDER BY max(start_time_unix_nano) DESC LIMIT 101`,
    );
    expect(line(matchingSql(slice, NONE, false, 5))).toMatch(/ORDER BY min\(start_time_unix_nano\) LIMIT 5$/);
  });

  it('joins what a span must fulfil, quoted', () => {
    const filter: TraceFilter = {
      ...NONE,
      services: ["o'clock", 'web'],
      operation: "GET /'; DROP TABLE spans; --",
      status: 'error',
      attributes: [{ key: 'span.a', operator: '=', value: 'b' }],
    };
    expect(line(matchingSql(slice, filter, true, 1))).toContain(
      `WHERE ${SLICE} AND service_name IN ('o''clock', 'web')` +
        " AND contains(lower(name), lower('GET /''; DROP TABLE spans; --'))" +
        " AND status_code = 2 AND attribute(span_attributes, 'a') = 'b' GROUP BY",
    );
  });
});

describe('rankSql', () => {
  it('counts whole traces around the slice of those inside of it', () => {
    const text = rank();
    expect(text).toContain("start_time_unix_nano >= TIMESTAMP '1970-01-01 00:00:50.000'");
    expect(text).toContain("start_time_unix_nano < TIMESTAMP '1970-01-01 00:02:10.000'");
    expect(text).toContain(`HAVING count(*) FILTER (WHERE ${SLICE}) > 0 ORDER BY start DESC LIMIT 101`);
    expect(text).not.toContain('IN (SELECT');
  });

  it('looks for conditions on spans inside the slice only', () => {
    const text = rank({ filter: { ...NONE, services: ['web'] } });
    expect(text).toContain(
      `AND trace_id IN (SELECT trace_id FROM spans WHERE ${SLICE} AND service_name IN ('web')) GROUP BY trace_id ORDER BY`,
    );
    expect(text).not.toContain('HAVING');
  });

  it('holds traces to their durations and errors', () => {
    const text = rank({ filter: { ...NONE, status: 'ok', minDuration: 1.4, maxDuration: 2e9 } });
    expect(text).toContain('count(*) FILTER (WHERE status_code = 2) = 0 AND (max(');
    expect(text).toMatch(/\) >= 1 AND \(max.*\) <= 2000000000 ORDER BY/);
  });

  it.each<[TraceSort, string]>([
    [{ key: 'time', descending: false }, 'ORDER BY start LIMIT'],
    [{ key: 'duration', descending: true }, 'ORDER BY duration DESC, start DESC LIMIT'],
    [{ key: 'spans', descending: false }, 'ORDER BY spans, start DESC LIMIT'],
    [{ key: 'errors', descending: true }, 'ORDER BY errors DESC, start DESC LIMIT'],
  ])('sorts by %j', (sort, order) => expect(rank({ sort })).toContain(order));

  it.each([
    [0.5, '8'.padEnd(32, '0')],
    [2 ** -8, '01'.padEnd(32, '0')],
    [2 ** -24, '000001'.padEnd(32, '0')],
    [2 ** -40, '00000001'.padEnd(32, '0')],
  ])('takes %s of all traces by their ids', (share, id) =>
    expect(rank({ share }).match(new RegExp(`trace_id < '${id}'`, 'g'))).toHaveLength(1),
  );

  it('takes the same share of those that match', () => {
    const text = rank({ share: 0.5, filter: { ...NONE, services: ['web'] }, failedOnly: true });
    expect(text.match(/trace_id < '80/g)).toHaveLength(3);
    expect(rank({ share: 1 })).not.toContain('trace_id <');
  });

  it('asks for failed ones once', () => {
    const failed = /SELECT trace_id FROM spans WHERE [^()]* AND status_code = 2\)/g;
    expect(rank({ failedOnly: true }).match(failed)).toHaveLength(1);
    expect(rank({ failedOnly: true, filter: { ...NONE, status: 'error' } }).match(failed)).toHaveLength(1);
  });
});

describe('describeSql', () => {
  it('names the traces by their bytes, bounded', () => {
    const text = line(describeSql(['ab', 'cd'], slice));
    expect(text).toContain(`WHERE ${SLICE} AND trace_id IN (decode('ab', 'hex'), decode('cd', 'hex'))`);
    expect(text).toMatch(new RegExp(`GROUP BY 1, 2 LIMIT ${MOST_PARTS}$`));
  });
});
