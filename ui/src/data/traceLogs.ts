/** The log records of a trace: those that carry its id, and those that have it written in their line. */

import * as v from 'valibot';
import { instant, join, query, type Sql, sql } from '~/api/sql';
import { type Attribute, byKey, jsonAttributes, jsonValue } from '~/data/attributes';
import type { TraceSpans } from '~/data/trace';

/** Of each kind at most so many records are shown. */
export const MOST_LOGS = 1000;

/** Of a body only so much comes with the list; the record itself has all of it. */
export const LONGEST_BODY = 4000;

/** Clocks differ and services log late, but not by more than this (milliseconds). */
const MARGIN_BY_ID = 3_600_000;
/** Lines are searched for the id, which costs: a shorter margin. */
const MARGIN_IN_LINE = 60_000;
/** Of a trace with more services, only so many have their lines searched. */
const MOST_SERVICES = 200;

export interface TraceLog {
  /** When, nanoseconds after the trace's start; rounded to what a number holds. */
  offset: number;
  /** OTLP's severity number: 1 trace, 5 debug, 9 info, 13 warn, 17 error, 21 fatal (and the three after each). 0: unknown. */
  severity: number;
  severityText: string;
  service: string;
  /** The first [[LONGEST_BODY]] characters. */
  body: string;
  /** Characters of the whole body. */
  bodyLength: number;
  /** The span that it names; empty if it names none. */
  spanId: string;
  /** How it names the trace: in its own field, or inside its line. */
  by: 'id' | 'line';
  /** What finds the record again: time in nanoseconds as digits, stream and hash of the body. */
  key: { time: string; stream: string; hash: string };
}

export interface TraceLogs {
  logs: TraceLog[];
  /** There are more than [[MOST_LOGS]]. */
  isCut: boolean;
}

/** 64 bits, which are more than a number holds. */
const Digits = v.pipe(v.string(), v.regex(/^-?\d{1,20}$/));

const Row = v.object({
  time: Digits,
  offset: v.number(),
  severity_number: v.number(),
  severity_text: v.nullable(v.string()),
  service_name: v.nullable(v.string()),
  body: v.nullable(v.string()),
  body_length: v.number(),
  span_id: v.nullable(v.string()),
  stream: Digits,
  hash: v.nullable(v.string()),
});

/** Records with the trace's id in their own field, by time. */
export function fetchLogsById(spans: TraceSpans, signal?: AbortSignal): Promise<TraceLogs> {
  return fetchLogs(spans, sql`trace_id = ${spans.traceId}`, 'id', MARGIN_BY_ID, signal);
}

/** Records of the trace's services without an id of their own that have it in their line (`"traceId":"…"`, `|…|`), by time. */
export async function fetchLogsInLines(spans: TraceSpans, signal?: AbortSignal): Promise<TraceLogs> {
  const services = spans.serviceList.filter((service) => service !== '').slice(0, MOST_SERVICES);
  if (services.length === 0) return { logs: [], isCut: false };
  const names = join(
    services.map((service) => sql`${service}`),
    ', ',
  );
  return fetchLogs(
    spans,
    sql`trace_id IS NULL AND service_name IN (${names}) AND strpos(body, ${spans.traceId}) > 0`,
    'line',
    MARGIN_IN_LINE,
    signal,
  );
}

async function fetchLogs(
  spans: TraceSpans,
  condition: Sql,
  by: TraceLog['by'],
  margin: number,
  signal?: AbortSignal,
): Promise<TraceLogs> {
  const rows = await query(
    sql`SELECT CAST(arrow_cast(time_unix_nano, 'Int64') AS VARCHAR) AS time,
          arrow_cast(time_unix_nano, 'Int64') - ${spans.startNano} AS offset,
          severity_number, severity_text, service_name, left(body, ${LONGEST_BODY}) AS body,
          arrow_cast(coalesce(character_length(body), 0), 'Int64') AS body_length,
          span_id, CAST(stream_id AS VARCHAR) AS stream, md5(body) AS hash
        FROM logs
        WHERE ${condition}
          AND time_unix_nano >= ${instant(spans.start - margin)}
          AND time_unix_nano <= ${instant(spans.start + spans.duration / 1e6 + margin)}
        ORDER BY time_unix_nano LIMIT ${MOST_LOGS + 1}`,
    Row,
    { signal },
  );
  const logs = rows.slice(0, MOST_LOGS).map(
    (row): TraceLog => ({
      offset: row.offset,
      severity: row.severity_number,
      severityText: row.severity_text ?? '',
      service: row.service_name ?? '',
      body: row.body ?? '',
      bodyLength: row.body_length,
      spanId: row.span_id ?? '',
      by,
      key: { time: row.time, stream: row.stream, hash: row.hash ?? '' },
    }),
  );
  return { logs, isCut: rows.length > MOST_LOGS };
}

export interface LogDetail {
  body: string;
  attributes: Attribute[];
  resource: Attribute[];
  /** The instrumentation's name and version. */
  scope: string;
}

/** The whole record; undefined when the store has it no more. */
export async function fetchLog(
  { time, stream, hash }: TraceLog['key'],
  signal?: AbortSignal,
): Promise<LogDetail | undefined> {
  const hashed = hash ? sql`md5(body) = ${hash}` : sql`body IS NULL`;
  const [row] = await query(
    sql`SELECT * FROM logs
        WHERE time_unix_nano = arrow_cast(${BigInt(time)}, 'Timestamp(Nanosecond, None)') AND stream_id = ${BigInt(stream)}
          AND ${hashed} LIMIT 1`,
    v.record(v.string(), v.unknown()),
    { signal },
  );
  if (!row) return undefined;
  return {
    body: textOf(row.body) ?? '',
    attributes: scopeAttributes(row, 'log'),
    resource: scopeAttributes(row, 'resource'),
    scope: [textOf(row.scope_name), textOf(row.scope_version)].filter(Boolean).join(' '),
  };
}

/** Attributes of a scope, from the columns that are its own (`log.user.id`) and from its JSON. */
function scopeAttributes(row: Record<string, unknown>, scope: 'log' | 'resource'): Attribute[] {
  const promoted = Object.entries(row).flatMap(([column, value]) =>
    column.startsWith(`${scope}.`) && value !== null && value !== undefined
      ? [{ key: column.slice(scope.length + 1), value: jsonValue(value) }]
      : [],
  );
  return [...promoted, ...jsonAttributes(textOf(row[`${scope}_attributes`]))].sort(byKey);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
