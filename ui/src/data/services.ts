/**
 * Which services there are and how they do, from their spans.
 *
 * A request to a service is an *entry span*: one of kind server or consumer. A service that has none is measured by its
 * root spans (a job that starts traces), one without those by all of its spans; [[Basis]] says which.
 */

import * as v from 'valibot';
import { identifier, instant, join, query, type Sql, sql } from '~/api/sql';
import { type Buckets, bucketNumber, bucketStarts, bucketsOf, ratesOf, secondsOf } from '~/time/buckets';
import type { Interval } from '~/time/range';

/** The spans that a service is measured by. */
export type Basis = 'entry' | 'root' | 'all';

export const PERCENTILES = ['p50', 'p95', 'p99'] as const;
export type Percentile = (typeof PERCENTILES)[number];

export interface ServiceTotals {
  /** Empty where the spans name no service. */
  name: string;
  basis: Basis;
  /** Spans of the basis that started in the range, and how many of them failed. */
  count: number;
  errors: number;
  /** Spans of the basis per second of the range. */
  rate: number;
  /** From 0 to 1. */
  errorShare: number;
  /** Durations in nanoseconds; only the percentiles asked for. */
  percentiles: Partial<Record<Percentile, number>>;
  /** The start of the newest span of any kind, in milliseconds since the epoch. */
  lastSeen: number;
}

export interface Services {
  services: ServiceTotals[];
  /** There are more than these; the busiest are here. */
  truncated: boolean;
}

/** The most services in one answer. */
export const MOST_SERVICES = 5000;

const BASES: readonly Basis[] = ['entry', 'root', 'all'];
const BASIS_NUMBER = sql`CASE WHEN kind IN (2, 5) THEN 0 WHEN parent_span_id IS NULL THEN 1 ELSE 2 END`;
const FRACTIONS: Record<Percentile, number> = { p50: 0.5, p95: 0.95, p99: 0.99 };

const Total = v.object({
  name: v.string(),
  basis: v.number(),
  count: v.number(),
  errors: v.number(),
  last_seen: v.number(),
  p50: v.optional(v.nullable(v.number())),
  p95: v.optional(v.nullable(v.number())),
  p99: v.optional(v.nullable(v.number())),
});

export interface ServicesQuestion {
  interval: Interval;
  percentiles: readonly Percentile[];
}

/** One row a service, the busiest first. */
export async function fetchServices({ interval, percentiles }: ServicesQuestion, signal?: AbortSignal) {
  const now = Date.now();
  const rows = await query(servicesSql(interval, percentiles), Total, { signal });
  const seconds = secondsOf(interval, now);
  const services = rows.slice(0, MOST_SERVICES).map((row): ServiceTotals => {
    const known = percentiles.flatMap((key) => (typeof row[key] === 'number' ? [[key, row[key]]] : []));
    return {
      name: row.name,
      basis: BASES[row.basis] ?? 'all',
      count: row.count,
      errors: row.errors,
      rate: row.count / seconds,
      errorShare: row.count === 0 ? 0 : row.errors / row.count,
      percentiles: Object.fromEntries(known),
      lastSeen: row.last_seen,
    };
  });
  return { services, truncated: rows.length > MOST_SERVICES } satisfies Services;
}

export function servicesSql({ from, to }: Interval, percentiles: readonly Percentile[]): Sql {
  const durations = percentiles.map(
    (key) =>
      sql`, approx_percentile_cont(${FRACTIONS[key]}) WITHIN GROUP (ORDER BY duration_nano) AS ${identifier(key)}`,
  );
  // A service has up to three groups; the first one in the order of BASES speaks for it.
  return sql`
    WITH groups AS (
      SELECT coalesce(service_name, '') AS name, ${BASIS_NUMBER} AS basis, count(*) AS count,
        count(*) FILTER (WHERE status_code = 2) AS errors,
        arrow_cast(max(start_time_unix_nano), 'Int64') / 1000000 AS newest${join(durations, '')}
      FROM spans
      WHERE start_time_unix_nano >= ${instant(from)} AND start_time_unix_nano < ${instant(to)}
      GROUP BY 1, 2
    ), ranked AS (
      SELECT *, max(newest) OVER (PARTITION BY name) AS last_seen,
        row_number() OVER (PARTITION BY name ORDER BY basis) AS place
      FROM groups
    )
    SELECT * FROM ranked WHERE place = 1 ORDER BY count DESC, name LIMIT ${MOST_SERVICES + 1}`;
}

