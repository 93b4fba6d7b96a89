import type { Page } from '@playwright/test';
import { Gate, type Weather } from './gate.ts';
import { test as base, expect } from './test.ts';

const test = base.extend<{ gate: Gate }>({
  gate: async ({ shop }, use) => {
    const gate = await Gate.start(shop.server.url);
    await use(gate);
    await gate.close();
  },
});

const SCREENS: { name: string; path: (traceId: string) => string; isThere: (page: Page) => Promise<void> }[] = [
  {
    name: 'Home',
    path: () => '/',
    isThere: (page) => expect(page.getByRole('table').getByText('catalog').first()).toBeVisible(),
  },
  {
    name: 'Traces',
    path: () => '/traces',
    isThere: (page) => expect(page.locator('main a[href*="/traces/"]').first()).toBeVisible(),
  },
  {
    name: 'A trace',
    path: (traceId) => `/traces/${traceId}`,
    isThere: (page) => expect(page.getByText('SELECT bookstore.items').first()).toBeVisible(),
  },
];

const WEATHERS: { name: string; weather: Weather; says: RegExp }[] = [
  {
    name: 'an error',
    weather: { status: 500, body: '{"error":{"code":"internal","message":"a disk is full"}}' },
    says: /a disk is full/,
  },
  { name: 'a proxy’s error', weather: { status: 503, body: '<html>Service unavailable</html>' }, says: /status 503/ },
  { name: 'half an answer', weather: 'half', says: /ended too early|not whole/ },
];

for (const screen of SCREENS) {
  test.describe(screen.name, () => {
    for (const { name, weather, says } of WEATHERS) {
      test(`says ${name} and recovers by itself`, async ({ page, gate, shop }) => {
        gate.set(weather);
        await page.goto(gate.url + screen.path(shop.good.traceId));
        await expect(page.getByRole('alert').filter({ hasText: says }).first()).toBeVisible();
        // What needs no data is there all the same.
        await expect(page.getByRole('navigation', { name: 'Screens' })).toBeVisible();
        gate.set('fine');
        await screen.isThere(page);
        await expect(page.getByRole('alert')).toHaveCount(0);
      });
    }

    test('waits for a slow answer, says so, and shows it', async ({ page, gate, shop }) => {
      gate.set('slow');
      await page.goto(gate.url + screen.path(shop.good.traceId));
      await expect(page.getByText(/still/i).first()).toBeVisible();
      gate.set('fine');
      await screen.isThere(page);
      await expect(page.getByRole('alert')).toHaveCount(0);
    });

    test('keeps what it shows while nobody answers, and recovers by itself', async ({ page, gate, shop }) => {
      await page.goto(gate.url + screen.path(shop.good.traceId));
      await screen.isThere(page);
      gate.set('away');
      await page.keyboard.press('r');
      await expect(page.getByText(/Trefoil does not answer/).first()).toBeVisible();
      await screen.isThere(page);
      gate.set('fine');
      await expect(page.getByText('Trefoil answers again.')).toBeVisible();
      await expect(page.getByText(/Trefoil does not answer/)).toHaveCount(0);
      await expect(page.getByRole('alert')).toHaveCount(0);
      await screen.isThere(page);
    });
  });
}

test('a screen whose code cannot be had offers to load the page again', async ({ page, gate, shop }) => {
  await page.goto(gate.url);
  await SCREENS[0]?.isThere(page);
  // As after an upgrade: the parts that this page names are no longer there.
  await page.route('**/assets/Trace*.js', (route) => route.fulfill({ status: 404, body: 'not found\n' }));
  // The router first loads the page again by itself; only then is the message there to stay.
  const again = page.waitForEvent('load');
  await page.getByLabel('Trace id').fill(shop.good.traceId);
  await page.keyboard.press('Enter');
  await again;
  await expect(page.getByRole('alert')).toContainText('could not be loaded');
  await page.unroute('**/assets/Trace*.js');
  await page.getByRole('button', { name: 'Load the page again' }).click();
  await SCREENS[2]?.isThere(page);
});

test('leaving a screen gives its questions up', async ({ page, gate }) => {
  gate.set('slow');
  const given = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/api/v1/sql'));
  await page.goto(gate.url);
  await expect(page.getByText(/still/i).first()).toBeVisible();
  await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: 'Traces' }).click();
  expect((await given).failure()?.errorText).toBe('net::ERR_ABORTED');
});
