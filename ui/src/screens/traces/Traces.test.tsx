import { configure, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renderApp } from '~/test/app';
import { serve, sqlAnswer } from '~/test/server';

// The whole page is drawn, often on a busy machine.
vi.setConfig({ testTimeout: 30_000 });
configure({ asyncUtilTimeout: 10_000 });

const NOW = Date.parse('2026-05-20T14:00:00Z');
const idOf = (number: number) => number.toString(16).padStart(32, '0');

interface Stored {
  service?: string;
  operation?: string;
  duration?: number;
  errors?: number;
  tenant?: string | null;
}

let traces: Stored[] = [];
let fail: (() => Response | Promise<Response>) | undefined;
/** The SQL of the searches so far. */
let searches: string[] = [];

const status = { version: '0.1.0', tenancy: { enabled: false }, otlp: { grpc: null, http: null, main: true } };

function answer(path: string, sql: string): Response | Promise<Response> {
  if (path.endsWith('/status')) return Response.json(status);
  if (sql.startsWith('DESCRIBE')) return sqlAnswer([{ column_name: 'span.http.route' }]);
  if (sql.includes('left(span_attributes')) return sqlAnswer([]);
  if (sql.includes('AS value')) {
    const values = sql.includes("'http.route'") ? ['/a', '/b'] : sql.includes("'tenant'") ? ['acme'] : ['cart', 'web'];
    return sqlAnswer(values.map((value) => ({ value })));
  }
  if (!sql.includes('first_value')) searches.push(sql);
  if (fail) return fail();
  const rows = traces.map((trace, index) => ({
    trace_id: idOf(index + 1),
    service: trace.service ?? 'web',
    start: (NOW - 1_000 * (index + 1)) * 1_000,
    duration: trace.duration ?? 1e6,
    spans: 3,
    errors: trace.errors ?? 0,
    first: trace.operation ?? `GET /${index + 1}`,
    root: 1,
    tenant: trace.tenant ?? null,
  }));
  // All began in the newest slice.
  const [, to = ''] = [...sql.matchAll(/TIMESTAMP '([^']+)'/g)].map(([, at]) => at);
  return sqlAnswer(Date.parse(`${to}Z`) >= NOW ? rows.slice(0, Number(/LIMIT (\d+)$/.exec(sql)?.[1])) : []);
}

