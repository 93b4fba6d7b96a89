/**
 * Conditions on attributes as people write them: `http.route=/checkout`, `user.id!=7`, `url.path~^/api/`,
 * `db.response.returned_rows>100`, or a key alone ("has it").
 *
 * A key may name its scope (`span.http.route`, `resource.k8s.pod.name`); without one, both are looked at. Keys and values that
 * would be misread stand in double quotes, with `\"` and `\\` inside.
 */

import { join, type Sql, sql } from '~/api/sql';

export const OPERATORS = ['=', '!=', '~', '!~', '>', '>=', '<', '<='] as const;
export type Operator = (typeof OPERATORS)[number];

export type AttributeFilter = { key: string; operator: Operator; value: string } | { key: string; operator: 'exists' };

export type Parsed<T> = { value: T; problem?: undefined } | { value?: undefined; problem: string };

/** Longer keys and values than any that should be searched for. */
const LONGEST_KEY = 256;
const LONGEST_VALUE = 4096;

const BARE_KEY = /^[^\s=!~<>"]+/;
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"/;
/** `=~` is what PromQL and TraceQL write for `~`. */
const OPERATOR = /^(?:!=|!~|=~|>=|<=|=|~|>|<)/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

export function parseAttributeFilter(text: string): Parsed<AttributeFilter> {
  const trimmed = text.trim();
  if (!trimmed) return { problem: 'Write a key, then = and a value.' };
  const quotedKey = QUOTED.exec(trimmed);
  const key = quotedKey ? unquote(quotedKey[1] ?? '') : (BARE_KEY.exec(trimmed)?.[0] ?? '');
  if (!key) {
    const problem =
      trimmed.startsWith('"') && !quotedKey ? 'The quote around the key is not closed.' : 'The key is missing.';
    return { problem };
  }
  if (key.length > LONGEST_KEY) return { problem: `A key has at most ${LONGEST_KEY} characters.` };
  const rest = trimmed.slice(quotedKey ? quotedKey[0].length : key.length).trimStart();
  if (!rest) return { value: { key, operator: 'exists' } };
  const written = OPERATOR.exec(rest)?.[0];
  if (!written) return { problem: `After the key comes one of ${OPERATORS.join('  ')}, or nothing.` };
  const operator = written === '=~' ? '~' : (written as Operator);
  const value = parseValue(rest.slice(written.length).trim());
  if (value.problem !== undefined) return value;
  const problem = problemOf(operator, value.value);
  return problem ? { problem } : { value: { key, operator, value: value.value } };
}

function parseValue(text: string): Parsed<string> {
  if (!text) return { problem: 'The value is missing; "" is the empty one.' };
  if (text.length > LONGEST_VALUE) return { problem: `A value has at most ${LONGEST_VALUE} characters.` };
  if (!text.startsWith('"')) return { value: text };
  const quoted = QUOTED.exec(text);
  if (quoted?.[0].length !== text.length) {
    const problem =
      'A value that begins with a quote ends with one; inside, a quote is written \\" and a backslash \\\\.';
    return { problem };
  }
  return { value: unquote(quoted[1] ?? '') };
}

function problemOf(operator: Operator, value: string): string | undefined {
  if (isComparison(operator)) {
    if (!NUMBER.test(value)) return `${operator} compares numbers; this value is none.`;
    if (!Number.isFinite(Number(value))) return `${operator} compares numbers; this one is too large.`;
  }
  if (operator === '~' || operator === '!~') return problemOfPattern(value);
  return undefined;
}

/** What is wrong with a regular expression, as far as it can be told without the server (whose syntax is Rust's). */
function problemOfPattern(pattern: string): string | undefined {
  // An escaped bracket opens no group.
  if (/\(\?<?[=!]/.test(pattern.replace(/\\./gs, ''))) return 'Regular expressions here have no look-around.';
  try {
    new RegExp(asHere(pattern));
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(': ').at(-1) : undefined;
    return `Not a regular expression${reason ? `: ${reason.toLowerCase()}` : ''}.`;
  }
}

/** The pattern without what only Rust's syntax has: flags anywhere inside, `(?P<name>…)`. */
function asHere(pattern: string): string {
  return pattern.replace(/(\\.)|\(\?[a-zA-Z-]*([:)])|\(\?P</gs, (group, escaped?: string, end?: string) => {
    if (escaped) return group;
    if (end) return end === ':' ? '(?:' : '';
    return '(?<';
  });
}

function isComparison(operator: Operator): boolean {
  return operator.startsWith('>') || operator.startsWith('<');
}

/** What [[parseAttributeFilter]] reads back as the same. */
export function formatAttributeFilter(filter: AttributeFilter): string {
  const key = BARE_KEY.exec(filter.key)?.[0] === filter.key ? filter.key : quote(filter.key);
  if (filter.operator === 'exists') return key;
  const { operator, value } = filter;
  const isMisread = value === '' || value !== value.trim() || /^["=~]/.test(value);
  return `${key}${operator}${isMisread ? quote(value) : value}`;
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function unquote(text: string): string {
  return text.replace(/\\(["\\])/g, '$1');
}

const SCOPES = ['span', 'resource'] as const;

/** The attribute a key means: the scope that it names, else both. */
export function attributeScopes(key: string): { scope: 'span' | 'resource'; key: string }[] {
  const scope = SCOPES.find((scope) => key.startsWith(`${scope}.`) && key.length > scope.length + 1);
  if (scope) return [{ scope, key: key.slice(scope.length + 1) }];
  return SCOPES.map((scope) => ({ scope, key }));
}

/** The text of an attribute in a row of `spans`; NULL where it has none. */
function textOf({ scope, key }: { scope: 'span' | 'resource'; key: string }): Sql {
  return scope === 'span' ? sql`attribute(span_attributes, ${key})` : sql`attribute(resource_attributes, ${key})`;
}

function numberOf({ scope, key }: { scope: 'span' | 'resource'; key: string }): Sql {
  return scope === 'span'
    ? sql`attribute_number(span_attributes, ${key})`
    : sql`attribute_number(resource_attributes, ${key})`;
}

/** What must hold of a row of `spans`. One that lacks the attribute fulfils nothing, `!=` neither. */
export function attributeCondition(filter: AttributeFilter): Sql {
  const conditions = attributeScopes(filter.key).map((attribute) => {
    if (filter.operator === 'exists') return sql`${textOf(attribute)} IS NOT NULL`;
    if (isComparison(filter.operator)) return comparison(numberOf(attribute), filter.operator, Number(filter.value));
    return comparison(textOf(attribute), filter.operator, filter.value);
  });
  return conditions.length === 1 ? (conditions[0] ?? sql`true`) : sql`(${join(conditions, ' OR ')})`;
}

function comparison(left: Sql, operator: Operator, value: string | number): Sql {
  switch (operator) {
    case '=':
      return sql`${left} = ${value}`;
    case '!=':
      return sql`${left} <> ${value}`;
    case '~':
      return sql`${left} ~ ${value}`;
    case '!~':
      return sql`${left} !~ ${value}`;
    case '>':
      return sql`${left} > ${value}`;
    case '>=':
      return sql`${left} >= ${value}`;
    case '<':
      return sql`${left} < ${value}`;
    case '<=':
      return sql`${left} <= ${value}`;
  }
}
