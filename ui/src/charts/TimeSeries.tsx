import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { resolvedColor } from '~/app/colors';
import { summary } from '~/charts/summary';
import classes from '~/charts/TimeSeries.module.css';
import { timeLabels } from '~/charts/timeAxis';
import { formatInstant, zoneName } from '~/time/format';
import type { Interval } from '~/time/range';

export interface Series {
  label: string;
  /** One item a bucket; null: nothing is known. */
  values: readonly (number | null)[];
  /** Any CSS colour, variables included. */
  color: string;
}

export interface TimeSeriesProps {
  /** What is shown, for those who cannot see it; a summary of the numbers is added. */
  label: string;
  /** When the buckets start, in milliseconds since the epoch. */
  starts: readonly number[];
  series: readonly Series[];
  /** What the axis spans. */
  interval: Interval;
  zone: string;
  height: number;
  format: (value: number) => string;
  /** Part of the time was chosen by dragging. */
  onZoom?: (interval: Interval) => void;
  /** Charts of the same name share the cursor. */
  sync?: string;
}

/** Numbers over time, as steps: each holds for the whole of its bucket. Drag to zoom. */
export default function TimeSeries(props: TimeSeriesProps) {
  const { label, starts, series, interval, zone, height, format } = props;
  const host = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const scheme = useComputedColorScheme('light');
  const names = series.map(({ label, color }) => `${label} ${color}`).join();

  // What the plot calls back with is always of the last rendering, without making the plot anew each time.
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme, the zone, the height and which series there are make another plot; the rest is read from `latest`
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const made = new uPlot(optionsFor(element, latest, readout), dataOf(latest.current), element);
    plot.current = made;
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: latest.current.height });
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [scheme, zone, names, height]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `latest` holds them; these say when to draw again
  useEffect(() => {
    plot.current?.setData(dataOf(latest.current));
  }, [starts, series, interval]);

  return (
    <div className={classes.chart} role="img" aria-label={`${label}. ${summary(series, format)}`}>
      <div ref={host} style={{ height }} />
      <div ref={readout} className={classes.readout} aria-hidden="true" />
    </div>
  );
}

interface Box<T> {
  current: T;
}

/** Seconds, as uPlot wants it; the last step is drawn to the end of the range. */
function dataOf({ starts, series, interval }: TimeSeriesProps): uPlot.AlignedData {
  const times = [...starts.map((start) => Math.max(start, interval.from) / 1000), interval.to / 1000];
  return [times, ...series.map(({ values }) => [...values, values.at(-1) ?? null])];
}

function optionsFor(element: HTMLElement, latest: Box<TimeSeriesProps>, readout: Box<HTMLElement | null>) {
  const { series, zone, height, sync } = latest.current;
  const dim = resolvedColor('var(--mantine-color-dimmed)', element);
  const grid = resolvedColor('var(--mantine-color-default-border)', element);
  const font = '11px system-ui, sans-serif';
  const axis: uPlot.Axis = { stroke: dim, font, ticks: { show: false }, gap: 4 };
  const steps = uPlot.paths.stepped?.({ align: 1 });
  const options: uPlot.Options = {
    width: element.clientWidth || 300,
    height,
    padding: [6, 4, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zoneName(zone)),
    cursor: {
      x: true,
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false },
      ...(sync === undefined ? {} : { sync: { key: sync, setSeries: false } }),
    },
    scales: {
      x: { range: () => [latest.current.interval.from / 1000, latest.current.interval.to / 1000] },
      y: { range: (_, __, highest) => [0, highest > 0 ? highest * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 20,
        space: 56,
        grid: { show: false },
        values: (_, ticks, __, ___, step) => timeLabels(ticks, step, zone),
      },
      {
        ...axis,
        size: 52,
        space: 24,
        grid: { stroke: grid, width: 1 },
        // Zero is the line itself; its label would run into those below.
        values: (_, ticks) => ticks.map((tick) => (tick === 0 ? '' : latest.current.format(tick))),
      },
    ],
    series: [
      {},
      ...series.map(({ label, color }): uPlot.Series => {
        const stroke = resolvedColor(color, element);
        return {
          label,
          stroke,
          width: 1.5,
          fill: translucent(stroke),
          points: { show: false },
          ...(steps && { paths: steps }),
        };
      }),
    ],
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 3) return;
          const from = Math.round(plot.posToVal(left, 'x') * 1000);
          const to = Math.round(plot.posToVal(left + width, 'x') * 1000);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          // Below a second there is nothing to see in a chart of buckets.
          if (to - from >= 1000) latest.current.onZoom?.({ from, to });
        },
      ],
      setCursor: [(plot) => tell(plot, latest.current, readout.current)],
    },
  };
  return options;
}

/** Puts what is under the cursor into words. */
function tell(plot: uPlot, { starts, series, zone, format }: TimeSeriesProps, readout: HTMLElement | null): void {
  if (!readout) return;
  const { left } = plot.cursor;
  const at = left === undefined || left < 0 ? -1 : plot.posToVal(left, 'x') * 1000;
  const index = at < 0 ? -1 : starts.findLastIndex((start) => start <= at);
  const start = starts[Math.max(index, at < 0 ? -1 : 0)];
  if (start === undefined || at < 0) {
    readout.textContent = '';
    return;
  }
  const numbers = series.map(({ label, values }) => {
    const value = values[Math.max(index, 0)];
    const number = value === null || value === undefined ? 'unknown' : format(value);
    return series.length === 1 ? number : `${label} ${number}`;
  });
  readout.textContent = `${formatInstant(start, zone, 'seconds')}  ${numbers.join('  ')}`;
}

/** An eighth of a colour as palette.ts writes it. */
function translucent(color: string): string {
  return /^#[0-9a-f]{6}$/i.test(color) ? `${color}20` : 'transparent';
}
