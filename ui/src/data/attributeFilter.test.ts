import { describe, expect, it } from 'vitest';
import {
  type AttributeFilter,
  attributeCondition,
  formatAttributeFilter,
  parseAttributeFilter,
} from './attributeFilter';

describe('parseAttributeFilter', () => {
  it.each<[string, AttributeFilter]>([
    ['http.route=/checkout', { key: 'http.route', operator: '=', value: '/checkout' }],
    ['  user.id != 7 ', { key: 'user.id', operator: '!=', value: '7' }],
    ['url.path~^/api/', { key: 'url.path', operator: '~', value: '^/api/' }],
    ['url.path=~^/api/', { key: 'url.path', operator: '~', value: '^/api/' }],
    ['a!~b', { key: 'a', operator: '!~', value: 'b' }],
    ['rows>1e3', { key: 'rows', operator: '>', value: '1e3' }],
    ['rows>=-.5', { key: 'rows', operator: '>=', value: '-.5' }],
    ['rows<5', { key: 'rows', operator: '<', value: '5' }],
    ['rows<=5', { key: 'rows', operator: '<=', value: '5' }],
    ['user.id', { key: 'user.id', operator: 'exists' }],
    ['a==b', { key: 'a', operator: '=', value: '=b' }],
    ['a=b=c d', { key: 'a', operator: '=', value: 'b=c d' }],
    ['a=""', { key: 'a', operator: '=', value: '' }],
    ['"a key"="a \\"value\\" \\\\ here"', { key: 'a key', operator: '=', value: 'a "value" \\ here' }],
    ['"a=b" = c', { key: 'a=b', operator: '=', value: 'c' }],
  ])('%j', (text, value) => expect(parseAttributeFilter(text)).toEqual({ value }));

  it.each([
    ['', /Write a key/],
    ['  ', /Write a key/],
    ['=x', /key is missing/],
    ['""=x', /key is missing/],
    ['"a=x', /quote around the key is not closed/],
    ['a b', /After the key/],
    ['a!', /After the key/],
    ['"a"b=c', /After the key/],
    ['a=', /value is missing/],
    ['a="b', /begins with a quote/],
    ['a="b"c', /begins with a quote/],
    ['a~"\\d"', /backslash/],
    ['a>b', /compares numbers/],
    ['a>', /value is missing/],
    ['a<0x10', /compares numbers/],
    ['a>1e999', /too large/],
    ['a~(', /Not a regular expression/],
    ['a!~[', /Not a regular expression/],
    ['a~x(?=y)', /look-around/],
    ['a~(?<!x)y', /look-around/],
  ])('%j is wrong', (text, problem) => {
    const parsed = parseAttributeFilter(text);
    expect(parsed.value).toBeUndefined();
    expect(parsed.problem).toMatch(problem);
  });

  it('bounds keys and values', () => {
    expect(parseAttributeFilter(`${'k'.repeat(257)}=x`).problem).toMatch(/at most 256/);
    expect(parseAttributeFilter(`a=${'v'.repeat(4097)}`).problem).toMatch(/at most 4096/);
    expect(parseAttributeFilter(`${'k'.repeat(256)}=${'v'.repeat(4096)}`).problem).toBeUndefined();
  });

  // The server's syntax is Rust's; what it takes must not be refused here.
  it.each(['(?i)error', 'a(?i)b', '(?i:a)b', '(?P<year>\\d{4})', '\\(?=', '[[:alpha:]]+', '\\pL', '^(GET|POST) /'])(
    'takes the pattern %j',
    (value) => expect(parseAttributeFilter(`a~${value}`)).toEqual({ value: { key: 'a', operator: '~', value } }),
  );
});

describe('formatAttributeFilter', () => {
  const TEXTS = [
    'a',
    'http.route',
    'a b',
    'a=b',
    '!a',
    '~',
    '>5',
    '"',
    'a"b"',
    '\\',
    ' a ',
    '=',
    '==x',
    "it's",
    'a\nb',
    '’ض',
  ];

  it('is read back as the same, whatever the key and the value', () => {
    for (const key of TEXTS) {
      const exists: AttributeFilter = { key, operator: 'exists' };
      expect(parseAttributeFilter(formatAttributeFilter(exists))).toEqual({ value: exists });
      for (const value of [...TEXTS, '']) {
        for (const operator of ['=', '!='] as const) {
          const filter: AttributeFilter = { key, operator, value };
          expect(parseAttributeFilter(formatAttributeFilter(filter))).toEqual({ value: filter });
        }
      }
      for (const operator of ['>', '>=', '<', '<='] as const) {
        const filter: AttributeFilter = { key, operator, value: '5' };
        expect(parseAttributeFilter(formatAttributeFilter(filter))).toEqual({ value: filter });
      }
    }
  });

  it('quotes only what would be misread', () => {
    expect(formatAttributeFilter({ key: 'http.route', operator: '=', value: '/a b?c="d"' })).toBe(
      'http.route=/a b?c="d"',
    );
    expect(formatAttributeFilter({ key: 'a b', operator: '~', value: '' })).toBe('"a b"~""');
  });
});

describe('attributeCondition', () => {
  it.each<[AttributeFilter, string]>([
    [
      { key: 'span.http.route', operator: '=', value: "o'clock" },
      "attribute(span_attributes, 'http.route') = 'o''clock'",
    ],
    [{ key: 'resource.a', operator: '!=', value: 'x' }, "attribute(resource_attributes, 'a') <> 'x'"],
    [{ key: 'span.a', operator: '~', value: '^x' }, "attribute(span_attributes, 'a') ~ '^x'"],
    [{ key: 'span.a', operator: '!~', value: '^x' }, "attribute(span_attributes, 'a') !~ '^x'"],
    [{ key: 'span.a', operator: '>', value: '1.5' }, "attribute_number(span_attributes, 'a') > 1.5"],
    [{ key: 'resource.a', operator: '<=', value: '-2' }, "attribute_number(resource_attributes, 'a') <= -2"],
    [{ key: "span.x') OR ('a", operator: 'exists' }, "attribute(span_attributes, 'x'') OR (''a') IS NOT NULL"],
    // Without a scope, both; in brackets, since others are joined to it by AND.
    [
      { key: 'tenant', operator: '=', value: 'a' },
      "(attribute(span_attributes, 'tenant') = 'a' OR attribute(resource_attributes, 'tenant') = 'a')",
    ],
    [
      { key: 'span.', operator: 'exists' },
      "(attribute(span_attributes, 'span.') IS NOT NULL OR attribute(resource_attributes, 'span.') IS NOT NULL)",
    ],
  ])('%j', (filter, text) => expect(attributeCondition(filter).text).toBe(text));
});
