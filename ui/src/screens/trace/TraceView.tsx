import { Tabs } from '@mantine/core';
import { useLocalStorage, useMediaQuery } from '@mantine/hooks';
import { useRouter } from '@tanstack/react-router';
import { useCallback, useMemo, useRef } from 'react';
import { Outside } from '~/components/Outside';
import { Partial } from '~/components/states';
import { useShortcuts } from '~/components/useShortcuts';
import { spanEnd, type TraceSpans } from '~/data/trace';
import { formatCount } from '~/format/number';
import { ServiceChips } from '~/screens/trace/header/ServiceChips';
import { TraceHeader } from '~/screens/trace/header/TraceHeader';
import { TraceLogs } from '~/screens/trace/logs/TraceLogs';
import { nextIn } from '~/screens/trace/model/find';
import { NOTHING_FOLDED, parseFold, reveal, toggle, visibleRows, writeFold } from '~/screens/trace/model/fold';
import { traceModel } from '~/screens/trace/model/traceModel';
import {
  clampWindow,
  parseWindow,
  type Window,
  wholeWindow,
  writeWindow,
  zoomAround,
} from '~/screens/trace/model/window';
import { Numbers } from '~/screens/trace/numbers/Numbers';
import { SpanPanel } from '~/screens/trace/panel/SpanPanel';
import { Toolbar } from '~/screens/trace/Toolbar';
import { useFind } from '~/screens/trace/useFind';
import { useLogs } from '~/screens/trace/useLogs';
import { useTraceState } from '~/screens/trace/useTraceState';
import { Divider } from '~/screens/trace/waterfall/Divider';
import { Minimap } from '~/screens/trace/waterfall/Minimap';
import { Waterfall } from '~/screens/trace/waterfall/Waterfall';
import classes from './Trace.module.css';

interface Props {
  spans: TraceSpans;
  /** Why the spans could not be asked for again. */
  error: Error | null;
  retry: () => void;
}

const SMALLEST_PANEL = 20;
const LARGEST_PANEL = 75;
/** What a shared link's time range has before and after the trace (milliseconds). */
const SHARED_MARGIN = 5 * 60_000;

const VIEWS = ['timeline', 'logs', 'numbers'] as const;

