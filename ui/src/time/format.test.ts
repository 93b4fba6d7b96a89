import { describe, expect, it } from 'vitest';
import { formatAgo, formatInstant, formatTimeOfDay, isZone, zoneName, zoneOffset } from '~/time/format';

const AT = Date.UTC(2026, 2, 29, 0, 59, 59, 7);

describe('formatInstant', () => {
  it('goes as far as asked', () => {
    expect(formatInstant(AT, 'utc', 'date')).toBe('2026-03-29');
    expect(formatInstant(AT, 'utc', 'minutes')).toBe('2026-03-29 00:59');
    expect(formatInstant(AT, 'utc')).toBe('2026-03-29 00:59:59');
    expect(formatInstant(AT, 'utc', 'millis')).toBe('2026-03-29 00:59:59.007');
  });

  it('follows the zone through the change to summer time', () => {
    expect(formatInstant(AT, 'Europe/Berlin')).toBe('2026-03-29 01:59:59');
    expect(formatInstant(AT + 1000, 'Europe/Berlin')).toBe('2026-03-29 03:00:00');
    expect(formatInstant(AT, 'America/St_Johns')).toBe('2026-03-28 22:29:59');
  });

  it('writes midnight as 00 and survives what is no instant', () => {
    expect(formatInstant(Date.UTC(2026, 0, 1), 'utc', 'minutes')).toBe('2026-01-01 00:00');
    expect(formatInstant(-1, 'utc', 'millis')).toBe('1969-12-31 23:59:59.999');
    expect(formatInstant(Number.NaN, 'utc')).toBe('–');
    expect(formatInstant(9e15, 'utc')).toBe('–');
    expect(formatTimeOfDay(Number.NaN, 'utc')).toBe('–');
  });

  it('reads a zone that does not exist as the browser’s', () => {
    expect(formatInstant(AT, 'Mars/Olympus')).toBe(formatInstant(AT, 'browser'));
  });

  it('gives the time of the day alone', () => {
    expect(formatTimeOfDay(AT, 'utc', 'millis')).toBe('00:59:59.007');
  });
});

describe('formatAgo', () => {
  it.each([
    [0, 'just now'],
    [999, 'just now'],
    [12_400, '12 s ago'],
    [5 * 60_000, '5 min ago'],
    [3 * 3_600_000 + 1, '3 h ago'],
    [50 * 3_600_000, '2 d ago'],
    [-5_500, 'in 5 s'],
    [Number.NaN, '–'],
  ])('%s ms before is %s', (age, text) => expect(formatAgo(AT - age, AT)).toBe(text));
});

describe('zones', () => {
  it('have names and offsets', () => {
    expect(zoneName('utc')).toBe('UTC');
    expect(zoneName('Asia/Kolkata')).toMatch(/^Asia\/(Kolkata|Calcutta)$/);
    expect(zoneOffset('Asia/Kolkata', AT)).toBe('UTC+05:30');
    expect(zoneOffset('Europe/Berlin', AT)).toBe('UTC+01:00');
    expect(zoneOffset('Europe/Berlin', AT + 1000)).toBe('UTC+02:00');
    expect(zoneOffset('utc', AT)).toBe('UTC');
  });

  it('exist or not', () => {
    expect(isZone('browser')).toBe(true);
    expect(isZone('Europe/Berlin')).toBe(true);
    expect(isZone('Europe/Atlantis')).toBe(false);
    expect(isZone('')).toBe(false);
  });
});
