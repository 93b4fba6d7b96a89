/** Dots of a scatter chart: where they are, how they are drawn, and which one is meant. All in CSS pixels. */

import { linearScale, logScale, type Scale, SHORTEST, type TimeScale, timeScale } from '~/charts/scale';
import { formatDuration } from '~/format/duration';
import type { Interval } from '~/time/range';

export interface Dot {
  id: string;
  /** Milliseconds since the epoch. */
  start: number;
  /** Nanoseconds. */
  duration: number;
  errors: number;
}

export interface Placed<D extends Dot> {
  dot: D;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Around the plot: labels of durations at the left, of times below. */
const MARGIN = { top: 8, right: 12, bottom: 22, left: 62 };
const CIRCLE = 2 * Math.PI;
const RADIUS = 3;

export interface Layout<D extends Dot> {
  left: number;
  top: number;
  width: number;
  height: number;
  time: TimeScale;
  duration: Scale;
  dots: Placed<D>[];
}

export function layOut<D extends Dot>(
  dots: readonly D[],
  { width, height }: Size,
  { interval, zone, scale }: { interval: Interval; zone: string; scale: 'log' | 'linear' },
): Layout<D> {
  const plot = {
    left: MARGIN.left,
    top: MARGIN.top,
    width: Math.max(1, width - MARGIN.left - MARGIN.right),
    height: Math.max(1, height - MARGIN.top - MARGIN.bottom),
  };
  const durations = dots.map((dot) => dot.duration);
  const time = timeScale(interval, zone, Math.max(2, plot.width / 90));
  const duration = scale === 'log' ? logScale(durations) : linearScale(durations);
  const placed = dots.map((dot) => ({
    dot,
    // A trace may have begun before the range that one of its spans is in.
    x: plot.left + Math.min(1, Math.max(0, time.place(dot.start))) * plot.width,
    y: plot.top + (1 - duration.place(dot.duration)) * plot.height,
  }));
  // Failed ones on top of the others.
  placed.sort((a, b) => Math.sign(a.dot.errors) - Math.sign(b.dot.errors));
  return { ...plot, time, duration, dots: placed };
}

/** The dot nearest to a point, if one is near enough to be meant. */
export function nearest<D extends Dot>(
  dots: readonly Placed<D>[],
  x: number,
  y: number,
  reach = 14,
): Placed<D> | undefined {
  let best: Placed<D> | undefined;
  let least = reach * reach;
  for (const placed of dots) {
    const distance = (placed.x - x) ** 2 + (placed.y - y) ** 2;
    if (distance <= least) {
      least = distance;
      best = placed;
    }
  }
  return best;
}

/** A rectangle being dragged open, from where to where. */
export interface Drag {
  fromX: number;
  fromY: number;
  toX: number;
  toY: number;
}

/** Less than this is a click, or a hand that is not quite steady. */
const STEADY = 6;

export interface Zoom {
  /** Milliseconds since the epoch; nothing: as it is. */
  time?: Interval;
  /** Nanoseconds, `min` 0 where the lower end of the scale was chosen; nothing: as it is. */
  duration?: { min: number; max: number };
}

/** The part of the plot that a drag chooses: a band of time or of durations where it goes one way only. Nothing: no choice. */
export function chosenBox<D extends Dot>(drag: Drag, layout: Layout<D>) {
  const wide = Math.abs(drag.toX - drag.fromX) >= STEADY;
  const high = Math.abs(drag.toY - drag.fromY) >= 3 * STEADY;
  if (!wide && !high) return undefined;
  const right = layout.left + layout.width;
  const bottom = layout.top + layout.height;
  const x = wide ? ends(drag.fromX, drag.toX, layout.left, right) : ([layout.left, right] as const);
  const y = high ? ends(drag.fromY, drag.toY, layout.top, bottom) : ([layout.top, bottom] as const);
  return { wide, high, left: x[0], right: x[1], top: y[0], bottom: y[1] };
}

function ends(one: number, other: number, least: number, most: number): readonly [number, number] {
  const inside = (value: number) => Math.min(most, Math.max(least, value));
  return [inside(Math.min(one, other)), inside(Math.max(one, other))];
}

export function zoomOf<D extends Dot>(drag: Drag, layout: Layout<D>): Zoom | undefined {
  const box = chosenBox(drag, layout);
  if (!box) return undefined;
  const at = (x: number) => Math.round(layout.time.value((x - layout.left) / layout.width));
  const lasting = (y: number) => layout.duration.value(1 - (y - layout.top) / layout.height);
  const from = at(box.left);
  const least = lasting(box.bottom);
  return {
    ...(box.wide ? { time: { from, to: Math.max(from + 1, at(box.right)) } } : {}),
    ...(box.high ? { duration: { min: least < SHORTEST ? 0 : least, max: lasting(box.top) } } : {}),
  };
}

export interface Colors {
  dot: string;
  failed: string;
  grid: string;
  text: string;
  surface: string;
}

export function drawDots<D extends Dot>(
  context: CanvasRenderingContext2D,
  layout: Layout<D>,
  colors: Colors,
  font: string,
) {
  const { left, top, width, height, time, duration, dots } = layout;
  context.lineWidth = 1;
  context.strokeStyle = colors.grid;
  context.fillStyle = colors.text;
  context.font = font;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const tick of duration.ticks) {
    const y = Math.round(top + (1 - duration.place(tick)) * height) + 0.5;
    line(context, left, y, left + width, y);
    context.fillText(formatDuration(tick), left - 8, y);
  }
  context.textBaseline = 'top';
  for (const tick of time.ticks) {
    const x = Math.round(left + time.place(tick) * width) + 0.5;
    line(context, x, top, x, top + height + 4);
    const label = time.label(tick);
    const half = context.measureText(label).width / 2;
    context.textAlign = 'center';
    if (x - half >= 0 && x + half <= left + width + MARGIN.right) context.fillText(label, x, top + height + 7);
  }
  context.globalAlpha = dots.length > 400 ? 0.75 : 0.9;
  context.fillStyle = colors.dot;
  context.beginPath();
  for (const { dot, x, y } of dots) {
    if (dot.errors > 0) continue;
    context.moveTo(x + RADIUS, y);
    context.arc(x, y, RADIUS, 0, CIRCLE);
  }
  context.fill();
  // Failed: another shape, for those who cannot tell the colours apart.
  context.globalAlpha = 1;
  context.strokeStyle = colors.failed;
  context.lineWidth = 2;
  context.beginPath();
  for (const { dot, x, y } of dots) {
    if (dot.errors === 0) continue;
    cross(context, x, y);
  }
  context.stroke();
}

function line(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function cross(context: CanvasRenderingContext2D, x: number, y: number) {
  const arm = RADIUS + 0.5;
  context.moveTo(x - arm, y - arm);
  context.lineTo(x + arm, y + arm);
  context.moveTo(x + arm, y - arm);
  context.lineTo(x - arm, y + arm);
}
