import { ActionIcon, Tabs, Tooltip } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertCircleFilled, IconX, IconZoomInArea } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import type { KeyboardEvent } from 'react';
import { Outside } from '~/components/Outside';
import { Failure, Partial } from '~/components/states';
import { fetchSpan, type Span } from '~/data/span';
import { KINDS, STATUS_ERROR, spanName, spanService } from '~/data/trace';
import { formatCount } from '~/format/number';
import { LogList } from '~/screens/trace/logs/LogList';
import type { PlacedLog } from '~/screens/trace/model/placeLogs';
import type { TraceModel } from '~/screens/trace/model/traceModel';
import { Details } from '~/screens/trace/panel/Details';
import { Events } from '~/screens/trace/panel/Events';
import { Links } from '~/screens/trace/panel/Links';
import { SpanJson } from '~/screens/trace/panel/SpanJson';
import { Timing } from '~/screens/trace/panel/Timing';
import { StillAsking } from '~/screens/trace/StillAsking';
import classes from './Panel.module.css';

interface Props {
  model: TraceModel;
  span: number;
  tab: string | undefined;
  logs: PlacedLog[];
  onTab: (tab: string | undefined) => void;
  onSelect: (span: number) => void;
  onZoom: (span: number) => void;
  onClose: () => void;
}

/** A key held down passes many spans; only the one it stops at is asked for (milliseconds). */
const ASK_AFTER = 120;

/** Everything about one span. What the waterfall knows is there at once, the rest when the server has answered. */
export function SpanPanel({ model, span, tab, logs, onTab, onSelect, onZoom, onClose }: Props) {
  const { spans } = model;
  const id = spans.ids[span] ?? '';
  // The id, since the number of a span changes as its trace grows.
  const [asked] = useDebouncedValue(id, ASK_AFTER);
  const detail = useQuery({
    queryKey: ['span', spans.traceId, asked],
    queryFn: ({ signal }) => fetchSpan(spans.traceId, asked, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const isCurrent = asked === id;
  const whole = isCurrent && detail.data ? pick(detail.data, model, span) : undefined;
  const error = isCurrent ? detail.error : null;
  const events = spans.events[span] ?? 0;
  const links = spans.links[span] ?? 0;
  const known = ['details', 'events', 'links', 'logs', 'json'];
  const shown = tab !== undefined && known.includes(tab) ? tab : 'details';

  return (
    <>
      <div className={classes.head}>
        <div className={classes.title}>
          <span className={classes.mark} style={{ background: model.colorOf(spanService(spans, span)) }} />
          <div className={classes.words}>
            <h2 className={classes.name}>
              <Outside text={whole?.name || spanName(spans, span) || 'no name'} limit={300} />
            </h2>
            <div className={classes.facts}>
              <Outside text={spanService(spans, span) || 'no service'} line limit={120} />
              <span>{KINDS[spans.kinds[span] ?? 0] ?? 'unspecified'}</span>
              <Status code={spans.statuses[span] ?? 0} />
            </div>
          </div>
          <Tooltip label="Zoom to this span (f)">
            <ActionIcon variant="subtle" color="gray" aria-label="Zoom to this span" onClick={() => onZoom(span)}>
              <IconZoomInArea size={16} />
            </ActionIcon>
          </Tooltip>
          <ActionIcon variant="subtle" color="gray" aria-label="Close the span" onClick={onClose}>
            <IconX size={16} />
          </ActionIcon>
        </div>
        {whole?.statusMessage && (
          <p className={spans.statuses[span] === STATUS_ERROR ? classes.errorMessage : classes.message}>
            <Outside text={whole.statusMessage} limit={500} />
          </p>
        )}
      </div>
      <Tabs
        value={shown}
        onChange={(value) => onTab(value === 'details' ? undefined : (value ?? undefined))}
        className={classes.tabs}
        keepMounted={false}
      >
        <Tabs.List className={classes.tabList}>
          <Tabs.Tab value="details">Details</Tabs.Tab>
          <Tabs.Tab value="events">Events{counted(events)}</Tabs.Tab>
          <Tabs.Tab value="logs">Logs{counted(logs.length)}</Tabs.Tab>
          <Tabs.Tab value="links">Links{counted(links)}</Tabs.Tab>
          <Tabs.Tab value="json">JSON</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value={shown} className={classes.body} tabIndex={0} onKeyDown={keepScrolling}>
          {error && detail.data === undefined && shown !== 'logs' && (
            <Failure error={error} retry={detail.refetch} retrying={detail.isFetching} />
          )}
          {shown === 'details' && <Timing model={model} span={span} onSelect={onSelect} />}
          {shown === 'logs' && <LogList model={model} logs={logs} start={spans.offsets[span] ?? 0} />}
          {shown !== 'logs' && !whole && !error && <StillAsking height={240} label="Loading the span" />}
          {whole && (
            <WholeSpan
              key={model.tree.keys[span]}
              tab={shown}
              whole={whole}
              model={model}
              span={span}
              onSelect={onSelect}
            />
          )}
          {isCurrent && detail.data && detail.data.length > 1 && (
            <Partial>
              {formatCount(detail.data.length)} spans of this trace have the id {id}: it was sent more than once, or two
              programs share it.
            </Partial>
          )}
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function WholeSpan(props: {
  tab: string;
  whole: Span;
  model: TraceModel;
  span: number;
  onSelect: (span: number) => void;
}) {
  const { tab, whole, model, span, onSelect } = props;
  if (tab === 'details') return <Details span={whole} />;
  if (tab === 'events') return <Events span={whole} duration={model.spans.durations[span] ?? 0} />;
  if (tab === 'links') return <Links span={whole} model={model} onSelect={onSelect} />;
  if (tab === 'json') return <SpanJson span={whole} />;
  return null;
}

function Status({ code }: { code: number }) {
  if (code === STATUS_ERROR) {
    return (
      <span className={classes.error}>
        <IconAlertCircleFilled size={13} aria-hidden /> error
      </span>
    );
  }
  return <span>{code === 1 ? 'ok' : 'status not set'}</span>;
}

const SCROLLING = new Set([
  'ArrowUp',
  'ArrowDown',
  'ArrowLeft',
  'ArrowRight',
  'PageUp',
  'PageDown',
  'Home',
  'End',
  ' ',
]);

/** Keys that scroll the panel are not the timeline's. */
function keepScrolling(event: KeyboardEvent): void {
  if (SCROLLING.has(event.key)) event.stopPropagation();
}

function counted(count: number): string {
  return count > 0 ? ` ${formatCount(count)}` : '';
}

/** Of spans with the same id the one that this row stands for. */
function pick(found: Span[], { spans }: TraceModel, span: number): Span | undefined {
  const isAsLong = found.filter((one) => Math.max(0, one.duration) === spans.durations[span]);
  const isOf = isAsLong.filter((one) => one.service === spanService(spans, span));
  // The waterfall's name may be cut.
  const isNamed = isOf.filter((one) => one.name.startsWith(spanName(spans, span)));
  return isNamed[0] ?? isOf[0] ?? isAsLong[0] ?? found[0];
}
