import { describe, expect, it } from 'vitest';
import {
  clampWindow,
  moveWindow,
  parseWindow,
  ticks,
  wholeWindow,
  writeWindow,
  zoomAround,
} from '~/screens/trace/model/window';

const DURATION = 1000;
/** A span of 1970 in a trace of today. */
const DECADES = 1_767_323_045_000_000_000;

describe('windows in addresses', () => {
  it.each([
    ['100-200', { from: 100, to: 200 }],
    ['900-2000', wholeWindow(DURATION)],
    ['950-1050', { from: 900, to: 1000 }],
    ['200-100', wholeWindow(DURATION)],
    ['200-200', wholeWindow(DURATION)],
    ['100-102', { from: 96, to: 106 }],
    ['-5-20', wholeWindow(DURATION)],
    ['1e2-2e2', wholeWindow(DURATION)],
    ['', wholeWindow(DURATION)],
    [undefined, wholeWindow(DURATION)],
  ])('%j is %j', (text, window) => expect(parseWindow(text, DURATION)).toEqual(window));

  it('are not written for the whole trace', () => {
    expect(writeWindow(wholeWindow(DURATION), DURATION)).toBeUndefined();
    expect(writeWindow({ from: 0.4, to: 999.6 }, DURATION)).toBe('0-1000');
  });

  it('come back as they were in a trace of decades', () => {
    const window = { from: DECADES - 2 ** 20, to: DECADES };
    expect(parseWindow(writeWindow(window, DECADES), DECADES)).toEqual(window);
  });
});

describe('moving and zooming', () => {
  it.each([
    ['moves', moveWindow({ from: 100, to: 200 }, 50, DURATION), { from: 150, to: 250 }],
    ['stops at the start', moveWindow({ from: 100, to: 200 }, -500, DURATION), { from: 0, to: 100 }],
    ['stops at the end', moveWindow({ from: 100, to: 200 }, 5000, DURATION), { from: 900, to: 1000 }],
    ['zooms in around a moment', zoomAround({ from: 0, to: 1000 }, 250, 0.5, DURATION), { from: 125, to: 625 }],
    ['zooms out to the whole', zoomAround({ from: 100, to: 200 }, 150, 100, DURATION), { from: 0, to: 1000 }],
    ['zooms in only so far', zoomAround({ from: 100, to: 110 }, 105, 0.01, DURATION), { from: 100, to: 110 }],
    ['is not lost to a wheel gone wild', zoomAround({ from: 0, to: 9 }, 0, Infinity, DURATION), wholeWindow(DURATION)],
    ['shows something of a trace without duration', clampWindow({ from: 0, to: 1 }, 0), { from: 0, to: 10 }],
  ])('%s', (_, window, expected) => expect(window).toEqual(expected));
});

describe('ticks', () => {
  it.each([
    [{ from: 0, to: 1000 }, 4, ['0.0 µs', '0.5 µs', '1.0 µs']],
    [
      { from: 0, to: 90e6 },
      10,
      ['0 ms', '10 ms', '20 ms', '30 ms', '40 ms', '50 ms', '60 ms', '70 ms', '80 ms', '90 ms'],
    ],
    [{ from: 1.2e9, to: 1.21e9 }, 2, ['1.200 s', '1.205 s', '1.210 s']],
    [{ from: 3, to: 13 }, 2, ['5 ns', '10 ns']],
  ])('%j has at most %s steps: %j', (window, most, labels) => {
    expect(ticks(window, most).map(({ label }) => label)).toEqual(labels);
  });

  it('come to an end and stand apart where numbers have no more digits', () => {
    for (const window of [clampWindow({ from: DECADES - 20, to: DECADES }, DECADES), { from: 2e17, to: 2e17 + 64 }]) {
      const places = ticks(window, 40).map(({ at }) => at);
      expect(places.length).toBeLessThanOrEqual(41);
      expect(new Set(places).size).toBe(places.length);
    }
  });
});
