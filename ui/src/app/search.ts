/**
 * What stands in the address bar. Parameters are plain text (`?from=now-1h&service=catalog`), so that people can read
 * and write them; one that comes several times is a list.
 */

import * as v from 'valibot';

export type Search = Record<string, string | string[]>;

export function parseSearch(text: string): Search {
  const search: Search = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const known = search[key];
    search[key] = known === undefined ? value : [known, value].flat();
  }
  return search;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null && item !== '') parameters.append(key, String(item));
    }
  }
  // Colons, slashes and commas are legal in a query and far easier to read.
  const text = parameters.toString().replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',');
  return text ? `?${text}` : '';
}

/** A parameter that comes once; of several the last, as people expect of what they append. */
export const text = v.optional(
  v.pipe(
    v.union([v.string(), v.array(v.string())]),
    v.transform((value) => (Array.isArray(value) ? (value.at(-1) ?? '') : value)),
  ),
);

/** A parameter that may come several times. */
export const texts = v.optional(
  v.pipe(
    v.union([v.string(), v.array(v.string())]),
    v.transform((value) => (Array.isArray(value) ? value : [value])),
  ),
);

/** What every screen shares. */
export const SharedSearch = v.object({ from: text, to: text, tz: text, refresh: text, tenant: text });
