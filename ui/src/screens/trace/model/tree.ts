/** The tree that the spans of a trace make by their parents' ids. Takes whatever comes: holes, cycles, twins, skewed clocks. */

import { STATUS_ERROR, spanEnd, type TraceSpans } from '~/data/trace';

/** What is odd about a span; bits of `Tree.marks`. */
export const Mark = {
  /** Its parent is not in the trace: dropped, sampled away, or still on its way. Stands at the top level. */
  orphan: 1,
  /** It is its own ancestor. The circle is cut at its earliest span, which stands at the top level. */
  cycle: 2,
  /** Another span has the same id; children hang under the first. */
  twin: 4,
  /** It starts before its parent does: clocks differ. */
  early: 8,
  /** It ends after its parent did: work that nobody waited for, or clocks that differ. */
  late: 16,
} as const;

/** By span (an index into the columns of TraceSpans) unless said otherwise. */
export interface Tree {
  /** -1 at the top level. */
  parent: Int32Array;
  /** 0 at the top level. */
  depth: Int32Array;
  /** Spans in the subtree, itself included. */
  size: Int32Array;
  /** Spans with an error below it, itself not included. */
  errorsBelow: Int32Array;
  marks: Uint8Array;
  /** All spans, parents before their children, siblings by start: the rows of a waterfall with nothing folded. */
  order: Int32Array;
  /** Where a span stands in `order`. */
  place: Int32Array;
  roots: number[];
  maxDepth: number;
  /** A span by the text that names it in an address; see [[spanKey]]. */
  byKey: Map<string, number>;
  keys: string[];
}

export function buildTree(spans: TraceSpans): Tree {
  const { length } = spans;
  const marks = new Uint8Array(length);
  const { byKey, keys, byId } = name(spans, marks);
  const parent = new Int32Array(length).fill(-1);
  for (let span = 0; span < length; span++) {
    const id = spans.parents[span];
    if (!id) continue;
    const found = byId.get(id);
    if (found === undefined) mark(marks, span, Mark.orphan);
    else parent[span] = found;
  }
  cutCycles(parent, marks);

  const { order, place, depth, roots, maxDepth } = walk(parent);
  const size = new Int32Array(length).fill(1);
  const errorsBelow = new Int32Array(length);
  for (let row = length - 1; row >= 0; row--) {
    const span = order[row] ?? 0;
    const up = parent[span] ?? -1;
    if (up < 0) continue;
    size[up] = (size[up] ?? 0) + (size[span] ?? 0);
    errorsBelow[up] =
      (errorsBelow[up] ?? 0) + (errorsBelow[span] ?? 0) + (spans.statuses[span] === STATUS_ERROR ? 1 : 0);
    if ((spans.offsets[span] ?? 0) < (spans.offsets[up] ?? 0)) mark(marks, span, Mark.early);
    if (spanEnd(spans, span) > spanEnd(spans, up)) mark(marks, span, Mark.late);
  }
  return { parent, depth, size, errorsBelow, marks, order, place, roots, maxDepth, byKey, keys };
}

function mark(marks: Uint8Array, span: number, bit: number): void {
  marks[span] = (marks[span] ?? 0) | bit;
}

/** The name of each span in addresses: its id; twins have `.2`, `.3`, … after it. */
function name(spans: TraceSpans, marks: Uint8Array) {
  const byId = new Map<string, number>();
  const byKey = new Map<string, number>();
  const counts = new Map<string, number>();
  const keys = spans.ids.map((id, span) => {
    const first = byId.get(id);
    if (first === undefined) {
      byId.set(id, span);
      byKey.set(id, span);
      return id;
    }
    mark(marks, first, Mark.twin);
    mark(marks, span, Mark.twin);
    const count = (counts.get(id) ?? 1) + 1;
    counts.set(id, count);
    const key = `${id}.${count}`;
    byKey.set(key, span);
    return key;
  });
  return { byId, byKey, keys };
}

const NEW = 0;
const ON_THE_WAY = 1;
const DONE = 2;

/** Makes the earliest span of each circle a root. Every span is walked over once. */
function cutCycles(parent: Int32Array, marks: Uint8Array): void {
  const state = new Uint8Array(parent.length);
  for (let span = 0; span < parent.length; span++) {
    let at = span;
    while (at >= 0 && state[at] === NEW) {
      state[at] = ON_THE_WAY;
      at = parent[at] ?? -1;
    }
    const isCycle = at >= 0 && state[at] === ON_THE_WAY;
    for (let done = span; done >= 0 && state[done] === ON_THE_WAY; done = parent[done] ?? -1) state[done] = DONE;
    if (!isCycle) continue;
    let earliest = at;
    let member = at;
    do {
      mark(marks, member, Mark.cycle);
      earliest = Math.min(earliest, member);
      member = parent[member] ?? -1;
    } while (member !== at);
    parent[earliest] = -1;
  }
}

/** Spans are ordered by start, so children taken in the order of their indices are, too. */
function walk(parent: Int32Array) {
  const { length } = parent;
  const firstChild = new Int32Array(length).fill(-1);
  const nextSibling = new Int32Array(length).fill(-1);
  const roots: number[] = [];
  for (let span = length - 1; span >= 0; span--) {
    const up = parent[span] ?? -1;
    if (up < 0) {
      roots.push(span);
      continue;
    }
    nextSibling[span] = firstChild[up] ?? -1;
    firstChild[up] = span;
  }
  roots.reverse();

  const order = new Int32Array(length);
  const place = new Int32Array(length);
  const depth = new Int32Array(length);
  let maxDepth = 0;
  let row = 0;
  for (const root of roots) {
    // No recursion: a trace may be as deep as it has spans.
    let span = root;
    while (span >= 0) {
      order[row] = span;
      place[span] = row++;
      const up = parent[span] ?? -1;
      const level = up < 0 ? 0 : (depth[up] ?? 0) + 1;
      depth[span] = level;
      maxDepth = Math.max(maxDepth, level);
      let next = firstChild[span] ?? -1;
      while (next < 0 && span >= 0 && span !== root) {
        next = nextSibling[span] ?? -1;
        if (next < 0) span = parent[span] ?? -1;
      }
      span = next;
    }
  }
  return { order, place, depth, roots, maxDepth };
}

/** All spans with an id: one, or twins. */
export function spansOfId({ byKey }: Tree, id: string): number[] {
  const spans: number[] = [];
  for (let key = id, span = byKey.get(key); span !== undefined; span = byKey.get(key)) {
    spans.push(span);
    key = `${id}.${spans.length + 1}`;
  }
  return spans;
}

/** The spans right below one, by start. */
export function childrenOf(tree: Tree, span: number): number[] {
  const children: number[] = [];
  const start = tree.place[span] ?? 0;
  const end = start + (tree.size[span] ?? 1);
  for (let row = start + 1; row < end; ) {
    const child = tree.order[row] ?? 0;
    children.push(child);
    row += tree.size[child] ?? 1;
  }
  return children;
}

export function hasMark(tree: Tree, span: number, bit: number): boolean {
  return ((tree.marks[span] ?? 0) & bit) !== 0;
}
