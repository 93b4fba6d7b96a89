import type { Page } from '@playwright/test';
import { id, type LogRecord, otlpLogs, otlpTraces, type Span } from './otlp.ts';
import type { TrefoilServer } from './server.ts';
import { expect, expectNoSidewaysScroll, test } from './test.ts';

/** What people and programs have put into names; nothing of it may do anything but be read. */
const HOSTILE: Record<string, string> = {
  html: '<img src=x onerror="alert(1)"><script>alert(2)</script><u>underlined</u>',
  attribute: `" onmouseover="alert(3)" x='`,
  scriptLink: 'javascript:alert(document.domain)',
  elsewhere: 'https://example.com/"><iframe src="https://example.com/">',
  rightToLeft: 'שלום עולם \u202egnp.exe مرحبا بالعالم',
  control: 'a\u0000b\u0007\u001b[31mred\u001b[0m\u0085\u2028\u2029 \ufeff\u200b',
  emoji: '👩‍👩‍👧‍👦🏳️‍🌈🇺🇳 ❤️‍🔥'.repeat(4),
  combining: `Z${'\u0351\u0352\u0353\u0354'.repeat(50)}`,
  long: 'W'.repeat(100 * 1024),
  longWords: 'lorem ipsum '.repeat(1000),
  lines: 'one\ntwo\r\nthree\t'.repeat(200),
  template: `{{constructor.constructor('alert(4)')()}} \${alert(5)} %s %00`,
  sql: `'; DROP TABLE spans; --`,
  prototype: '__proto__',
};

async function send(server: TrefoilServer): Promise<{ traceId: string; spans: Span[] }> {
  const traceId = id('hostile', 32);
  const start = Date.now() - 5_000;
  const kinds = Object.entries(HOSTILE);
  const spans = kinds.map(
    ([kind, text], index): Span => ({
      traceId,
      spanId: id(`hostile ${kind}`, 16),
      ...(index > 0 && { parentSpanId: id(`hostile ${kinds[0]?.[0]}`, 16) }),
      service: index === 0 ? 'hostile' : `service ${text.slice(0, 2_000)}`,
      name: text,
      kind: 2,
      start: start + index,
      duration: 500,
      error: text,
      attributes: { [text.slice(0, 200)]: text, 'url.full': text, 'db.query.text': text, 'db.system.name': text },
      resource: { tenant: text.slice(0, 2_000), region: text },
      events: [
        {
          name: 'exception',
          at: start + index + 10,
          attributes: { 'exception.type': text, 'exception.message': text, 'exception.stacktrace': text },
        },
        { name: text, at: start + index + 20, attributes: { note: text } },
      ],
      links: [{ traceId: id('elsewhere', 32), spanId: id('elsewhere', 16), attributes: { note: text } }],
    }),
  );
  const logs = spans.map(
    (span, index): LogRecord => ({
      service: span.service,
      at: start + index + 5,
      severity: 17,
      body: span.name,
      traceId,
      spanId: span.spanId,
      attributes: { note: span.name },
    }),
  );
  await server.send('traces', otlpTraces(spans));
  await server.send('logs', otlpLogs(logs));
  return { traceId, spans };
}

/** Nothing that came from outside became an element, a link, or a handler. */
async function expectOnlyText(page: Page): Promise<void> {
  const made = await page.evaluate(() => {
    const foreign = [...document.querySelectorAll('img, iframe, object, embed, u, base, form[action]')].filter(
      (element) => !element.matches('img[src="/favicon.svg"]'),
    );
    const links = [...document.querySelectorAll('a[href]')].filter((link) => {
      const { protocol, origin } = new URL((link as HTMLAnchorElement).href);
      return (protocol !== 'http:' || origin !== location.origin) && protocol !== 'blob:';
    });
    const handlers = [...document.querySelectorAll('[onerror], [onmouseover], [onclick]')];
    return [...foreign, ...links, ...handlers].map((element) => element.outerHTML.slice(0, 200));
  });
  expect(made).toEqual([]);
}

/** Nothing sticks out of the window that does not stand in something that scrolls or cuts. */
async function expectNothingOutside(page: Page): Promise<void> {
  await expectNoSidewaysScroll(page);
  const outside = await page.evaluate(() => {
    const isHeld = (element: Element): boolean => {
      for (let around = element.parentElement; around && around !== document.body; around = around.parentElement) {
        if (getComputedStyle(around).overflowX !== 'visible') return true;
      }
      return false;
    };
    return [...document.body.querySelectorAll('*')]
      .filter((element) => {
        const { right, width, height } = element.getBoundingClientRect();
        return width > 0 && height > 0 && right > document.documentElement.clientWidth + 1 && !isHeld(element);
      })
      .map((element) => element.outerHTML.slice(0, 160));
  });
  expect(outside.slice(0, 5), 'elements beyond the right edge').toEqual([]);
}

test('text from outside is text, everywhere and at every width', async ({ page, startServer }) => {
  test.slow();
  const server = await startServer();
  const { traceId, spans } = await send(server);
  const shown: [string, () => Promise<void>][] = [
    ['/', () => expect(page.getByText('hostile', { exact: true }).first()).toBeVisible()],
    ['/traces', () => expect(page.locator('main a[href*="/traces/"]').first()).toBeVisible()],
    [`/traces/${traceId}`, () => expect(page.getByText(/<script>alert\(2\)/).first()).toBeVisible()],
  ];
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    for (const [path, isThere] of shown) {
      await page.goto(server.url + path);
      await isThere();
      await expectOnlyText(page);
      await expectNothingOutside(page);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  for (const span of spans) {
    await page.goto(`${server.url}/traces/${traceId}?span=${span.spanId}`);
    await expect(
      page
        .getByRole('complementary')
        .or(page.getByRole('region', { name: /span/i }))
        .first(),
    ).toBeVisible();
    await expectOnlyText(page);
    await expectNothingOutside(page);
  }
});

test('what stands in the address is text, too', async ({ page, shop }) => {
  test.slow();
  for (const text of Object.values(HOSTILE)) {
    const value = encodeURIComponent(text.slice(0, 1_500));
    for (const path of [
      `/?q=${value}&from=${value}&tz=${value}`,
      `/traces?service=${value}&attribute=${value}&min=${value}`,
    ]) {
      await page.goto(shop.server.url + path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expectOnlyText(page);
      await expectNothingOutside(page);
    }
  }
  await page.goto(`${shop.server.url}/traces/${encodeURIComponent('<img src=x onerror=alert(1)>')}`);
  await expect(page.getByRole('main')).toBeVisible();
  await expectOnlyText(page);
});
