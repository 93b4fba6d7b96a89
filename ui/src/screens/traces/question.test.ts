import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parseSearch, stringifySearch } from '~/app/search';
import { parseDuration } from '~/format/duration';
import {
  describeFilters,
  nextSort,
  readQuestion,
  tenantOf,
  without,
  withoutFilters,
  withTenant,
  writeBound,
  writeSort,
} from './question';
import { TracesSearch } from './search';

const searchOf = (address: string) => v.parse(TracesSearch, parseSearch(address));
const read = (address: string) => readQuestion(searchOf(address));

describe('readQuestion', () => {
  it('asks for the newest hundred of all where the address says nothing', () => {
    expect(read('')).toEqual({
      filter: {
        services: [],
        operation: '',
        status: undefined,
        minDuration: undefined,
        maxDuration: undefined,
        attributes: [],
      },
      sort: { key: 'time', descending: true },
      limit: 100,
      scale: 'log',
      problems: [],
    });
    expect(read('?service=&operation=&status=&min=&max=&attribute=&sort=&limit=&scale=')).toEqual(read(''));
  });

  it('takes all that the address says', () => {
    const address =
      '?service=web&service=cart&service=web&operation=GET+/a&status=error&min=250ms&max=1.5s' +
      '&attribute=tenant%3Dacme&attribute=rows%3E5&sort=-duration&limit=500&scale=linear';
    expect(read(address)).toEqual({
      filter: {
        services: ['web', 'cart'],
        operation: 'GET /a',
        status: 'error',
        minDuration: 250e6,
        maxDuration: 1.5e9,
        attributes: [
          { key: 'tenant', operator: '=', value: 'acme' },
          { key: 'rows', operator: '>', value: '5' },
        ],
      },
      sort: { key: 'duration', descending: true },
      limit: 500,
      scale: 'linear',
      problems: [],
    });
  });

  it.each([
    ['?status=failed', 'status', 'failed', /error, ok/],
    ['?min=soon', 'min', 'soon', /Like 250ms/],
    ['?max=-1s', 'max', '-1s', /Like 250ms/],
    ['?max=400d', 'max', '400d', /At most a year/],
    [`?min=${'9'.repeat(400)}d`, 'min', `${'9'.repeat(400)}d`, /At most a year/],
    ['?min=2s&max=1s', 'max', '1s', /Less than the shortest/],
    ['?attribute=a%3Db&attribute=%3Dx', 'attribute', '=x', /key is missing/],
    ['?sort=name', 'sort', 'name', /One of time/],
    ['?sort=--time', 'sort', '--time', /One of time/],
    ['?limit=100000', 'limit', '100000', /One of 100, 200, 500, 1000/],
    ['?limit=1e2', 'limit', '1e2', /One of 100/],
    ['?scale=LOG', 'scale', 'LOG', /One of log, linear/],
  ])('says what is wrong with %.40s', (address, field, text, problem) => {
    expect(read(address).problems).toEqual([{ field, text, problem: expect.stringMatching(problem) }]);
  });
});

describe('sorts', () => {
  it('stand in the address unless they are the usual one', () => {
    expect(writeSort({ key: 'time', descending: true })).toBeUndefined();
    for (const key of ['time', 'duration', 'spans', 'errors'] as const) {
      for (const descending of [true, false]) {
        const sort = { key, descending };
        expect(read(stringifySearch({ sort: writeSort(sort) }))).toMatchObject({ sort, problems: [] });
      }
    }
  });

  it('begin with the largest and turn round', () => {
    const first = nextSort({ key: 'time', descending: true }, 'spans');
    expect(first).toEqual({ key: 'spans', descending: true });
    expect(nextSort(first, 'spans')).toEqual({ key: 'spans', descending: false });
  });
});

describe('the tenant', () => {
  it('is a condition among the others', () => {
    const search = searchOf('?attribute=a%3Db&attribute=tenant%3Dacme&attribute=%3Dwrong');
    expect(tenantOf(search)).toBe('acme');
    expect(withTenant(search.attribute ?? [], '')).toEqual(['a=b', '=wrong']);
    expect(withTenant(search.attribute ?? [], ' x "y"')).toEqual(['a=b', '=wrong', 'tenant=" x \\"y\\""']);
    expect(tenantOf({ attribute: withTenant([], ' x "y"') })).toBe(' x "y"');
  });

  it.each(['tenant!=a', 'tenant~a', 'tenant', 'resource.tenant=a'])('is not what %s says', (condition) => {
    expect(tenantOf({ attribute: [condition] })).toBe('');
    expect(withTenant([condition], 'b')).toEqual([condition, 'tenant=b']);
  });
});

describe('describeFilters', () => {
  const search = searchOf(
    '?service=web&service=web&service=cart&operation=GET&status=ok&min=1s&max=2s&attribute=a%3Db&sort=spans&limit=200&scale=linear',
  );

  it('names each filter once', () => {
    expect(describeFilters(search).map(({ words }) => words)).toEqual([
      'service web',
      'service cart',
      'operation contains GET',
      'without errors',
      'at least 1s',
      'at most 2s',
      'a=b',
    ]);
    expect(describeFilters(searchOf('?sort=spans&service='))).toEqual([]);
  });

  it('names them so that each can be taken away', () => {
    let rest = search;
    for (const { field, text } of describeFilters(search)) rest = without(rest, field, text);
    expect(describeFilters(rest)).toEqual([]);
    expect(read(stringifySearch(rest))).toEqual(read('?sort=spans&limit=200&scale=linear'));
    expect(stringifySearch(withoutFilters(search))).toBe('?sort=spans&limit=200&scale=linear');
    expect(without(search, 'service', 'web').service).toEqual(['cart']);
  });
});

describe('writeBound', () => {
  it.each([
    [1_234_567, '1.23ms', '1.24ms'],
    [250e6, '250ms', '250ms'],
    [59.96e9, '59.9s', '60s'],
    [7_777e9, '7770s', '7780s'],
    [999.6, '999ns', '1000ns'],
    [1, '1ns', '1ns'],
    [123_456, '123us', '124us'],
  ])('%s is %s from below and %s from above', (nanoseconds, less, more) => {
    expect(writeBound(nanoseconds, 'less')).toBe(less);
    expect(writeBound(nanoseconds, 'more')).toBe(more);
    expect(parseDuration(less)).toBeLessThanOrEqual(nanoseconds);
    expect(parseDuration(more)).toBeGreaterThanOrEqual(nanoseconds);
  });

  it('is none for nothing at all', () => {
    expect(writeBound(0, 'less')).toBeUndefined();
  });
});
