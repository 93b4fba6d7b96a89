import { SegmentedControl } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { Zoom } from '~/charts/dots';
import { Scatter } from '~/charts/Scatter';
import { Failure, Loading } from '~/components/states';
import type { TraceDot, TraceSample } from '~/data/traces';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import { formatInstant } from '~/time/format';
import type { Interval } from '~/time/range';
import type { Scale } from './question';
import classes from './TraceScatter.module.css';
import type { Dots } from './useTraces';

interface Props {
  dots: Dots | undefined;
  /** The question for a sample, where one is asked. */
  query: UseQueryResult<TraceSample>;
  interval: Interval;
  zone: string;
  scale: Scale;
  marked: string | undefined;
  /** What a trace is called, where that is known. */
  nameOf: (id: string) => { service: string; operation: string } | undefined;
  onScale: (scale: Scale) => void;
  onZoom: (zoom: Zoom) => void;
}

const HEIGHT = 190;

/** Durations of traces over time. */
export function TraceScatter({ dots, query, interval, zone, scale, marked, nameOf, onScale, onZoom }: Props) {
  const shown = dots?.dots;
  const label = useMemo(() => summary(shown ?? []), [shown]);
  const link = useCallback(
    (dot: TraceDot, className: string) => (
      <Link
        to="/traces/$traceId"
        params={{ traceId: dot.id }}
        className={className}
        draggable={false}
        tabIndex={-1}
        aria-label={`Trace of ${formatInstant(dot.start, zone, 'millis')}`}
      />
    ),
    [zone],
  );
  const words = useCallback(
    (dot: TraceDot) => {
      const name = nameOf(dot.id);
      return (
        <>
          {name && (
            <div className={classes.name}>
              <bdi>{name.service}</bdi> <bdi>{name.operation}</bdi>
            </div>
          )}
          <div>
            {formatDuration(dot.duration)}, {formatCount(dot.spans)} {dot.spans === 1 ? 'span' : 'spans'}
            {dot.errors > 0 && (
              <span className={classes.failed}>
                , {formatCount(dot.errors)} {dot.errors === 1 ? 'error' : 'errors'}
              </span>
            )}
          </div>
          <div className={classes.time}>{formatInstant(dot.start, zone, 'millis')}</div>
        </>
      );
    },
    [nameOf, zone],
  );
  return (
    <section aria-label="Durations over time">
      <div className={classes.line}>
        <p className={classes.legend}>
          <span className={classes.dot} aria-hidden /> trace
          <span className={classes.cross} aria-hidden>
            ×
          </span>{' '}
          with errors
          {dots && <span className={classes.share}>{wordsFor(dots)}</span>}
        </p>
        <SegmentedControl
          size="xs"
          aria-label="Scale of durations"
          value={scale}
          data={[
            { value: 'log', label: 'Log' },
            { value: 'linear', label: 'Linear' },
          ]}
          onChange={(value) => onScale(value === 'linear' ? 'linear' : 'log')}
        />
      </div>
      {query.error && !dots && <Failure error={query.error} retry={query.refetch} retrying={query.isFetching} />}
      {!query.error && !dots && <Loading height={HEIGHT} label="Asking for durations" />}
      {dots && (
        <Scatter
          dots={dots.dots}
          interval={interval}
          zone={zone}
          scale={scale}
          height={HEIGHT}
          label={label}
          marked={marked}
          link={link}
          words={words}
          onZoom={onZoom}
        />
      )}
    </section>
  );
}

function wordsFor({ dots, oneIn, failedOneIn, whole }: Dots): string {
  if (whole) return dots.length === 1 ? 'the one that matches' : `all ${formatCount(dots.length)} that match`;
  if (oneIn === 1) return `${formatCount(dots.length)} traces`;
  const failed =
    failedOneIn === oneIn
      ? ''
      : failedOneIn === 1
        ? ', every one with errors'
        : `, 1 in ${formatCount(failedOneIn)} with errors`;
  return `a sample: 1 in ${formatCount(oneIn)}${failed}`;
}

function summary(dots: readonly TraceDot[]): string {
  if (dots.length === 0) return 'Durations of traces over time: none.';
  const durations = dots.map((dot) => dot.duration).sort((a, b) => a - b);
  const at = (share: number) => formatDuration(durations[Math.floor(share * (durations.length - 1))] ?? 0);
  const failed = dots.filter((dot) => dot.errors > 0).length;
  return `Durations of ${formatCount(dots.length)} traces over time, from ${at(0)} to ${at(1)}, half of them below ${at(0.5)}; ${formatCount(failed)} with errors. The list below has them as text.`;
}
