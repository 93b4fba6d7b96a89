/** The newest errors: failed spans and log records of severity error, each kind of error once. */

import * as v from 'valibot';
import { instant, query, type Sql, sql } from '~/api/sql';
import type { Interval } from '~/time/range';

/**
 * An error that happened `count` times in the range. Two are the same when service, operation and message agree,
 * numbers and ids in the message aside. The other fields are of the newest.
 */
export interface ErrorGroup {
  /** Empty where the data names none. */
  service: string;
  /** The span's name; empty for log records. */
  operation: string;
  /** The status message, the message of the exception, or the log's line; cut at [[LONGEST_MESSAGE]]. Empty: none. */
  message: string;
  /** The exception's type (`TimeoutError`), where there is one. */
  type: string;
  /** The attribute `tenant` of the span, the record or the resource, where there is one. */
  tenant: string;
  count: number;
  /** When the newest happened, in milliseconds since the epoch. */
  lastSeen: number;
  /** Of the newest that has them, in hexadecimal; empty where no log record names one. */
  traceId: string;
  spanId: string;
}

export interface ErrorGroups {
  /** Newest first. */
  groups: ErrorGroup[];
  /** There are older ones that are not here. */
  truncated: boolean;
}

export const MOST_GROUPS = 25;
export const LONGEST_MESSAGE = 1000;

const Row = v.object({
  service: v.string(),
  operation: v.string(),
  message: v.nullable(v.string()),
  type: v.nullable(v.string()),
  tenant: v.nullable(v.string()),
  count: v.number(),
  last_seen: v.number(),
  trace_id: v.nullable(v.string()),
  span_id: v.nullable(v.string()),
});

export async function fetchErrorSpans({ interval }: { interval: Interval }, signal?: AbortSignal) {
  return groupsOf(await query(errorSpansSql(interval), Row, { signal }));
}

export async function fetchErrorLogs({ interval }: { interval: Interval }, signal?: AbortSignal) {
  return groupsOf(await query(errorLogsSql(interval), Row, { signal }));
}

function groupsOf(rows: v.InferOutput<typeof Row>[]): ErrorGroups {
  const groups = rows.slice(0, MOST_GROUPS).map(
    (row): ErrorGroup => ({
      service: row.service,
      operation: row.operation,
      message: row.message ?? '',
      type: row.type ?? '',
      tenant: row.tenant ?? '',
      count: row.count,
      lastSeen: row.last_seen,
      traceId: TRACE_ID.test(row.trace_id ?? '') ? (row.trace_id ?? '').toLowerCase() : '',
      spanId: row.span_id ?? '',
    }),
  );
  return { groups, truncated: rows.length > MOST_GROUPS };
}

const TRACE_ID = /^[0-9a-f]{32}$/i;

/**
 * What makes one message differ from the next of the same error: numbers, ids, hashes. Only its beginning counts, so
 * that a stack or a payload behind it does not tell errors apart either.
 */
const shape = (message: Sql) => sql`regexp_replace(left(${message}, 200), '[0-9a-fA-F-]{8,}|[0-9]+', '#', 'g')`;

/** An attribute of the exception that a span tells of: one of its first three events, or the last. */
function exception(key: string): Sql {
  const of = (index: number) =>
    sql`CASE WHEN events[${index}]['name'] = 'exception' THEN attribute(events[${index}]['attributes'], ${key}) END`;
  return sql`coalesce(${of(-1)}, ${of(1)}, ${of(2)}, ${of(3)})`;
}

/** Of the newest row in the group. */
const newest = (expression: Sql, time: Sql) => sql`last_value(${expression} ORDER BY ${time})`;

export function errorSpansSql({ from, to }: Interval): Sql {
  const time = sql`start_time_unix_nano`;
  return sql`
    WITH failed AS (
      SELECT coalesce(service_name, '') AS service, left(name, 300) AS operation, ${time},
        left(coalesce(status_message, ${exception('exception.message')}), ${LONGEST_MESSAGE}) AS message,
        left(${exception('exception.type')}, 200) AS type,
        left(coalesce(attribute(span_attributes, 'tenant'), attribute(resource_attributes, 'tenant')), 100) AS tenant,
        trace_id, span_id
      FROM spans
      WHERE ${time} >= ${instant(from)} AND ${time} < ${instant(to)} AND status_code = 2
    )
    SELECT service, operation, ${shape(sql`message`)} AS shape, type, count(*) AS count,
      arrow_cast(max(${time}), 'Int64') / 1000000 AS last_seen,
      ${newest(sql`message`, time)} AS message, ${newest(sql`tenant`, time)} AS tenant,
      encode(${newest(sql`trace_id`, time)}, 'hex') AS trace_id, encode(${newest(sql`span_id`, time)}, 'hex') AS span_id
    FROM failed GROUP BY service, operation, shape, type
    ORDER BY last_seen DESC LIMIT ${MOST_GROUPS + 1}`;
}

export function errorLogsSql({ from, to }: Interval): Sql {
  const time = sql`time_unix_nano`;
  // Lines are often JSON; what a person would read stands in one of its members then.
  const traced = sql` FILTER (WHERE trace_id IS NOT NULL)`;
  const message = sql`coalesce(attribute(body, 'message'), attribute(body, 'msg'), body, event_name)`;
  return sql`
    WITH failed AS (
      SELECT coalesce(service_name, '') AS service, ${time}, left(${message}, ${LONGEST_MESSAGE}) AS message,
        left(attribute(log_attributes, 'exception.type'), 200) AS type,
        left(coalesce(attribute(log_attributes, 'tenant'), attribute(resource_attributes, 'tenant')), 100) AS tenant,
        coalesce(encode(trace_id, 'hex'), regexp_match(left(body, 4000), '\\b[0-9a-f]{32}\\b')[1]) AS trace_id,
        encode(span_id, 'hex') AS span_id
      FROM logs
      WHERE ${time} >= ${instant(from)} AND ${time} < ${instant(to)} AND severity_number >= 17
    )
    SELECT service, '' AS operation, ${shape(sql`message`)} AS shape, type, count(*) AS count,
      arrow_cast(max(${time}), 'Int64') / 1000000 AS last_seen,
      ${newest(sql`message`, time)} AS message, ${newest(sql`tenant`, time)} AS tenant,
      ${newest(sql`trace_id`, time)}${traced} AS trace_id, ${newest(sql`span_id`, time)}${traced} AS span_id
    FROM failed GROUP BY service, shape, type
    ORDER BY last_seen DESC LIMIT ${MOST_GROUPS + 1}`;
}
