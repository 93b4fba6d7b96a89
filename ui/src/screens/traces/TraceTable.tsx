import { UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table';
import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual';
import { memo, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { Outside } from '~/components/Outside';
import type { SortKey, TraceSort } from '~/data/traceSql';
import type { TraceSummary } from '~/data/traces';
import { formatDuration } from '~/format/duration';
import { formatCount } from '~/format/number';
import { formatInstant } from '~/time/format';
import { type ColorOf, Errors, Services, TraceLink } from './cells';
import classes from './TraceTable.module.css';
import { useRowKeys } from './useRowKeys';

export interface ListProps {
  traces: TraceSummary[];
  color: ColorOf;
  zone: string;
  sort: TraceSort;
  onSort: (key: SortKey) => void;
  /** The trace under the pointer, or none. */
  onMark: (id: string | undefined) => void;
}

const ROW_HEIGHT = 32;
const features = tableFeatures({});
const helper = createColumnHelper<typeof features, TraceSummary>();
/** Heads that sort, by the column's id. */
const SORTS: Record<string, SortKey> = { time: 'time', duration: 'duration', spans: 'spans', errors: 'errors' };

/** One row a trace; only those in sight are in the document. */
export const TraceTable = memo(function TraceTable({ traces, color, zone, sort, onSort, onMark }: ListProps) {
  const hasTenants = traces.some((trace) => trace.tenant !== undefined);
  const longest = useMemo(() => traces.reduce((most, trace) => Math.max(most, trace.duration), 1), [traces]);
  const columns = useMemo(
    () =>
      helper.columns([
        helper.accessor('start', {
          id: 'time',
          header: 'Time',
          cell: (cell) => formatInstant(cell.getValue(), zone, 'millis'),
        }),
        helper.display({ id: 'trace', header: 'Trace' }),
        helper.accessor('duration', {
          header: 'Duration',
          cell: (cell) => <DurationBar duration={cell.getValue()} longest={longest} />,
        }),
        helper.accessor('spans', { header: 'Spans', cell: (cell) => formatCount(cell.getValue()) }),
        helper.display({
          id: 'services',
          header: 'Services',
          cell: (cell) => <Services trace={cell.row.original} color={color} />,
        }),
        helper.accessor('errors', { header: 'Errors', cell: (cell) => <Errors count={cell.getValue()} /> }),
        ...(hasTenants
          ? [
              helper.accessor('tenant', {
                header: 'Tenant',
                cell: (cell) => <Outside line text={cell.getValue() ?? ''} limit={60} />,
              }),
            ]
          : []),
      ]),
    [zone, longest, color, hasTenants],
  );
  const table = useTable({ features, columns, data: traces, getRowId: (trace) => trace.id });
  const rows = table.getRowModel().rows;
  const heads = table.getHeaderGroups().flatMap((group) => group.headers);

  const body = useRef<HTMLTableSectionElement>(null);
  const scrollMargin = useOffsetTop(body);
  const active = useRef(0);
  const virtualizer = useWindowVirtualizer<HTMLElement>({
    count: rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    scrollMargin,
    // Below the page's head and the table's.
    scrollPaddingStart: 90,
    scrollPaddingEnd: ROW_HEIGHT,
    rangeExtractor: (range) => [...new Set([active.current, ...defaultRangeExtractor(range)])].sort((a, b) => a - b),
  });
  const keys = useRowKeys(rows.length, virtualizer);
  active.current = keys.active;
  const items = virtualizer.getVirtualItems();

  return (
    <table className={classes.table} aria-rowcount={rows.length + 1}>
      <colgroup>
        {heads.map((head) => (
          <col key={head.id} data-column={head.column.id} />
        ))}
      </colgroup>
      <thead>
        <tr>
          {heads.map((head) => (
            <Head
              key={head.id}
              id={head.column.id}
              title={String(head.column.columnDef.header)}
              sort={sort}
              onSort={onSort}
            />
          ))}
        </tr>
      </thead>
      <tbody ref={body} onKeyDown={keys.onKeyDown} onMouseLeave={() => onMark(undefined)}>
        {items.map((item, position) => {
          const row = rows[item.index];
          if (!row) return null;
          const before = items[position - 1];
          const gap = item.start - (before ? before.end : scrollMargin);
          return [
            gap > 0 && <Gap key={`before ${row.id}`} height={gap} columns={heads.length} />,
            <tr
              key={row.id}
              className={classes.row}
              data-row={item.index}
              aria-rowindex={item.index + 2}
              onMouseEnter={() => onMark(row.id)}
              onFocus={() => keys.setActive(item.index)}
            >
              {row.getAllCells().map((cell) =>
                cell.column.id === 'trace' ? (
                  <td key={cell.id} data-column="trace">
                    <TraceLink
                      trace={row.original}
                      color={color}
                      className={classes.link}
                      tabIndex={item.index === keys.active ? 0 : -1}
                      ref={(link) => keys.linkRef(item.index, link)}
                    />
                  </td>
                ) : (
                  <td key={cell.id} data-column={cell.column.id}>
                    <table.FlexRender cell={cell} />
                  </td>
                ),
              )}
            </tr>,
          ];
        })}
        <Gap
          height={virtualizer.getTotalSize() - ((items.at(-1)?.end ?? scrollMargin) - scrollMargin)}
          columns={heads.length}
        />
      </tbody>
    </table>
  );
});

/** In place of rows that are out of sight. */
function Gap({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden>
      <td colSpan={columns} className={classes.gap} style={{ height }} />
    </tr>
  );
}

function Head({
  id,
  title,
  sort,
  onSort,
}: {
  id: string;
  title: string;
  sort: TraceSort;
  onSort: (key: SortKey) => void;
}) {
  const key = SORTS[id];
  if (!key) {
    return (
      <th scope="col" data-column={id}>
        {title}
      </th>
    );
  }
  const isSorted = sort.key === key;
  const Arrow = sort.descending ? IconArrowDown : IconArrowUp;
  return (
    <th scope="col" data-column={id} aria-sort={isSorted ? (sort.descending ? 'descending' : 'ascending') : undefined}>
      <UnstyledButton className={classes.sort} onClick={() => onSort(key)}>
        {title}
        {isSorted && <Arrow size={13} aria-hidden />}
      </UnstyledButton>
    </th>
  );
}

function DurationBar({ duration, longest }: { duration: number; longest: number }) {
  return (
    <span className={classes.duration}>
      {formatDuration(duration)}
      <span className={classes.bar} style={{ width: `${Math.max(1, (100 * duration) / longest)}%` }} aria-hidden />
    </span>
  );
}

/** How far below the top of the page an element begins; measured again when what is above it changes. */
export function useOffsetTop(element: React.RefObject<HTMLElement | null>): number {
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    const measure = () => {
      const top = element.current?.getBoundingClientRect().top;
      if (top !== undefined) setOffset(Math.round(top + window.scrollY));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, [element]);
  return offset;
}
