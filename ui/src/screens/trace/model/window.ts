/** The part of a trace's time that is on the screen, and the ticks of its axis. Nanoseconds after the trace's start. */

export interface Window {
  from: number;
  to: number;
}

/** The least that can be zoomed to. */
const NARROWEST = 10;
/** The least share of a trace: a span of 1970 makes one of decades, and numbers have no more digits to tell moments apart. */
const NARROWEST_SHARE = 2 ** -46;

function narrowest(duration: number): number {
  return Math.max(NARROWEST, duration * NARROWEST_SHARE);
}

/** Nothing is drawn of a trace without duration unless its axis has some. */
export function wholeWindow(duration: number): Window {
  return { from: 0, to: Math.max(duration, NARROWEST) };
}

export function parseWindow(text: string | undefined, duration: number): Window {
  const match = /^(\d{1,20})-(\d{1,20})$/.exec(text ?? '');
  if (!match) return wholeWindow(duration);
  return clampWindow({ from: Number(match[1]), to: Number(match[2]) }, duration);
}

/** How a window stands in an address; undefined for the whole trace. */
export function writeWindow(window: Window, duration: number): string | undefined {
  const whole = wholeWindow(duration);
  if (window.from <= whole.from && window.to >= whole.to) return undefined;
  return `${Math.round(window.from)}-${Math.round(window.to)}`;
}

/** The nearest window inside the trace; the whole trace for one that ends before it begins. */
export function clampWindow({ from, to }: Window, duration: number): Window {
  const whole = wholeWindow(duration);
  const size = to - from;
  if (!(size > 0)) return whole;
  if (size >= whole.to) return whole;
  const width = Math.max(narrowest(duration), size);
  const start = Math.min(Math.max(0, from - (width - size) / 2), whole.to - width);
  return { from: start, to: start + width };
}

/** Zooms by `factor` (below 1: in) around a moment, which keeps its place. */
export function zoomAround(window: Window, at: number, factor: number, duration: number): Window {
  return clampWindow({ from: at - (at - window.from) * factor, to: at + (window.to - at) * factor }, duration);
}

export function moveWindow(window: Window, by: number, duration: number): Window {
  return clampWindow({ from: window.from + by, to: window.to + by }, duration);
}

export interface Tick {
  at: number;
  label: string;
}

/** At most `most` ticks at round times, their labels as precise as the distance between them. */
export function ticks(window: Window, most: number): Tick[] {
  const step = roundStep((window.to - window.from) / Math.max(1, most));
  const result: Tick[] = [];
  const first = Math.ceil(window.from / step) * step;
  // By their number, not by the last: a step that is less than the last digit of `first` would never get there.
  for (let count = 0; count <= most; count++) {
    const at = first + count * step;
    if (at > window.to) break;
    if (at !== result.at(-1)?.at) result.push({ at, label: tickLabel(at, step, window.to) });
  }
  return result;
}

function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10;
  return factor * power;
}

const UNITS: [string, number][] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
];

function tickLabel(at: number, step: number, largest: number): string {
  const [unit, size] = UNITS.find(([, size]) => largest >= size) ?? ['ns', 1];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
  return `${(at / size).toFixed(digits)} ${unit}`;
}
