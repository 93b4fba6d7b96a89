/** The words of a log body for a line in a list. */

import { isRecord } from '~/data/attributes';

/** Where loggers put their words in a line of JSON. */
const MESSAGE = ['msg', 'message', 'body', 'event', 'log'];

/** The message inside a body of JSON, else the body itself. Half a body (it was cut) is no JSON. */
export function messageOf(body: string): string {
  const parsed = parseJson(body);
  if (!isRecord(parsed)) return body;
  for (const key of MESSAGE) {
    const value = parsed[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return body;
}

/** A body of JSON over several lines; undefined for any other. */
export function prettyBody(body: string): string | undefined {
  const parsed = parseJson(body);
  return parsed === undefined ? undefined : JSON.stringify(parsed, null, 2);
}

/** Objects and lists only: a bare number or word is better left as it is. */
function parseJson(body: string): unknown {
  const start = body.trimStart()[0];
  if (start !== '{' && start !== '[') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
