import { cleanup, fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseSearch } from '~/app/search';
import { spanId, TRACE_ID } from '~/screens/trace/model/testTrace';
import { TraceSearch } from '~/screens/trace/search';
import { Trace } from '~/screens/trace/Trace';
import { renderScreen } from '~/test/screen';
import { serve, sqlAnswer } from '~/test/server';

beforeEach(() => {
  // Rows are drawn only where there is room for them, and the test's browser lays nothing out.
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(600);
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1000);
  localStorage.clear();
});
afterEach(() => {
  // Nothing asks any more when the server is gone.
  cleanup();
  vi.unstubAllGlobals();
});

const START = 1_767_323_045_000_000_000n;

const row = (id: string, parent: string | null, o: number, duration: number, name: string, service: string) => ({
  span_id: spanId(id),
  parent_span_id: parent && spanId(parent),
  o,
  start: o === 0 ? String(START) : null,
  duration_nano: duration,
  name,
  service,
  kind: 2,
  status_code: id === 'c' ? 2 : 0,
  events: id === 'c' ? 1 : 0,
  links: 0,
});

const rows = [
  row('a', null, 0, 9e6, 'POST /orders', 'web'),
  row('b', 'a', 1e6, 2e6, 'reserve', 'catalog'),
  row('c', 'b', 2e6, 1e6, 'INSERT <b>orders</b>', 'catalog'),
  row('d', 'a', 4e6, 3e6, '', 'payments\nEU'),
];

const log = {
  time: String(START + 2_500_000n),
  offset: 2_500_000,
  severity_number: 0,
  severity_text: 'NOT\u202eICE',
  service_name: 'catalog',
  body: '{"msg":"sold <i>out</i>"}',
  body_length: 25,
  span_id: spanId('c'),
  stream: '1',
  hash: 'h',
};

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

function wholeSpan(id: string) {
  const { name, o, duration_nano, service } = rows.find(({ span_id }) => span_id === id) ?? row(id, null, 0, 1, id, '');
  const start = START + BigInt(o);
  return {
    resourceSpans: [
      {
        resource: { attributes: [text('service.name', service), text('tenant', 'acme <books>')] },
        scopeSpans: [
          {
            spans: [
              {
                spanId: id,
                name,
                startTimeUnixNano: String(start),
                endTimeUnixNano: String(start + BigInt(duration_nano)),
                status: { message: 'duplicate <key>' },
                attributes: [
                  text('db.query.text', 'select * from orders where id = $1'),
                  text('db.system.name', 'postgresql'),
                  text('html', '<img src=x onerror=alert(1)>'),
                ],
                events: [
                  {
                    name: 'exception',
                    timeUnixNano: String(start - 1000n),
                    attributes: [
                      text('exception.type', 'IntegrityError'),
                      text('exception.message', 'already there'),
                      text('retry.count', 'three'),
                    ],
                  },
                ],
                links: [
                  { traceId: 'cd'.repeat(16), spanId: spanId('1') },
                  { traceId: 'javascript:alert(1)', spanId: '' },
                ],
              },
            ],
          },
        ],
      },
    ],
  };
}

const answers = {
  spans: (): Response => sqlAnswer(rows),
  logs: (): Response => sqlAnswer([log]),
  lines: (): Response => sqlAnswer([]),
  numbers: (): Response => sqlAnswer([]),
  series: (): Response => sqlAnswer([]),
  search: (): Response => Response.json({ spans: [spanId('d')], truncated: false }),
  span: (id: string): Response => Response.json(wholeSpan(id)),
};

function open(search = '', other: Partial<typeof answers> = {}, id = TRACE_ID) {
  const current = { ...answers, ...other };
  const fetched = serve((path, sql) => {
    if (path.includes('/search?')) return current.search();
    if (path.includes('/spans/')) return current.span(path.slice(-16));
    if (sql.includes('FROM exemplars')) return current.numbers();
    if (sql.includes('FROM series')) return current.series();
    if (!sql.includes('FROM logs')) return current.spans();
    return sql.includes('strpos') ? current.lines() : current.logs();
  });
  const { router, history, ...view } = renderScreen(
    { path: '/traces/$traceId', search: TraceSearch, component: Trace },
    `/traces/${id}${search}`,
    ['/traces'],
  );
  const refresh = () => router.navigate({ to: '.', search: (search: object) => ({ ...search, from: 'now-2h' }) });
  return { ...view, fetched, current, refresh, search: () => parseSearch(history.location.search) };
}

/** Names of the rows of the waterfall. */
async function shown(): Promise<(string | undefined)[]> {
  const rows = await screen.findAllByRole('row', { selected: false });
  const drawn = rows[0]?.closest('[role=treegrid]')?.querySelectorAll('[data-span]') ?? [];
  return Array.from(drawn, (row) => row.querySelectorAll('bdi')[1]?.textContent);
}

