import { describe, expect, it } from 'vitest';
import type { ServiceTotals } from '~/data/services';
import {
  DEFAULT_SORT,
  filterServices,
  formatSort,
  nextSort,
  PAGE_SIZE,
  pageOf,
  parseSort,
  sortServices,
} from '~/screens/home/list';

function service(name: string, more: Partial<ServiceTotals> = {}): ServiceTotals {
  return { name, basis: 'entry', count: 10, errors: 0, rate: 1, errorShare: 0, percentiles: {}, lastSeen: 0, ...more };
}

const names = (services: readonly ServiceTotals[]) => services.map(({ name }) => name);

describe('the order in the address bar', () => {
  it.each(['rate', '-rate', '-errors', 'p99', '-name'])('%s goes through', (text) => {
    expect(formatSort(parseSort(text))).toBe(text);
  });

  it.each([undefined, '', '-', 'nonsense', '--rate', 'name'])('%s is the usual one', (text) => {
    expect(parseSort(text)).toEqual(DEFAULT_SORT);
    expect(formatSort(parseSort(text))).toBeUndefined();
  });

  it('turns with a second click', () => {
    expect(nextSort(DEFAULT_SORT, 'errors')).toEqual({ column: 'errors', isDescending: true });
    expect(nextSort({ column: 'errors', isDescending: true }, 'errors').isDescending).toBe(false);
    expect(nextSort({ column: 'errors', isDescending: true }, 'name')).toEqual(DEFAULT_SORT);
  });
});

describe('sortServices', () => {
  it('sorts names as people count', () => {
    const services = ['shard-10', 'Shard-9', 'shard-1'].map((name) => service(name));
    expect(names(sortServices(services, DEFAULT_SORT))).toEqual(['shard-1', 'Shard-9', 'shard-10']);
  });

  it('puts the worst first, by share and then by number', () => {
    const services = [
      service('fine'),
      service('busy', { errorShare: 0.5, errors: 500 }),
      service('worst', { errorShare: 0.9, errors: 9 }),
      service('idle', { errorShare: 0.5, errors: 1 }),
    ];
    expect(names(sortServices(services, parseSort('-errors')))).toEqual(['worst', 'busy', 'idle', 'fine']);
  });

  it('keeps ties in the order of their names, either way', () => {
    const services = ['b', 'a', 'c'].map((name) => service(name));
    expect(names(sortServices(services, parseSort('rate')))).toEqual(['a', 'b', 'c']);
    expect(names(sortServices(services, parseSort('-rate')))).toEqual(['a', 'b', 'c']);
  });

  it('puts what is unknown last, either way', () => {
    const services = [
      service('none'),
      service('slow', { percentiles: { p95: 9 } }),
      service('fast', { percentiles: { p95: 1 } }),
    ];
    expect(names(sortServices(services, parseSort('p95')))).toEqual(['fast', 'slow', 'none']);
    expect(names(sortServices(services, parseSort('-p95')))).toEqual(['slow', 'fast', 'none']);
  });
});

describe('filterServices', () => {
  it('finds a part of the name, whatever its case', () => {
    const services = ['payments-gateway', 'Gateway', 'orders'].map((name) => service(name));
    expect(names(filterServices(services, ' GATE '))).toEqual(['payments-gateway', 'Gateway']);
    expect(filterServices(services, '')).toHaveLength(3);
  });
});

describe('pageOf', () => {
  const rows = Array.from({ length: 2 * PAGE_SIZE + 1 }, (_, index) => index);

  it('cuts out a page', () => {
    expect(pageOf(rows, '3')).toEqual({ rows: [2 * PAGE_SIZE], page: 3, pages: 3 });
    expect(pageOf([], undefined)).toEqual({ rows: [], page: 1, pages: 1 });
  });

  it.each([
    ['99', 3],
    ['0', 1],
    ['-1', 1],
    ['x', 1],
    [undefined, 1],
  ])('takes %s as page %i', (wanted, page) => {
    expect(pageOf(rows, wanted).page).toBe(page);
  });
});
