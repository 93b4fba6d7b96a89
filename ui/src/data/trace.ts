/** All spans of one trace, lean: what a waterfall shows of each. Attributes, events and links come span by span (`data/span`). */

import { ApiError } from '~/api/http';
import { queryRows, sql } from '~/api/sql';
import { VERSION } from '~/data/traceSql';

/** How many spans of one trace are shown at most. */
export const MOST_SPANS = 100_000;

/** Of a name only this much is put into a waterfall; the span itself has all of it. */
const LONGEST_NAME = 300;

export const STATUS_ERROR = 2;

/** OTLP's kinds of spans, by their number. */
export const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** The spans of a trace by columns, ordered by their start; a span is an index into each of them. */
export interface TraceSpans {
  traceId: string;
  length: number;
  /** How many spans the store has of this trace; more than `length` when there are too many to show. */
  total: number;
  /** When the earliest span starts: milliseconds since the epoch, with fractions. */
  start: number;
  /** The same to the nanosecond, which is more than a number holds. */
  startNano: bigint;
  /** When the last span ends: nanoseconds after `start`. */
  duration: number;
  /** Hexadecimal. The same id may come twice. */
  ids: string[];
  /** The parent's id; empty where there is none. */
  parents: string[];
  /** Nanoseconds after `start`. */
  offsets: Float64Array;
  /** Nanoseconds; never negative. */
  durations: Float64Array;
  /** Indices into `nameList`. */
  names: Uint32Array;
  nameList: string[];
  /** Indices into `serviceList`. */
  services: Uint32Array;
  serviceList: string[];
  /** OTLP's numbers, see [[KINDS]]. */
  kinds: Uint8Array;
  /** OTLP's numbers: 0 unset, 1 ok, 2 error. */
  statuses: Uint8Array;
  events: Uint32Array;
  links: Uint32Array;
}

export function spanName(spans: TraceSpans, span: number): string {
  return spans.nameList[spans.names[span] ?? 0] ?? '';
}

export function spanService(spans: TraceSpans, span: number): string {
  return spans.serviceList[spans.services[span] ?? 0] ?? '';
}

/** When a span ends: nanoseconds after the trace's start. */
export function spanEnd(spans: TraceSpans, span: number): number {
  return (spans.offsets[span] ?? 0) + (spans.durations[span] ?? 0);
}

/** The id of a trace as the store writes it, from what people paste (short ids of older tracers, capitals); undefined if it is none. */
export function parseTraceId(text: string): string | undefined {
  const hex = text.trim().toLowerCase();
  if (!/^[0-9a-f]{1,32}$/.test(hex) || /^0+$/.test(hex)) return undefined;
  return hex.padStart(32, '0');
}

/** The spans of a trace; `length` is 0 when the store has none. */
export async function fetchTrace(traceId: string, signal?: AbortSignal, limit = MOST_SPANS): Promise<TraceSpans> {
  // Offsets instead of times: nanoseconds since the epoch lose digits in JSON. Only the earliest row carries the start.
  const rows = await queryRows(
    sql`SELECT span_id, parent_span_id, o, CASE WHEN o = 0 THEN CAST(start AS VARCHAR) END,
          duration_nano, name, service, kind, status_code, events, links
        FROM (
          SELECT *, start - min(start) OVER () AS o,
            row_number() OVER (PARTITION BY span_id ORDER BY version DESC NULLS LAST, start + duration_nano DESC) AS place
          FROM (
            SELECT span_id, parent_span_id, arrow_cast(start_time_unix_nano, 'Int64') AS start, ${VERSION} AS version,
              duration_nano, left(name, ${LONGEST_NAME}) AS name, left(service_name, ${LONGEST_NAME}) AS service, kind, status_code,
              arrow_cast(coalesce(cardinality(events), 0), 'Int64') AS events,
              arrow_cast(coalesce(cardinality(links), 0), 'Int64') AS links
            FROM spans WHERE trace_id = ${traceId}))
        WHERE version IS NULL OR place = 1
        ORDER BY o, duration_nano DESC, span_id LIMIT ${limit + 1}`,
    { signal },
  );
  const isCut = rows.length > limit;
  if (isCut) rows.length = limit;
  return toColumns(traceId, rows, isCut ? await countSpans(traceId, signal) : rows.length);
}

