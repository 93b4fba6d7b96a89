// biome-ignore-all lint/a11y/useSemanticElements: a table cannot be folded, nor draw only the rows in sight.
// biome-ignore-all lint/a11y/useKeyWithClickEvents: its keys are those of the whole page.
// biome-ignore-all lint/a11y/useFocusableInteractive: the tree has the focus and names its active row.
import { useElementSize, useLocalStorage, useMergedRef } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type MouseEvent, useEffect, useId, useLayoutEffect, useMemo, useRef } from 'react';
import { useShortcuts } from '~/components/useShortcuts';
import { spanService } from '~/data/trace';
import { type Fold, isFolded } from '~/screens/trace/model/fold';
import type { PlacedLog } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import type { Window } from '~/screens/trace/model/window';
import { Axis } from '~/screens/trace/waterfall/Axis';
import { Divider } from '~/screens/trace/waterfall/Divider';
import { moved } from '~/screens/trace/waterfall/keys';
import { ROW_HEIGHT, Row, type RowContext } from '~/screens/trace/waterfall/Row';
import { useWheelZoom } from '~/screens/trace/waterfall/useWheelZoom';
import classes from './Waterfall.module.css';

interface Props {
  model: TraceModel;
  /** Spans that have a row. */
  rows: Int32Array;
  fold: Fold;
  window: Window;
  selected: number | undefined;
  /** Undefined while nothing is searched for. */
  matches: ReadonlySet<number> | undefined;
  /** Those that are looked at; empty: all. */
  services: ReadonlySet<string>;
  path: RowContext['path'];
  logs: ReadonlyMap<number, PlacedLog[]>;
  onSelect: (span: number) => void;
  onToggle: (span: number) => void;
  onWindow: (window: Window) => void;
}

const HEAD = 24;
/** Right of the axis, for durations (pixels); as in the style sheet. */
const LABEL_ROOM = 64;
/** Narrower than this (pixels), as on a phone, names get more of the room. */
const NARROW = 560;
const NARROWEST_NAMES = 15;
const WIDEST_NAMES = 75;

