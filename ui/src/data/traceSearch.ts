/** Which spans of a trace contain a text anywhere (`GET /api/v1/traces/{traceId}/search`). */

import * as v from 'valibot';
import { ApiError, requestJson } from '~/api/http';

const Found = v.object({ spans: v.array(v.string()), truncated: v.boolean() });

const LIMIT = 10_000;

/** The server takes no longer text. */
export const LONGEST_SEARCH = 256;

/** Ids of spans (hexadecimal) that have `text` in an attribute, event, link, name or status message. `truncated`: there are more. */
export async function searchTrace(
  traceId: string,
  text: string,
  signal?: AbortSignal,
): Promise<{ spans: string[]; truncated: boolean }> {
  const parameters = new URLSearchParams({ q: text.slice(0, LONGEST_SEARCH), limit: String(LIMIT) });
  const found = v.safeParse(Found, await requestJson(`/api/v1/traces/${traceId}/search?${parameters}`, { signal }));
  if (!found.success) throw new ApiError('broken', 'The answer to the search is not a list of spans.');
  return found.output;
}
