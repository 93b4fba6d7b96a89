import { Button } from '@mantine/core';
import { IconAlertCircleFilled } from '@tabler/icons-react';
import { useState } from 'react';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { findAttribute, valueText } from '~/data/attributes';
import type { SpanEvent } from '~/data/span';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import classes from './Panel.module.css';

/** Lines of a stack that are shown before it is unfolded. */
const FIRST_LINES = 12;

/** An exception that the span recorded: type, message and stack. */
export function Exception({ event }: { event: SpanEvent }) {
  const [isWhole, setWhole] = useState(false);
  const text = (key: string) => {
    const value = findAttribute(event.attributes, key);
    return value ? valueText(value) : '';
  };
  const stack = text('exception.stacktrace');
  const lines = stack.split('\n');
  const isLong = lines.length > FIRST_LINES;
  return (
    <section className={classes.exception}>
      <h3 className={classes.exceptionType}>
        <IconAlertCircleFilled size={14} role="img" aria-label="exception" />{' '}
        <Outside text={text('exception.type') || 'exception'} limit={200} />{' '}
        <span className={classes.quiet}>
          {event.offset < 0 ? '' : '+'}
          {formatDuration(event.offset)}
        </span>
      </h3>
      <p className={classes.exceptionMessage}>
        <Outside text={text('exception.message')} limit={600} />
      </p>
      {stack && (
        <div className={classes.stackFrame}>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard. */}
          {/* biome-ignore lint/a11y/useSemanticElements: a <section> would not keep the lines as they are. */}
          <pre className={classes.stack} tabIndex={0} aria-label="Stack trace" role="region">
            <Outside
              text={isLong && !isWhole ? lines.slice(0, FIRST_LINES).join('\n') : stack}
              limit={isWhole ? 20_000 : 4_000}
            />
          </pre>
          <div className={classes.stackActions}>
            {isLong && (
              <Button size="compact-xs" variant="default" onClick={() => setWhole(!isWhole)} aria-expanded={isWhole}>
                {isWhole ? 'Fold' : `All ${formatCount(lines.length)} lines`}
              </Button>
            )}
            <CopyButton value={stack} label="Copy stack trace" />
          </div>
        </div>
      )}
    </section>
  );
}
