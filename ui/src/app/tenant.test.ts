import { describe, expect, it } from 'vitest';
import { isTenant } from './tenant';

describe('isTenant', () => {
  it.each(['a', 'acme-books', "A!-_.*'()9", '...', 'x'.repeat(150)])('%.20s is one', (name) =>
    expect(isTenant(name)).toBe(true),
  );
  it.each(['', '.', '..', 'a b', 'a/b', 'a|b', 'ä', 'a\n', '<b>', 'x'.repeat(151)])('%j is none', (name) =>
    expect(isTenant(name)).toBe(false),
  );
});
