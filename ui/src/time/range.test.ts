import { describe, expect, it } from 'vitest';
import { checkRange, parseInstant, resolveRange } from '~/time/range';

const NOW = Date.parse('2026-05-20T14:35:27.500Z'); // a Wednesday

function at(text: string, { end = false, zone = 'utc', now = NOW } = {}): string | undefined {
  const ms = parseInstant(text, now, end, zone);
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

describe('parseInstant', () => {
  it.each([
    ['now', '2026-05-20T14:35:27.500Z'],
    [' now-1h ', '2026-05-20T13:35:27.500Z'],
    ['now+90s', '2026-05-20T14:36:57.500Z'],
    ['now-2w', '2026-05-06T14:35:27.500Z'],
    ['now-3M', '2026-02-20T14:35:27.500Z'],
    ['now-1y', '2025-05-20T14:35:27.500Z'],
    ['now/s', '2026-05-20T14:35:27.000Z'],
    ['now/m', '2026-05-20T14:35:00.000Z'],
    ['now/h', '2026-05-20T14:00:00.000Z'],
    ['now/d', '2026-05-20T00:00:00.000Z'],
    ['now/w', '2026-05-18T00:00:00.000Z'],
    ['now/M', '2026-05-01T00:00:00.000Z'],
    ['now/y', '2026-01-01T00:00:00.000Z'],
    ['now-1d/d', '2026-05-19T00:00:00.000Z'],
    ['now-1d/d+8h', '2026-05-19T08:00:00.000Z'],
    ['2026-05-20', '2026-05-20T00:00:00.000Z'],
    ['2026-05-20 10:15', '2026-05-20T10:15:00.000Z'],
    ['2026-05-20T10:15:30.25', '2026-05-20T10:15:30.250Z'],
    ['2026-05-20T10:15:30+02:00', '2026-05-20T08:15:30.000Z'],
    ['2026-05-20T10:15:30.123456789Z', '2026-05-20T10:15:30.123Z'],
    ['1779287727', '2026-05-20T14:35:27.000Z'],
    ['1779287727500', '2026-05-20T14:35:27.500Z'],
    ['1779287727500123', '2026-05-20T14:35:27.500Z'],
    ['1779287727500123456', '2026-05-20T14:35:27.500Z'],
  ])('%s is %s', (text, instant) => expect(at(text)).toBe(instant));

  it.each([
    ['now/d', '2026-05-20T23:59:59.999Z'],
    ['now-1M/M', '2026-04-30T23:59:59.999Z'],
    ['now', '2026-05-20T14:35:27.500Z'],
    ['2026-05-20', '2026-05-20T23:59:59.999Z'],
    ['2026-05-20 10:15', '2026-05-20T10:15:00.000Z'],
  ])('%s at the end is %s', (text, instant) => expect(at(text, { end: true })).toBe(instant));

  it.each([
    '',
    'yesterday',
    'now-',
    'now-1x',
    'now - 1h',
    'now-9999999d',
    'now-999999y',
    '2026-02-30',
    '2026-13-01 10:00',
    '2026-05-20 25:00',
    '12:30',
    '123',
    '-1',
    '<b>now</b>',
    `now${'-1h'.repeat(9)}`,
  ])('%j is no instant', (text) => expect(at(text)).toBeUndefined());
});

describe('in a zone', () => {
  const zone = 'Europe/Berlin';

  it('reads clocks and days as the zone has them', () => {
    expect(at('2026-05-20 10:15', { zone })).toBe('2026-05-20T08:15:00.000Z');
    expect(at('now/d', { zone })).toBe('2026-05-19T22:00:00.000Z');
    expect(at('now/d', { zone: 'Asia/Kolkata' })).toBe('2026-05-19T18:30:00.000Z');
    // Half past eight in the evening in UTC is the next day in Tokyo.
    expect(at('now/d', { zone: 'Asia/Tokyo', now: Date.parse('2026-05-20T20:30:00Z') })).toBe(
      '2026-05-20T15:00:00.000Z',
    );
    expect(at('now/h', { zone: 'Asia/Kolkata' })).toBe('2026-05-20T14:30:00.000Z');
  });

  it('knows that the day of the change to summer time has 23 hours', () => {
    const now = Date.parse('2026-03-29T12:00:00Z');
    expect(at('now/d', { zone, now })).toBe('2026-03-28T23:00:00.000Z');
    expect(at('now/d', { zone, now, end: true })).toBe('2026-03-29T21:59:59.999Z');
    // A day back is the same time of the day; 24 hours back are 24 hours.
    expect(at('now-1d', { zone, now })).toBe('2026-03-28T13:00:00.000Z');
    expect(at('now-24h', { zone, now })).toBe('2026-03-28T12:00:00.000Z');
    // 02:30 is skipped: the clocks show 03:30 then.
    expect(at('2026-03-29 02:30', { zone })).toBe('2026-03-29T01:30:00.000Z');
  });

  it('knows that the day of the change back has 25 hours', () => {
    const now = Date.parse('2026-10-25T12:00:00Z');
    expect(at('now/d', { zone, now })).toBe('2026-10-24T22:00:00.000Z');
    expect(at('now/d', { zone, now, end: true })).toBe('2026-10-25T22:59:59.999Z');
    expect(at('now-1d/d', { zone, now, end: true })).toBe('2026-10-24T21:59:59.999Z');
    // Twice 02:30: the first one.
    expect(at('2026-10-25 02:30', { zone })).toBe('2026-10-25T00:30:00.000Z');
  });

  it('starts the day where midnight does not exist', () => {
    // Beirut turned its clocks at midnight.
    expect(at('2021-03-28', { zone: 'Asia/Beirut' })).toBe('2021-03-27T22:00:00.000Z');
  });
});

describe('checkRange', () => {
  it('gives the interval', () => {
    expect(resolveRange({ from: 'now-1h', to: 'now' }, NOW)).toEqual({ from: NOW - 3_600_000, to: NOW });
  });

  it.each([
    [{ from: 'x', to: 'now' }, 'from', /“x” is no time/],
    [{ from: '', to: 'now' }, 'from', /Say when/],
    [{ from: 'now', to: 'y'.repeat(500) }, 'to', /^“y{40}…” is no time/],
    [{ from: 'now', to: 'now-1h' }, 'to', /must be after/],
    [{ from: 'now', to: 'now' }, 'to', /must be after/],
  ] as const)('says what is wrong with %j', (range, field, message) => {
    const problem = checkRange(range, NOW);
    expect(problem).toEqual({ field, message: expect.stringMatching(message) });
    expect(resolveRange(range, NOW)).toBeUndefined();
  });
});
