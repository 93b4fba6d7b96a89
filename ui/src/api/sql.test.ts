import * as v from 'valibot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '~/api/http';
import { identifier, instant, join, query, sql } from '~/api/sql';

afterEach(() => vi.unstubAllGlobals());

function answering(body: string, status = 200) {
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(body, { status })),
  );
}

describe('sql', () => {
  it('quotes what is put in', () => {
    expect(sql`a = ${"it's"} AND b > ${3} AND c IS ${null}`.text).toBe("a = 'it''s' AND b > 3 AND c IS NULL");
    expect(sql`SELECT ${identifier('a"b')} ${join([sql`x = ${'1'}`, sql`y`], ' AND ')}`.text).toBe(
      `SELECT "a""b" x = '1' AND y`,
    );
    expect(instant(0).text).toBe("TIMESTAMP '1970-01-01 00:00:00.000'");
  });

  it('refuses numbers that SQL has not', () => {
    expect(() => sql`${Number.NaN}`).toThrow(RangeError);
  });
});

describe('query', () => {
  const Row = v.object({ n: v.number() });

  it('gives rows by column name', async () => {
    answering('{"columns":[{"name":"n","type":"BIGINT"}],"rows":[[1],[2]]}');
    expect(await query(sql`SELECT 1`, Row)).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it.each([
    ['half an answer', '{"columns":[{"name":"n","ty', 200, 'broken'],
    ['another answer', '{"data":[]}', 200, 'broken'],
    ['another type', '{"columns":[{"name":"n","type":"VARCHAR"}],"rows":[["x"]]}', 200, 'broken'],
    ['a late failure', '{"columns":[],"rows":[],"error":{"code":"timeout","message":"too slow"}}', 200, 'refused'],
    ['a refusal', '{"error":{"code":"invalid_query","message":"no such column"}}', 400, 'refused'],
    ['a proxy', '<html>Bad gateway</html>', 502, 'refused'],
  ])('tells %s', async (_, body, status, kind) => {
    answering(body, status);
    const error = await query(sql`SELECT 1`, Row).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).kind).toBe(kind);
  });
});
