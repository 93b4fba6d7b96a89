import { readFile } from 'node:fs/promises';
import { fillHuge, HUGE_ROOT, HUGE_TRACE } from './huge.ts';
import { expect, expectNoSidewaysScroll, test } from './test.ts';

/** How many spans the huge trace has here. */
const SPANS = 5_000;

test('of a large trace only what is in sight is drawn, at every width', async ({ page, startServer }) => {
  const server = await startServer();
  await fillHuge(server, SPANS);
  const timeline = page.getByRole('treegrid', { name: 'Spans of the trace' });
  for (const width of [1440, 800, 390]) {
    await page.setViewportSize({ width, height: 844 });
    await page.goto(`${server.url}/traces/${HUGE_TRACE}`);
    await expect(
      timeline
        .getByRole('row')
        .filter({ hasText: HUGE_ROOT.slice(0, 12) })
        .first(),
    ).toBeVisible();
    await expect(timeline).toHaveAttribute('aria-rowcount', String(SPANS + 1));
    expect(await timeline.getByRole('row').count(), `rows drawn at ${width}`).toBeLessThan(80);
    await expectNoSidewaysScroll(page);

    // The last row is one key away, and in sight then.
    await page.keyboard.press('End');
    const last = timeline.getByRole('row', { selected: true });
    await expect(last).toHaveAttribute('aria-rowindex', String(SPANS + 1));
    await expect(last).toBeInViewport();
  }
});

test('a trace is downloaded whole, as OTLP in JSON', async ({ page, shop }) => {
  await page.goto(`${shop.server.url}/traces/${shop.good.traceId}`);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'JSON' }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe(`trace-${shop.good.traceId}.json`);
  const { trace } = JSON.parse(await readFile(await file.path(), 'utf8'));
  const spans = trace.resourceSpans.flatMap((resource: { scopeSpans: { spans: unknown[] }[] }) =>
    resource.scopeSpans.flatMap(({ spans }) => spans),
  );
  expect(spans).toHaveLength(12);
});

test('records are placed at their spans, and numbers lead to theirs', async ({ page, shop }) => {
  await page.goto(`${shop.server.url}/traces/${shop.good.traceId}`);
  await page.getByRole('tab', { name: /^Logs 4/ }).click();
  const records = page.getByRole('region', { name: 'Logs of the trace' }).getByRole('listitem');
  await expect(records).toHaveCount(4);
  // By its own span id, and by time where the line says only which trace it is of.
  await expect(records.filter({ hasText: 'order placed' })).toContainText('POST /orders');
  await expect(records.filter({ hasText: 'looking the item up' })).toContainText('GET /catalog/items/{isbn}');
  await expect(records.filter({ hasText: 'charge created' })).toContainText('POST /v1/charges');

  await page.getByRole('tab', { name: 'Numbers' }).click();
  await expect(page.getByRole('main')).toContainText('http.server.request.duration');
});

test('a span that is written again is one span, in lists as in its trace', async ({ page, startServer }) => {
  const server = await startServer();
  const traceId = '5b8aa5a2d2c872e8321cf37308d69df2';
  const start = BigInt(Date.now() - 60_000) * 1_000_000n;
  const span = (spanId: string, version: number, milliseconds: number, failed: boolean) => ({
    traceId,
    spanId,
    ...(spanId !== '000000000000000a' && { parentSpanId: '000000000000000a' }),
    name: spanId === '000000000000000a' ? 'order' : 'Submitted',
    traceState: `trefoil=v:${version}`,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(milliseconds) * 1_000_000n),
    ...(failed && { status: { code: 2 } }),
  });
  const attributes = [{ key: 'service.name', value: { stringValue: 'orders' } }];
  // What ran until now turns out to have ended, and well.
  for (const [version, length] of [
    [1, 30_000],
    [2, 20_000],
  ] as const) {
    const spans = ['000000000000000a', '000000000000000b'].map((id) => span(id, version, length, version === 1));
    await server.send('traces', { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] });
  }
  await page.goto(`${server.url}/traces`);
  const row = page.getByRole('row').filter({ hasText: 'order' });
  await expect(row).toContainText('20 s');
  await expect(row.getByRole('cell').nth(3)).toHaveText('2');
  await expect(row.getByRole('cell').last()).toHaveText('0');
  await row.getByRole('link').first().click();
  await expect(page.getByText('2 spans')).toBeVisible();
  await expect(page.getByRole('treegrid', { name: 'Spans of the trace' })).toHaveAttribute('aria-rowcount', '3');
});
