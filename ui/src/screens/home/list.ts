/** Which services the table shows, and in which order. */

import type { Percentile, ServiceTotals } from '~/data/services';

export const PAGE_SIZE = 50;

export const COLUMNS = ['name', 'rate', 'errors', 'p50', 'p95', 'p99', 'seen'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  column: Column;
  isDescending: boolean;
}

export const DEFAULT_SORT: Sort = { column: 'name', isDescending: false };

/** As the address bar says it: `errors`, `-errors`; what cannot be read is the default. */
export function parseSort(text: string | undefined): Sort {
  const isDescending = text?.startsWith('-') ?? false;
  const column = COLUMNS.find((column) => column === (isDescending ? text?.slice(1) : text));
  return column ? { column, isDescending } : DEFAULT_SORT;
}

export function formatSort({ column, isDescending }: Sort): string | undefined {
  if (column === DEFAULT_SORT.column && isDescending === DEFAULT_SORT.isDescending) return undefined;
  return `${isDescending ? '-' : ''}${column}`;
}

/** What a click on the head of a column asks for: names from A, numbers from the largest, and a second click the other way. */
export function nextSort(sort: Sort, column: Column): Sort {
  if (sort.column === column) return { column, isDescending: !sort.isDescending };
  return { column, isDescending: column !== 'name' };
}

export function filterServices(services: readonly ServiceTotals[], text: string): ServiceTotals[] {
  const wanted = text.trim().toLowerCase();
  return services.filter(({ name }) => name.toLowerCase().includes(wanted));
}

/** Ties by name, so that rows keep their places; what a service does not have comes last either way. */
export function sortServices(services: readonly ServiceTotals[], { column, isDescending }: Sort): ServiceTotals[] {
  const sign = isDescending ? -1 : 1;
  const byName = (a: ServiceTotals, b: ServiceTotals) => collator.compare(a.name, b.name) || (a.name < b.name ? -1 : 1);
  if (column === 'name') return services.toSorted((a, b) => sign * byName(a, b));
  return services.toSorted((a, b) => {
    const [left, right] = [numbersOf(a, column), numbersOf(b, column)];
    for (const [index, value] of left.entries()) {
      const other = right[index];
      if (value === other) continue;
      if (value === undefined) return 1;
      if (other === undefined) return -1;
      return sign * (value - other);
    }
    return byName(a, b);
  });
}

const collator = new Intl.Collator('en', { numeric: true });

/** What a service is sorted by, the most important first. */
function numbersOf(service: ServiceTotals, column: Exclude<Column, 'name'>): (number | undefined)[] {
  if (column === 'rate') return [service.rate];
  if (column === 'errors') return [service.errorShare, service.errors];
  if (column === 'seen') return [service.lastSeen];
  return [service.percentiles[column satisfies Percentile]];
}

export interface Page<T> {
  rows: T[];
  /** From 1 to `pages`. */
  page: number;
  pages: number;
}

/** One page of rows; a page that does not exist (any more) is the nearest that does. */
export function pageOf<T>(rows: readonly T[], wanted: string | undefined): Page<T> {
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_SIZE));
  const asked = /^\d{1,6}$/.test(wanted ?? '') ? Number(wanted) : 1;
  const page = Math.min(pages, Math.max(1, asked));
  return { rows: rows.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE), page, pages };
}
