import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renderApp } from '~/test/app';

// The frame alone: what stands in it has tests of its own.
vi.mock('~/screens/home/Home', async () => {
  const { useQuery } = await import('@tanstack/react-query');
  const { requestJson } = await import('~/api/http');
  const { useTime } = await import('~/time/useTime');
  return {
    Home: () => {
      const { interval, zone } = useTime();
      useQuery({ queryKey: ['thing', interval], queryFn: ({ signal }) => requestJson('/api/v1/thing', { signal }) });
      return <h1>{`${new Date(interval.from).toISOString()} in ${zone}`}</h1>;
    },
  };
});
vi.mock('~/screens/trace/Trace', () => ({ Trace: () => <h1>A trace</h1> }));

const NOW = Date.parse('2026-05-20T14:00:00Z');
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

let requests: { path: string; tenant: string | null }[] = [];
let isAway = false;
let tenancy = false;

beforeEach(() => {
  requests = [];
  isAway = false;
  tenancy = false;
  localStorage.clear();
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
  vi.stubGlobal('scrollTo', () => undefined);
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    if (isAway) throw new TypeError('Failed to fetch');
    requests.push({ path, tenant: new Headers(init.headers).get('X-Scope-OrgID') });
    return Response.json(
      path === '/api/v1/status'
        ? { version: '0.1.0', tenancy: { enabled: tenancy }, otlp: { grpc: null, http: null, main: true } }
        : {},
    );
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const things = () => requests.filter(({ path }) => path === '/api/v1/thing');

describe('the time range', () => {
  it('is the address bar’s, in its zone', async () => {
    await renderApp('/?from=now/d&to=now&tz=Asia/Tokyo');
    expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('2026-05-19T15:00:00.000Z in Asia/Tokyo');
  });

  it('says what it cannot read and shows the last hour', async () => {
    await renderApp('/?from=yesterday&tz=Mars/Olympus&refresh=often');
    const note = screen.getByText(/“yesterday” is no time/);
    expect(note).toHaveTextContent('There is no time zone “Mars/Olympus”');
    expect(note).toHaveTextContent('How often to refresh is written like 5s');
    expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('2026-05-20T13:00:00.000Z in browser');
  });

  it('can be written, with what is wrong said beside it', async () => {
    const { router } = await renderApp('/');
    await userEvent.keyboard('t');
    const from = await screen.findByLabelText('From');
    await userEvent.clear(from);
    await userEvent.type(from, 'now-2x');
    expect(from).toHaveAccessibleDescription(/“now-2x” is no time/);
    expect(screen.getByRole('button', { name: 'Apply' })).toBeDisabled();
    await userEvent.clear(from);
    await userEvent.type(from, '2026-05-20 10:00{Enter}');
    await waitFor(() => expect(router.state.location.search).toMatchObject({ from: '2026-05-20 10:00', to: 'now' }));
    await userEvent.keyboard('t');
    expect(within(await screen.findByRole('region', { name: 'Used lately' })).getAllByRole('button')).toHaveLength(1);
  });

  it('takes a whole range pasted into one box', async () => {
    await renderApp('/');
    await userEvent.click(screen.getByRole('button', { name: /^Time range: Last hour/ }));
    await userEvent.click(await screen.findByLabelText('To'));
    await userEvent.paste('{"from":"now-6h","to":"now-3h"}');
    expect(screen.getByLabelText('From')).toHaveValue('now-6h');
    expect(screen.getByLabelText('To')).toHaveValue('now-3h');
  });

  it('moves by keys, and not into the future', async () => {
    const { router } = await renderApp('/');
    await userEvent.keyboard('z');
    await waitFor(() => expect(router.state.location.search).toMatchObject({ from: 'now-2h', to: 'now' }));
    await userEvent.keyboard(',');
    await waitFor(() =>
      expect(router.state.location.search).toMatchObject({
        from: '2026-05-20T11:00:00.000Z',
        to: '2026-05-20T13:00:00.000Z',
      }),
    );
    expect(screen.getByRole('button', { name: 'Later' })).toBeEnabled();
  });

  it('stands still until it is refreshed, and then every question is asked once more', async () => {
    await renderApp('/');
    await waitFor(() => expect(things()).toHaveLength(1));
    vi.setSystemTime(NOW + 60_000);
    expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('2026-05-20T13:00:00.000Z');
    await userEvent.keyboard('r');
    expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('2026-05-20T13:01:00.000Z');
    await waitFor(() => expect(requests.filter(({ path }) => path === '/api/v1/status')).toHaveLength(2));
    expect(things()).toHaveLength(2);
  });

  it('asks again for a range that does not move, too', async () => {
    await renderApp('/?from=2026-05-20T10:00:00Z&to=2026-05-20T11:00:00Z');
    await waitFor(() => expect(things()).toHaveLength(1));
    await userEvent.click(screen.getByRole('button', { name: 'Refresh' }));
    await waitFor(() => expect(things()).toHaveLength(2));
  });
});

describe('the tenant', () => {
  it('is in force before the first question', async () => {
    await renderApp('/?tenant=acme-books');
    await waitFor(() => expect(things()).toHaveLength(1));
    expect(requests.every(({ tenant }) => tenant === 'acme-books')).toBe(true);
  });

  it('is asked for where the server keeps tenants apart, and starts from nothing', async () => {
    tenancy = true;
    const { router } = await renderApp('/');
    await userEvent.type(await screen.findByLabelText('Tenant'), 'leaf and page{Enter}');
    expect(screen.getByLabelText('Tenant')).toHaveAccessibleDescription(/Letters, digits/);
    await userEvent.clear(screen.getByLabelText('Tenant'));
    await userEvent.type(screen.getByLabelText('Tenant'), 'leaf-page{Enter}');
    await waitFor(() => expect(router.state.location.search).toMatchObject({ tenant: 'leaf-page' }));
    await waitFor(() => expect(things().at(-1)?.tenant).toBe('leaf-page'));
  });

  it('that cannot be is said, and nothing is asked', async () => {
    await renderApp('/?tenant=a%0Ab');
    expect(screen.getByRole('alert')).toHaveTextContent('There can be no such tenant');
    expect(requests).toEqual([]);
  });
});

describe('the frame', () => {
  it('goes to a trace by its id, and says what is no id', async () => {
    const { router } = await renderApp('/?from=now-6h');
    await userEvent.keyboard('i');
    expect(screen.getByLabelText('Trace id')).toHaveFocus();
    await userEvent.keyboard('abc{Enter}');
    expect(screen.getByLabelText('Trace id')).toHaveAccessibleDescription(/32 digits/);
    await userEvent.clear(screen.getByLabelText('Trace id'));
    await userEvent.paste(`00-${TRACE_ID}-00f067aa0ba902b7-01`);
    expect(await screen.findByRole('heading', { name: 'A trace' })).toBeInTheDocument();
    expect(router.state.location.pathname).toBe(`/traces/${TRACE_ID}`);
    expect(router.state.location.search).toMatchObject({ from: 'now-6h' });
    expect(screen.getByRole('main')).toHaveFocus();
  });

  it('says when nobody answers, and when somebody does again', async () => {
    await renderApp('/');
    await waitFor(() => expect(things()).toHaveLength(1));
    isAway = true;
    await userEvent.keyboard('r');
    expect(await screen.findByText(/Trefoil does not answer/, {}, { timeout: 4_000 })).toBeInTheDocument();
    isAway = false;
    expect(await screen.findByText('Trefoil answers again.', {}, { timeout: 5_000 })).toBeInTheDocument();
    expect(screen.queryByText(/Trefoil does not answer/)).toBeNull();
  });

  it('lists the keys that work', async () => {
    await renderApp('/');
    await userEvent.keyboard('?');
    const help = await screen.findByRole('dialog', { name: 'Keyboard' });
    expect(within(help).getByText('Choose the time range')).toBeInTheDocument();
    expect(within(help).getByText('Go to a trace by its id')).toBeInTheDocument();
  });

  it('lets one skip to the content', async () => {
    await renderApp('/');
    await userEvent.tab();
    await userEvent.keyboard('{Enter}');
    expect(screen.getByRole('main')).toHaveFocus();
  });
});
