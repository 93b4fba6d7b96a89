/** SQL made readable: formatted by the dialect of its database, and cut into pieces to colour. */

/** Longer texts are shown as they are; formatting and colouring them would hold up the screen. */
export const LONGEST_SQL = 20_000;
/** From the beginning of each comment the formatter looks for its end through the whole text. */
const MOST_COMMENTS = 200;

type Language =
  | 'sql'
  | 'postgresql'
  | 'mysql'
  | 'mariadb'
  | 'sqlite'
  | 'transactsql'
  | 'plsql'
  | 'bigquery'
  | 'snowflake'
  | 'spark'
  | 'trino'
  | 'redshift'
  | 'db2'
  | 'clickhouse'
  | 'duckdb'
  | 'singlestoredb'
  | 'tidb';

/** By `db.system.name` (and the names `db.system` had before). */
const LANGUAGES = new Map<string, Language>(
  Object.entries({
    postgresql: 'postgresql',
    cockroachdb: 'postgresql',
    'aws.redshift': 'redshift',
    redshift: 'redshift',
    mysql: 'mysql',
    mariadb: 'mariadb',
    sqlite: 'sqlite',
    'microsoft.sql_server': 'transactsql',
    mssql: 'transactsql',
    'oracle.db': 'plsql',
    oracle: 'plsql',
    'gcp.bigquery': 'bigquery',
    bigquery: 'bigquery',
    snowflake: 'snowflake',
    spark: 'spark',
    trino: 'trino',
    'ibm.db2': 'db2',
    db2: 'db2',
    clickhouse: 'clickhouse',
    duckdb: 'duckdb',
    singlestore: 'singlestoredb',
    tidb: 'tidb',
  } as const),
);

export function languageOf(system: string): Language {
  return LANGUAGES.get(system.toLowerCase()) ?? 'sql';
}

/** Formatted, comments and parameters kept; undefined where it cannot be read as SQL of that dialect. */
export async function formatSql(text: string, system: string): Promise<string | undefined> {
  if (text.length > LONGEST_SQL || text.split('/*').length > MOST_COMMENTS) return undefined;
  // Large, and wanted for few spans.
  const { format } = await import('sql-formatter');
  try {
    return format(text, {
      language: languageOf(system),
      keywordCase: 'preserve',
      paramTypes: { positional: true, numbered: ['?', ':', '$'], named: [':', '@', '$'] },
    });
  } catch {
    return undefined;
  }
}

export interface Token {
  kind: 'comment' | 'string' | 'number' | 'keyword' | 'other';
  text: string;
}

/** One alternative a kind; each can only match at one place in one way, so that no text takes long. A comment without an end is one to the end. */
const PIECES =
  /(?<comment>\/\*[\s\S]*?(?:\*\/|$)|--[^\n]*)|(?<string>'(?:[^']|'')*')|(?<quoted>"[^"]*"|`[^`]*`)|(?<number>\b\d+(?:\.\d+)?\b|[$:@]\w+)|(?<word>[A-Za-z_]\w*)/g;

const KEYWORDS = new Set(
  `ADD ALL ALTER AND ANY AS ASC BEGIN BETWEEN BY CASE CAST CHECK COLLATE COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT DEFAULT
  DELETE DESC DISTINCT DO DROP ELSE END EXCEPT EXISTS EXPLAIN FALSE FETCH FILTER FIRST FOR FOREIGN FROM FULL GROUP HAVING IF
  ILIKE IN INDEX INNER INSERT INTERSECT INTERVAL INTO IS JOIN KEY LATERAL LEFT LIKE LIMIT LOCK LOCKED MERGE NATURAL NOT NOTHING
  NULL NULLS OF OFFSET ON ONLY OR ORDER OUTER OVER PARTITION PRIMARY RECURSIVE REFERENCES REPLACE RETURNING RIGHT ROLLBACK ROW
  ROWS SAVEPOINT SELECT SET SHARE SKIP TABLE THEN TO TRUE TRUNCATE UNION UNIQUE UPDATE UPSERT USING VALUES VIEW WHEN WHERE
  WINDOW WITH`.split(/\s+/),
);

/** The text in pieces, nothing added and nothing lost. */
export function tokens(text: string): Token[] {
  const result: Token[] = [];
  let end = 0;
  const push = (kind: Token['kind'], text: string) => {
    const last = result.at(-1);
    if (kind === 'other' && last?.kind === 'other') last.text += text;
    else if (text) result.push({ kind, text });
  };
  for (const match of text.matchAll(PIECES)) {
    push('other', text.slice(end, match.index));
    end = match.index + match[0].length;
    const { comment, string, number, word } = match.groups ?? {};
    if (comment !== undefined) push('comment', match[0]);
    else if (string !== undefined) push('string', match[0]);
    else if (number !== undefined) push('number', match[0]);
    else push(word !== undefined && KEYWORDS.has(word.toUpperCase()) ? 'keyword' : 'other', match[0]);
  }
  push('other', text.slice(end));
  return result;
}
