/** The questions about traces, as SQL. A trace *matches* when one of its spans fulfils all conditions on spans together. */

import { instant, join, type Sql, sql } from '~/api/sql';
import { type AttributeFilter, attributeCondition } from '~/data/attributeFilter';
import type { Interval } from '~/time/range';

export type TraceStatus = 'error' | 'ok';

/** All that is given must hold. */
export interface TraceFilter {
  /** The span is of one of these services; none: of any. */
  services: readonly string[];
  /** Part of the span's name, whatever its case. */
  operation: string;
  /** `error`: the span failed. `ok`: no span of the trace did. */
  status: TraceStatus | undefined;
  /** Nanoseconds from the trace's first start to its last end, both included. */
  minDuration: number | undefined;
  maxDuration: number | undefined;
  /** What the span's attributes, or those of its resource, are. */
  attributes: readonly AttributeFilter[];
}

export const SORT_KEYS = ['time', 'duration', 'spans', 'errors'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface TraceSort {
  key: SortKey;
  descending: boolean;
}

/** Whether whole traces must be looked at, not only single spans, to know which match. */
export function needsWholeTraces(filter: TraceFilter): boolean {
  return filter.status === 'ok' || filter.minDuration !== undefined || filter.maxDuration !== undefined;
}

/** What a span must fulfil, its time aside. */
export function spanConditions(filter: TraceFilter): Sql[] {
  const { services, operation, status, attributes } = filter;
  return [
    ...(services.length > 0 ? [sql`service_name IN (${literals(services)})`] : []),
    ...(operation ? [sql`contains(lower(name), lower(${operation}))`] : []),
    ...(status === 'error' ? [sql`status_code = 2`] : []),
    ...attributes.map(attributeCondition),
  ];
}

function literals(values: readonly string[]): Sql {
  return join(
    values.map((value) => sql`${value}`),
    ', ',
  );
}

function within({ from, to }: Interval): Sql {
  return sql`start_time_unix_nano >= ${instant(from)} AND start_time_unix_nano < ${instant(to)}`;
}

function all(conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? sql`true` : join([...conditions], ' AND ');
}

/** Only single spans are looked at: the ids of the traces with the newest (or oldest) matching spans, those first. */
export function matchingSql(slice: Interval, filter: TraceFilter, newestFirst: boolean, limit: number): Sql {
  const order = newestFirst ? sql`max(start_time_unix_nano) DESC` : sql`min(start_time_unix_nano)`;
  return sql`
    SELECT trace_id FROM spans
    WHERE ${all([within(slice), ...spanConditions(filter)])}
    GROUP BY trace_id ORDER BY ${order} LIMIT ${limit}`;
}

/**
 * Traces are told by their numbers, the spans from `margin` milliseconds before to after the slice: `trace_id`, `start` (µs since the
 * epoch), `duration` (ns), `spans`, `errors`.
 */
export interface RankQuestion {
  slice: Interval;
  margin: number;
  filter: TraceFilter;
  sort: TraceSort;
  limit: number;
  /** Only traces whose id begins with a number below this share of all; 1 for all of them. */
  share?: number;
  /** Only traces with a failed span. */
  failedOnly?: boolean;
}

const START = sql`arrow_cast(min(start_time_unix_nano), 'Int64')`;
const END = sql`max(arrow_cast(start_time_unix_nano, 'Int64') + greatest(duration_nano, 0))`;
const DURATION = sql`(${END} - ${START})`;
const ERRORS = sql`count(*) FILTER (WHERE status_code = 2)`;

export function rankSql({ slice, margin, filter, sort, limit, share = 1, failedOnly = false }: RankQuestion): Sql {
  const sample = share < 1 ? [sql`trace_id < ${firstIdBeyond(share)}`] : [];
  const having = (conditions: Sql[]) =>
    sql`trace_id IN (SELECT trace_id FROM spans WHERE ${all([within(slice), ...sample, ...conditions])})`;
  const conditions = spanConditions(filter);
  const memberships = [
    ...(conditions.length > 0 ? [having(conditions)] : []),
    ...(failedOnly && filter.status !== 'error' ? [having([sql`status_code = 2`])] : []),
  ];
  const around = { from: slice.from - margin, to: slice.to + margin };
  // Without conditions it is cheaper to count the spans inside the slice than to look for them first.
  const inside = memberships.length === 0 ? [sql`count(*) FILTER (WHERE ${within(slice)}) > 0`] : [];
  const whole = [...inside, ...traceConditions(filter)];
  return sql`
    SELECT trace_id, ${START} / 1000 AS start, ${DURATION} AS duration, count(*) AS spans, ${ERRORS} AS errors
    FROM spans
    WHERE ${all([within(around), ...sample, ...memberships])}
    GROUP BY trace_id ${whole.length > 0 ? sql`HAVING ${all(whole)}` : sql``}
    ORDER BY ${orderOf(sort)} LIMIT ${limit}`;
}

function traceConditions({ status, minDuration, maxDuration }: TraceFilter): Sql[] {
  return [
    ...(status === 'ok' ? [sql`${ERRORS} = 0`] : []),
    ...(minDuration === undefined ? [] : [sql`${DURATION} >= ${Math.round(minDuration)}`]),
    ...(maxDuration === undefined ? [] : [sql`${DURATION} <= ${Math.round(maxDuration)}`]),
  ];
}

function orderOf({ key, descending }: TraceSort): Sql {
  const column = { time: sql`start`, duration: sql`duration`, spans: sql`spans`, errors: sql`errors` }[key];
  const newest = key === 'time' ? sql`` : sql`, start DESC`;
  return descending ? sql`${column} DESC${newest}` : sql`${column}${newest}`;
}

/** Ids are random, so those below a bound are a fair sample; files are sorted by them, so reading it is cheap. */
function firstIdBeyond(share: number): string {
  return Math.max(1, Math.round(share * 2 ** 32))
    .toString(16)
    .padStart(8, '0')
    .padEnd(32, '0');
}

/** Rows of the answer: a thousand traces over sixty services each. */
export const MOST_PARTS = 60_000;

/** Of a span that is written more than once: the highest is the span (`trefoil=v:7` in its trace state). */
export const VERSION = sql`TRY_CAST(nullif(split_part(split_part(trace_state, ',', 1), 'trefoil=v:', 2), '') AS BIGINT)`;

/** Columns of those spans that a condition holds for; of spans that are written more than once, the last version. */
function lastVersions(columns: Sql, condition: Sql): Sql {
  const end = sql`arrow_cast(start_time_unix_nano, 'Int64') + duration_nano`;
  // Nearly all spans have no version, and are spared the sorting.
  return sql`
    SELECT ${columns} FROM spans WHERE ${condition} AND ${VERSION} IS NULL
    UNION ALL
    SELECT ${columns} FROM (
      SELECT ${columns},
        row_number() OVER (PARTITION BY trace_id, span_id ORDER BY ${VERSION} DESC, ${end} DESC) AS place
      FROM spans WHERE ${condition} AND ${VERSION} IS NOT NULL)
    WHERE place = 1`;
}

/**
 * One row a trace and service: `trace_id`, `service`, `start` (µs since the epoch), `duration` (ns), `spans`, `errors`, `first` (the
 * name of the service's root span, else of its earliest), `root` (µs since the epoch: the start of its root span, if it has one), `tenant`.
 */
export function describeSql(ids: readonly string[], around: Interval): Sql {
  const wanted = join(
    ids.map((id) => sql`decode(${id}, 'hex')`),
    ', ',
  );
  const columns = sql`trace_id, service_name, start_time_unix_nano, duration_nano, status_code, name, parent_span_id,
    resource_attributes`;
  return sql`
    SELECT trace_id, coalesce(service_name, '') AS service, ${START} / 1000 AS start, ${DURATION} AS duration,
      count(*) AS spans, ${ERRORS} AS errors,
      first_value(name ORDER BY parent_span_id IS NOT NULL, start_time_unix_nano) AS first,
      arrow_cast(min(start_time_unix_nano) FILTER (WHERE parent_span_id IS NULL), 'Int64') / 1000 AS root,
      max(attribute(resource_attributes, 'tenant')) AS tenant
    FROM (${lastVersions(columns, sql`${within(around)} AND trace_id IN (${wanted})`)})
    GROUP BY 1, 2 LIMIT ${MOST_PARTS}`;
}
