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
      <pre className={classes.json}>
        <Outside text={text} limit={10_000} />
      </pre>
    </div>
  );
}
