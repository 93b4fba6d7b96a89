/** What keys do in the waterfall, as in any tree: up and down move, left folds or goes to the parent, right unfolds or goes in. */

import { type Fold, isFolded } from '~/screens/trace/model/fold';
import type { Tree } from '~/screens/trace/model/tree';

export type Move = { select: number } | { toggle: number };

/** What `key` asks for; undefined if nothing. `page` is how many rows are in sight. */
export function moved(
  key: string,
  tree: Tree,
  rows: Int32Array,
  fold: Fold,
  selected: number | undefined,
  page: number,
): Move | undefined {
  const last = rows.length - 1;
  if (last < 0) return undefined;
  const row = selected === undefined ? -1 : rows.indexOf(selected);
  const to = (row: number): Move => ({ select: rows[Math.min(last, Math.max(0, row))] ?? 0 });
  switch (key) {
    case 'ArrowDown':
      return to(row + 1);
    case 'ArrowUp':
      return to(row < 0 ? 0 : row - 1);
    case 'PageDown':
      return to(row + page);
    case 'PageUp':
      return to(row - page);
    case 'Home':
      return to(0);
    case 'End':
      return to(last);
    default:
  }
  if (selected === undefined || row < 0) return key === 'Enter' ? to(0) : undefined;
  const hasChildren = (tree.size[selected] ?? 1) > 1;
  const folded = isFolded(tree, fold, selected);
  switch (key) {
    case 'ArrowRight':
      if (!hasChildren) return undefined;
      if (folded) return { toggle: selected };
      // A filter may have left none of its children.
      return tree.parent[rows[row + 1] ?? -1] === selected ? to(row + 1) : undefined;
    case 'ArrowLeft': {
      if (hasChildren && !folded) return { toggle: selected };
      const parent = tree.parent[selected] ?? -1;
      return parent < 0 ? undefined : { select: parent };
    }
    case 'Enter':
    case ' ':
      return hasChildren ? { toggle: selected } : undefined;
    default:
      return undefined;
  }
}
