/** Exemplars of a trace: points of metrics that name it as an example of what they count. */

import * as v from 'valibot';
import { instant, join, query, sql } from '~/api/sql';
import type { TraceSpans } from '~/data/trace';

export interface TraceNumber {
  metric: string;
  value: number;
  /** UCUM, as the metric says (`s`, `By`); empty without one. */
  unit: string;
  service: string;
  /** When, nanoseconds after the trace's start. */
  offset: number;
  /** Empty if it names none. */
  spanId: string;
}

export const MOST_NUMBERS = 200;

/** How far from the trace an exemplar may be dated (milliseconds). */
const MARGIN = 3_600_000;

const Exemplar = v.object({
  metric_name: v.string(),
  series: v.pipe(v.string(), v.regex(/^\d{1,20}$/)),
  offset: v.number(),
  span_id: v.nullable(v.string()),
  value: v.nullable(v.number()),
});

const Series = v.object({ series: v.string(), unit: v.nullable(v.string()), service: v.nullable(v.string()) });

/** The numbers of a trace by time; `isCut` when there are more than [[MOST_NUMBERS]]. */
export async function fetchNumbers(
  spans: TraceSpans,
  signal?: AbortSignal,
): Promise<{ numbers: TraceNumber[]; isCut: boolean }> {
  const rows = await query(
    sql`SELECT metric_name, CAST(series_id AS VARCHAR) AS series, span_id,
          arrow_cast(time_unix_nano, 'Int64') - ${spans.startNano} AS offset,
          coalesce(CAST(value_int AS DOUBLE), value_double) AS value
        FROM exemplars
        WHERE trace_id = ${spans.traceId}
          AND time_unix_nano >= ${instant(spans.start - MARGIN)}
          AND time_unix_nano <= ${instant(spans.start + spans.duration / 1e6 + MARGIN)}
        ORDER BY time_unix_nano LIMIT ${MOST_NUMBERS + 1}`,
    Exemplar,
    { signal },
  );
  const exemplars = rows.slice(0, MOST_NUMBERS);
  const series = await fetchSeries(exemplars, signal);
  const numbers = exemplars.map((row) => ({
    metric: row.metric_name,
    value: row.value ?? Number.NaN,
    unit: series.get(row.series)?.unit ?? '',
    service: series.get(row.series)?.service ?? '',
    offset: row.offset,
    spanId: row.span_id ?? '',
  }));
  return { numbers, isCut: rows.length > MOST_NUMBERS };
}

async function fetchSeries(exemplars: { metric_name: string; series: string }[], signal?: AbortSignal) {
  if (exemplars.length === 0) return new Map<string, v.InferOutput<typeof Series>>();
  const metrics = join(
    [...new Set(exemplars.map((row) => row.metric_name))].map((name) => sql`${name}`),
    ', ',
  );
  const ids = join(
    [...new Set(exemplars.map((row) => row.series))].map((id) => sql`${BigInt(id)}`),
    ', ',
  );
  const rows = await query(
    sql`SELECT CAST(series_id AS VARCHAR) AS series, min(unit) AS unit, min(service_name) AS service
        FROM series WHERE metric_name IN (${metrics}) AND series_id IN (${ids}) GROUP BY series_id`,
    Series,
    { signal },
  );
  return new Map(rows.map((row) => [row.series, row]));
}
