import { describe, expect, it } from 'vitest';
import { formatSql, LONGEST_SQL, languageOf, tokens } from '~/screens/trace/panel/sql';

describe('languageOf', () => {
  it.each([
    ['PostgreSQL', 'postgresql'],
    ['mssql', 'transactsql'],
    ['', 'sql'],
    ['a database of tomorrow', 'sql'],
    ['constructor', 'sql'],
    ['__proto__', 'sql'],
  ])('%j speaks %s', (system, language) => expect(languageOf(system)).toBe(language));
});

describe('formatSql', () => {
  it('puts clauses on lines of their own and keeps words, comments and parameters', async () => {
    const text = 'select a /* why */ from t where b = $1 and c = :name and d = ?';
    const formatted = await formatSql(text, 'postgresql');
    expect(formatted).toMatch(/^select\n {2}a \/\* why \*\/\nfrom\n/);
    expect(formatted?.replace(/\s+/g, ' ')).toBe(text);
  });

  it.each([
    ['what is no SQL', "SELECT 'open", ''],
    ['what is too long', `SELECT ${'a, '.repeat(LONGEST_SQL / 3)}b`, ''],
    ['what nests too deep', `SELECT ${'('.repeat(9_000)}`, 'mysql'],
    ['comments without number', '/* '.repeat(3_000), 'postgresql'],
  ])('leaves %s as it is', async (_, text, system) => expect(await formatSql(text, system)).toBeUndefined());
});

describe('tokens', () => {
  it.each([
    ['SELECT "from", `or` FROM t1', ['keyword SELECT', 'other  "from", `or` ', 'keyword FROM', 'other  t1']],
    [
      "x = 'it''s' -- why 'not'\nAND 1.5",
      [
        'other x = ',
        "string 'it''s'",
        'other  ',
        "comment -- why 'not'",
        'other \n',
        'keyword AND',
        'other  ',
        'number 1.5',
      ],
    ],
    [
      '/* a\n*b* */ $1 :id @v',
      ['comment /* a\n*b* */', 'other  ', 'number $1', 'other  ', 'number :id', 'other  ', 'number @v'],
    ],
    ['selected 1a', ['other selected 1a']],
    ['/* cut off', ['comment /* cut off']],
    ['', []],
  ])('%j', (text, expected) => expect(tokens(text).map(({ kind, text }) => `${kind} ${text}`)).toEqual(expected));

  it.each(["'open", '"open', '/* /* *', '/', "a'b''c'd", '\u0000 <script>', 'ünïcode $ : @'])(
    'loses nothing of %j',
    (text) => {
      expect(
        tokens(text)
          .map(({ text }) => text)
          .join(''),
      ).toBe(text);
    },
  );

  it('reads a text of beginnings of comments once', () => {
    // Looking for the end from each of them makes as many pieces as there are.
    expect(tokens('/* '.repeat(LONGEST_SQL / 3))).toHaveLength(1);
  });
});
