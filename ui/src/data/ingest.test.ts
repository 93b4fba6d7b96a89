import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchArrivals, fetchIngest, fetchNewest } from '~/data/ingest';
import { serve, sqlAnswer } from '~/test/server';

const interval = { from: Date.UTC(2026, 0, 1, 11), to: Date.UTC(2026, 0, 1, 12) };

beforeEach(() => {
  vi.useFakeTimers({ now: interval.to });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('fetchIngest', () => {
  it('tells the total, the rate and its course', async () => {
    const fetched = serve(() => sqlAnswer([{ bucket: 1, count: 120 }]));
    const ingest = await fetchIngest({ signal: 'logs', interval });
    expect(ingest.total).toBe(120);
    expect(ingest.rate).toBeCloseTo(120 / 3600);
    expect(ingest.rates.slice(0, 3)).toEqual([0, 2, 0]);
    expect(String(fetched.mock.calls[0]?.[1]?.body)).toMatch(/FROM logs\s+WHERE time_unix_nano >=/);
  });
});

describe('fetchNewest', () => {
  it('is null for what never came', async () => {
    serve(() => sqlAnswer([{ spans: 5, logs: null, samples: null }]));
    expect(await fetchNewest()).toEqual({ spans: 5, logs: null, samples: null });
  });
});

describe('fetchArrivals', () => {
  it('looks at everything, or at what is newer than an instant', async () => {
    const fetched = serve(() => sqlAnswer([{ signal: 'spans', service: 'web', count: 2 }]));
    expect(await fetchArrivals(undefined)).toEqual([{ signal: 'spans', service: 'web', count: 2 }]);
    await fetchArrivals(interval.from);
    const [all, newer] = fetched.mock.calls.map(([, init]) => String(init?.body));
    expect(all).not.toContain('WHERE');
    expect(newer?.match(/> TIMESTAMP '2026-01-01 11:00:00.000'/g)).toHaveLength(3);
  });
});
