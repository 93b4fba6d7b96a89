import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Home } from '~/screens/home/Home';
import { HomeSearch } from '~/screens/home/search';
import { renderScreen } from '~/test/screen';
import { serve, sqlAnswer } from '~/test/server';

// A canvas is more than the test's browser has.
vi.mock('~/charts/TimeSeries', () => ({ default: ({ label }: { label: string }) => <div>{label}</div> }));

afterEach(() => vi.unstubAllGlobals());

const now = Date.now();

/** A server with three services, errors and numbers of all signals; single answers can be replaced. */
const answers = {
  services: () =>
    sqlAnswer([
      { name: 'catalog', basis: 0, count: 7200, errors: 0, last_seen: now, p95: 15e6 },
      { name: 'orders', basis: 0, count: 3600, errors: 36, last_seen: now, p95: 200e6 },
      { name: 'recommendations', basis: 2, count: 60, errors: 30, last_seen: now, p95: 30e6 },
    ]),
  trends: () => sqlAnswer([]),
  ingest: () => sqlAnswer([{ bucket: 1, count: 3600 }]),
  newest: () => sqlAnswer([{ spans: null, logs: null, samples: null }]),
  arrivals: () => sqlAnswer([]),
  errorSpans: () => sqlAnswer([failure('orders', 'POST /orders', 'card was declined')]),
  errorLogs: () => sqlAnswer([failure('catalog', '', '<b>no such item</b>')]),
  status: () =>
    Response.json({
      version: '0.1.0',
      tenancy: { enabled: false },
      otlp: { grpc: '127.0.0.1:4317', http: '127.0.0.1:4318', main: true },
    }),
};

function failure(service: string, operation: string, message: string) {
  const ids = { trace_id: 'ab'.repeat(16), span_id: 'cd'.repeat(8) };
  return { service, operation, message, type: null, tenant: 'acme-books', count: 7, last_seen: now, ...ids };
}

function questionOf(path: string, sql: string): keyof typeof answers {
  if (path.endsWith('/status')) return 'status';
  if (sql.includes('UNION ALL')) return 'arrivals';
  if (sql.includes('WITH groups')) return 'services';
  if (sql.includes('status_code = 2\n')) return 'errorSpans';
  if (sql.includes('severity_number')) return 'errorLogs';
  if (sql.includes('(SELECT ')) return 'newest';
  return sql.includes('approx_percentile_cont') ? 'trends' : 'ingest';
}

function open(address: string, other: Partial<typeof answers> = {}) {
  const current = { ...answers, ...other };
  serve((path, sql) => current[questionOf(path, sql)]());
  const screen = { path: '/', search: HomeSearch, component: Home };
  const { history } = renderScreen(screen, address, ['/traces', '/traces/$traceId']);
  return { address: () => history.location.href, current };
}

async function rows(): Promise<(string | null)[]> {
  const table = await screen.findByRole('table');
  return within(table)
    .getAllByRole('row')
    .slice(1)
    .map((row) => within(row).getByRole('rowheader').textContent);
}

describe('the first screen', () => {
  it('shows each service with a way to its traces', async () => {
    open('/');
    expect(await rows()).toEqual(['catalog', 'orders', 'recommendationsall spans']);
    const orders = screen.getByRole('row', { name: /orders/ });
    expect(orders).toHaveTextContent('1/s');
    expect(orders).toHaveTextContent('1%');
    expect(orders).toHaveTextContent('200 ms');
    expect(within(orders).getByRole('link', { name: 'orders' })).toHaveAttribute('href', '/traces?service=orders');
    expect(within(orders).getByRole('link', { name: 'Failed traces of orders' })).toHaveAttribute(
      'href',
      '/traces?service=orders&status=error',
    );
  });

  it('sorts and filters in the address bar', async () => {
    const { address } = open('/');
    await userEvent.click(await screen.findByRole('button', { name: /2 with errors/ }));
    expect(await rows()).toEqual(['recommendationsall spans', 'orders', 'catalog']);
    expect(address()).toBe('/?sort=-errors');
    expect(screen.getByRole('columnheader', { name: /Errors/ })).toHaveAttribute('aria-sort', 'descending');
    await userEvent.type(screen.getByRole('textbox', { name: /Filter/ }), 'cat');
    await waitFor(async () => expect(await rows()).toEqual(['catalog']));
    expect(address()).toBe('/?sort=-errors&q=cat');
    await userEvent.type(screen.getByRole('textbox', { name: /Filter/ }), 'x');
    await userEvent.click(await screen.findByRole('button', { name: 'Show all 3' }));
    expect(await rows()).toHaveLength(3);
  });

  it('lists the newest errors with a way to the trace', async () => {
    open('/');
    const link = await screen.findByRole('link', { name: /orders POST \/orders/ });
    expect(link).toHaveAttribute('href', `/traces/${'ab'.repeat(16)}?span=${'cd'.repeat(8)}`);
    expect(screen.getByText('card was declined')).toBeVisible();
    await userEvent.click(screen.getByRole('radio', { name: /Logs/ }));
    expect(await screen.findByText('<b>no such item</b>')).toBeVisible();
  });

  it('loses only the block whose question fails', async () => {
    open('/', {
      errorSpans: () => Response.json({ error: { code: 'invalid_query', message: 'no such column' } }, { status: 400 }),
    });
    expect(await screen.findByText('no such column')).toBeVisible();
    expect(await rows()).toHaveLength(3);
    expect(screen.getByText('Spans per second')).toBeVisible();
  });

  it('asks once for the tenant where every block would', async () => {
    const refuse = () => Response.json({ error: { code: 'no_tenant', message: 'name a tenant' } }, { status: 401 });
    open('/', { services: refuse, trends: refuse, ingest: refuse, errorSpans: refuse, errorLogs: refuse });
    expect(await screen.findAllByRole('alert')).toHaveLength(1);
    expect(screen.getByText('Which tenant?')).toBeVisible();
  });

  it('leads from a range without data to the newest data', async () => {
    const at = Date.UTC(2026, 0, 2, 3, 4, 5);
    const { address } = open('/?tz=utc', {
      ingest: () => sqlAnswer([]),
      newest: () => sqlAnswer([{ spans: at, logs: null, samples: null }]),
    });
    expect(await screen.findByText(/The newest data is of 2026-01-02 03:04:05/)).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Show its last hour' }));
    await waitFor(() => expect(address()).toBe('/?tz=utc&from=2026-01-02T02:05:00.000Z&to=2026-01-02T03:05:00.000Z'));
  });

  it('says how to send the first data, and turns green when it comes', async () => {
    const { current, address } = open('/', { ingest: () => sqlAnswer([]) });
    expect(await screen.findByText('Waiting for data')).toBeVisible();
    expect(await screen.findByText(/OTEL_EXPORTER_OTLP_ENDPOINT=http:\/\/127\.0\.0\.1:4318/)).toBeVisible();
    await userEvent.click(screen.getByRole('tab', { name: 'Rust' }));
    expect(await screen.findByText(/cargo add/)).toBeVisible();
    expect(address()).toBe('/?send=rust');
    current.arrivals = () => sqlAnswer([{ signal: 'spans', service: 'hello', count: 1 }]);
    expect(await screen.findByText('Data arrives', {}, { timeout: 5_000 })).toBeVisible();
    expect(screen.getByText('hello')).toBeVisible();
    current.ingest = answers.ingest;
    await userEvent.click(screen.getByRole('link', { name: 'Show the services' }));
    expect(await rows()).toHaveLength(3);
    expect(address()).toBe('/?from=now-15m&to=now');
  });
});
