import { describe, expect, it } from 'vitest';
import { MARKS, type Pair, STATES, SURFACES } from '~/app/palette';

type Triple = readonly [number, number, number];

function linear(hex: string): Triple {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

/** WCAG 2.2's contrast ratio. */
function contrast(a: string, b: string): number {
  const luminance = (hex: string) => {
    const [red, green, blue] = linear(hex);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

function multiply(matrix: readonly Triple[], [x, y, z]: Triple): Triple {
  const [a = 0, b = 0, c = 0] = matrix.map((row) => row[0] * x + row[1] * y + row[2] * z);
  return [a, b, c];
}

/** Björn Ottosson's OKLab, from linear sRGB. */
function oklab(color: Triple): Triple {
  const [l, m, s] = multiply(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    color,
  );
  return multiply(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    [Math.cbrt(l), Math.cbrt(m), Math.cbrt(s)],
  );
}

const NORMAL: readonly Triple[] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];
/** Machado, Oliveira and Fernandes 2009, severity 1. */
const PROTANOPIA: readonly Triple[] = [
  [0.152286, 1.052583, -0.204868],
  [0.114503, 0.786281, 0.099216],
  [-0.003882, -0.048116, 1.051998],
];
const DEUTERANOPIA: readonly Triple[] = [
  [0.367322, 0.860646, -0.227968],
  [0.280085, 0.672501, 0.047413],
  [-0.01182, 0.04294, 0.968881],
];

function seen(hex: string, as: readonly Triple[]): Triple {
  const [red, green, blue] = multiply(as, linear(hex));
  const clamp = (value: number) => Math.min(1, Math.max(0, value));
  return oklab([clamp(red), clamp(green), clamp(blue)]);
}

function distance(a: string, b: string, as: readonly Triple[]): number {
  const [x, y] = [seen(a, as), seen(b, as)];
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
}

const themes: (keyof Pair)[] = ['light', 'dark'];

describe.each(themes)('in the %s theme', (theme) => {
  const marks = MARKS.map((mark) => mark[theme]);

  it('marks stand out from every surface', () => {
    for (const mark of marks) {
      for (const surface of SURFACES[theme]) {
        expect(contrast(mark, surface), `${mark} on ${surface}`).toBeGreaterThanOrEqual(3);
      }
    }
  });

  it('words of a state can be read on every surface', () => {
    for (const [name, state] of Object.entries(STATES)) {
      for (const surface of SURFACES[theme]) {
        expect(contrast(state[theme], surface), `${name} on ${surface}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  });

  it.each([
    ['normally', NORMAL, 0.09],
    ['with protanopia', PROTANOPIA, 0.05],
    ['with deuteranopia', DEUTERANOPIA, 0.05],
  ] as const)('marks differ from each other and from errors, seen %s', (_, as, least) => {
    const all = [...marks, STATES.error[theme]];
    for (const [index, mark] of all.entries()) {
      for (const other of all.slice(index + 1)) {
        expect(distance(mark, other, as), `${mark} and ${other}`).toBeGreaterThanOrEqual(least);
      }
    }
  });
});
