/** Traces for tests, written as rows of what matters in them. */

import type { TraceSpans } from '~/data/trace';

export interface TestSpan {
  /** Hexadecimal; filled up with zeros to an id. */
  id: string;
  parent?: string;
  at: number;
  lasts: number;
  service?: string;
  name?: string;
  kind?: number;
  status?: number;
}

export const TRACE_ID = '5b8efff798038103d269b633813fc60c';
/** 2026-01-02 03:04:05 UTC. */
export const START = 1_767_323_045_000;

export const spanId = (text: string) => text.padStart(16, '0');

/** Columns as `fetchTrace` gives them: in the order of the server. */
export function testTrace(rows: readonly TestSpan[], start = START): TraceSpans {
  const sorted = rows.toSorted((a, b) => a.at - b.at || b.lasts - a.lasts);
  const nameList = [...new Set(sorted.map(({ id, name }) => name ?? id))];
  const serviceList = [...new Set(sorted.map(({ service }) => service ?? 'shop'))];
  const nameAt = new Map(nameList.map((name, index) => [name, index]));
  const serviceAt = new Map(serviceList.map((service, index) => [service, index]));
  return {
    traceId: TRACE_ID,
    length: sorted.length,
    total: sorted.length,
    start,
    startNano: BigInt(start) * 1_000_000n,
    duration: sorted.reduce((end, { at, lasts }) => Math.max(end, at + lasts), 0),
    ids: sorted.map(({ id }) => spanId(id)),
    parents: sorted.map(({ parent }) => (parent === undefined ? '' : spanId(parent))),
    offsets: Float64Array.from(sorted, ({ at }) => at),
    durations: Float64Array.from(sorted, ({ lasts }) => lasts),
    names: Uint32Array.from(sorted, ({ id, name }) => nameAt.get(name ?? id) ?? 0),
    nameList,
    services: Uint32Array.from(sorted, ({ service }) => serviceAt.get(service ?? 'shop') ?? 0),
    serviceList,
    kinds: Uint8Array.from(sorted, ({ kind }) => kind ?? 1),
    statuses: Uint8Array.from(sorted, ({ status }) => status ?? 0),
    events: new Uint32Array(sorted.length),
    links: new Uint32Array(sorted.length),
  };
}

/** Each span the child of the one before. */
export function chain(length: number): TraceSpans {
  return testTrace(
    Array.from({ length }, (_, index) => ({
      id: (index + 1).toString(16),
      ...(index > 0 && { parent: index.toString(16) }),
      at: index,
      lasts: 2 * (length - index),
    })),
  );
}

/** The same numbers from 0 to 1 in every run. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Spans of any shape: orphans, circles, twins, moments, clocks that differ. */
export function anyTrace(seed: number, length = 60): TraceSpans {
  const next = random(seed);
  const pick = (most: number) => Math.floor(next() * most);
  return testTrace(
    Array.from({ length }, () => ({
      id: (pick(length) + 1).toString(16),
      ...(next() < 0.9 && { parent: (pick(length * 1.1) + 1).toString(16) }),
      at: pick(100),
      lasts: next() < 0.2 ? 0 : pick(60),
      service: `service ${pick(3)}`,
      status: pick(3),
    })),
  );
}
