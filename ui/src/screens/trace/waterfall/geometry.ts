/** Where things stand on the time axis of a row, in percent of its width. */

import type { Window } from '~/screens/trace/model/window';

export interface Extent {
  left: number;
  width: number;
}

/** The visible part of `from..to`; undefined when none of it is in the window. Moments have no width. */
export function extent(from: number, to: number, window: Window): Extent | undefined {
  if (to < window.from || from > window.to) return undefined;
  const size = window.to - window.from;
  const left = (Math.max(from, window.from) - window.from) / size;
  const right = (Math.min(to, window.to) - window.from) / size;
  return { left: left * 100, width: (right - left) * 100 };
}

/** Pieces closer together than this share of the width are drawn as one. */
const GAP = 0.1;
/** So many things are drawn on one row at most. */
const MOST = 200;

/** The visible parts of many pieces in order of time, those that would run into each other joined. */
export function extents(pieces: readonly [from: number, to: number][], window: Window): Extent[] {
  const result: Extent[] = [];
  for (const [from, to] of pieces) {
    const next = extent(from, to, window);
    if (!next) continue;
    const last = result.at(-1);
    const isNear = last && next.left - (last.left + last.width) < GAP;
    if (last && (isNear || result.length >= MOST))
      last.width = Math.max(last.width, next.left + next.width - last.left);
    else result.push(next);
  }
  return result;
}

/** Where the duration is written: beside the bar where there is room, else on it. */
export function labelSide({ left, width }: Extent): 'right' | 'left' | 'inside' {
  if (left + width <= 82) return 'right';
  if (left >= 18) return 'left';
  return 'inside';
}
