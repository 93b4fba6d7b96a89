import { useComputedColorScheme } from '@mantine/core';
import { useElementSize, useMergedRef } from '@mantine/hooks';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import { resolvedColor, statusColor } from '~/app/colors';
import { STATUS_ERROR } from '~/data/trace';
import { formatDuration } from '~/format/duration';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { clampWindow, moveWindow, type Window, wholeWindow } from '~/screens/trace/model/window';
import classes from './Minimap.module.css';

interface Props {
  model: TraceModel;
  window: Window;
  onWindow: (window: Window) => void;
}

/** Pixels that the pointer must move before a press is a drag. */
const DRAG = 3;

type Drag =
  /** From a moment on, a new window. */
  | { kind: 'new'; anchor: number; x: number }
  | { kind: 'from' }
  | { kind: 'to' }
  | { kind: 'move'; start: Window; x: number };

/** The whole trace in small, with the window that the waterfall shows. Drag to zoom, drag the window or its edges to move them. */
export function Minimap({ model, window, onWindow }: Props) {
  const { duration } = model.spans;
  const whole = wholeWindow(duration).to;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { ref: sizeRef, width, height } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(box, sizeRef);
  const scheme = useComputedColorScheme();
  const [drag, setDrag] = useState<Drag>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours behind the variables change with the scheme.
  useEffect(() => {
    if (canvas.current && width > 0 && height > 0) draw(canvas.current, model, width, height);
  }, [model, width, height, scheme]);

  const timeAt = (x: number) => {
    const bounds = box.current?.getBoundingClientRect();
    if (!bounds || bounds.width === 0) return 0;
    return Math.min(1, Math.max(0, (x - bounds.left) / bounds.width)) * whole;
  };
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0 || !(event.target instanceof Element)) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const part = event.target.getAttribute('data-part');
    const isWhole = window.from <= 0 && window.to >= whole;
    if (part === 'from' || part === 'to') setDrag({ kind: part });
    else if (part === 'window' && !isWhole) setDrag({ kind: 'move', start: window, x: event.clientX });
    else setDrag({ kind: 'new', anchor: timeAt(event.clientX), x: event.clientX });
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    if (!drag) return;
    const at = timeAt(event.clientX);
    if (drag.kind === 'from') onWindow(clampWindow({ from: Math.min(at, window.to - 1), to: window.to }, duration));
    else if (drag.kind === 'to')
      onWindow(clampWindow({ from: window.from, to: Math.max(at, window.from + 1) }, duration));
    else if (drag.kind === 'move') onWindow(moveWindow(drag.start, at - timeAt(drag.x), duration));
    else if (Math.abs(event.clientX - drag.x) >= DRAG) {
      onWindow(clampWindow({ from: Math.min(at, drag.anchor), to: Math.max(at, drag.anchor) }, duration));
    }
  };
  const onKeyDown = (edge: 'from' | 'to') => (event: KeyboardEvent) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    event.stopPropagation();
    const by = (event.key === 'ArrowLeft' ? -0.01 : 0.01) * whole;
    const moved = { ...window, [edge]: Math.min(whole, Math.max(0, window[edge] + by)) };
    if (moved.to > moved.from) onWindow(clampWindow(moved, duration));
  };

  const left = (window.from / whole) * 100;
  const right = (window.to / whole) * 100;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its two edges are the sliders that keys move.
    <div
      ref={ref}
      className={classes.minimap}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={() => setDrag(undefined)}
      onPointerCancel={() => setDrag(undefined)}
      onDoubleClick={() => onWindow(wholeWindow(duration))}
    >
      <canvas ref={canvas} className={classes.canvas} aria-hidden />
      <div className={classes.outside} style={{ left: 0, width: `${left}%` }} />
      <div className={classes.outside} style={{ left: `${right}%`, right: 0 }} />
      <div className={classes.window} data-part="window" style={{ left: `${left}%`, width: `${right - left}%` }} />
      {(['from', 'to'] as const).map((edge) => (
        <div
          key={edge}
          role="slider"
          tabIndex={0}
          data-part={edge}
          className={classes.edge}
          style={{ left: `${edge === 'from' ? left : right}%` }}
          aria-label={edge === 'from' ? 'Start of the shown time' : 'End of the shown time'}
          aria-valuemin={0}
          aria-valuemax={whole}
          aria-valuenow={window[edge]}
          aria-valuetext={formatDuration(window[edge])}
          onKeyDown={onKeyDown(edge)}
        />
      ))}
    </div>
  );
}

/** Lines of a few spans are drawn no thicker than this (pixels). */
const THICKEST = 5;

function draw(canvas: HTMLCanvasElement, model: TraceModel, width: number, height: number): void {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(scale, scale);
  const { spans, tree } = model;
  const whole = wholeWindow(spans.duration).to;
  const colors = spans.serviceList.map((service) => resolvedColor(model.colorOf(service), canvas));
  const room = (height - 4) / spans.length;
  const thick = Math.max(1, Math.min(THICKEST, room - 0.5));
  const line = (row: number, span: number) => {
    const x = ((spans.offsets[span] ?? 0) / whole) * width;
    context.fillRect(
      x,
      2 + row * Math.min(room, THICKEST + 2),
      Math.max(1, ((spans.durations[span] ?? 0) / whole) * width),
      thick,
    );
  };
  let color = '';
  tree.order.forEach((span, row) => {
    const next = colors[spans.services[span] ?? 0] ?? '';
    // Setting a colour parses it; neighbours often share theirs.
    if (next !== color) context.fillStyle = color = next;
    line(row, span);
  });
  // Errors last, so that none is hidden under its neighbours.
  context.fillStyle = resolvedColor(statusColor('error'), canvas);
  tree.order.forEach((span, row) => {
    if (spans.statuses[span] === STATUS_ERROR) line(row, span);
  });
}
