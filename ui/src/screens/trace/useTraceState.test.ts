import { expect, it } from 'vitest';
import { without } from '~/screens/trace/useTraceState';

it.each([
  ['what was written is no longer on its way', { span: 'a' }, { span: 'a' }, {}],
  ['what changed meanwhile still is', { span: 'b' }, { span: 'a' }, { span: 'b' }],
  ['what was taken away meanwhile is, too', { zoom: '1-2', span: undefined }, { zoom: '1-2' }, { span: undefined }],
])('%s', (_, pending, written, left) =>
  expect(Object.entries(without(pending, written))).toEqual(Object.entries(left)),
);
