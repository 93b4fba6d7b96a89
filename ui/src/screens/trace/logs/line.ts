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

/** Longer bodies stay as they were sent. */
const LONGEST = 200_000;
/** The deeper, the more of the text is the space before its lines. */
const DEEPEST = 64;

const PIECES = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * A body of JSON over several lines; undefined for any other. Only space is added or taken: values that went through
 * JavaScript would lose digits of numbers.
 */
export function prettyBody(body: string): string | undefined {
  if (body.length > LONGEST || parseJson(body) === undefined) return undefined;
  let result = '';
  let depth = 0;
  let last = '';
  for (const [piece] of body.matchAll(PIECES)) {
    const isEnd = piece === '}' || piece === ']';
    if (isEnd) depth--;
    const isFirst = last === '{' || last === '[';
    // An empty object or list stays in one piece.
    if (last === ',' || isFirst !== isEnd) result += `\n${'  '.repeat(depth)}`;
    result += piece === ':' ? ': ' : piece;
    if (piece === '{' || piece === '[') depth++;
    if (depth > DEEPEST) return undefined;
    last = piece;
  }
  return result;
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
