/**
 * Which traces match, and what each is.
 *
 * A store can hold far more than one wants to read for a list of the newest, so the range is searched in slices, the newest
 * first and each wider than the one before, until there are enough. What a trace is (its root, its services) is asked in a
 * second step, of those in the list only.
 */

import * as v from 'valibot';
import { ApiError } from '~/api/http';
import { query } from '~/api/sql';
import {
  describeSql,
  MOST_PARTS,
  matchingSql,
  needsWholeTraces,
  type RankQuestion,
  rankSql,
  type TraceFilter,
  type TraceSort,
} from '~/data/traceSql';
import type { Interval } from '~/time/range';

export interface TraceService {
  name: string;
  spans: number;
  errors: number;
}

export interface TraceSummary {
  /** 32 hexadecimal digits. */
  id: string;
  /** The first start of a span, in milliseconds since the epoch (with fractions). */
  start: number;
  /** From the first start to the last end, in nanoseconds. */
  duration: number;
  spans: number;
  errors: number;
  /** The root span's, or where the root is not in the store those of the earliest span. */
  service: string;
  operation: string;
  hasRoot: boolean;
  /** Those with the most spans first. */
  services: TraceService[];
  /** The attribute `tenant` of the resources; the last by the alphabet where there are several. */
  tenant: string | undefined;
}

export interface TraceSearch {
  traces: TraceSummary[];
  /** More match than are in the list. */
  more: boolean;
  /** The part of the range that was searched. */
  searched: Interval;
  /** Nothing that belongs in the list is missing: it is full, or the whole range was searched. */
  complete: boolean;
  /** Why the search ended early, where it did. */
  problem?: 'stopped' | ApiError;
}

export interface TracesQuestion {
  interval: Interval;
  filter: TraceFilter;
  sort: TraceSort;
  limit: number;
}

export interface SearchOptions {
  signal?: AbortSignal | undefined;
  /** Ends the search with what it has. */
  stop?: AbortSignal | undefined;
  /** Called with what there is so far, for searches that take their time. */
  onProgress?: (search: TraceSearch) => void;
}

/** The width of the first slice in milliseconds. One that must look at whole traces also reads what is around it. */
const FIRST_SLICE = 15_000;
const FIRST_WHOLE_SLICE = 5 * 60_000;
/** Every slice is this many times as wide as the one before. */
const GROWTH = 4;
/** How far from its matching spans the other spans of a trace are looked for. */
const SURROUNDINGS = 60 * 60_000;
/** … where the traces are not known yet, so that all in this time must be read. */
const NEAR = 5 * 60_000;
/** The shortest time between two calls of `onProgress`. */
const PROGRESS_EVERY = 400;

export async function searchTraces(question: TracesQuestion, options: SearchOptions = {}): Promise<TraceSearch> {
  const { interval, filter, sort, limit } = question;
  const ranks = sort.key !== 'time' || needsWholeTraces(filter);
  const canEndEarly = sort.key === 'time';
  const newestFirst = !canEndEarly || sort.descending;
  const signal = both(options.signal, options.stop);
  const found = new Map<string, TraceSummary>();
  let searched: Interval = newestFirst
    ? { from: interval.to, to: interval.to }
    : { from: interval.from, to: interval.from };
  let toldAt = Date.now();

  const soFar = (complete: boolean): TraceSearch => {
    const traces = [...found.values()].sort(comparison(sort));
    return { traces: traces.slice(0, limit), more: traces.length > limit, searched, complete };
  };

  for (const slice of slices(interval, newestFirst, ranks ? FIRST_WHOLE_SLICE : FIRST_SLICE)) {
    try {
      const traces = ranks
        ? await rankedTraces({ slice, margin: marginOf(filter), filter, sort, limit: limit + 1 }, found, signal)
        : await matchingTraces(slice, question, found, newestFirst, signal);
      for (const trace of traces) found.set(trace.id, trace);
    } catch (error) {
      const problem = problemOf(error, options);
      if (!problem || (problem !== 'stopped' && found.size === 0)) throw error;
      return { ...soFar(false), problem };
    }
    searched = newestFirst ? { from: slice.from, to: searched.to } : { from: searched.from, to: slice.to };
    if (canEndEarly && found.size > limit) break;
    if (Date.now() - toldAt > PROGRESS_EVERY) {
      toldAt = Date.now();
      options.onProgress?.(soFar(false));
    }
  }
  return soFar(true);
}

