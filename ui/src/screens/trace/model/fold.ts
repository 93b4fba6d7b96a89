/** Which spans have their children folded away. */

import type { Tree } from '~/screens/trace/model/tree';

/**
 * Folded are all spans from a depth on (`@depth` in an address), except those toggled since, and those toggled besides.
 * That keeps addresses short whatever is folded.
 */
export interface Fold {
  /** Spans at this depth and below are folded; undefined: none. */
  from: number | undefined;
  /** Keys of spans that are otherwise than `from` says. */
  toggled: ReadonlySet<string>;
}

export const NOTHING_FOLDED: Fold = { from: undefined, toggled: new Set() };

/** More than anyone folds by hand; the oldest go first. An address with as many is about 22 KB long. */
export const MOST_TOGGLED = 1000;

export function parseFold(texts: readonly string[]): Fold {
  let from: number | undefined;
  const toggled = new Set<string>();
  for (const text of texts) {
    if (/^@\d{1,6}$/.test(text)) from = Number(text.slice(1));
    else if (/^[0-9a-f]{16}(\.\d+)?$/.test(text) && toggled.size < MOST_TOGGLED) toggled.add(text);
  }
  return { from, toggled };
}

export function writeFold({ from, toggled }: Fold): string[] {
  return [...(from === undefined ? [] : [`@${from}`]), ...toggled];
}

export function isFolded(tree: Tree, fold: Fold, span: number): boolean {
  if ((tree.size[span] ?? 1) === 1) return false;
  const byDepth = fold.from !== undefined && (tree.depth[span] ?? 0) >= fold.from;
  return byDepth !== fold.toggled.has(tree.keys[span] ?? '');
}

export function toggle(tree: Tree, fold: Fold, spans: readonly number[]): Fold {
  const toggled = new Set(fold.toggled);
  for (const span of spans) {
    const key = tree.keys[span] ?? '';
    if (!toggled.delete(key)) toggled.add(key);
  }
  return { from: fold.from, toggled: new Set([...toggled].slice(-MOST_TOGGLED)) };
}

/** Unfolds whatever hides a span. Where that is more than an address can name, all levels above the span are unfolded. */
export function reveal(tree: Tree, fold: Fold, span: number): Fold {
  const hiding: number[] = [];
  for (let up = tree.parent[span] ?? -1; up >= 0; up = tree.parent[up] ?? -1) {
    if (isFolded(tree, fold, up)) hiding.push(up);
  }
  if (hiding.length === 0) return fold;
  if (fold.from === undefined || hiding.length + fold.toggled.size <= MOST_TOGGLED) return toggle(tree, fold, hiding);
  return { from: tree.depth[span] ?? 0, toggled: new Set() };
}

/** The spans that have a row, in order. With `only`, of those just its members and the spans above them. */
export function visibleRows(tree: Tree, fold: Fold, only?: ReadonlySet<number>): Int32Array {
  const kept = only && withAncestors(tree, only);
  const rows = new Int32Array(tree.order.length);
  let count = 0;
  for (let row = 0; row < tree.order.length; ) {
    const span = tree.order[row] ?? 0;
    const size = tree.size[span] ?? 1;
    if (kept && kept[span] === 0) {
      row += size;
      continue;
    }
    rows[count++] = span;
    row += isFolded(tree, fold, span) ? size : 1;
  }
  return rows.subarray(0, count);
}

function withAncestors(tree: Tree, spans: ReadonlySet<number>): Uint8Array {
  const kept = new Uint8Array(tree.order.length);
  for (const span of spans) {
    for (let at = span; at >= 0 && kept[at] === 0; at = tree.parent[at] ?? -1) kept[at] = 1;
  }
  return kept;
}
