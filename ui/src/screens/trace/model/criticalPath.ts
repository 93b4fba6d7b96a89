/**
 * The critical path: what the trace was waiting for at each moment. Making anything else faster would not have made the
 * trace shorter.
 *
 * Walks back from the end of the trace. The moment belongs to the span whose *subtree* finished last before it, and inside
 * that subtree to its own child that did, and so on down; where no child was running, to the span itself. Reaching the
 * start of a child, the walk goes on in its parent from that moment with the last child that had finished by then. A child
 * that was still running at that moment was not waited for and is left out with all below it.
 *
 * The end of a subtree instead of the span's own end is what makes it right for work that outlives its parent (messages,
 * background tasks): the path follows that work to the end of the trace. Time between a parent's end and the start of such
 * work (a queue, say) belongs to no span.
 *
 * Each span is entered at most once; sorting children by their ends makes it O(n log n).
 */

import { spanEnd, type TraceSpans } from '~/data/trace';
import type { Tree } from '~/screens/trace/model/tree';

/** The pieces of the path, by span. Times are nanoseconds after the trace's start. */
export interface CriticalPath {
  /** The pieces of each span that is on the path, in order of time. */
  pieces: Map<number, [from: number, to: number][]>;
  /** Time that belongs to spans. */
  duration: number;
}

export function criticalPath(spans: TraceSpans, tree: Tree): CriticalPath {
  const ends = subtreeEnds(spans, tree);
  const { starts, list } = childrenByEnd(tree, ends);
  const pieces: CriticalPath['pieces'] = new Map();
  let duration = 0;

  const own = (span: number, from: number, to: number) => {
    const end = Math.min(to, spanEnd(spans, span));
    const start = Math.max(from, spans.offsets[span] ?? 0);
    if (end <= start) return;
    duration += end - start;
    const known = pieces.get(span);
    if (known) known.push([start, end]);
    else pieces.set(span, [[start, end]]);
  };

  let now = spans.duration;
  // The virtual root (the last entry of `starts`) has the roots as its children.
  const path = [spans.length];
  const next = starts.slice();
  while (path.length > 0) {
    const span = path.at(-1) ?? 0;
    const isVirtual = span === spans.length;
    const begin = isVirtual ? 0 : (spans.offsets[span] ?? 0);
    const child = takeChild(span, now, begin);
    if (child >= 0) {
      const end = ends[child] ?? 0;
      if (!isVirtual) own(span, end, now);
      now = end;
      path.push(child);
      continue;
    }
    if (!isVirtual) {
      own(span, begin, now);
      now = Math.min(now, begin);
    }
    path.pop();
  }
  for (const list of pieces.values()) list.reverse();
  return { pieces, duration };

  /** The child of `span` that finished last at or before `now` and after `begin`; -1 without one. */
  function takeChild(span: number, now: number, begin: number): number {
    const last = starts[span + 1] ?? 0;
    for (let at = next[span] ?? 0; at < last; at++) {
      const child = list[at] ?? 0;
      const end = ends[child] ?? 0;
      if (end > now) continue;
      next[span] = at + 1;
      return end < begin ? -1 : child;
    }
    next[span] = last;
    return -1;
  }
}

/** When the last span of each subtree ends. */
function subtreeEnds(spans: TraceSpans, tree: Tree): Float64Array {
  const ends = new Float64Array(spans.length);
  for (let row = spans.length - 1; row >= 0; row--) {
    const span = tree.order[row] ?? 0;
    ends[span] = Math.max(ends[span] ?? 0, spanEnd(spans, span));
    const up = tree.parent[span] ?? -1;
    if (up >= 0) ends[up] = Math.max(ends[up] ?? 0, ends[span] ?? 0);
  }
  return ends;
}

/** Children of every span, the last to end first: those of `span` are `list[starts[span]..starts[span + 1]]`; the roots come as children of span n. */
function childrenByEnd(tree: Tree, ends: Float64Array): { starts: Int32Array; list: Int32Array } {
  const { length } = ends;
  const byEnd = new Int32Array(length).map((_, span) => span);
  byEnd.sort((a, b) => (ends[b] ?? 0) - (ends[a] ?? 0) || b - a);
  const starts = new Int32Array(length + 2);
  const owner = (span: number) => {
    const up = tree.parent[span] ?? -1;
    return up < 0 ? length : up;
  };
  for (let span = 0; span < length; span++) {
    const at = owner(span) + 1;
    starts[at] = (starts[at] ?? 0) + 1;
  }
  for (let at = 1; at < starts.length; at++) starts[at] = (starts[at] ?? 0) + (starts[at - 1] ?? 0);
  const fill = starts.slice();
  const list = new Int32Array(length);
  for (const span of byEnd) {
    const up = owner(span);
    const at = fill[up] ?? 0;
    list[at] = span;
    fill[up] = at + 1;
  }
  return { starts, list };
}