beforeEach(() => {
  traces = [{}, {}];
  fail = undefined;
  searches = [];
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  vi.stubGlobal('scrollTo', () => undefined);
  // Nothing has a size here; a window of one row would hide the others.
  vi.spyOn(window, 'innerHeight', 'get').mockReturnValue(800);
  serve(answer);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open(address: string) {
  const { router } = await renderApp(address);
  return { address: () => router.state.location.searchStr, router };
}

/** Looking for it by its role as well would take most of the time of these tests. */
const field = (label: string) => screen.getByLabelText(label, { selector: 'input' });
const list = () => screen.findByRole('table');
const links = async () =>
  within(await list())
    .getAllByRole('link')
    .map((link) => link.textContent);
const away = () => Promise.reject(new TypeError('Failed to fetch'));

describe('the list of traces', () => {
  it('shows each trace with the way to it', async () => {
    traces = [
      { errors: 2, duration: 1.5e9, tenant: 'acme' },
      { service: 'cart', operation: 'add' },
    ];
    await open('/traces');
    expect(await links()).toEqual(['webGET /1', 'cartadd']);
    const row = screen.getByRole('row', { name: /GET \/1/ });
    expect(row).toHaveTextContent('1.5 s');
    expect(row).toHaveTextContent('2 errors');
    expect(row).toHaveTextContent('acme');
    expect(within(row).getByRole('link').getAttribute('href')).toMatch(`/traces/${idOf(1)}`);
    expect(screen.getByText('2 traces, newest first: all that match')).toBeVisible();
    expect(screen.getByText('all 2 that match')).toBeVisible();
    expect(screen.queryByRole('button', { name: /Show up to/ })).toBeNull();
  });

  it('shows hostile names as text', async () => {
    traces = [{ service: '<img src=x onerror=alert(1)>', operation: 'a\u202eb', tenant: '"><script>' }];
    await open('/traces');
    expect(await links()).toEqual(['<img src=x onerror=alert(1)>a⟨U+202E⟩b']);
    expect(document.querySelector('main img, main script')).toBeNull();
  });

  it('says when there are more, and shows them', async () => {
    traces = Array.from({ length: 150 }, () => ({}));
    const { address } = await open('/traces');
    expect(await screen.findByText('100 traces, newest first; there are more')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Show up to 200 traces' }));
    expect(address()).toBe('?limit=200');
    expect(await screen.findByText('150 traces, newest first: all that match')).toBeVisible();
  });

  it('sorts by its heads, in the address', async () => {
    const { address } = await open('/traces');
    const head = async (name: string) => within(await list()).getByRole('columnheader', { name });
    expect(await head('Time')).toHaveAttribute('aria-sort', 'descending');
    await userEvent.click(within(await head('Duration')).getByRole('button'));
    expect(address()).toBe('?sort=-duration');
    await waitFor(() => expect(searches.at(-1)).toContain('ORDER BY duration DESC'));
    await userEvent.click(within(await head('Duration')).getByRole('button'));
    expect(address()).toBe('?sort=duration');
    expect(await head('Duration')).toHaveAttribute('aria-sort', 'ascending');
  });

  it('is gone through by keyboard, with one stop for Tab', async () => {
    await open('/traces');
    const [first, second] = within(await list()).getAllByRole('link');
    expect([first?.tabIndex, second?.tabIndex]).toEqual([0, -1]);
    first?.focus();
    await userEvent.keyboard('{ArrowDown}');
    expect(second).toHaveFocus();
    expect([first?.tabIndex, second?.tabIndex]).toEqual([-1, 0]);
    await userEvent.keyboard('{ArrowDown}{Home}');
    expect(first).toHaveFocus();
    await userEvent.keyboard('{End}{ArrowUp}{PageDown}');
    expect(second).toHaveFocus();
  });
});

describe('filters', () => {
  it('show what the address says, and search for it', async () => {
    await open(
      "/traces?service=o'clock&operation=GET&status=error&min=1ms&max=2s&attribute=tenant%3Dacme&attribute=a%3Db",
    );
    await list();
    expect(screen.getByText("o'clock")).toBeVisible();
    expect(field('Operation')).toHaveValue('GET');
    expect(screen.getByRole('radio', { name: 'Error' })).toBeChecked();
    expect(field('Shortest')).toHaveValue('1ms');
    expect(field('Tenant')).toHaveValue('acme');
    const chips = within(screen.getByRole('list', { name: 'Conditions on attributes' }));
    expect(chips.getAllByRole('listitem').map((chip) => chip.textContent)).toEqual(['a=b']);
    for (const part of ["IN ('o''clock')", 'status_code = 2', '>= 1000000', "'tenant') = 'acme'", "'a') = 'b'"]) {
      expect(searches[0]).toContain(part);
    }
  });

  it('are in the address once they are changed', async () => {
    const { address } = await open('/traces?sort=-spans');
    await list();
    await userEvent.click(screen.getByRole('radio', { name: 'Error' }));
    await waitFor(() => expect(address()).toBe('?sort=-spans&status=error'));
    await userEvent.type(field('Shortest'), ' 5ms {Enter}');
    await waitFor(() => expect(address()).toBe('?sort=-spans&status=error&min=5ms'));
    await userEvent.type(field('Operation'), 'che');
    await waitFor(() => expect(address()).toContain('operation=che'));
    await waitFor(() => expect(searches.at(-1)).toContain("lower('che')"));
    await userEvent.click(screen.getByRole('button', { name: 'Clear' }));
    await waitFor(() => expect(address()).toBe('?sort=-spans'));
    expect(field('Operation')).toHaveValue('');
    expect(field('Shortest')).toHaveValue('');
  });

  it('are steps to come back to', async () => {
    const { address, router } = await open('/traces');
    await list();
    await userEvent.type(field('Tenant'), 'acme{Tab}');
    await waitFor(() => expect(address()).toContain('attribute=tenant%3Dacme'));
    await userEvent.type(field('Service'), 'my cart{Enter}');
    await waitFor(() => expect(address()).toContain('service=my+cart'));
    router.history.back();
    await waitFor(() => expect(address()).toBe('?attribute=tenant%3Dacme'));
    router.history.back();
    await waitFor(() => expect(field('Tenant')).toHaveValue(''));
  });

  it('on attributes are written, suggested and taken away', async () => {
    const { address } = await open('/traces');
    await list();
    const box = field('Attributes');
    await userEvent.type(box, 'user.id!=7{Enter}');
    await waitFor(() => expect(address()).toBe('?attribute=user.id%21%3D7'));
    expect(box).toHaveValue('');
    await userEvent.type(box, 'rou');
    await userEvent.click(await screen.findByRole('option', { name: 'http.route=' }));
    expect(box).toHaveValue('http.route=');
    // Its values are offered at once.
    await userEvent.click(await screen.findByRole('option', { name: 'http.route=/b' }));
    await waitFor(() => expect(address()).toContain('attribute=http.route%3D/b'));
    expect(box).toHaveValue('');
    await userEvent.click(screen.getByRole('button', { name: 'Remove user.id!=7' }));
    await waitFor(() => expect(address()).toBe('?attribute=http.route%3D/b'));
  });

  it('on attributes are chosen by keyboard, and kept in the box while they are wrong', async () => {
    const { address } = await open('/traces');
    await list();
    const box = field('Attributes');
    await userEvent.type(box, 'http.route!=');
    await screen.findByRole('option', { name: 'http.route!=/a' });
    await userEvent.keyboard('{ArrowDown}{Enter}');
    await waitFor(() => expect(address()).toBe('?attribute=http.route%21%3D/a'));
    expect(box).toHaveValue('');
    await userEvent.type(box, 'a>b{Enter}');
    expect(await screen.findByText(/compares numbers/)).toBeVisible();
    expect(box).toHaveValue('a>b');
    expect(address()).toBe('?attribute=http.route%21%3D/a');
  });

  it('take a tenant that is written among the attributes', async () => {
    const { address } = await open('/traces?attribute=a%3Db');
    await list();
    await userEvent.type(field('Attributes'), 'tenant=acme{Enter}');
    await waitFor(() => expect(address()).toBe('?attribute=a%3Db&attribute=tenant%3Dacme'));
    expect(field('Tenant')).toHaveValue('acme');
  });

  it('that make no sense are named, and nothing is searched', async () => {
    const { address } = await open('/traces?min=soon&attribute=a%3E%E2%80%AEb&limit=%E2%80%AEx&from=now-1h');
    expect(await screen.findByText('Like 250ms or 1.5s.')).toBeVisible();
    expect(screen.getByText(/compares numbers/)).toBeVisible();
    expect(screen.getByText('Nothing is searched until the filters make sense.')).toBeVisible();
    expect(screen.getByText(/in the address means nothing/)).toHaveTextContent('limit=⟨U+202E⟩x');
    expect(screen.getByRole('button', { name: 'Remove a>⟨U+202E⟩b' })).toBeVisible();
    expect(searches).toEqual([]);
    await userEvent.click(screen.getByRole('button', { name: 'Remove it' }));
    await waitFor(() => expect(address()).not.toContain('limit'));
    await userEvent.click(screen.getByRole('button', { name: 'Clear' }));
    expect(await links()).toHaveLength(2);
  });
});

describe('on a narrow screen', () => {
  beforeEach(() => {
    vi.stubGlobal('matchMedia', (query: string) => ({
      matches: query.includes('max-width'),
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    }));
  });

  it('has cards, filters on demand and every order', async () => {
    const { address } = await open('/traces?status=error');
    const cards = await screen.findByRole('list', { name: 'Traces' });
    expect(within(cards).getAllByRole('link')).toHaveLength(2);
    expect(screen.queryByRole('combobox', { name: 'Operation' })).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Filters (1)', expanded: false }));
    expect(field('Operation')).toBeVisible();
    const sort = screen.getByRole('combobox', { name: 'Sort by' });
    expect(sort).toHaveDisplayValue('newest first');
    await userEvent.selectOptions(sort, 'oldest first');
    await waitFor(() => expect(address()).toBe('?status=error&sort=time'));
    await userEvent.selectOptions(sort, 'longest first');
    await waitFor(() => expect(address()).toBe('?status=error&sort=-duration'));
  });
});

describe('where nothing is found', () => {
  it('says what was searched for and offers to search for more', async () => {
    traces = [];
    const { address } = await open('/traces?service=web&attribute=a%3Db&min=1s');
    expect(await screen.findByRole('heading', { name: 'No traces match' })).toBeVisible();
    expect(screen.queryByRole('table')).toBeNull();
    await userEvent.click(screen.getByRole('button', { name: 'Remove the filter: a=b' }));
    await waitFor(() => expect(address()).toBe('?service=web&min=1s'));
    await userEvent.click(await screen.findByRole('button', { name: 'Search the last 24 hours' }));
    await waitFor(() => expect(address()).toContain('from=now-24h&to=now'));
    await userEvent.click(await screen.findByRole('button', { name: 'Remove all' }));
    expect(await screen.findByRole('heading', { name: 'No traces in this time' })).toBeVisible();
  });

  it('goes on to say so while it is asked again', async () => {
    traces = [];
    await open('/traces');
    expect(await screen.findByRole('heading', { name: 'No traces in this time' })).toBeVisible();
    let arrive = (_: Response) => {};
    fail = () => new Promise((resolve) => (arrive = resolve));
    const before = searches.length;
    vi.setSystemTime(NOW + 1_000);
    await userEvent.click(screen.getByRole('button', { name: 'Refresh' }));
    await waitFor(() => expect(searches.length).toBeGreaterThan(before));
    expect(screen.getByRole('heading', { name: 'No traces in this time' })).toBeVisible();
    expect(screen.queryByRole('region', { name: 'Durations over time' })).toBeNull();
    fail = undefined;
    traces = [{}];
    arrive(sqlAnswer([]));
  });
});

describe('a search that fails', () => {
  it('says what the server says, and works on another try', async () => {
    fail = () => Response.json({ error: { code: 'invalid_query', message: 'no such <b>column</b>' } }, { status: 400 });
    await open('/traces');
    expect(await screen.findByRole('alert')).toHaveTextContent('no such <b>column</b>');
    fail = undefined;
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await links()).toHaveLength(2);
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('keeps the list of the moment before', async () => {
    await open('/traces');
    expect(await links()).toHaveLength(2);
    fail = away;
    vi.setSystemTime(NOW + 1_000);
    await userEvent.click(screen.getByRole('button', { name: 'Refresh' }));
    expect(await screen.findByText(/of an earlier moment: The server does not answer/)).toBeVisible();
    expect(await links()).toHaveLength(2);
  });

  it('does not pass another list off as the answer', async () => {
    await open('/traces');
    expect(await links()).toHaveLength(2);
    fail = away;
    await userEvent.click(screen.getByRole('radio', { name: 'Error' }));
    expect(await screen.findByText('Trefoil does not answer')).toBeVisible();
    expect(screen.queryByRole('table')).toBeNull();
  });
});
