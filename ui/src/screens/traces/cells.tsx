/** Pieces that the table and the cards share. */

import { VisuallyHidden } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import type { Ref } from 'react';
import { Outside } from '~/components/Outside';
import type { TraceSummary } from '~/data/traces';
import { formatCount } from '~/format/number';
import { cut, visibleLine } from '~/format/outside';
import classes from './cells.module.css';

export type ColorOf = (service: string) => string;

interface TraceLinkProps {
  trace: TraceSummary;
  color: ColorOf;
  className: string | undefined;
  /** Of all links of a list, one is reached with Tab; the arrows lead to the others. */
  tabIndex: number;
  ref?: Ref<HTMLAnchorElement> | undefined;
}

/** What a trace is called, and the way to it. */
export function TraceLink({ trace, color, className, tabIndex, ref }: TraceLinkProps) {
  return (
    <Link
      ref={ref}
      to="/traces/$traceId"
      params={{ traceId: trace.id }}
      className={`${classes.link} ${className ?? ''}`}
      tabIndex={tabIndex}
      data-trace={trace.id}
    >
      <span className={classes.mark} style={{ background: color(trace.service) }} aria-hidden />
      <span className={classes.service}>
        <Outside line text={trace.service || '(no service)'} limit={80} />
      </span>
      <span className={classes.operation}>
        <Outside line text={trace.operation || '(no name)'} limit={200} />
      </span>
      {!trace.hasRoot && (
        <span className={classes.rootless} title="The root span is not in the store; this is its earliest span here.">
          root not here
        </span>
      )}
    </Link>
  );
}

const MOST_MARKS = 10;

/** How many services, and a mark of the colour of each. */
export function Services({ trace, color }: { trace: TraceSummary; color: ColorOf }) {
  const { services } = trace;
  const names = services
    .slice(0, 40)
    .map(({ name, spans }) => `${visibleLine(cut(name || '(no service)', 60))} ${formatCount(spans)}`);
  const title = services.length > 40 ? [...names, '…'].join('\n') : names.join('\n');
  return (
    <span className={classes.services} title={title}>
      <span className={classes.count}>
        {formatCount(services.length)}
        <VisuallyHidden>{services.length === 1 ? ' service' : ' services'}</VisuallyHidden>
      </span>
      <span className={classes.marks} aria-hidden>
        {services.slice(0, MOST_MARKS).map(({ name, errors }) => (
          <span
            key={name}
            className={classes.mark}
            data-failed={errors > 0 || undefined}
            style={{ background: color(name) }}
          />
        ))}
        {services.length > MOST_MARKS && <span className={classes.others}>…</span>}
      </span>
    </span>
  );
}

export function Errors({ count }: { count: number }) {
  if (count === 0) return <span className={classes.none}>0</span>;
  return (
    <span className={classes.errors}>
      <IconAlertTriangle size={13} aria-hidden />
      {formatCount(count)}
      <VisuallyHidden>{count === 1 ? ' error' : ' errors'}</VisuallyHidden>
    </span>
  );
}