const panel = () => screen.findByRole('complementary', { name: 'Selected span' });

describe('a trace', () => {
  it('has a row for each span, as text', async () => {
    open();
    expect(await shown()).toEqual(['POST /orders', 'reserve', 'INSERT <b>orders</b>', 'no name']);
    expect(screen.getByRole('row', { name: /INSERT/ })).toHaveAttribute('aria-level', '3');
    expect(within(screen.getByRole('row', { name: /INSERT/ })).getByRole('img', { name: 'error' })).toBeVisible();
    expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('webPOST /orders');
    expect(await screen.findByText('acme <books>')).toBeVisible();
  });

  it('shows the span that is pressed, all of it text', async () => {
    const { container, search } = open();
    await shown();
    await userEvent.click(screen.getByText('INSERT <b>orders</b>'));
    const { getByRole, getByText, findByText, findAllByText } = within(await panel());
    expect(await findByText('<img src=x onerror=alert(1)>')).toBeVisible();
    expect(getByText('duplicate <key>')).toBeVisible();
    expect(getByText('IntegrityError')).toBeVisible();
    expect(getByText('-1 µs')).toBeVisible();
    await waitFor(() =>
      expect(getByRole('region', { name: 'Query text' }).textContent).toMatch(/^select\n {2}\*\nfrom/),
    );
    await userEvent.click(getByRole('tab', { name: 'Events 1' }));
    expect(await findByText('three')).toBeVisible();
    await userEvent.click(getByRole('tab', { name: /Logs/ }));
    expect(await findByText('sold <i>out</i>')).toBeVisible();
    expect(await findAllByText(/not⟨U\+202E⟩ice/)).not.toHaveLength(0);
    await waitFor(() => expect(search()).toEqual({ span: spanId('c'), tab: 'logs' }));
    expect(container.querySelector('img, i, script')).toBeNull();
    await userEvent.keyboard('{Escape}');
    await waitFor(() => expect(search()).toEqual({ tab: 'logs' }));
    expect(screen.queryByRole('complementary', { name: 'Selected span' })).toBeNull();
  });

  it('links to other traces, but only to what is the id of one', async () => {
    open(`?span=${spanId('c')}&tab=links`);
    const { findByText, getAllByRole } = within(await panel());
    expect(await findByText(/javascript:alert/)).toBeVisible();
    expect(getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual([
      `/traces/${'cd'.repeat(16)}?span=${spanId('1')}`,
    ]);
  });

  it('says when no attribute has what is filtered by', async () => {
    const many = Array.from({ length: 12 }, (_, at) => text(`key.${at}`, 'value'));
    const body = wholeSpan(spanId('a'));
    const [span] = body.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    if (span) span.attributes = many;
    open(`?span=${spanId('a')}`, { span: () => Response.json(body) });
    const { findByRole, findByText } = within(await panel());
    await userEvent.type(await findByRole('textbox', { name: 'Filter attributes' }), 'zzz');
    expect(await findByText('zzz')).toHaveTextContent('zzz');
    expect(await panel()).toHaveTextContent('No attribute has “zzz” in it.');
  });

  it('folds and moves by keys', async () => {
    const { search } = open(`?span=${spanId('b')}`);
    await shown();
    await userEvent.keyboard('{ArrowLeft}');
    expect(await shown()).toEqual(['POST /orders', 'reserve', 'no name']);
    expect(screen.getByRole('row', { name: /reserve/ })).toHaveAttribute('aria-expanded', 'false');
    expect(screen.getByTitle('1 folded spans have errors')).toBeVisible();
    await waitFor(() => expect(search()).toEqual({ span: spanId('b'), fold: spanId('b') }));
    // The next error is folded away.
    await userEvent.keyboard('e');
    expect(await shown()).toHaveLength(4);
    expect(screen.getByRole('row', { name: /INSERT/ })).toHaveAttribute('aria-selected', 'true');
    await waitFor(() => expect(search()).toEqual({ span: spanId('c') }));
  });

  it('leaves keys to the panel that they scroll', async () => {
    open(`?span=${spanId('b')}`);
    await shown();
    const { getByRole } = within(await panel());
    getByRole('tabpanel').focus();
    await userEvent.keyboard('{ArrowDown}{ArrowLeft}');
    expect(await shown()).toHaveLength(4);
    expect(screen.getByRole('row', { name: /reserve/ })).toHaveAttribute('aria-selected', 'true');
  });

  it('counts what is found here and by the server', async () => {
    const { search } = open();
    await shown();
    await userEvent.keyboard('/');
    await userEvent.keyboard('orders');
    expect(await screen.findByText('2 matches')).toBeVisible();
    expect(await screen.findByText('3 matches')).toBeVisible();
    await userEvent.keyboard('{Enter}{Enter}');
    expect(await screen.findByText('2/3 matches')).toBeVisible();
    await waitFor(() => expect(search()).toEqual({ q: 'orders', span: spanId('c') }));
    await userEvent.clear(screen.getByRole('textbox', { name: 'Search spans' }));
    await waitFor(() => expect(screen.queryByText(/matches/)).toBeNull());
  });

  it('shows only matches and those above them, and says when attributes could not be searched', async () => {
    open('?q=reserve&only=on', { search: () => new Response('no', { status: 400 }) });
    expect(await shown()).toEqual(['POST /orders', 'reserve']);
    expect(await screen.findByText('Attributes could not be searched')).toBeVisible();
  });

  it('finds all spans of an id', async () => {
    const twin = { ...rows[3], span_id: spanId('b'), name: 'sent twice' };
    open('?q=attribute', {
      spans: () => sqlAnswer([...rows, twin]),
      search: () => Response.json({ spans: [spanId('b')], truncated: true }),
    });
    expect(await screen.findByText('2 or more matches')).toBeVisible();
  });

  it('dims other services than those chosen, whatever their names', async () => {
    const { search } = open();
    await shown();
    const chip = screen.getByRole('button', { name: /payments/, pressed: false });
    await userEvent.click(chip);
    expect(chip).toHaveAttribute('aria-pressed', 'true');
    await waitFor(() => expect(search()).toEqual({ service: 'payments\nEU' }));
    await userEvent.click(chip);
    await waitFor(() => expect(search()).toEqual({}));
  });

  it('lists numbers that name it, each with the way to its span', async () => {
    const exemplar = { metric_name: 'cart\u202e', series: '1', span_id: spanId('d'), offset: -5e6, value: 3 };
    const series = () => sqlAnswer([{ series: '1', unit: '{item}', service: 'catalog' }]);
    const { search } = open('?view=numbers', { numbers: () => sqlAnswer([exemplar]), series });
    const cells = within(await screen.findByRole('table')).getAllByRole('cell');
    expect(cells.map(({ textContent }) => textContent)).toEqual([
      'cart⟨U+202E⟩',
      '3 item',
      ' catalog',
      '-5 ms',
      'no name',
    ]);
    await userEvent.click(screen.getByRole('button', { name: 'no name' }));
    await waitFor(() => expect(search()).toEqual({ span: spanId('d') }));
    expect(await shown()).toHaveLength(4);
  });

  it('is zoomed by the edges of the minimap, and back by a key', async () => {
    const { search } = open();
    await shown();
    screen.getByRole('slider', { name: 'End of the shown time' }).focus();
    await userEvent.keyboard('{ArrowLeft}{ArrowRight}{ArrowLeft}{ArrowLeft}');
    await waitFor(() => expect(search()).toEqual({ zoom: '0-8820000' }));
    expect(screen.queryByRole('row', { selected: true })).toBeNull();
    await userEvent.keyboard('0');
    await waitFor(() => expect(search()).toEqual({}));
  });

  it('shares what is shown, with a time range that stays', async () => {
    const user = userEvent.setup();
    open(`?span=${spanId('b')}&zoom=0-5000000&refresh=5s`);
    await shown();
    await user.click(screen.getByRole('button', { name: /Share/ }));
    await waitFor(() => expect(screen.getAllByText('Link copied')[0]).toBeVisible());
    const url = new URL(await navigator.clipboard.readText());
    expect(url.pathname).toBe(`/traces/${TRACE_ID}`);
    expect(parseSearch(url.search)).toEqual({
      span: spanId('b'),
      zoom: '0-5000000',
      from: '2026-01-02T02:59:05.000Z',
      to: '2026-01-02T03:09:05.009Z',
    });
  });

  it('marks the critical path', async () => {
    open('?critical=on');
    await shown();
    expect(screen.getByRole('button', { name: 'Critical path' })).toHaveAttribute('aria-pressed', 'true');
    const bars = (name: RegExp) => screen.getByRole('row', { name }).querySelectorAll('[class*=critical]').length;
    expect([bars(/POST/), bars(/reserve/), bars(/INSERT/)]).toEqual([3, 1, 1]);
  });
});

describe('a trace that grows', () => {
  const first = { ...row('e', 'a', 500_000, 1e6, 'came late', 'web') };
  const grown = [rows[0] ?? first, first, ...rows.slice(1)];

  it('keeps its selected span without asking for another', async () => {
    const { current, fetched, refresh } = open(`?span=${spanId('d')}`);
    expect(await within(await panel()).findByText('<img src=x onerror=alert(1)>')).toBeVisible();
    current.spans = () => sqlAnswer(grown);
    await refresh();
    await screen.findByText('came late');
    expect(within(await panel()).getByText('<img src=x onerror=alert(1)>')).toBeVisible();
    const asked = fetched.mock.calls.map(([path]) => String(path)).filter((path) => path.includes('/spans/'));
    expect(asked.map((path) => path.slice(-1)).sort()).toEqual(['a', 'd']);
  });

  it('does not scroll back to the selected span', async () => {
    vi.spyOn(HTMLElement.prototype, 'scrollHeight', 'get').mockReturnValue(3_000);
    const many = Array.from({ length: 100 }, (_, at) => row(`f${at}`, 'a', 5e6 + at, 1, `item ${at}`, 'web'));
    const { current, refresh } = open(`?span=${spanId('f90')}`, { spans: () => sqlAnswer([...rows, ...many]) });
    const grid = await screen.findByRole('treegrid');
    await waitFor(() => expect(grid.scrollTop).toBeGreaterThan(1_000));
    grid.scrollTop = 0;
    fireEvent.scroll(grid);
    await screen.findByRole('row', { name: /POST/ });
    current.spans = () => sqlAnswer([...grown, ...many]);
    await refresh();
    await screen.findByRole('row', { name: /came late/ });
    expect(grid.scrollTop).toBeLessThan(100);
  });
});

describe('what is missing', () => {
  it('says that spans above are not here', async () => {
    open('', { spans: () => sqlAnswer([row('a', 'f', 0, 9e6, 'lone', 'web')]) });
    expect(await screen.findByText(/The root of this trace is not here/)).toBeVisible();
    expect(screen.getByRole('img', { name: 'parent missing' })).toBeVisible();
  });

  it('says that parts have lost what is above them', async () => {
    open('', { spans: () => sqlAnswer([...rows, row('e', 'f', 5e6, 1e6, 'lone', 'web')]) });
    expect(await screen.findByText(/The parent of 1 span is not here/)).toBeVisible();
  });

  it('does not call a parent missing that is only cut off', async () => {
    open(`?span=${spanId('a')}`, {
      spans: () => sqlAnswer([row('a', 'b', 0, 9e6, 'first', 'web'), row('b', 'a', 1, 5, 'second', 'web')]),
    });
    const { getByText, queryByText } = within(await panel());
    expect(getByText(/form a circle/)).toBeVisible();
    expect(queryByText(/is not in this trace/)).toBeNull();
  });

  it('says that the span of a link is not here, in visible letters', async () => {
    open(`?span=${encodeURIComponent('x\u202ey')}`);
    expect(await screen.findByText('x⟨U+202E⟩y')).toBeVisible();
  });

  it('shows what there is when a span or the logs cannot be had', async () => {
    const broken = () => Response.json({ error: { code: 'x', message: 'disk gone' } }, { status: 400 });
    open(`?span=${spanId('b')}`, { span: broken, logs: broken, lines: broken });
    const { findByText, getByText } = within(await panel());
    expect(await findByText('disk gone')).toBeVisible();
    expect(getByText('Self time')).toBeVisible();
    await userEvent.click(screen.getAllByRole('tab', { name: /^Logs/ })[0] ?? document.body);
    expect(await screen.findByRole('region', { name: 'Logs of the trace' })).toHaveTextContent('disk gone');
  });

  it('says when logs of both kinds together are too many', async () => {
    const some = () => sqlAnswer(Array.from({ length: 600 }, () => log));
    open('?view=logs', { logs: some, lines: some });
    expect(await screen.findByRole('tab', { name: 'Logs 1,000+' })).toBeVisible();
  });

  it('tells why the trace cannot be had, and asks again', async () => {
    const { current } = open('', {
      spans: () => Response.json({ error: { code: 'x', message: 'no such column' } }, { status: 400 }),
    });
    expect(await screen.findByText('no such column')).toBeVisible();
    current.spans = answers.spans;
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await shown()).toHaveLength(4);
  });

  it('waits for a trace that is not here yet', async () => {
    const { current } = open('', { spans: () => sqlAnswer([]) }, '5B8EFFF798038103');
    expect(await screen.findByText('No span of this trace is here')).toBeVisible();
    expect(screen.getByText('5b8efff798038103'.padStart(32, '0'))).toBeVisible();
    current.spans = answers.spans;
    await waitFor(async () => expect(await shown()).toHaveLength(4), { timeout: 3_000 });
  });

  it.each(['zzz', '0', '5b8efff798038103d269b633813fc60c5', '%3Cb%3E'])('takes %s for no id', async (id) => {
    const { fetched } = open('', {}, id);
    expect(await screen.findByText('This is not a trace id')).toBeVisible();
    expect(screen.getByText(decodeURIComponent(id))).toBeVisible();
    expect(fetched).not.toHaveBeenCalled();
  });
});
