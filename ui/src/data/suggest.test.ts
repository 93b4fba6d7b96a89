import { afterEach, describe, expect, it, vi } from 'vitest';
import { serve, sqlAnswer } from '~/test/server';
import {
  suggestAttributeKeys,
  suggestAttributeValues,
  suggestionInterval,
  suggestOperations,
  suggestServices,
} from './suggest';

const HOUR = 3_600_000;
const interval = { from: 0, to: HOUR };

afterEach(() => vi.unstubAllGlobals());

/** What was asked, with the values that were answered. */
async function asked(ask: () => Promise<string[]>) {
  const fetched = serve(() => sqlAnswer([{ value: 'b' }, { value: 'a' }]));
  const values = await ask();
  return { values, sql: String(fetched.mock.calls[0]?.[1]?.body).replace(/\s+/g, ' ') };
}

describe('suggestionInterval', () => {
  it('is the same for ranges that lie close together', () => {
    const near = suggestionInterval({ from: 10 * HOUR + 61_000, to: 11 * HOUR + 61_000 });
    expect(near).toEqual({ from: 10 * HOUR, to: 11 * HOUR + 300_000 });
    expect(suggestionInterval({ from: 10 * HOUR + 90_000, to: 11 * HOUR + 90_000 })).toEqual(near);
  });

  it('is the newest hours of a long one', () => {
    expect(suggestionInterval({ from: 0, to: 240 * HOUR })).toEqual({ from: 237 * HOUR - 300_000, to: 240 * HOUR });
  });
});

describe('suggestions', () => {
  it('are services, the busiest first, none without a name', async () => {
    const { values, sql } = await asked(() => suggestServices(interval));
    expect(values).toEqual(['b', 'a']);
    expect(sql).toContain("start_time_unix_nano < TIMESTAMP '1970-01-01 01:00:00.000'");
    expect(sql).toContain('character_length(service_name) BETWEEN 1 AND 200');
    expect(sql).toContain('ORDER BY count(*) DESC, 1 LIMIT 500');
  });

  it('are operations, of the chosen services only', async () => {
    expect((await asked(() => suggestOperations({ interval, services: [] }))).sql).not.toContain('service_name');
    const { sql } = await asked(() => suggestOperations({ interval, services: ["o'clock", 'web'] }));
    expect(sql).toContain("AND service_name IN ('o''clock', 'web') GROUP BY 1");
  });

  it('are values of an attribute wherever it may be', async () => {
    const { sql } = await asked(() => suggestAttributeValues({ interval, key: "it's" }));
    expect(sql).toContain("attribute(span_attributes, 'it''s') AS value");
    expect(sql).toContain("UNION ALL SELECT attribute(resource_attributes, 'it''s') AS value");
    expect(sql).toMatch(/character_length\(value\) <= 200 GROUP BY value .* LIMIT 100$/);
    const scoped = await asked(() => suggestAttributeValues({ interval, key: 'span.a' }));
    expect(scoped.sql).not.toContain('UNION');
  });

  it('are keys with columns of their own and those found in JSON, whatever that holds', async () => {
    const rows = [
      { span: '{"cart.items":1,"$$odd":2}', resource: '{"team":"x"}' },
      { span: '{"cut off', resource: null },
      { span: '7', resource: 'null' },
      { span: `{"${'k'.repeat(201)}":1}`, resource: null },
    ];
    serve((_, sql) =>
      sqlAnswer(
        sql.startsWith('DESCRIBE')
          ? ['name', 'span.http.route', 'resource.team', 'span_attributes'].map((column_name) => ({ column_name }))
          : rows,
      ),
    );
    expect(await suggestAttributeKeys(interval)).toEqual(['$odd', 'cart.items', 'http.route', 'service.name', 'team']);
  });
});
