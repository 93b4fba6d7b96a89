import { describe, expect, it } from 'vitest';
import { summary } from '~/charts/summary';
import { timeLabels } from '~/charts/timeAxis';
import { formatRate } from '~/format/number';

describe('summary', () => {
  it('tells the lowest, the highest and the last of each series', () => {
    const series = [
      { label: 'Spans', values: [1, 5, null, 3, null] },
      { label: 'Logs', values: [null] },
    ];
    expect(summary(series, formatRate)).toBe('Spans: lowest 1/s, highest 5/s, last 3/s. Logs: no values.');
  });
});

describe('timeLabels', () => {
  const midnight = Date.UTC(2026, 10, 21) / 1000;

  it('tells the time of the day, and the date where a day begins', () => {
    expect(timeLabels([midnight - 1800, midnight, midnight + 1800], 1800, 'utc')).toEqual(['23:30', '11-21', '00:30']);
  });

  it('tells seconds where minutes are not enough, and dates where days are', () => {
    expect(timeLabels([midnight, midnight + 15], 15, 'utc')).toEqual(['00:00:00', '00:00:15']);
    expect(timeLabels([midnight, midnight + 86_400], 86_400, 'utc')).toEqual(['11-21', '11-22']);
  });

  it('follows the zone', () => {
    expect(timeLabels([midnight], 3600, 'Asia/Kolkata')).toEqual(['05:30']);
  });
});
