import { afterEach, describe, expect, it } from 'vitest';
import { resolvedColor, serviceColors, statusColor } from '~/app/colors';
import { MARKS } from '~/app/palette';

const BOOKSTORE = ['gateway', 'storefront', 'catalog', 'orders', 'outbox-publisher', 'payments-gateway', 'stripe'];

describe('serviceColors', () => {
  it('gives every name its own colour while there are enough', () => {
    const names = Array.from({ length: MARKS.length }, (_, index) => `service-${index}`);
    const color = serviceColors(names);
    expect(new Set(names.map(color)).size).toBe(MARKS.length);
  });

  it('does not depend on the order or on repetition', () => {
    const one = serviceColors(BOOKSTORE);
    const other = serviceColors([...BOOKSTORE, ...BOOKSTORE].reverse());
    expect(BOOKSTORE.map(one)).toEqual(BOOKSTORE.map(other));
  });

  it('keeps a colour when others come or go, but for the few that share a place', () => {
    const all = serviceColors(BOOKSTORE);
    for (const gone of BOOKSTORE) {
      const left = BOOKSTORE.filter((name) => name !== gone);
      const color = serviceColors(left);
      expect(left.filter((name) => color(name) !== all(name)).length, `without ${gone}`).toBeLessThanOrEqual(2);
    }
  });

  it('spreads hundreds of names evenly and answers for names it was not told', () => {
    const names = Array.from({ length: 200 }, (_, index) => `service-${index}`);
    const color = serviceColors(names);
    const uses = new Map<string, number>();
    for (const name of names) uses.set(color(name), (uses.get(color(name)) ?? 0) + 1);
    expect(Math.max(...uses.values())).toBeLessThanOrEqual(Math.ceil(200 / MARKS.length));
    expect(color('unheard of')).toMatch(/^var\(--mark-\d+\)$/);
  });
});

describe('resolvedColor', () => {
  afterEach(() => document.documentElement.removeAttribute('style'));

  it('looks variables up and leaves the rest', () => {
    document.documentElement.style.setProperty('--status-error', '#c92a2a');
    expect(resolvedColor(statusColor('error'), document.documentElement)).toBe('#c92a2a');
    expect(resolvedColor('#123456', document.documentElement)).toBe('#123456');
  });
});