async function countSpans(traceId: string, signal?: AbortSignal): Promise<number> {
  const [row] = await queryRows(sql`SELECT count(*) FROM spans WHERE trace_id = ${traceId}`, { signal });
  return number(row?.[0]);
}

/** Columns from rows in the order of the SELECT list above. */
function toColumns(traceId: string, rows: unknown[][], total: number): TraceSpans {
  const { length } = rows;
  const names = new Dictionary();
  const services = new Dictionary();
  const spans: TraceSpans = {
    traceId,
    length,
    total,
    start: 0,
    startNano: 0n,
    duration: 0,
    ids: new Array<string>(length),
    parents: new Array<string>(length),
    offsets: new Float64Array(length),
    durations: new Float64Array(length),
    names: new Uint32Array(length),
    nameList: names.list,
    services: new Uint32Array(length),
    serviceList: services.list,
    kinds: new Uint8Array(length),
    statuses: new Uint8Array(length),
    events: new Uint32Array(length),
    links: new Uint32Array(length),
  };
  rows.forEach((row, span) => {
    const [id, parent, offset, start, duration, name, service, kind, status, events, links] = row;
    if (span === 0) {
      spans.startNano = nanoseconds(start);
      spans.start = Number(spans.startNano / 1000n) / 1000;
    }
    spans.ids[span] = text(id);
    spans.parents[span] = parent === null ? '' : text(parent);
    const from = number(offset);
    // A clock that ran backwards gives an end before the start; such a span is drawn as a moment.
    const lasts = Math.max(0, number(duration));
    spans.offsets[span] = from;
    spans.durations[span] = lasts;
    spans.duration = Math.max(spans.duration, from + lasts);
    spans.names[span] = names.indexOf(text(name));
    spans.services[span] = services.indexOf(service === null ? '' : text(service));
    spans.kinds[span] = known(number(kind), KINDS.length);
    spans.statuses[span] = known(number(status), STATUS_ERROR + 1);
    spans.events[span] = number(events);
    spans.links[span] = number(links);
  });
  return spans;
}

class Dictionary {
  readonly list: string[] = [];
  private readonly indices = new Map<string, number>();

  indexOf(value: string): number {
    const known = this.indices.get(value);
    if (known !== undefined) return known;
    const index = this.list.push(value) - 1;
    this.indices.set(value, index);
    return index;
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw broken();
  return value;
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw broken();
  return value;
}

/** From their digits. */
function nanoseconds(value: unknown): bigint {
  const digits = text(value);
  if (!/^-?\d{1,19}$/.test(digits)) throw broken();
  return BigInt(digits);
}

/** A number of an enum of OTLP; 0 for one that is not in it (yet). */
function known(value: number, length: number): number {
  return value >= 0 && value < length ? value : 0;
}

function broken(): ApiError {
  return new ApiError('broken', 'The answer is not what was asked for: a span has not the columns it should have.');
}

/** The older of two answers when they say the same, so that what was computed from it stays. */
export function keepIfSame(old: unknown, fresh: unknown): unknown {
  return isTrace(old) && isTrace(fresh) && isSame(old, fresh) ? old : fresh;
}

function isTrace(value: unknown): value is TraceSpans {
  return typeof value === 'object' && value !== null && 'traceId' in value && 'offsets' in value;
}

function isSame(a: TraceSpans, b: TraceSpans): boolean {
  if (a.traceId !== b.traceId || a.length !== b.length || a.total !== b.total || a.startNano !== b.startNano)
    return false;
  for (let span = 0; span < a.length; span++) {
    if (
      a.ids[span] !== b.ids[span] ||
      a.parents[span] !== b.parents[span] ||
      a.durations[span] !== b.durations[span] ||
      a.offsets[span] !== b.offsets[span] ||
      a.statuses[span] !== b.statuses[span]
    ) {
      return false;
    }
  }
  return true;
}