/** How a service did over the range, one item a bucket; null where nothing is known. */
export interface ServiceTrend {
  /** Spans of the basis per second. */
  rate: (number | null)[];
  /** Failed spans of the basis per second. */
  errorRate: (number | null)[];
  /** Nanoseconds. */
  p95: (number | null)[];
}

export interface Trends {
  /** When the buckets start, in milliseconds since the epoch. */
  starts: number[];
  /** By the name of the service. */
  services: Map<string, ServiceTrend>;
}

export interface TrendsQuestion {
  interval: Interval;
  /** At most [[MOST_TRENDS]]; more are left out. */
  services: readonly Pick<ServiceTotals, 'name' | 'basis'>[];
}

/** The most services whose trends are asked for at once. */
export const MOST_TRENDS = 60;

const Point = v.object({
  name: v.string(),
  bucket: v.number(),
  count: v.number(),
  errors: v.number(),
  p95: v.nullable(v.number()),
});

/** The sparklines of some services, in up to 61 buckets. */
export async function fetchTrends({ interval, services }: TrendsQuestion, signal?: AbortSignal): Promise<Trends> {
  const now = Date.now();
  const buckets = bucketsOf(interval);
  const asked = services.slice(0, MOST_TRENDS);
  if (asked.length === 0) return { starts: bucketStarts(buckets), services: new Map() };
  const rows = await query(trendsSql(interval, buckets, asked), Point, { signal });

  const trends = new Map<string, ServiceTrend>();
  for (const { name } of asked) {
    const counts = new Array<number>(buckets.count).fill(0);
    const errors = new Array<number>(buckets.count).fill(0);
    const p95 = new Array<number | null>(buckets.count).fill(null);
    for (const point of rows.filter((row) => row.name === name)) {
      counts[point.bucket] = point.count;
      errors[point.bucket] = point.errors;
      p95[point.bucket] = point.p95;
    }
    const rate = ratesOf(counts, buckets, interval, now);
    trends.set(name, { rate, errorRate: ratesOf(errors, buckets, interval, now), p95 });
  }
  return { starts: bucketStarts(buckets), services: trends };
}

export function trendsSql({ from, to }: Interval, buckets: Buckets, services: TrendsQuestion['services']): Sql {
  const conditions = BASES.flatMap((basis) => {
    const names = services.filter((service) => service.basis === basis).map(({ name }) => sql`${name}`);
    return names.length === 0 ? [] : [sql`(coalesce(service_name, '') IN (${join(names, ', ')})${ONLY[basis]})`];
  });
  return sql`
    SELECT coalesce(service_name, '') AS name, ${bucketNumber(sql`start_time_unix_nano`, buckets)} AS bucket,
      count(*) AS count, count(*) FILTER (WHERE status_code = 2) AS errors,
      approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_nano) AS p95
    FROM spans
    WHERE start_time_unix_nano >= ${instant(from)} AND start_time_unix_nano < ${instant(to)}
      AND (${join(conditions, ' OR ')})
    GROUP BY 1, 2
    LIMIT ${MOST_TRENDS * (buckets.count + 1)}`;
}

const ONLY: Record<Basis, Sql> = {
  entry: sql` AND kind IN (2, 5)`,
  root: sql` AND parent_span_id IS NULL`,
  all: sql``,
};
