import { describe, expect, it } from 'vitest';
import { isTenant } from '~/app/tenant';
import { readTraceId } from '~/app/traceId';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('readTraceId', () => {
  it.each([
    ID,
    ` ${ID.toUpperCase()}\n`,
    `0x${ID}`,
    `"${ID}"`,
    '4bf92f35-77b3-4da6-a3ce-929d0e0e4736',
    `00-${ID}-00f067aa0ba902b7-01`,
    `http://127.0.0.1:3000/traces/${ID}?span=1`,
    `/api/traces/${ID}`,
  ])('finds it in %j', (text) => expect(readTraceId(text)).toBe(ID));

  it('fills the ids of older systems up', () => {
    expect(readTraceId('a3ce929d0e0e4736')).toBe('0000000000000000a3ce929d0e0e4736');
  });

  it.each(['', 'abc', `${ID}0`, '0'.repeat(32), 'g'.repeat(32), 'javascript:alert(1)'])('finds none in %j', (text) =>
    expect(readTraceId(text)).toBeUndefined(),
  );
});

describe('isTenant', () => {
  it('is what the server says', () => {
    expect(isTenant('acme-books')).toBe(true);
    expect(isTenant("a!-_.*'()")).toBe(true);
    for (const name of ['', '.', '..', 'a b', 'a/b', 'ü', 'x'.repeat(151), 'a\nb', 'a|b'])
      expect(isTenant(name)).toBe(false);
  });
});
