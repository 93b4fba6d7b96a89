import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual';
import { memo, useRef } from 'react';
import { Outside } from '~/components/Outside';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import { formatInstant } from '~/time/format';
import { Errors, Services, TraceLink } from './cells';
import classes from './TraceCards.module.css';
import { type ListProps, useOffsetTop } from './TraceTable';
import { useRowKeys } from './useRowKeys';

const CARD_HEIGHT = 76;

/** The same as the table, for narrow screens. */
export const TraceCards = memo(function TraceCards({ traces, color, zone }: ListProps) {
  const list = useRef<HTMLUListElement>(null);
  const scrollMargin = useOffsetTop(list);
  const active = useRef(0);
  const virtualizer = useWindowVirtualizer<HTMLElement>({
    count: traces.length,
    estimateSize: () => CARD_HEIGHT,
    overscan: 8,
    scrollMargin,
    scrollPaddingStart: 100,
    rangeExtractor: (range) => [...new Set([active.current, ...defaultRangeExtractor(range)])].sort((a, b) => a - b),
  });
  const keys = useRowKeys(traces.length, virtualizer);
  active.current = keys.active;
  return (
    <ul
      ref={list}
      className={classes.list}
      aria-label="Traces"
      style={{ height: virtualizer.getTotalSize() }}
      onKeyDown={keys.onKeyDown}
    >
      {virtualizer.getVirtualItems().map((item) => {
        const trace = traces[item.index];
        if (!trace) return null;
        return (
          <li
            key={trace.id}
            className={classes.card}
            style={{ top: item.start - scrollMargin, height: CARD_HEIGHT }}
            data-row={item.index}
            aria-setsize={traces.length}
            aria-posinset={item.index + 1}
            onFocus={() => keys.setActive(item.index)}
          >
            <TraceLink
              trace={trace}
              color={color}
              className={classes.link}
              tabIndex={item.index === keys.active ? 0 : -1}
              ref={(link) => keys.linkRef(item.index, link)}
            />
            <div className={classes.facts}>
              <strong>{formatDuration(trace.duration)}</strong>
              <span>
                {formatCount(trace.spans)} {trace.spans === 1 ? 'span' : 'spans'}
              </span>
              <Services trace={trace} color={color} />
              {trace.errors > 0 && <Errors count={trace.errors} />}
            </div>
            <div className={classes.facts}>
              <span>{formatInstant(trace.start, zone, 'millis')}</span>
              {trace.tenant !== undefined && <Outside line text={trace.tenant} limit={40} />}
            </div>
          </li>
        );
      })}
    </ul>
  );
});
