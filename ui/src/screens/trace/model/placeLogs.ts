/** Which span each log record belongs to. */

import { spanEnd, type TraceSpans } from '~/data/trace';
import type { TraceLog } from '~/data/traceLogs';
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
  const byService = spansByService(spans);
  return logs
    .toSorted((a, b) => a.offset - b.offset)
    .map((log): PlacedLog => {
      const named = tree.byKey.get(log.spanId);
      if (named !== undefined) return { log, span: named, by: 'id' };
      for (const [id] of log.body.matchAll(SPAN_ID)) {
        const written = tree.byKey.get(id);
        if (written !== undefined) return { log, span: written, by: 'line' };
      }
      const span = innermost(spans, tree, byService.get(log.service) ?? [], log.offset);
      return { log, span, by: span === undefined ? 'none' : 'time' };
    });
}

function spansByService(spans: TraceSpans): Map<string, number[]> {
  const lists: number[][] = spans.serviceList.map(() => []);
  for (let span = 0; span < spans.length; span++) lists[spans.services[span] ?? 0]?.push(span);
  return new Map(spans.serviceList.map((service, index) => [service, lists[index] ?? []]));
}

/** Of `candidates` (by start) the deepest that covers the moment, of equally deep ones the latest. */
function innermost(spans: TraceSpans, tree: Tree, candidates: number[], at: number): number | undefined {
  let found: number | undefined;
  for (const span of candidates) {
    if ((spans.offsets[span] ?? 0) > at) break;
    if (spanEnd(spans, span) < at) continue;
    if (found === undefined || (tree.depth[span] ?? 0) >= (tree.depth[found] ?? 0)) found = span;
  }
  return found;
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
