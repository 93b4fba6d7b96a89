import { Anchor } from '@mantine/core';
import { CopyButton } from '~/components/CopyButton';
import { Outside } from '~/components/Outside';
import { spanName, spanService } from '~/data/trace';
import { formatDuration } from '~/format/duration';
import { formatCount, formatShare } from '~/format/number';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { childrenOf, hasMark, Mark } from '~/screens/trace/model/tree';
import { formatInstant } from '~/time/format';
import { useTime } from '~/time/useTime';
import classes from './Panel.module.css';

interface Props {
  model: TraceModel;
  span: number;
  onSelect: (span: number) => void;
}

/** So many children are listed. */
const MOST_CHILDREN = 8;

/** When the span ran, how its time was spent, and what is above and below it. */
export function Timing({ model, span, onSelect }: Props) {
  const { spans, tree, self } = model;
  const { zone } = useTime();
  const offset = spans.offsets[span] ?? 0;
  const duration = spans.durations[span] ?? 0;
  // Also that of a span where a circle was cut.
  const parent = tree.byKey.get(spans.parents[span] ?? '');
  const children = childrenOf(tree, span);
  const id = spans.ids[span] ?? '';
  return (
    <>
      <dl className={classes.timing}>
        <Fact term="Duration">
          <b>{formatDuration(duration)}</b>{' '}
          <span className={classes.quiet}>
            {formatShare(spans.duration > 0 ? duration / spans.duration : 0)} of the trace
          </span>
        </Fact>
        <Fact term="Self time">
          {formatDuration(self[span] ?? 0)}{' '}
          <span className={classes.quiet}>
            {formatShare(duration > 0 ? (self[span] ?? 0) / duration : 0)} of the span
          </span>
        </Fact>
        <Fact term="Start">
          +{formatDuration(offset)}{' '}
          <span className={classes.quiet}>{formatInstant(spans.start + offset / 1e6, zone, 'millis')}</span>
        </Fact>
        <Fact term="Span id">
          <code className={classes.code}>{id}</code>
          <CopyButton value={id} label="Copy span id" size={20} />
        </Fact>
        <Fact term="Parent">
          {parent !== undefined ? (
            <SpanLink model={model} span={parent} onSelect={onSelect} />
          ) : spans.parents[span] ? (
            <span className={classes.quiet}>
              <code className={classes.code}>{spans.parents[span]}</code> is not in this trace
            </span>
          ) : (
            <span className={classes.quiet}>none: the root</span>
          )}
        </Fact>
        {children.length > 0 && (
          <Fact term="Children">
            <ul className={classes.children}>
              {children.slice(0, MOST_CHILDREN).map((child) => (
                <li key={child}>
                  <SpanLink model={model} span={child} onSelect={onSelect} />
                </li>
              ))}
            </ul>
            {children.length > MOST_CHILDREN && (
              <span className={classes.quiet}>and {formatCount(children.length - MOST_CHILDREN)} more</span>
            )}
          </Fact>
        )}
      </dl>
      <Oddities model={model} span={span} />
    </>
  );
}

function Fact({ term, children }: { term: string; children: React.ReactNode }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** Another span of the trace; pressing it selects that one. */
export function SpanLink({ model, span, onSelect }: Props) {
  const { spans } = model;
  return (
    <span className={classes.spanLink}>
      <span className={classes.mark} style={{ background: model.colorOf(spanService(spans, span)) }} />
      <Anchor
        component="button"
        type="button"
        fz="inherit"
        className={classes.spanLinkName}
        onClick={() => onSelect(span)}
      >
        <Outside
          text={`${spanService(spans, span) || 'no service'}: ${spanName(spans, span) || 'no name'}`}
          line
          limit={160}
        />
      </Anchor>
      <span className={classes.quiet}>{formatDuration(spans.durations[span] ?? 0)}</span>
    </span>
  );
}

const WORDS: [bit: number, words: string][] = [
  [Mark.orphan, 'Its parent is not here: dropped, sampled away, or still on its way.'],
  [Mark.cycle, 'Its ancestors form a circle; it is cut at the earliest of them.'],
  [Mark.twin, 'Another span has the same id; children hang under the first.'],
  [Mark.early, 'It starts before its parent: the clocks of the two services differ.'],
  [Mark.late, 'It ends after its parent: work that was not waited for, or clocks that differ.'],
];

function Oddities({ model: { tree }, span }: { model: TraceModel; span: number }) {
  const found = WORDS.filter(([bit]) => hasMark(tree, span, bit));
  if (found.length === 0) return null;
  return (
    <ul className={classes.oddities}>
      {found.map(([bit, words]) => (
        <li key={bit}>{words}</li>
      ))}
    </ul>
  );
}