/** What is said beside the list instead of failing all of it; nothing where the search is not wanted any more. */
function problemOf(error: unknown, options: SearchOptions): 'stopped' | ApiError | undefined {
  if (options.signal?.aborted) return undefined;
  if (options.stop?.aborted) return 'stopped';
  return error instanceof ApiError && error.isPassing ? error : undefined;
}

function both(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  return one && other ? AbortSignal.any([one, other]) : (one ?? other);
}

/** The range in pieces that touch, the first `first` milliseconds wide, each next one wider. */
export function* slices({ from, to }: Interval, newestFirst: boolean, first: number): Generator<Interval> {
  let width = first;
  let done = 0;
  while (done < to - from) {
    const next = Math.min(done + width, to - from);
    yield newestFirst ? { from: to - next, to: to - done } : { from: from + done, to: from + next };
    done = next;
    width *= GROWTH;
  }
}

/** Around a slice, as much as a trace that is asked for may last. */
function marginOf({ minDuration = 0 }: TraceFilter): number {
  return Math.min(SURROUNDINGS, Math.max(NEAR, (2 * minDuration) / 1e6));
}

const Id = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));

async function matchingTraces(
  slice: Interval,
  { filter, limit }: TracesQuestion,
  known: ReadonlyMap<string, TraceSummary>,
  newestFirst: boolean,
  signal: AbortSignal | undefined,
): Promise<TraceSummary[]> {
  const matching = await query(matchingSql(slice, filter, newestFirst, limit + 1), v.object({ trace_id: Id }), {
    signal,
  });
  return describe(
    matching.map((row) => row.trace_id).filter((id) => !known.has(id)),
    slice,
    signal,
  );
}

const Ranked = v.object({
  trace_id: Id,
  start: v.number(),
  duration: v.number(),
  spans: v.number(),
  errors: v.number(),
});

async function rankedTraces(
  question: RankQuestion,
  known: ReadonlyMap<string, TraceSummary>,
  signal: AbortSignal | undefined,
): Promise<TraceSummary[]> {
  const ranked = await query(rankSql(question), Ranked, { signal });
  const added = ranked.filter((row) => !known.has(row.trace_id));
  const traces = await describe(
    added.map((row) => row.trace_id),
    question.slice,
    signal,
  );
  return traces.filter((trace) => fulfils(trace, question.filter));
}

/** What was ranked by its spans near the slice may turn out longer, or to have failed, further away. */
function fulfils({ duration, errors }: TraceSummary, { status, maxDuration = Number.POSITIVE_INFINITY }: TraceFilter) {
  return duration <= Math.round(maxDuration) && !(status === 'ok' && errors > 0);
}

const Part = v.object({
  trace_id: Id,
  service: v.string(),
  start: v.number(),
  duration: v.number(),
  spans: v.number(),
  errors: v.number(),
  first: v.nullable(v.string()),
  root: v.nullable(v.number()),
  tenant: v.nullable(v.string()),
});
type Part = v.InferOutput<typeof Part>;

/** What one trace is whose start (milliseconds since the epoch) is known; nothing if it is not there any more. */
export async function fetchTraceSummary(
  { id, start }: { id: string; start: number },
  signal?: AbortSignal,
): Promise<TraceSummary | undefined> {
  return (await describe([id], { from: Math.floor(start), to: Math.ceil(start) }, signal))[0];
}

/** What the traces are that have a span in `slice`. */
async function describe(ids: string[], slice: Interval, signal: AbortSignal | undefined): Promise<TraceSummary[]> {
  if (ids.length === 0) return [];
  const around = { from: slice.from - SURROUNDINGS, to: slice.to + SURROUNDINGS };
  const parts = await query(describeSql(ids, around), Part, { signal });
  if (parts.length === MOST_PARTS) {
    throw new ApiError('refused', 'These traces have too many services to list; a smaller limit lists fewer traces.');
  }
  const traces = new Map<string, Part[]>();
  for (const part of parts) {
    const known = traces.get(part.trace_id);
    if (known) known.push(part);
    else traces.set(part.trace_id, [part]);
  }
  return [...traces].map(([id, parts]) => summarize(id, parts));
}

