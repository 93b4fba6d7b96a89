/** How much of each signal the store took in, by the time that the data tells of itself (not by when it arrived). */

import * as v from 'valibot';
import { instant, query, type Sql, sql } from '~/api/sql';
import { bucketNumber, bucketStarts, bucketsOf, ratesOf, secondsOf } from '~/time/buckets';
import type { Interval } from '~/time/range';

export const SIGNALS = ['spans', 'logs', 'samples'] as const;
export type Signal = (typeof SIGNALS)[number];

const TIME: Record<Signal, Sql> = {
  spans: sql`start_time_unix_nano`,
  logs: sql`time_unix_nano`,
  samples: sql`time_unix_nano`,
};

const TABLE: Record<Signal, Sql> = { spans: sql`spans`, logs: sql`logs`, samples: sql`samples` };

export interface Ingest {
  /** Rows in the range. */
  total: number;
  /** Rows per second of the range, as far as it has passed. */
  rate: number;
  /** When the buckets start, in milliseconds since the epoch. */
  starts: number[];
  /** Rows per second in each bucket; null where the range covers too little of it. */
  rates: (number | null)[];
}

const Point = v.object({ bucket: v.number(), count: v.number() });

/** Rows of one signal over the range, in up to 61 buckets. */
export async function fetchIngest(
  { signal: which, interval }: { signal: Signal; interval: Interval },
  signal?: AbortSignal,
): Promise<Ingest> {
  const now = Date.now();
  const buckets = bucketsOf(interval);
  const rows = await query(
    sql`
      SELECT ${bucketNumber(TIME[which], buckets)} AS bucket, count(*) AS count FROM ${TABLE[which]}
      WHERE ${TIME[which]} >= ${instant(interval.from)} AND ${TIME[which]} < ${instant(interval.to)}
      GROUP BY 1 LIMIT ${buckets.count + 1}`,
    Point,
    { signal },
  );
  const counts = new Array<number>(buckets.count).fill(0);
  for (const { bucket, count } of rows) counts[bucket] = count;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    total,
    rate: total / secondsOf(interval, now),
    starts: bucketStarts(buckets),
    rates: ratesOf(counts, buckets, interval, now),
  };
}

/** The time of the newest row of each signal in the whole store, in milliseconds since the epoch; null: there is none. */
export type Newest = Record<Signal, number | null>;

const NewestRow = v.object({
  spans: v.nullable(v.number()),
  logs: v.nullable(v.number()),
  samples: v.nullable(v.number()),
});

export async function fetchNewest(signal?: AbortSignal): Promise<Newest> {
  const newest = (which: Signal) =>
    sql`(SELECT arrow_cast(max(${TIME[which]}), 'Int64') / 1000000 FROM ${TABLE[which]}) AS ${TABLE[which]}`;
  const rows = await query(sql`SELECT ${newest('spans')}, ${newest('logs')}, ${newest('samples')}`, NewestRow, {
    signal,
  });
  return rows[0] ?? { spans: null, logs: null, samples: null };
}

/** What has come from one service. */
export interface Arrival {
  signal: Signal;
  /** Empty where the data names none. */
  service: string;
  count: number;
}

/** The most arrivals that are told one by one. */
const MOST_ARRIVALS = 30;

const ArrivalRow = v.object({ signal: v.picklist(SIGNALS), service: v.string(), count: v.number() });

/**
 * What the store has of after an instant (milliseconds since the epoch; undefined: ever), by signal and service. Spans
 * and log records count as such, metrics as series, because only those know their service.
 */
export async function fetchArrivals(after: number | undefined, signal?: AbortSignal): Promise<Arrival[]> {
  const since = (time: Sql) => (after === undefined ? sql`` : sql`WHERE ${time} > ${instant(after)}`);
  const recentSeries =
    after === undefined ? sql`` : sql`WHERE series_id IN (SELECT series_id FROM samples ${since(TIME.samples)})`;
  return query(
    sql`
      SELECT 'spans' AS signal, coalesce(service_name, '') AS service, count(*) AS count
      FROM spans ${since(TIME.spans)} GROUP BY 2
      UNION ALL SELECT 'logs', coalesce(service_name, ''), count(*)
      FROM logs ${since(TIME.logs)} GROUP BY 2
      UNION ALL SELECT 'samples', coalesce(service_name, ''), count(DISTINCT series_id)
      FROM series ${recentSeries} GROUP BY 2
      ORDER BY service, signal LIMIT ${MOST_ARRIVALS}`,
    ArrivalRow,
    { signal },
  );
}
