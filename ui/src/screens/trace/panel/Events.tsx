import { Outside } from '~/components/Outside';
import type { Span, SpanEvent } from '~/data/span';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import { Attributes } from '~/screens/trace/panel/Attributes';
import { Exception } from '~/screens/trace/panel/Exception';
import classes from './Panel.module.css';

const MOST = 200;

/** What the span recorded along its way: on a line of its time, and one by one. */
export function Events({ span, duration }: { span: Span; duration: number }) {
  const shown = span.events.slice(0, MOST);
  if (shown.length === 0) {
    return (
      <p className={classes.quiet}>
        This span has no events.{span.dropped.events > 0 && ` The sender dropped ${formatCount(span.dropped.events)}.`}
      </p>
    );
  }
  return (
    <>
      <div className={classes.moments} aria-hidden>
        {shown.map((event, index) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes.
            key={index}
            className={event.name === 'exception' ? classes.momentError : classes.moment}
            style={{ left: `${position(event, duration)}%` }}
          />
        ))}
      </div>
      <div className={classes.momentLabels}>
        <span>0</span>
        <span>{formatDuration(duration)}</span>
      </div>
      <ol className={classes.events}>
        {shown.map((event, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes.
          <li key={index}>{event.name === 'exception' ? <ExceptionEvent event={event} /> : <Event event={event} />}</li>
        ))}
      </ol>
      {span.events.length > shown.length && (
        <p className={classes.quiet}>{formatCount(span.events.length - shown.length)} more are in the JSON.</p>
      )}
      {span.dropped.events > 0 && (
        <p className={classes.quiet}>The sender dropped {formatCount(span.dropped.events)} events.</p>
      )}
    </>
  );
}

/** Percent of the span's time; events outside of it stand at its ends. */
function position(event: SpanEvent, duration: number): number {
  return duration > 0 ? Math.min(100, Math.max(0, (event.offset / duration) * 100)) : 0;
}

/** What an [[Exception]] shows in its own way. */
const SHOWN = new Set(['exception.type', 'exception.message', 'exception.stacktrace']);

function ExceptionEvent({ event }: { event: SpanEvent }) {
  return (
    <>
      <Exception event={event} />
      <Attributes
        title="Attributes"
        attributes={event.attributes.filter(({ key }) => !SHOWN.has(key))}
        dropped={event.dropped}
      />
    </>
  );
}

function Event({ event }: { event: SpanEvent }) {
  return (
    <>
      <h3 className={classes.eventName}>
        <Outside text={event.name || 'no name'} limit={200} />{' '}
        <span className={classes.quiet}>
          {event.offset < 0 ? '' : '+'}
          {formatDuration(event.offset)}
        </span>
      </h3>
      <Attributes title="Attributes" attributes={event.attributes} dropped={event.dropped} />
    </>
  );
}
