/** Which span each log record belongs to. */

import { spanEnd, type TraceSpans } from '~/data/trace';
import type { TraceLog } from '~/data/traceLogs';
import { Heap } from '~/screens/trace/model/heap';
import type { Tree } from '~/screens/trace/model/tree';

export interface PlacedLog {
  log: TraceLog;
  /** Undefined where no span of its service was running. */
  span: number | undefined;
  /** Whether the record names its span, has it in its line, or was merely written while the span ran. */
  by: 'id' | 'line' | 'time' | 'none';
}

const SPAN_ID = /\b[0-9a-f]{16}\b/g;

/**
 * Puts records where they say they belong; those that do not say, at the innermost span of the same service that was
 * running. The result is ordered by time.
 */
export function placeLogs(spans: TraceSpans, tree: Tree, logs: readonly TraceLog[]): PlacedLog[] {
  const byService = new Map(
    spansByService(spans).map((list, index) => [spans.serviceList[index], running(spans, tree, list)]),
  );
  return logs
    .toSorted((a, b) => a.offset - b.offset)
    .map((log): PlacedLog => {
      const named = tree.byKey.get(log.spanId);
      if (named !== undefined) return { log, span: named, by: 'id' };
      for (const [id] of log.body.matchAll(SPAN_ID)) {
        const written = tree.byKey.get(id);
        if (written !== undefined) return { log, span: written, by: 'line' };
      }
      const span = byService.get(log.service)?.(log.offset);
      return { log, span, by: span === undefined ? 'none' : 'time' };
    });
}

function spansByService(spans: TraceSpans): number[][] {
  const lists: number[][] = spans.serviceList.map(() => []);
  for (let span = 0; span < spans.length; span++) lists[spans.services[span] ?? 0]?.push(span);
  return lists;
}

/**
 * Of `candidates` (by start) the deepest that runs at a moment, of equally deep ones the latest. Moments must be asked for
 * in order: spans are looked at once, when they start, and forgotten when they have ended.
 */
function running(spans: TraceSpans, tree: Tree, candidates: readonly number[]): (at: number) => number | undefined {
  const isAbove = (a: number, b: number) => {
    const depths = (tree.depth[a] ?? 0) - (tree.depth[b] ?? 0);
    return depths > 0 || (depths === 0 && a > b);
  };
  const heap = new Heap(isAbove);
  let next = 0;
  return (at) => {
    for (; next < candidates.length; next++) {
      const span = candidates[next] ?? 0;
      if ((spans.offsets[span] ?? 0) > at) break;
      heap.push(span);
    }
    while (heap.top !== undefined && spanEnd(spans, heap.top) < at) heap.pop();
    return heap.top;
  };
}

/** Records by their span. */
export function logsBySpan(placed: readonly PlacedLog[]): Map<number, PlacedLog[]> {
  const lists = new Map<number, PlacedLog[]>();
  for (const entry of placed) {
    if (entry.span === undefined) continue;
    const list = lists.get(entry.span);
    if (list) list.push(entry);
    else lists.set(entry.span, [entry]);
  }
  return lists;
}
