/** Searching a trace by what the waterfall knows: name, service, kind and status. Attributes are the server's to search. */

import { KINDS, STATUS_ERROR, type TraceSpans } from '~/data/trace';

/** Spans whose name, service, kind, id or status has `text` in it, capitals or not. */
export function findSpans(spans: TraceSpans, text: string): Set<number> {
  const wanted = text.trim().toLowerCase();
  const found = new Set<number>();
  if (!wanted) return found;
  // Each name is looked at once, however many spans have it.
  const has = (value: string) => value.toLowerCase().includes(wanted);
  const names = spans.nameList.map(has);
  const services = spans.serviceList.map(has);
  const kinds = KINDS.map((kind) => kind === wanted);
  const isError = wanted === 'error';
  const isId = /^[0-9a-f]{16}$/.test(wanted);
  for (let span = 0; span < spans.length; span++) {
    if (
      names[spans.names[span] ?? 0] ||
      services[spans.services[span] ?? 0] ||
      kinds[spans.kinds[span] ?? 0] ||
      (isError && spans.statuses[span] === STATUS_ERROR) ||
      (isId && spans.ids[span] === wanted)
    ) {
      found.add(span);
    }
  }
  return found;
}

/**
 * The next of `rows` in `members` after `current` (before it with `step` -1), around the end; undefined when there is none.
 * A `current` without a row counts as being before the first.
 */
export function nextIn(
  rows: ArrayLike<number>,
  members: ReadonlySet<number>,
  current: number | undefined,
  step: 1 | -1,
): number | undefined {
  const { length } = rows;
  if (length === 0 || members.size === 0) return undefined;
  const found = current === undefined ? -1 : Array.prototype.indexOf.call(rows, current);
  const start = found >= 0 ? found : step === 1 ? -1 : 0;
  for (let moved = 1; moved <= length; moved++) {
    const row = (((start + step * moved) % length) + length) % length;
    const span = rows[row];
    if (span !== undefined && members.has(span)) return span;
  }
  return undefined;
}
