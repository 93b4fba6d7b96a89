import { describe, expect, it } from 'vitest';
import { type AttributeValue, jsonAttributes, otlpAttributes, otlpValue, valueText } from '~/data/attributes';

describe('otlpValue', () => {
  it.each<[unknown, AttributeValue]>([
    [{ stringValue: '' }, { type: 'string', text: '' }],
    [{ boolValue: false }, { type: 'bool', value: false }],
    [{ intValue: '9223372036854775807' }, { type: 'int', digits: '9223372036854775807' }],
    [{ intValue: 7 }, { type: 'int', digits: '7' }],
    [{ doubleValue: 1.5 }, { type: 'double', value: 1.5 }],
    [{ doubleValue: '-Infinity' }, { type: 'double', value: Number.NEGATIVE_INFINITY }],
    [{ bytesValue: 'AAE=' }, { type: 'bytes', base64: 'AAE=' }],
    [{ arrayValue: {} }, { type: 'array', items: [] }],
    [
      { arrayValue: { values: [{ intValue: 1 }, 5] } },
      { type: 'array', items: [{ type: 'int', digits: '1' }, { type: 'empty' }] },
    ],
    [
      { kvlistValue: { values: [{ key: 'k', value: { boolValue: true } }] } },
      { type: 'map', entries: [{ key: 'k', value: { type: 'bool', value: true } }] },
    ],
    [{}, { type: 'empty' }],
    [null, { type: 'empty' }],
    ['text', { type: 'empty' }],
    [{ stringValue: 5 }, { type: 'empty' }],
  ])('%j is %j', (value, expected) => expect(otlpValue(value)).toEqual(expected));

  it('cuts off what nests without end', () => {
    let value: unknown = { stringValue: 'deep' };
    for (let depth = 0; depth < 50_000; depth++) value = { arrayValue: { values: [value] } };
    expect(valueText(otlpValue(value))).toMatch(/^\[{33}null\]{33}$/);
  });
});

describe('otlpAttributes', () => {
  it('keeps keys that come twice and keys without letters, and leaves out what is none', () => {
    const value = { stringValue: 'v' };
    const list = [{ key: 'a', value }, { key: 'a', value }, { value }, { key: 5, value }, null, 'a'];
    expect(otlpAttributes(list).map(({ key }) => key)).toEqual(['a', 'a', '']);
    expect(otlpAttributes({ key: 'a' })).toEqual([]);
  });
});

describe('jsonAttributes', () => {
  it.each<[string, AttributeValue]>([
    ['"text"', { type: 'string', text: 'text' }],
    ['"1.5 \\" 12345678901234567890"', { type: 'string', text: '1.5 " 12345678901234567890' }],
    ['true', { type: 'bool', value: true }],
    ['-12', { type: 'int', digits: '-12' }],
    ['9223372036854775807', { type: 'int', digits: '9223372036854775807' }],
    ['200.0', { type: 'double', value: 200 }],
    ['1e300', { type: 'double', value: 1e300 }],
    ['{"$double":"NaN"}', { type: 'double', value: Number.NaN }],
    ['{"$bytes":"AAE="}', { type: 'bytes', base64: 'AAE=' }],
    [
      '{"$$bytes":"x","b":1}',
      {
        type: 'map',
        entries: [
          { key: '$bytes', value: { type: 'string', text: 'x' } },
          { key: 'b', value: { type: 'int', digits: '1' } },
        ],
      },
    ],
    [
      '[1,[]]',
      {
        type: 'array',
        items: [
          { type: 'int', digits: '1' },
          { type: 'array', items: [] },
        ],
      },
    ],
    ['null', { type: 'empty' }],
  ])('%s', (json, expected) => expect(jsonAttributes(`{"k":${json}}`)).toEqual([{ key: 'k', value: expected }]));

  it.each([null, '', '[1]', '5', '{"cut":', '{"k":1}x'])('finds none in %j', (text) =>
    expect(jsonAttributes(text)).toEqual([]),
  );

  it('takes keys as they are', () => {
    const found = jsonAttributes('{"$double":1,"__proto__":2,"constructor":3}');
    expect(found.map(({ key }) => key)).toEqual(['$double', '__proto__', 'constructor']);
  });
});

describe('valueText', () => {
  it.each<[AttributeValue, string]>([
    [{ type: 'string', text: '"quoted"' }, '"quoted"'],
    [{ type: 'empty' }, ''],
    [{ type: 'double', value: Number.NaN }, 'NaN'],
    [
      {
        type: 'array',
        items: [
          { type: 'int', digits: '9223372036854775807' },
          { type: 'int', digits: '1' },
          { type: 'double', value: Number.POSITIVE_INFINITY },
          { type: 'empty' },
        ],
      },
      '["9223372036854775807",1,"Infinity",null]',
    ],
    [
      { type: 'map', entries: [{ key: '__proto__', value: { type: 'bytes', base64: 'AA==' } }] },
      '{"__proto__":"AA=="}',
    ],
  ])('%j is %s', (value, text) => expect(valueText(value)).toBe(text));
});
