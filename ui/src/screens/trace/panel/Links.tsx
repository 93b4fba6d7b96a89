import { CopyButton } from '~/components/CopyButton';
import { AnchorLink } from '~/components/links';
import { Outside } from '~/components/Outside';
import type { Span, SpanLink as SpanLinkData } from '~/data/span';
import { parseTraceId } from '~/data/trace';
import { formatCount } from '~/format/number';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { Attributes } from '~/screens/trace/panel/Attributes';
import { SpanLink } from '~/screens/trace/panel/Timing';
import classes from './Panel.module.css';

interface Props {
  span: Span;
  model: TraceModel;
  onSelect: (span: number) => void;
}

const MOST = 100;

/** Spans that this one names as related, in this trace or another. */
export function Links({ span, model, onSelect }: Props) {
  const shown = span.links.slice(0, MOST);
  if (shown.length === 0) return <p className={classes.quiet}>This span links to no other.</p>;
  return (
    <>
      <ol className={classes.events}>
        {shown.map((link, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes.
          <li key={index}>
            <Target link={link} model={model} onSelect={onSelect} />
            {link.traceState && (
              <p className={classes.quiet}>
                <Outside text={link.traceState} limit={200} />
              </p>
            )}
            <Attributes title="Attributes" attributes={link.attributes} />
          </li>
        ))}
      </ol>
      {span.links.length > shown.length && (
        <p className={classes.quiet}>{formatCount(span.links.length - shown.length)} more are in the JSON.</p>
      )}
    </>
  );
}

function Target({
  link,
  model,
  onSelect,
}: {
  link: SpanLinkData;
  model: TraceModel;
  onSelect: (span: number) => void;
}) {
  const isHere = link.traceId === model.spans.traceId;
  const here = isHere ? model.tree.byKey.get(link.spanId) : undefined;
  if (here !== undefined) return <SpanLink model={model} span={here} onSelect={onSelect} />;
  if (isHere) {
    return (
      <span className={classes.quiet}>
        Span <code className={classes.code}>{link.spanId}</code> of this trace, which is not here
      </span>
    );
  }
  if (parseTraceId(link.traceId) === undefined) {
    return (
      <span className={classes.quiet}>
        <Outside text={link.traceId || 'no id'} limit={100} /> is not the id of a trace
      </span>
    );
  }
  return (
    <span className={classes.otherTrace}>
      <AnchorLink to="/traces/$traceId" params={{ traceId: link.traceId }} search={{ span: link.spanId }}>
        Trace <code className={classes.code}>{link.traceId}</code>
      </AnchorLink>
      <CopyButton value={link.traceId} label="Copy trace id" size={20} />
    </span>
  );
}