/** The spans of a trace as a table of names and bars. Only the rows in sight are drawn. */
export function Waterfall(props: Props) {
  const { model, rows, fold, window, selected, matches, services, path, logs } = props;
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const axis = useRef<HTMLDivElement>(null);
  const { ref: sizeRef, width, height } = useElementSize<HTMLDivElement>();
  const ref = useMergedRef(scroller, sizeRef);
  const [names, setNames] = useLocalStorage<number | undefined>({
    key: 'trefoil-trace-names',
    defaultValue: undefined,
  });
  const chosen = Number(names) || (width < NARROW ? 52 : 38);
  const share = Math.min(WIDEST_NAMES, Math.max(NARROWEST_NAMES, chosen));
  const timeWidth = Math.max(0, width * (1 - share / 100) - LABEL_ROOM);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    scrollMargin: HEAD,
    scrollPaddingStart: HEAD,
    // Rows drawn ahead cost as much as those in sight; a few are enough, as they come within the same frame.
    overscan: 3,
  });
  const selectedKey = selected === undefined ? undefined : model.tree.keys[selected];
  useSelectedInSight(virtual.scrollToIndex, rows, selected, selectedKey);
  useAnchor(scroller, model, rows);
  useWheelZoom(scroller, axis, window, model.spans.duration, timeWidth, props.onWindow);
  const items = virtual.getVirtualItems();
  const isDrawn = items.some(({ index }) => rows[index] === selected);
  const indent = width < NARROW ? 6 : 12;
  const deepest = Math.max(2, Math.floor((width * share) / 100 / 2.5 / indent));
  const context = useMemo<RowContext>(
    () => ({ model, window, path, logs, deepest, indent }),
    [model, window, path, logs, deepest, indent],
  );

  const onClick = ({ target }: MouseEvent) => {
    if (!(target instanceof Element)) return;
    const span = Number(target.closest('[data-span]')?.getAttribute('data-span') ?? Number.NaN);
    if (Number.isNaN(span)) return;
    if (target.closest('[data-fold]')) props.onToggle(span);
    else props.onSelect(span);
  };
  const press = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW_HEIGHT) - 2);
    const move = moved(event.key, model.tree, rows, fold, selected, page);
    if (!move) return;
    if ('toggle' in move) props.onToggle(move.toggle);
    else props.onSelect(move.select);
  };
  // Of the whole page: nobody should have to find the table first.
  useShortcuts('Timeline', [
    { keys: ['ArrowDown', 'ArrowUp'], does: 'Next or previous span', run: press },
    { keys: ['PageDown', 'PageUp'], does: 'A page down or up', run: press },
    { keys: ['Home', 'End'], does: 'First or last span', run: press },
    { keys: 'ArrowRight', does: 'Unfold, or go to the first child', run: press },
    { keys: 'ArrowLeft', does: 'Fold, or go to the parent', run: press },
    { keys: ['Enter', ' '], does: 'Fold or unfold', run: press },
  ]);

  return (
    <div
      className={classes.frame}
      style={{ '--names': `${share}%`, '--indent': `${indent}px`, '--lines': `${Math.max(0, height - HEAD)}px` }}
    >
      <div
        ref={ref}
        role="treegrid"
        className={classes.scroller}
        tabIndex={0}
        aria-label="Spans of the trace"
        aria-rowcount={rows.length + 1}
        aria-colcount={2}
        aria-activedescendant={isDrawn ? `${id}-${selected}` : undefined}
        onClick={onClick}
      >
        <div role="rowgroup" className={classes.head}>
          <div role="row" aria-rowindex={1} className={classes.headRow} data-divided>
            <div role="columnheader" className={classes.headName}>
              Service and operation
              <Divider
                label="Width of the names"
                value={share}
                min={NARROWEST_NAMES}
                max={WIDEST_NAMES}
                className={classes.divider}
                onChange={setNames}
              />
            </div>
            <div role="columnheader" className={classes.headTime} aria-label="Time after the trace's start">
              <div ref={axis} className={classes.scale}>
                <Axis window={window} width={timeWidth} />
              </div>
              <div className={classes.lines}>
                <div className={classes.scale}>
                  <Axis window={window} width={timeWidth} />
                </div>
              </div>
            </div>
          </div>
        </div>
        <div role="rowgroup" className={classes.body} style={{ height: rows.length * ROW_HEIGHT }}>
          {items.map(({ index }) => {
            const span = rows[index] ?? 0;
            const isOther = services.size > 0 && !services.has(spanService(model.spans, span));
            return (
              <Row
                key={span}
                context={context}
                span={span}
                row={index}
                id={`${id}-${span}`}
                isSelected={span === selected}
                isFolded={(model.tree.size[span] ?? 1) > 1 ? isFolded(model.tree, fold, span) : undefined}
                isMatch={matches?.has(span) ?? false}
                isDimmed={isOther || (matches !== undefined && !matches.has(span))}
              />
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Scrolls to the selected span when another is (its `key` tells, its number changes as a trace grows); on opening, to the middle. */
function useSelectedInSight(
  scrollTo: (row: number, options: { align: 'auto' | 'center' }) => void,
  rows: Int32Array,
  selected: number | undefined,
  key: string | undefined,
): void {
  const shown = useRef<string | undefined>(undefined);
  const latest = useRef({ rows, selected });
  useEffect(() => {
    latest.current = { rows, selected };
  });
  useEffect(() => {
    const { rows, selected } = latest.current;
    if (key === undefined || selected === undefined || key === shown.current) return;
    const row = rows.indexOf(selected);
    if (row >= 0) scrollTo(row, { align: shown.current === undefined ? 'center' : 'auto' });
    shown.current = key;
  }, [key, scrollTo]);
}

/** When rows come or go above, what the reader looks at stays where it is. */
function useAnchor(scroller: React.RefObject<HTMLDivElement | null>, model: TraceModel, rows: Int32Array): void {
  const before = useRef({ model, rows });
  useLayoutEffect(() => {
    const old = before.current;
    before.current = { model, rows };
    const element = scroller.current;
    if (!element || old.rows === rows) return;
    const top = Math.floor(element.scrollTop / ROW_HEIGHT);
    const key = old.model.tree.keys[old.rows[top] ?? -1];
    const span = key === undefined ? undefined : model.tree.byKey.get(key);
    const row = span === undefined ? -1 : rows.indexOf(span);
    if (row >= 0 && row !== top) element.scrollTop += (row - top) * ROW_HEIGHT;
  }, [scroller, model, rows]);
}
