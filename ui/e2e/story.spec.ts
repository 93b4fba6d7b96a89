/** What the demo is there to show, with the real bookstore: a failure is seen, followed to its cause, and shared. */

import { Demo, FORCED_500 } from './demo.ts';
import type { TrefoilServer } from './server.ts';
import { test as base, expect } from './test.ts';

const test = base.extend<{ server: TrefoilServer; demo: Demo }>({
  server: async ({ startServer }, use) => use(await startServer()),
  demo: async ({ server }, use) => {
    // Customers in the background, none of whom fails by lot: the failure of the story is the only one.
    const demo = await Demo.start(server, '--rate', '10', '--errors', '0', '--slow', '0');
    await use(demo);
    await demo.close();
  },
});

const BOOK = '978-0-13-468599-1';
const NINE = [
  'gateway',
  'storefront',
  'catalog',
  'orders',
  'outbox-publisher',
  'payments-gateway',
  'stripe',
  'webhook-receiver',
  'recommendations',
];

test('a failure is seen on Home, followed through nine services to its SQL and its logs, and shared', async ({
  page,
  context,
  server,
  demo,
}) => {
  const traceId = await demo.checkout(BOOK, FORCED_500);

  // Home says that catalog fails, and with what.
  await page.goto(`${server.url}/?refresh=1s&tz=utc`);
  await expect(
    page.getByRole('row', { name: /^catalog/ }).getByRole('link', { name: 'Failed traces of' }),
  ).toBeVisible();
  const failure = page.getByRole('listitem').filter({ hasText: '__forced_500__' });
  await expect(failure).toContainText('catalog');
  await failure.getByRole('link').click();

  // The trace, at the span that failed.
  await expect(page).toHaveURL(new RegExp(`/traces/${traceId}\\?.*span=`));
  const timeline = page.getByRole('treegrid', { name: 'Spans of the trace' });
  await page.keyboard.press('r');
  await expect(page.getByText('12 spans')).toBeVisible();
  await expect(page.getByText('9 services')).toBeVisible();
  await expect(timeline.getByRole('row', { selected: true })).toContainText('GET /catalog/items/{isbn}');
  for (const service of NINE)
    await expect(timeline.getByRole('row').filter({ hasText: service }).first()).toBeVisible();
  const panel = page.getByRole('complementary', { name: 'Selected span' });
  await expect(panel).toContainText('catalog::PriceError');
  await expect(panel.getByRole('region', { name: 'Stack trace' })).toContainText('pricing/price.rs:58');

  // Its query, with the context that went along with it into the database.
  await timeline.getByRole('row').filter({ hasText: 'SELECT bookstore.items' }).click();
  const query = panel.getByRole('region', { name: 'Query text' });
  await expect(query).toContainText(`traceparent='00-${traceId}-`);
  await expect(query).toContainText('WHERE');

  // Its logs: those that carry the id in a field, in JSON, and between bars.
  await page
    .getByRole('tab', { name: /^Logs \d/ })
    .first()
    .click();
  const logs = page.getByRole('region', { name: 'Logs of the trace' });
  // The line says whose it is before its text; storefront repeats what catalog answered.
  await expect(logs.getByRole('listitem').filter({ hasText: /error\s*catalog.*has no currency/ })).toBeVisible();
  await expect(logs.getByRole('listitem').filter({ hasText: /warn\s*storefront.*cached prices/ })).toBeVisible();
  await expect(logs.getByRole('listitem').filter({ hasText: 'stripe' }).first()).toBeVisible();
  await expect(logs.getByRole('listitem').filter({ hasText: 'gateway' }).first()).toBeVisible();

  // A colleague sees the same.
  await page.getByRole('button', { name: 'Share' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await context.newPage();
  await other.goto(link);
  await expect(other.getByRole('tab', { name: /^Logs \d/, selected: true })).toBeVisible();
  await expect(other.getByRole('complementary', { name: 'Selected span' })).toContainText('SELECT bookstore.items');
  const shown = async (at: typeof page) => ({
    logs: await at.getByRole('region', { name: 'Logs of the trace' }).getByRole('listitem').allInnerTexts(),
    panel: await at.getByRole('complementary', { name: 'Selected span' }).innerText(),
  });
  await expect.poll(() => shown(other)).toEqual(await shown(page));
});

test('the first data turns the empty screen green and leads to the services', async ({ page, server }) => {
  await page.goto(server.url);
  await expect(page.getByRole('status').filter({ hasText: 'Waiting for data' })).toBeVisible();
  const demo = await Demo.start(server, '--rate', '5');
  await expect(page.getByRole('status').filter({ hasText: 'Data arrives' })).toBeVisible();
  await demo.close();
  await page
    .getByRole('main')
    .getByRole('link', { name: /services/i })
    .first()
    .click();
  await expect(page.getByRole('table').getByText('gateway').first()).toBeVisible();
  await expect(page.getByRole('img', { name: /^Spans per second/ })).toBeVisible();
});

test('a hole in the propagation shows as a trace of its own', async ({ page, server }) => {
  const demo = await Demo.start(server, '--rate', '0', '--drop-traceparent', 'storefront');
  const traceId = await demo.checkout(BOOK);
  await page.goto(`${server.url}/traces/${traceId}?refresh=1s`);
  await expect(page.getByText('2 spans')).toBeVisible();
  await expect(page.getByText('2 services')).toBeVisible();
  await demo.close();
});