/** One trace from its services' parts. */
export function summarize(id: string, parts: readonly Part[]): TraceSummary {
  const start = Math.min(...parts.map((part) => part.start));
  const ends = parts.map((part) => (part.start - start) * 1000 + part.duration);
  const roots = parts.filter((part) => part.root !== null).sort((a, b) => (a.root ?? 0) - (b.root ?? 0));
  const first = roots[0] ?? [...parts].sort((a, b) => a.start - b.start)[0];
  const total = (of: (part: Part) => number) => parts.reduce((sum, part) => sum + of(part), 0);
  return {
    id,
    start: start / 1000,
    duration: Math.max(...ends),
    spans: total((part) => part.spans),
    errors: total((part) => part.errors),
    service: first?.service ?? '',
    operation: first?.first ?? '',
    hasRoot: roots.length > 0,
    services: parts
      .map(({ service, spans, errors }) => ({ name: service, spans, errors }))
      .sort((a, b) => b.spans - a.spans || a.name.localeCompare(b.name)),
    tenant: parts
      .map((part) => part.tenant)
      .filter((tenant) => tenant !== null)
      .sort()
      .at(-1),
  };
}

function comparison({ key, descending }: TraceSort): (a: TraceSummary, b: TraceSummary) => number {
  const value = (trace: TraceSummary) => (key === 'time' ? trace.start : trace[key]);
  const direction = descending ? -1 : 1;
  return (a, b) => direction * (value(a) - value(b)) || b.start - a.start || a.id.localeCompare(b.id);
}

/** As much of a trace as a dot shows. */
export interface TraceDot {
  id: string;
  /** Milliseconds since the epoch. */
  start: number;
  /** Nanoseconds. */
  duration: number;
  spans: number;
  errors: number;
}

export interface TraceSample {
  dots: TraceDot[];
  /** One in how many traces is a dot; those with errors, of which there are few, are told apart. */
  oneIn: number;
  failedOneIn: number;
}

const MOST_DOTS = 1200;
const MOST_FAILED_DOTS = 600;
const SMALLEST_SHARE = 2 ** -24;

/** A fair sample of the matching traces of the whole range, and one of those with errors. */
export async function sampleTraces(
  { interval, filter }: Pick<TracesQuestion, 'interval' | 'filter'>,
  signal?: AbortSignal,
): Promise<TraceSample> {
  const some = await sample({ interval, filter, failedOnly: false, most: MOST_DOTS }, signal);
  if (some.oneIn === 1 || filter.status !== undefined) return { ...some, failedOneIn: some.oneIn };
  const failed = await sample({ interval, filter, failedOnly: true, most: MOST_FAILED_DOTS }, signal);
  const dots = new Map([...some.dots, ...failed.dots].map((dot) => [dot.id, dot]));
  return { dots: [...dots.values()], oneIn: some.oneIn, failedOneIn: Math.min(some.oneIn, failed.oneIn) };
}

interface SampleQuestion {
  interval: Interval;
  filter: TraceFilter;
  failedOnly: boolean;
  most: number;
}

/** Begins with a small share, since nobody knows how many there are, and goes on until the number of dots is fit to look at. */
async function sample({ interval, filter, failedOnly, most }: SampleQuestion, signal?: AbortSignal) {
  const ask = async (share: number): Promise<TraceDot[]> => {
    const sort = { key: 'time', descending: true } as const;
    const question = { slice: interval, margin: marginOf(filter), filter, sort, limit: most + 1, share, failedOnly };
    const rows = await query(rankSql(question), Ranked, { signal });
    return rows.map(({ trace_id, start, ...rest }) => ({ id: trace_id, start: start / 1000, ...rest }));
  };
  let share = failedOnly ? 2 ** -4 : 2 ** -8;
  let dots = await ask(share);
  while (dots.length > most && share > SMALLEST_SHARE) {
    share /= 16;
    dots = await ask(share);
  }
  // Too few: as many more as fit, by what is known now. Ids that are not random may all be in the rest.
  while (dots.length < most / 4 && share < 1) {
    const fitting = 2 ** Math.floor(Math.log2(most / 2 / Math.max(dots.length, 1)));
    const wider = Math.min(1, share * Math.min(64, Math.max(2, fitting)));
    const more = await ask(wider);
    if (more.length > most) break;
    share = wider;
    dots = more;
  }
  return { dots: dots.slice(0, most), oneIn: Math.round(1 / share) };
}
