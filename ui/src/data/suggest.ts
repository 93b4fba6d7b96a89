/** What filters can be filled with, from what is there. Only help: anything may be typed. */

import * as v from 'valibot';
import { instant, join, query, sql } from '~/api/sql';
import { attributeScopes } from '~/data/attributeFilter';
import type { Interval } from '~/time/range';

const MOST = 500;
const MOST_VALUES = 100;
/** Longer ones are no help in a list. */
const LONGEST = 200;
/** Spans whose JSON is looked into for keys. */
const SAMPLE = 200;
/** The newest part of a range stands for all of it: suggestions must not cost more than the search. */
const NEWEST = 3 * 3_600_000;
/** So that asking again after every refresh finds the same answer. */
const STEP = 5 * 60_000;

/** The part of a range that suggestions are taken from; the same for ranges that lie close together. */
export function suggestionInterval({ from, to }: Interval): Interval {
  const end = Math.ceil(to / STEP) * STEP;
  return { from: Math.max(Math.floor(from / STEP) * STEP, end - NEWEST - STEP), to: end };
}

function within({ from, to }: Interval) {
  return sql`start_time_unix_nano >= ${instant(from)} AND start_time_unix_nano < ${instant(to)}`;
}

const Value = v.object({ value: v.string() });

/** The busiest services first. */
export async function suggestServices(interval: Interval, signal?: AbortSignal): Promise<string[]> {
  const rows = await query(
    sql`SELECT service_name AS value FROM spans WHERE ${within(interval)} AND character_length(service_name) BETWEEN 1 AND ${LONGEST}
      GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ${MOST}`,
    Value,
    { signal },
  );
  return rows.map((row) => row.value);
}

/** Names of spans, of these services where some are given, the most frequent first. */
export async function suggestOperations(
  { interval, services }: { interval: Interval; services: readonly string[] },
  signal?: AbortSignal,
): Promise<string[]> {
  const names = services.map((service) => sql`${service}`);
  const ofServices = names.length > 0 ? sql` AND service_name IN (${join(names, ', ')})` : sql``;
  const rows = await query(
    sql`SELECT name AS value FROM spans
      WHERE ${within(interval)} AND character_length(name) BETWEEN 1 AND ${LONGEST}${ofServices}
      GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ${MOST}`,
    Value,
    { signal },
  );
  return rows.map((row) => row.value);
}

/** Keys of attributes of spans and their resources: those with columns of their own, and those found in a sample of the rest. */
export async function suggestAttributeKeys(interval: Interval, signal?: AbortSignal): Promise<string[]> {
  const columns = await query(sql`DESCRIBE spans`, v.object({ column_name: v.string() }), { signal });
  const promoted = columns.flatMap(({ column_name }) => /^(?:span|resource)\.(.+)$/s.exec(column_name)?.[1] ?? []);
  const rest = await query(
    sql`SELECT left(span_attributes, 20000) AS span, left(resource_attributes, 20000) AS resource FROM spans
      WHERE ${within(interval)} AND (span_attributes IS NOT NULL OR resource_attributes IS NOT NULL) LIMIT ${SAMPLE}`,
    v.object({ span: v.nullable(v.string()), resource: v.nullable(v.string()) }),
    { signal },
  );
  const others = rest.flatMap(({ span, resource }) => [...keysOf(span), ...keysOf(resource)]);
  return [...new Set(['service.name', ...promoted, ...others])].filter((key) => key.length <= LONGEST).sort();
}

function keysOf(json: string | null): string[] {
  if (json === null) return [];
  try {
    const attributes: unknown = JSON.parse(json);
    if (typeof attributes !== 'object' || attributes === null) return [];
    // A key that begins with the escape character has it twice.
    return Object.keys(attributes).map((key) => (key.startsWith('$$') ? key.slice(1) : key));
  } catch {
    // Longer than what is looked at.
    return [];
  }
}

/** The most frequent values of an attribute. */
export async function suggestAttributeValues(
  { interval, key }: { interval: Interval; key: string },
  signal?: AbortSignal,
): Promise<string[]> {
  const values = attributeScopes(key).map(({ scope, key }) =>
    scope === 'span'
      ? sql`SELECT attribute(span_attributes, ${key}) AS value FROM spans WHERE ${within(interval)}`
      : sql`SELECT attribute(resource_attributes, ${key}) AS value FROM spans WHERE ${within(interval)}`,
  );
  const rows = await query(
    sql`SELECT value FROM (${join(values, ' UNION ALL ')})
      WHERE character_length(value) <= ${LONGEST}
      GROUP BY value ORDER BY count(*) DESC, value LIMIT ${MOST_VALUES}`,
    Value,
    { signal },
  );
  return rows.map((row) => row.value);
}
