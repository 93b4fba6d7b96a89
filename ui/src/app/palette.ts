/**
 * The colours of data, per theme. Everything here is held by palette.test.ts: contrast against the surfaces, distance from
 * each other, for people with red-green blindness too.
 */

export interface Pair {
  light: string;
  dark: string;
}

/** What colours of data stand on: the page, and striped or raised rows. */
export const SURFACES = { light: ['#ffffff', '#f8f9fa'], dark: ['#242424', '#2e2e2e'] } as const;

/**
 * Sixteen marks for services, in the order of their hue. Found by annealing: the least distance in OKLab between any two,
 * seen normally and with simulated protanopia and deuteranopia, as large as calm colours allow; the reds of errors left out.
 */
export const MARKS: readonly Pair[] = [
  { light: '#951949', dark: '#bd949d' },
  { light: '#733204', dark: '#cb5e09' },
  { light: '#c77902', dark: '#fba131' },
  { light: '#746948', dark: '#ffd343' },
  { light: '#127200', dark: '#9cf090' },
  { light: '#20a353', dark: '#3da75f' },
  { light: '#3d896d', dark: '#10d8a1' },
  { light: '#275146', dark: '#b6e3d6' },
  { light: '#0f729d', dark: '#1886b7' },
  { light: '#1994e9', dark: '#9cb9d4' },
  { light: '#00409b', dark: '#7a9acc' },
  { light: '#4d50b8', dark: '#6b73de' },
  { light: '#7b65d1', dark: '#a18dfd' },
  { light: '#662875', dark: '#f3c4ff' },
  { light: '#b675c2', dark: '#f09cff' },
  { light: '#825178', dark: '#bb59aa' },
];

/** Good enough to be text. Never the only sign: an icon or a word stands beside it. */
export const STATES = {
  error: { light: '#c92a2a', dark: '#ff6b6b' },
  warning: { light: '#8a5300', dark: '#ffb84d' },
  ok: { light: '#1b7a43', dark: '#62d68d' },
  unset: { light: '#5c636a', dark: '#a8a8a8' },
} as const satisfies Record<string, Pair>;
