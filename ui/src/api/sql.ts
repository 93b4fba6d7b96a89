/** Queries in SQL over the tables of the store (`POST /api/v1/sql`). */

import * as v from 'valibot';
import type { Described } from '~/api/described';
import type { components } from '~/api/generated';
import { ApiError, requestJson } from '~/api/http';

/** A piece of SQL whose values are already quoted. Made by [[sql]] only. */
export class Sql {
  constructor(readonly text: string) {}
}

type Value = string | number | bigint | boolean | null | Sql;

/**
 * SQL with values put in safely: text becomes a quoted literal, numbers stay numbers, another [[Sql]] goes in as it is.
 *
 *     sql`SELECT count(*) FROM spans WHERE service_name = ${service}`
 */
export function sql(strings: TemplateStringsArray, ...values: Value[]): Sql {
  return new Sql(strings.reduce((text, piece, index) => text + literal(values[index - 1] as Value) + piece));
}

/** The pieces with a separator between them; empty when there are none. */
export function join(pieces: Sql[], separator: string): Sql {
  return new Sql(pieces.map((piece) => piece.text).join(separator));
}

/** A column's or table's name, quoted. */
export function identifier(name: string): Sql {
  return new Sql(`"${name.replaceAll('"', '""')}"`);
}

/** An instant for comparison with a time column, from milliseconds since the epoch. */
export function instant(milliseconds: number): Sql {
  return new Sql(`TIMESTAMP '${new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '')}'`);
}

function literal(value: Value): string {
  if (value instanceof Sql) return value.text;
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`;
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError(`${value} is not a number of SQL`);
  return String(value);
}

const Answer = v.object({
  columns: v.array(v.object({ name: v.string(), type: v.string() })),
  rows: v.array(v.array(v.unknown())),
  error: v.optional(v.object({ code: v.string(), message: v.string() })),
});

export interface QueryOptions {
  signal?: AbortSignal | undefined;
  timeout?: number;
}

/** The rows as arrays, in the order of the SELECT list; for answers of many rows. */
export async function queryRows(query: Sql, options: QueryOptions = {}): Promise<unknown[][]> {
  return (await ask(query, options)).rows;
}

/** The rows as objects by column name, each checked against `row`. */
export async function query<Row>(
  query: Sql,
  row: v.GenericSchema<unknown, Row>,
  options: QueryOptions = {},
): Promise<Row[]> {
  const { columns, rows } = await ask(query, options);
  const result = v.safeParse(
    v.array(row),
    rows.map((values) => Object.fromEntries(columns.map(({ name }, index) => [name, values[index]]))),
  );
  if (!result.success)
    throw new ApiError(
      'broken',
      `The answer is not what was asked for: ${v.flatten(result.issues).root?.[0] ?? result.issues[0].message}`,
    );
  return result.output;
}

type Answer = Described<typeof Answer, components['schemas']['SqlAnswer']>;

async function ask(query: Sql, options: QueryOptions): Promise<Answer> {
  const body = await requestJson('/api/v1/sql', {
    ...options,
    method: 'POST',
    body: query.text,
    headers: { 'Content-Type': 'text/plain' },
  });
  const answer = v.safeParse(Answer, body);
  if (!answer.success)
    throw new ApiError('broken', 'The answer is not what was asked for: it has no columns and rows.');
  if (answer.output.error) {
    // The query failed after its first rows were sent.
    throw new ApiError('refused', answer.output.error.message, 200, answer.output.error.code);
  }
  return answer.output;
}
