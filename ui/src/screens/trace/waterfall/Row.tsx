// biome-ignore-all lint/a11y/useSemanticElements: a table cannot be folded, nor draw only the rows in sight.
// biome-ignore-all lint/a11y/useFocusableInteractive: the tree has the focus and names its active row.
import { IconAlertCircleFilled, IconArrowsSplit2, IconClockExclamation, IconUnlink } from '@tabler/icons-react';
import { memo } from 'react';
import { Outside } from '~/components/Outside';
import { STATUS_ERROR, spanEnd, spanName, spanService } from '~/data/trace';
import { formatDuration } from '~/format/duration';
import type { PlacedLog } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { hasMark, Mark } from '~/screens/trace/model/tree';
import type { Window } from '~/screens/trace/model/window';
import { extent, extents, labelSide } from '~/screens/trace/waterfall/geometry';
import { KindIcon } from '~/screens/trace/waterfall/KindIcon';
import classes from './Waterfall.module.css';

export const ROW_HEIGHT = 26;
const INDENT = 12;

/** What all rows share. A new object draws them all again. */
export interface RowContext {
  model: TraceModel;
  window: Window;
  /** The critical path's pieces by span, where it is marked. */
  path: ReadonlyMap<number, [number, number][]> | undefined;
  logs: ReadonlyMap<number, PlacedLog[]>;
  /** Levels that are indented; deeper rows say their depth instead. */
  deepest: number;
}

interface Props {
  context: RowContext;
  span: number;
  /** From 0. */
  row: number;
  id: string;
  isSelected: boolean;
  /** Undefined where there is nothing to fold. */
  isFolded: boolean | undefined;
  isMatch: boolean;
  isDimmed: boolean;
}

/** One span. There may be fifty of these to draw in a frame: plain elements, clicks are the table's. */
export const Row = memo(function Row({ context, span, row, id, isSelected, isFolded, isMatch, isDimmed }: Props) {
  const { spans, tree, colorOf } = context.model;
  const depth = tree.depth[span] ?? 0;
  const state = `${isSelected ? classes.selected : ''} ${isMatch ? classes.match : ''} ${isDimmed ? classes.dimmed : ''}`;
  return (
    <div
      role="row"
      id={id}
      className={`${classes.row} ${state}`}
      data-span={span}
      style={{ transform: `translateY(${row * ROW_HEIGHT}px)` }}
      aria-level={depth + 1}
      aria-rowindex={row + 2}
      aria-selected={isSelected}
      aria-expanded={isFolded === undefined ? undefined : !isFolded}
    >
      <div role="gridcell" className={classes.name}>
        <span className={classes.indent} style={{ width: Math.min(depth, context.deepest) * INDENT }} />
        {depth > context.deepest && <span className={classes.depth}>{depth}</span>}
        <Fold isFolded={isFolded} />
        <span className={classes.mark} style={{ background: colorOf(spanService(spans, span)) }} />
        <Marks context={context} span={span} isFolded={isFolded === true} />
        <span className={classes.service}>
          <Outside text={spanService(spans, span) || 'no service'} line />
        </span>
        <span className={classes.operation}>
          <Outside text={spanName(spans, span) || 'no name'} line />
        </span>
        <span className={classes.kind}>
          <KindIcon kind={spans.kinds[span] ?? 0} />
        </span>
      </div>
      <div role="gridcell" className={classes.time}>
        <Bar context={context} span={span} />
      </div>
    </div>
  );
});

function Fold({ isFolded }: { isFolded: boolean | undefined }) {
  if (isFolded === undefined) return <span className={classes.fold} />;
  return (
    <svg className={classes.fold} data-fold viewBox="0 0 18 26" aria-hidden>
      <path d={isFolded ? 'M7 9l4 4-4 4' : 'M5 11l4 4 4-4'} fill="none" stroke="currentColor" strokeWidth="1.5" />
    </svg>
  );
}

/** Signs of what is wrong or odd, each with its word. */
function Marks({ context, span, isFolded }: { context: RowContext; span: number; isFolded: boolean }) {
  const { spans, tree } = context.model;
  const below = tree.errorsBelow[span] ?? 0;
  return (
    <>
      {spans.statuses[span] === STATUS_ERROR && (
        <IconAlertCircleFilled size={14} className={classes.error} role="img" aria-label="error" />
      )}
      {isFolded && below > 0 && (
        <span className={classes.below} title={`${below} folded spans have errors`}>
          {below} err
        </span>
      )}
      {isFolded && (
        <span className={classes.folded} title="Folded spans">
          +{(tree.size[span] ?? 1) - 1}
        </span>
      )}
      {hasMark(tree, span, Mark.orphan) && (
        <IconUnlink size={13} className={classes.odd} role="img" aria-label="parent missing" />
      )}
      {hasMark(tree, span, Mark.cycle | Mark.twin) && (
        <IconArrowsSplit2 size={13} className={classes.odd} role="img" aria-label="ids are ambiguous" />
      )}
      {hasMark(tree, span, Mark.early) && (
        <IconClockExclamation size={13} className={classes.odd} role="img" aria-label="starts before its parent" />
      )}
    </>
  );
}

function Bar({ context, span }: { context: RowContext; span: number }) {
  const { model, window, path, logs } = context;
  const { spans } = model;
  const from = spans.offsets[span] ?? 0;
  const to = spanEnd(spans, span);
  const label = formatDuration(spans.durations[span] ?? 0);
  const place = extent(from, to, window);
  if (!place) {
    const isBefore = to < window.from;
    return <span className={isBefore ? classes.before : classes.after}>{isBefore ? `‹ ${label}` : `${label} ›`}</span>;
  }
  const pieces = path?.get(span);
  const records = logs.get(span);
  const side = labelSide(place);
  return (
    <>
      <div
        className={classes.bar}
        style={{
          left: `${place.left}%`,
          width: `${place.width}%`,
          background: model.colorOf(spanService(spans, span)),
        }}
      />
      {pieces &&
        extents(pieces, window).map(({ left, width }) => (
          <div key={left} className={classes.critical} style={{ left: `${left}%`, width: `${width}%` }} />
        ))}
      {records &&
        extents(
          records.map(({ log }) => [log.offset, log.offset]),
          window,
        ).map(({ left, width }) => (
          <div key={left} className={classes.log} style={{ left: `${left}%`, width: `${width}%` }} />
        ))}
      <span
        className={`${classes.label} ${classes[side]}`}
        style={
          side === 'right'
            ? { left: `${place.left + place.width}%` }
            : side === 'left'
              ? { right: `${100 - place.left}%` }
              : undefined
        }
      >
        {label}
      </span>
    </>
  );
}
