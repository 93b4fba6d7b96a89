import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fetchServices, fetchTrends, MOST_SERVICES, MOST_TRENDS, servicesSql, trendsSql } from '~/data/services';
import { serve, sqlAnswer } from '~/test/server';

const interval = { from: Date.UTC(2026, 0, 1, 11), to: Date.UTC(2026, 0, 1, 12) };

beforeEach(() => {
  vi.useFakeTimers({ now: interval.to });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const row = { name: 'catalog', basis: 0, count: 7200, errors: 72, last_seen: interval.to - 5, p95: 2e6 };

describe('fetchServices', () => {
  it('tells rates, shares and percentiles', async () => {
    serve(() => sqlAnswer([row, { ...row, name: '', basis: 2, errors: 0, p95: null }]));
    const { services, truncated } = await fetchServices({ interval, percentiles: ['p95'] });
    expect(truncated).toBe(false);
    expect(services).toEqual([
      {
        name: 'catalog',
        basis: 'entry',
        count: 7200,
        errors: 72,
        rate: 2,
        errorShare: 0.01,
        percentiles: { p95: 2e6 },
        lastSeen: interval.to - 5,
      },
      expect.objectContaining({ name: '', basis: 'all', errorShare: 0, percentiles: {} }),
    ]);
  });

  it('counts only the part of the range that has passed', async () => {
    serve(() => sqlAnswer([row]));
    const { services } = await fetchServices({
      interval: { ...interval, to: interval.to + 3_600_000 },
      percentiles: [],
    });
    expect(services[0]?.rate).toBe(2);
  });

  it('says when there are more', async () => {
    serve(() => sqlAnswer(Array.from({ length: MOST_SERVICES + 1 }, (_, index) => ({ ...row, name: `s${index}` }))));
    const { services, truncated } = await fetchServices({ interval, percentiles: [] });
    expect(services).toHaveLength(MOST_SERVICES);
    expect(truncated).toBe(true);
  });
});

describe('servicesSql', () => {
  it('asks for the percentiles of the shown columns only', () => {
    expect(servicesSql(interval, ['p95']).text).toContain('approx_percentile_cont(0.95)');
    expect(servicesSql(interval, ['p95']).text).not.toContain('0.99');
    expect(servicesSql(interval, ['p50', 'p99']).text).toMatch(/0\.5\).* AS "p50".*0\.99\).* AS "p99"/);
  });

  it('is bounded by time and number', () => {
    const { text } = servicesSql(interval, []);
    expect(text).toContain("start_time_unix_nano >= TIMESTAMP '2026-01-01 11:00:00.000'");
    expect(text).toContain("start_time_unix_nano < TIMESTAMP '2026-01-01 12:00:00.000'");
    expect(text).toContain(`LIMIT ${MOST_SERVICES + 1}`);
  });
});

describe('fetchTrends', () => {
  it('puts counts into their buckets', async () => {
    serve(() =>
      sqlAnswer([
        { name: 'catalog', bucket: 0, count: 60, errors: 0, p95: 1e6 },
        { name: 'catalog', bucket: 59, count: 120, errors: 6, p95: 3e6 },
      ]),
    );
    const services = [
      { name: 'catalog', basis: 'entry' as const },
      { name: 'idle', basis: 'all' as const },
    ];
    const { starts, services: trends } = await fetchTrends({ interval, services });
    expect(starts).toHaveLength(60);
    expect(starts[0]).toBe(interval.from);
    const catalog = trends.get('catalog');
    expect(catalog?.rate.slice(0, 2)).toEqual([1, 0]);
    expect(catalog?.rate.at(-1)).toBe(2);
    expect(catalog?.errorRate.at(-1)).toBe(0.1);
    expect(catalog?.p95.slice(0, 2)).toEqual([1e6, null]);
    expect(trends.get('idle')?.rate.every((rate) => rate === 0)).toBe(true);
  });

  it('asks nothing without services, and never for too many', async () => {
    const fetched = serve(() => sqlAnswer([]));
    await fetchTrends({ interval, services: [] });
    expect(fetched).not.toHaveBeenCalled();
    const many = Array.from({ length: MOST_TRENDS + 5 }, (_, index) => ({
      name: `s${index}`,
      basis: 'entry' as const,
    }));
    await fetchTrends({ interval, services: many });
    expect(String(fetched.mock.calls[0]?.[1]?.body).match(/'s\d+'/g)).toHaveLength(MOST_TRENDS);
  });

  it('asks for the spans that each service is measured by', () => {
    const { text } = trendsSql(interval, { step: 60_000, first: 0, count: 60 }, [
      { name: 'web', basis: 'entry' },
      { name: 'cron', basis: 'root' },
      { name: "o'clock", basis: 'all' },
    ]);
    expect(text).toContain("(coalesce(service_name, '') IN ('web') AND kind IN (2, 5))");
    expect(text).toContain("(coalesce(service_name, '') IN ('cron') AND parent_span_id IS NULL)");
    expect(text).toContain("(coalesce(service_name, '') IN ('o''clock'))");
  });
});
