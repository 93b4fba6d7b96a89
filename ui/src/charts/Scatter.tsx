import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { type MouseEvent, type PointerEvent, type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { resolvedColor } from '~/app/colors';
import {
  chosenBox,
  type Dot,
  type Drag,
  drawDots,
  layOut,
  nearest,
  type Placed,
  type Zoom,
  zoomOf,
} from '~/charts/dots';
import type { Interval } from '~/time/range';
import classes from './Scatter.module.css';

interface Props<D extends Dot> {
  dots: readonly D[];
  interval: Interval;
  zone: string;
  scale: 'log' | 'linear';
  /** In pixels. */
  height: number;
  /** What the chart shows, in words, for those who do not see it. */
  label: string;
  /** A link to what the dot is, which fills the element around it. */
  link: (dot: D, className: string) => ReactNode;
  /** What is said of the dot under the pointer. */
  words: (dot: D) => ReactNode;
  onZoom: (zoom: Zoom) => void;
  /** The id of a dot to be marked. */
  marked?: string | undefined;
}

/**
 * Dots over time and duration, failed ones as red crosses. A click opens a dot (it is a real link), a drag zooms in. The
 * pointer only adds comfort: everything here stands in the list below as well.
 */
export function Scatter<D extends Dot>(props: Props<D>) {
  const { dots, interval, zone, scale, height, label, link, words, onZoom, marked } = props;
  const { ref: frame, width } = useElementSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useComputedColorScheme('light');
  const [hovered, setHovered] = useState<Placed<D>>();
  const [drag, setDrag] = useState<Drag>();
  const dragged = useRef(false);
  const layout = useMemo(
    () => layOut(dots, { width, height }, { interval, zone, scale }),
    [dots, width, height, interval, zone, scale],
  );
  // What it showed is gone or elsewhere.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `layout` is when, not what.
  useEffect(() => setHovered(undefined), [layout]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what the colours resolve to.
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context || width === 0) return;
    return drawSharp(element, { width, height }, () => {
      const color = (css: string) => resolvedColor(css, element);
      const colors = {
        dot: color('var(--mantine-primary-color-filled)'),
        failed: color('var(--status-error)'),
        grid: color('var(--mantine-color-default-border)'),
        text: color('var(--mantine-color-dimmed)'),
        surface: color('var(--mantine-color-body)'),
      };
      drawDots(context, layout, colors, `11px ${getComputedStyle(element).fontFamily}`);
    });
  }, [layout, width, height, theme]);

  const at = (event: PointerEvent): { x: number; y: number } => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const press = (event: PointerEvent) => {
    dragged.current = false;
    if (event.button !== 0) return;
    const { x, y } = at(event);
    setDrag({ fromX: x, fromY: y, toX: x, toY: y });
  };
  const move = (event: PointerEvent) => {
    const { x, y } = at(event);
    if (!drag) return setHovered(nearest(layout.dots, x, y));
    const next = { ...drag, toX: x, toY: y };
    if (chosenBox(next, layout) && !dragged.current) {
      dragged.current = true;
      setHovered(undefined);
      // From here on the drag may leave the chart; not before, or a dot's link would never be clicked.
      event.currentTarget.setPointerCapture(event.pointerId);
    }
    setDrag(next);
  };
  const release = () => {
    const zoom = drag && zoomOf(drag, layout);
    setDrag(undefined);
    if (zoom) onZoom(zoom);
  };
  const give = () => {
    setDrag(undefined);
    setHovered(undefined);
  };
  // The end of a drag is no click on what happens to be there.
  const click = (event: MouseEvent) => {
    if (!dragged.current) return;
    event.preventDefault();
    event.stopPropagation();
    dragged.current = false;
  };

  const box = drag && chosenBox(drag, layout);
  const mark = hovered ?? layout.dots.find(({ dot }) => dot.id === marked);
  return (
    <div
      ref={frame}
      className={classes.frame}
      style={{ height }}
      onPointerDown={press}
      onPointerMove={move}
      onPointerUp={release}
      onPointerCancel={give}
      onPointerLeave={() => !dragged.current && give()}
      onClickCapture={click}
    >
      <canvas ref={canvas} className={classes.canvas} role="img" aria-label={label} />
      {mark && (
        <div className={classes.mark} style={{ left: mark.x, top: mark.y }}>
          {hovered && link(hovered.dot, classes.link ?? '')}
        </div>
      )}
      {hovered && (
        <div
          className={classes.words}
          style={{
            top: hovered.y > height / 2 ? undefined : hovered.y + 12,
            bottom: hovered.y > height / 2 ? height - hovered.y + 12 : undefined,
            left: hovered.x > width / 2 ? undefined : hovered.x,
            right: hovered.x > width / 2 ? width - hovered.x : undefined,
          }}
        >
          {words(hovered.dot)}
        </div>
      )}
      {box && (
        <div
          className={classes.box}
          style={{ left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top }}
        />
      )}
    </div>
  );
}

/** Draws with one pixel of the canvas for one of the screen, again whenever that changes (zoom, another monitor). */
function drawSharp(canvas: HTMLCanvasElement, { width, height }: { width: number; height: number }, draw: () => void) {
  let query: MediaQueryList | undefined;
  const redraw = () => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.getContext('2d')?.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
    query?.removeEventListener('change', redraw);
    query = window.matchMedia(`(resolution: ${ratio}dppx)`);
    query.addEventListener('change', redraw);
  };
  redraw();
  return () => query?.removeEventListener('change', redraw);
}
