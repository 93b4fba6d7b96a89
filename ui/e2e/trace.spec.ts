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
