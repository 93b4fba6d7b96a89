/** Where the time of a trace went: by span and by service. */

import { STATUS_ERROR, spanEnd, type TraceSpans } from '~/data/trace';
import type { Tree } from '~/screens/trace/model/tree';

/** Nanoseconds that each span spent outside its children: its duration less what children cover, overlaps counted once. */
export function selfTimes(spans: TraceSpans, tree: Tree): Float64Array {
  const self = spans.durations.slice();
  /** Up to where the children seen so far cover their parent. */
  const covered = spans.offsets.slice();
  // Ordered by start, as the sweep needs them.
  for (let span = 0; span < spans.length; span++) {
    const up = tree.parent[span] ?? -1;
    if (up < 0) continue;
    const from = Math.max(spans.offsets[span] ?? 0, covered[up] ?? 0);
    const to = Math.min(spanEnd(spans, span), spanEnd(spans, up));
    if (to <= from) continue;
    self[up] = (self[up] ?? 0) - (to - from);
    covered[up] = to;
  }
  return self;
}

export interface ServiceShare {
  service: string;
  spans: number;
  errors: number;
  /** Its part of the self time of all spans, 0 to 1. */
  share: number;
}

/** The services of a trace, those first that took most of its time. */
export function serviceShares(spans: TraceSpans, self: Float64Array): ServiceShare[] {
  const shares = spans.serviceList.map((service) => ({ service, spans: 0, errors: 0, share: 0 }));
  let all = 0;
  for (let span = 0; span < spans.length; span++) {
    const entry = shares[spans.services[span] ?? 0];
    if (!entry) continue;
    entry.spans++;
    if (spans.statuses[span] === STATUS_ERROR) entry.errors++;
    entry.share += self[span] ?? 0;
    all += self[span] ?? 0;
  }
  for (const entry of shares) entry.share = all > 0 ? entry.share / all : 0;
  return shares.sort((a, b) => b.share - a.share || b.spans - a.spans);
}

/** Spans with an error, in the order of the rows. */
export function errorSpans(spans: TraceSpans, tree: Tree): number[] {
  const errors: number[] = [];
  for (const span of tree.order) if (spans.statuses[span] === STATUS_ERROR) errors.push(span);
  return errors;
}
