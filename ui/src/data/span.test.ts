import { afterEach, describe, expect, it, vi } from 'vitest';
import { decodeSpans, fetchSpan } from '~/data/span';
import { serve } from '~/test/server';

afterEach(() => vi.unstubAllGlobals());

const text = (stringValue: string) => ({ stringValue });
const span = {
  traceId: 'WQ==',
  spanId: 'AAAAAAAAAKE=',
  name: 'GET /',
  startTimeUnixNano: '1767323045000000000',
  endTimeUnixNano: '1767323045000001000',
  status: { code: 2, message: 'declined' },
  attributes: [{ key: 'http.route', value: text('/') }],
  events: [
    { name: 'second', timeUnixNano: '1767323045000000500', attributes: [], droppedAttributesCount: 3 },
    { name: 'before', timeUnixNano: '1767323044999999000' },
  ],
  links: [{ traceId: 'q6urq6urq6urq6urq6urqw==', spanId: 'AAAAAAAAALI=' }],
  droppedEventsCount: 4,
};
const body = (spans: unknown[]) => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: text('web') }] },
      scopeSpans: [{ scope: { name: 'lib', version: '1' }, spans }],
    },
  ],
});

describe('decodeSpans', () => {
  it('reads all of a span', () => {
    expect(decodeSpans(body([span]))[0]).toMatchObject({
      spanId: '00000000000000a1',
      service: 'web',
      duration: 1000,
      statusMessage: 'declined',
      scope: { name: 'lib', version: '1', attributes: [] },
      events: [
        { name: 'before', offset: -1000, dropped: 0 },
        { name: 'second', offset: 500, dropped: 3 },
      ],
      links: [{ traceId: 'ab'.repeat(16), spanId: '00000000000000b2', traceState: '', attributes: [] }],
      dropped: { attributes: 0, events: 4, links: 0 },
    });
  });

  it.each([
    ['hexadecimal', 'ABCDEF0123456789', 'abcdef0123456789'],
    ['damaged base64', '!!=', ''],
    ['a number', 5, ''],
  ])('reads ids: %s', (_, spanId, id) => expect(decodeSpans(body([{ ...span, spanId }]))[0]?.spanId).toBe(id));

  it('keeps the others where one is damaged', () => {
    const whole = body([null, 7, span, { name: 5, events: 'none', links: [3], status: null, startTimeUnixNano: -1 }]);
    expect(decodeSpans(whole).map(({ name, events }) => [name, events.length])).toEqual([
      ['GET /', 2],
      ['', 0],
    ]);
    for (const wrong of [null, [], { resourceSpans: 5 }, { resourceSpans: [null, { scopeSpans: [4] }] }]) {
      expect(decodeSpans(wrong)).toEqual([]);
    }
  });

  it('shows of the JSON only the span itself', () => {
    const [, second] = decodeSpans(body([span, { ...span, name: 'other' }]));
    expect(second?.json).toEqual(body([{ ...span, name: 'other' }]));
  });
});

describe('fetchSpan', () => {
  it('takes an answer without a span for broken', async () => {
    serve(() => Response.json({ resourceSpans: [] }));
    await expect(fetchSpan('a', 'b')).rejects.toMatchObject({ kind: 'broken' });
  });
});