/** A trace that is there. */
export function TraceView({ spans, error, retry }: Props) {
  const model = useMemo(() => traceModel(spans), [spans]);
  const { tree } = model;
  const [state, change] = useTraceState();
  const router = useRouter();
  const searchBox = useRef<HTMLInputElement>(null);
  const isWide = useMediaQuery('(min-width: 62em)', true, { getInitialValueInEffect: false });
  const [panel, setPanel] = useLocalStorage({ key: 'trefoil-trace-panel', defaultValue: 36 });
  const panelShare = Math.min(LARGEST_PANEL, Math.max(SMALLEST_PANEL, Number(panel) || 36));

  const foldText = state.fold?.join(',') ?? '';
  const fold = useMemo(() => (foldText ? parseFold(foldText.split(',')) : NOTHING_FOLDED), [foldText]);
  const window = useMemo(() => parseWindow(state.zoom, spans.duration), [state.zoom, spans.duration]);
  // A name may hold any character that could stand between names.
  const serviceText = JSON.stringify(state.service ?? []);
  const services = useMemo(() => new Set<string>(JSON.parse(serviceText)), [serviceText]);
  const selected = state.span === undefined ? undefined : tree.byKey.get(state.span);
  const view = VIEWS.find((view) => view === state.view) ?? 'timeline';
  const isCritical = state.critical === 'on';
  const path = useMemo(() => (isCritical ? model.path().pieces : undefined), [isCritical, model]);

  const find = useFind(model, state.q ?? '');
  const isOnly = state.only === 'on' && find.matches !== undefined;
  const rows = useMemo(
    () => visibleRows(tree, fold, isOnly ? find.matches : undefined),
    [tree, fold, isOnly, find.matches],
  );
  const logs = useLogs(model);

  const onWindow = useCallback(
    (window: Window) => change({ zoom: writeWindow(window, spans.duration) }),
    [change, spans.duration],
  );
  const onToggle = useCallback(
    (span: number) => change({ fold: writeFold(toggle(tree, fold, [span])) }),
    [change, tree, fold],
  );
  /** Selects a span that may be folded away, and shows it in the timeline. */
  const onSelect = (span: number) => {
    const revealed = reveal(tree, fold, span);
    change({
      span: tree.keys[span],
      ...(revealed === fold ? {} : { fold: writeFold(revealed) }),
      ...(isOnly && !find.matches?.has(span) ? { only: undefined } : {}),
    });
  };
  const onJump = (span: number) => {
    change({ view: undefined });
    onSelect(span);
  };
  const step = (members: ReadonlySet<number> | undefined, direction: 1 | -1) => {
    // All rows, so that what is folded away is found, too.
    const next = members && nextIn(tree.order, members, selected, direction);
    if (next !== undefined) onJump(next);
  };
  const errors = useMemo(() => new Set(model.errors), [model]);
  const position = useMemo(() => {
    if (selected === undefined || !find.matches?.has(selected)) return 0;
    const place = tree.place[selected] ?? 0;
    let before = 1;
    for (const span of find.matches) if ((tree.place[span] ?? 0) < place) before++;
    return before;
  }, [selected, find.matches, tree]);
  const zoomTo = (span: number) => {
    const from = spans.offsets[span] ?? 0;
    const margin = (spans.durations[span] ?? 0) * 0.05;
    onWindow(clampWindow({ from: from - margin, to: spanEnd(spans, span) + margin }, spans.duration));
  };
  const zoomBy = (factor: number) => {
    const middle = (window.from + window.to) / 2;
    onWindow(zoomAround(window, middle, factor, spans.duration));
  };

  useShortcuts('Trace', [
    { keys: '/', does: 'Search spans', run: () => searchBox.current?.focus() },
    { keys: 'n', does: 'Next match', run: () => step(find.matches, 1) },
    { keys: 'N', does: 'Previous match', run: () => step(find.matches, -1) },
    { keys: 'e', does: 'Next span with an error', run: () => step(errors, 1) },
    { keys: 'E', does: 'Previous span with an error', run: () => step(errors, -1) },
    { keys: 'c', does: 'Mark the critical path', run: () => change({ critical: isCritical ? undefined : 'on' }) },
    { keys: 'f', does: 'Zoom to the selected span', run: () => selected !== undefined && zoomTo(selected) },
    { keys: ['+', '='], does: 'Zoom in', run: () => zoomBy(0.5) },
    { keys: '-', does: 'Zoom out', run: () => zoomBy(2) },
    { keys: '0', does: 'Show the whole trace', run: () => onWindow(wholeWindow(spans.duration)) },
    { keys: 'Escape', does: 'Close the span', run: () => change({ span: undefined }) },
  ]);

  const shareUrl = () => {
    const location = router.buildLocation({
      to: '/traces/$traceId',
      params: { traceId: spans.traceId },
      search: (search) => ({
        ...search,
        ...state,
        from: new Date(spans.start - SHARED_MARGIN).toISOString(),
        to: new Date(spans.start + spans.duration / 1e6 + SHARED_MARGIN).toISOString(),
        refresh: undefined,
      }),
    });
    return new URL(location.href, globalThis.location.origin).href;
  };

  return (
    <div className={classes.screen}>
      <TraceHeader model={model} shareUrl={shareUrl} />
      <ServiceChips
        model={model}
        chosen={services}
        onChange={(chosen) => change({ service: chosen.length > 0 ? chosen : undefined })}
      />
      {error && <Partial retry={retry}>Not refreshed: {error.message}</Partial>}
      {spans.total > spans.length && (
        <Partial>
          This trace has {formatCount(spans.total)} spans. The first {formatCount(spans.length)} are shown; spans whose
          parent started later than those look like roots. The JSON has all of them.
        </Partial>
      )}
      {model.isRootMissing && (
        <Partial>The root of this trace is not here: it may be on its way, or was not sent to this server.</Partial>
      )}
      {!model.isRootMissing && model.orphans > 0 && (
        <Partial>
          The parent of {formatCount(model.orphans)} {model.orphans === 1 ? 'span' : 'spans'} is not here: dropped,
          sampled away, or still on its way. What hangs below stands at the top level.
        </Partial>
      )}
      {state.span !== undefined && selected === undefined && (
        <Partial>
          The span of this link (<Outside text={state.span} line limit={40} />) is not in this trace, or not yet.
        </Partial>
      )}
      <Tabs
        value={view}
        onChange={(value) => change({ view: value === 'timeline' ? undefined : (value ?? undefined) })}
        className={classes.tabs}
      >
        <Tabs.List>
          <Tabs.Tab value="timeline">Timeline</Tabs.Tab>
          <Tabs.Tab value="logs">
            Logs{logs.placed.length > 0 && ` ${formatCount(logs.placed.length)}${logs.isCut ? '+' : ''}`}
          </Tabs.Tab>
          <Tabs.Tab value="numbers">Numbers</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value={view} className={classes.content} data-divided style={{ '--panel': `${panelShare}%` }}>
          <div className={classes.main}>
            {view === 'timeline' && (
              <>
                <Minimap model={model} window={window} onWindow={onWindow} />
                <Toolbar
                  searchBox={searchBox}
                  text={state.q ?? ''}
                  find={find}
                  position={position}
                  isOnly={isOnly}
                  isCritical={isCritical}
                  isZoomed={writeWindow(window, spans.duration) !== undefined}
                  errors={errors.size}
                  maxDepth={tree.maxDepth}
                  onText={(q) => change({ q: q || undefined, ...(q ? {} : { only: undefined }) })}
                  onStep={(direction) => step(find.matches, direction)}
                  onOnly={() => change({ only: isOnly ? undefined : 'on' })}
                  onCritical={() => change({ critical: isCritical ? undefined : 'on' })}
                  onFold={(from) =>
                    change({ fold: from === undefined ? undefined : writeFold({ from, toggled: new Set() }) })
                  }
                  onError={() => step(errors, 1)}
                  onWhole={() => onWindow(wholeWindow(spans.duration))}
                />
                <Waterfall
                  model={model}
                  rows={rows}
                  fold={fold}
                  window={window}
                  selected={selected}
                  matches={find.matches}
                  services={services}
                  path={path}
                  logs={logs.bySpan}
                  onSelect={onSelect}
                  onToggle={onToggle}
                  onWindow={onWindow}
                />
              </>
            )}
            {view === 'logs' && (
              <TraceLogs
                model={model}
                logs={logs}
                services={services}
                onServices={(chosen) => change({ service: chosen.length > 0 ? chosen : undefined })}
                onSelect={onJump}
              />
            )}
            {view === 'numbers' && <Numbers model={model} onSelect={onJump} />}
          </div>
          {selected !== undefined && (
            <>
              <Divider
                label="Size of the span’s panel"
                value={panelShare}
                min={SMALLEST_PANEL}
                max={LARGEST_PANEL}
                className={classes.panelDivider}
                isHorizontal={!isWide}
                fromEnd
                onChange={setPanel}
              />
              <aside className={classes.panel} aria-label="Selected span">
                <SpanPanel
                  model={model}
                  span={selected}
                  tab={state.tab}
                  logs={logs.bySpan.get(selected) ?? []}
                  onTab={(tab) => change({ tab })}
                  onSelect={onSelect}
                  onZoom={zoomTo}
                  onClose={() => change({ span: undefined })}
                />
              </aside>
            </>
          )}
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
