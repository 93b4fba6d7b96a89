/** From the address bar to the question, and back. */

import { type AttributeFilter, formatAttributeFilter, type Parsed, parseAttributeFilter } from '~/data/attributeFilter';
import { SORT_KEYS, type SortKey, type TraceFilter, type TraceSort, type TraceStatus } from '~/data/traceSql';
import { parseDuration } from '~/format/duration';
import type { TracesSearch } from './search';

export const LIMITS = [100, 200, 500, 1000] as const;
export const DEFAULT_LIMIT = LIMITS[0];
export const DEFAULT_SORT: TraceSort = { key: 'time', descending: true };
export type Scale = 'log' | 'linear';

/** A parameter of the address that means nothing, and why. */
export interface Problem {
  field: keyof TracesSearch;
  /** Which of several, as written. */
  text: string;
  problem: string;
}

export interface Question {
  filter: TraceFilter;
  sort: TraceSort;
  limit: number;
  scale: Scale;
  /** Nothing is searched while there are any: the answer would be one to another question. */
  problems: Problem[];
}

export function readQuestion(search: TracesSearch): Question {
  const problems: Problem[] = [];
  const read = <T>(field: keyof TracesSearch, text: string | undefined, parse: (text: string) => Parsed<T>) => {
    if (!text) return undefined;
    const parsed = parse(text);
    if (parsed.problem !== undefined) problems.push({ field, text, problem: parsed.problem });
    return parsed.value;
  };
  const attributes = (search.attribute ?? []).flatMap((text) => read('attribute', text, parseAttributeFilter) ?? []);
  const minDuration = read('min', search.min, parseLimitOfDuration);
  const maxDuration = read('max', search.max, parseLimitOfDuration);
  if (minDuration !== undefined && maxDuration !== undefined && minDuration > maxDuration) {
    problems.push({ field: 'max', text: search.max ?? '', problem: 'Less than the shortest.' });
  }
  return {
    filter: {
      services: [...new Set(search.service ?? [])].filter(Boolean),
      operation: search.operation ?? '',
      status: read('status', search.status, oneOf<TraceStatus>(['error', 'ok'])),
      minDuration,
      maxDuration,
      attributes,
    },
    sort: read('sort', search.sort, parseSort) ?? DEFAULT_SORT,
    limit: read('limit', search.limit, parseLimit) ?? DEFAULT_LIMIT,
    scale: read('scale', search.scale, oneOf<Scale>(['log', 'linear'])) ?? 'log',
    problems,
  };
}

/** Durations beyond this are longer than any range. */
const LONGEST = 366 * 86_400e9;

export function parseLimitOfDuration(text: string): Parsed<number> {
  const value = parseDuration(text);
  if (value === undefined) return { problem: 'Like 250ms or 1.5s.' };
  return value <= LONGEST ? { value } : { problem: 'At most a year.' };
}

function oneOf<T extends string>(known: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = known.find((item) => item === text);
    return value === undefined ? { problem: `One of ${known.join(', ')}.` } : { value };
  };
}

function parseSort(text: string): Parsed<TraceSort> {
  const descending = text.startsWith('-');
  const key = SORT_KEYS.find((key) => key === text.slice(descending ? 1 : 0));
  return key
    ? { value: { key, descending } }
    : { problem: `One of ${SORT_KEYS.join(', ')}, with - for the largest first.` };
}

function parseLimit(text: string): Parsed<number> {
  const value = LIMITS.find((limit) => String(limit) === text);
  return value === undefined ? { problem: `One of ${LIMITS.join(', ')}.` } : { value };
}

/** How a sort stands in the address; the usual one does not. */
export function writeSort({ key, descending }: TraceSort): string | undefined {
  if (key === DEFAULT_SORT.key && descending === DEFAULT_SORT.descending) return undefined;
  return `${descending ? '-' : ''}${key}`;
}

/** What a click on a column's head makes of the sort: largest first, then smallest first. */
export function nextSort(sort: TraceSort, key: SortKey): TraceSort {
  return { key, descending: sort.key === key ? !sort.descending : true };
}

/** The tenant of the bookshop's kind: an attribute like any other, with a field of its own. */
const TENANT = 'tenant';

function isTenant(filter: AttributeFilter): filter is AttributeFilter & { operator: '='; value: string } {
  return filter.key === TENANT && filter.operator === '=';
}

export function tenantOf(search: TracesSearch): string {
  for (const text of search.attribute ?? []) {
    const { value } = parseAttributeFilter(text);
    if (value && isTenant(value)) return value.value;
  }
  return '';
}

/** The conditions on attributes with another tenant, or none. */
export function withTenant(attributes: readonly string[], tenant: string): string[] {
  const others = attributes.filter((text) => {
    const { value } = parseAttributeFilter(text);
    return !value || !isTenant(value);
  });
  return tenant ? [...others, formatAttributeFilter({ key: TENANT, operator: '=', value: tenant })] : others;
}

/** The filters in words, for when nothing is found. Empty: all traces were asked for. */
export function describeFilters(search: TracesSearch): { field: keyof TracesSearch; text: string; words: string }[] {
  const { service = [], operation, status, min, max, attribute = [] } = search;
  const one = (field: keyof TracesSearch, text: string | undefined, words: string) =>
    text ? [{ field, text, words }] : [];
  return [
    ...[...new Set(service)].flatMap((name) => one('service', name, `service ${name}`)),
    ...one('operation', operation, `operation contains ${operation}`),
    ...one('status', status, status === 'error' ? 'with an error' : 'without errors'),
    ...one('min', min, `at least ${min}`),
    ...one('max', max, `at most ${max}`),
    ...[...new Set(attribute)].flatMap((text) => one('attribute', text, text)),
  ];
}

/** The search without one of its filters. */
export function without(search: TracesSearch, field: keyof TracesSearch, text: string): TracesSearch {
  const value = search[field];
  if (!Array.isArray(value)) return { ...search, [field]: undefined };
  return { ...search, [field]: value.filter((item) => item !== text) };
}

export function withoutFilters({ sort, limit, scale }: TracesSearch): TracesSearch {
  return { sort, limit, scale };
}

const WRITTEN_UNITS = [
  ['s', 1e9],
  ['ms', 1e6],
  ['us', 1e3],
  ['ns', 1],
] as const;

/** A bound chosen on the chart (nanoseconds), as one would type it: three digits, never inside of what was chosen. Zero bounds nothing. */
export function writeBound(nanoseconds: number, towards: 'less' | 'more'): string | undefined {
  if (nanoseconds <= 0) return undefined;
  const size = Math.max(1, nanoseconds);
  const [unit, factor] = WRITTEN_UNITS.find(([, factor]) => size >= factor) ?? ['ns', 1];
  const step = 10 ** (Math.floor(Math.log10(size / factor)) - 2);
  const steps = size / factor / step;
  const rounded = (towards === 'less' ? Math.floor(steps) : Math.ceil(steps)) * step;
  return `${Number(rounded.toPrecision(6))}${unit}`;
}
