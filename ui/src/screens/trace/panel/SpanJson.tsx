import { useMemo } from 'react';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import type { Span } from '~/data/span';
import classes from './Panel.module.css';

/** The span with its resource and scope, as OTLP JSON. */
export function SpanJson({ span }: { span: Span }) {
  const text = useMemo(() => JSON.stringify(span.json, null, 2), [span.json]);
  return (
    <div className={classes.stackFrame}>
      <div className={classes.stackActions}>
        <CopyButton value={text} label="Copy JSON" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by keyboard. */}
      {/* biome-ignore lint/a11y/useSemanticElements: a <section> would not keep the lines as they are. */}
      <pre className={classes.json} tabIndex={0} role="region" aria-label="JSON of the span">
        <Outside text={text} limit={10_000} />
      </pre>
    </div>
  );
}
