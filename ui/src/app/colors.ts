/** Colours of data, as CSS that follows the theme. The values are in palette.ts. */

import type { CSSVariablesResolver } from '@mantine/core';
import { MARKS, type Pair, STATES } from '~/app/palette';

/**
 * A colour for each of `names`, the same wherever the same names are shown: every name has a place of its own in the
 * palette, and only one that finds it taken moves to the next free place. Colours repeat once there are more names than colours.
 */
export function serviceColors(names: readonly string[]): (name: string) => string {
  const places = new Map<string, number>();
  let taken = new Set<number>();
  const take = (name: string, place: number) => {
    places.set(name, place);
    taken.add(place);
    if (taken.size === MARKS.length) taken = new Set();
  };
  const sorted = [...new Set(names)].sort();
  for (const name of sorted) {
    if (!taken.has(placeOf(name))) take(name, placeOf(name));
  }
  for (const name of sorted) {
    if (places.has(name)) continue;
    let place = placeOf(name);
    while (taken.has(place)) place = (place + STEP) % MARKS.length;
    take(name, place);
  }
  return (name) => `var(--mark-${places.get(name) ?? placeOf(name)})`;
}

/** To a place of quite another hue; has no divisor in common with the number of places. */
const STEP = 7;

/** FNV-1a. */
function placeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash % MARKS.length;
}

export type Status = keyof typeof STATES;

/** For text and marks. */
export function statusColor(status: Status): string {
  return `var(--status-${status})`;
}

/** What `css` is at an element, for a canvas, which knows no variables. Changes with the theme. */
export function resolvedColor(css: string, element: Element): string {
  const name = /^var\((--[\w-]+)\)$/.exec(css)?.[1];
  return name ? getComputedStyle(element).getPropertyValue(name).trim() : css;
}

/** The variables behind it all, and Mantine's own where they lack contrast. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: variables('light'),
  dark: variables('dark'),
});

function variables(theme: keyof Pair): Record<string, string> {
  const marks = MARKS.map((mark, index) => [`--mark-${index}`, mark[theme]]);
  const states = Object.entries(STATES).map(([status, pair]) => [`--status-${status}`, pair[theme]]);
  return {
    ...Object.fromEntries([...marks, ...states]),
    '--mantine-color-dimmed': STATES.unset[theme],
    '--mantine-color-placeholder': STATES.unset[theme],
    '--mantine-color-error': STATES.error[theme],
  };
}
