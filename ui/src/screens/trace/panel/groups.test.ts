import { expect, it } from 'vitest';
import { grouped } from '~/screens/trace/panel/groups';

it.each([
  [
    ['http.route', 'db.system', 'http.method', 'alone', 'db.name'],
    { db: ['db.name', 'db.system'], http: ['http.method', 'http.route'], '': ['alone'] },
  ],
  [['url.path', '.x', 'b', 'server.port'], { '': ['.x', 'b', 'server.port', 'url.path'] }],
  [['__proto__.b', '__proto__.a'], JSON.parse('{"__proto__": ["__proto__.a", "__proto__.b"]}')],
  [[], {}],
])('groups %j', (keys, groups) => {
  const attributes = keys.map((key) => ({ key, value: { type: 'string' as const, text: '' } }));
  const found = grouped(attributes).map(({ prefix, attributes }) => [prefix, attributes.map(({ key }) => key)]);
  expect(found).toEqual(Object.entries(groups));
});

it('keeps attributes of the same key in their order', () => {
  const attributes = ['1', '2', '3'].map((text) => ({ key: 'same', value: { type: 'string' as const, text } }));
  expect(grouped(attributes)).toEqual([{ prefix: '', attributes }]);
});
