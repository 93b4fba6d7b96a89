import { fill } from './bookstore.ts';
import { expect, test } from './test.ts';

test('the time range is chosen once for all screens, and Back returns to the one before', async ({ page, shop }) => {
  await page.goto(shop.server.url);
  const range = page.getByRole('button', { name: /^Time range:/ });
  await range.click();
  await page.getByRole('button', { name: 'Last 15 minutes' }).click();
  await expect(page).toHaveURL(/from=now-15m&to=now/);
  await expect(range).toHaveText('Last 15 minutes');

  await page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: 'Traces' }).click();
  await expect(page).toHaveURL(/\/traces\?.*from=now-15m/);
  await expect(range).toHaveText('Last 15 minutes');

  await page.keyboard.press('t');
  await page.getByLabel('From', { exact: true }).fill('now-2x');
  await expect(page.getByText(/“now-2x” is no time/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Apply' })).toBeDisabled();
  await page.getByLabel('From', { exact: true }).fill('2026-03-29 01:30');
  await page.getByLabel('To', { exact: true }).fill('2026-03-29 03:30');
  await page.keyboard.press('Enter');
  // The clocks went forward in between: an hour, not two.
  await expect(range).toHaveText('2026-03-29 01:30 – 03:30');

  await page.goBack();
  await expect(range).toHaveText('Last 15 minutes');
});

test('the time zone is that of the address, on the screen and in what is typed', async ({ page, shop }) => {
  await page.goto(`${shop.server.url}/?from=2026-05-20T10:00:00Z&to=2026-05-20T11:00:00Z`);
  const range = page.getByRole('button', { name: /^Time range:/ });
  await expect(range).toHaveText('2026-05-20 12:00 – 13:00');
  await range.click();
  await page.getByRole('combobox', { name: 'Time zone' }).fill('tokyo');
  await page.getByRole('option', { name: 'Asia/Tokyo' }).click();
  await expect(page).toHaveURL(/tz=Asia\/Tokyo/);
  await expect(range).toContainText('2026-05-20 19:00 – 20:00');
});

test('the address says everything', async ({ page, shop, context }) => {
  await page.goto(
    `${shop.server.url}/traces?service=catalog&status=error&from=now-6h&to=now&tz=utc&refresh=1m&sort=-duration`,
  );
  await expect(page.getByRole('main').locator('a[href*="/traces/"]').first()).toBeVisible();
  const address = page.url();
  await page.reload();
  await expect(page.getByRole('main').locator('a[href*="/traces/"]').first()).toBeVisible();
  expect(page.url()).toBe(address);

  const other = await context.newPage();
  await other.goto(address);
  await expect(other.getByRole('button', { name: 'Refreshes every 1m' })).toBeVisible();
  await expect(other.getByRole('button', { name: 'Time range: Last 6 hours, UTC' })).toBeVisible();
  await expect(other.getByRole('main').locator('a[href*="/traces/"]').first()).toBeVisible();
});

test('a wrong range is said, not silently replaced', async ({ page, shop }) => {
  await page.goto(`${shop.server.url}/?from=yesterday`);
  await expect(page.getByRole('status').filter({ hasText: '“yesterday” is no time' })).toBeVisible();
});

test('refreshing asks again, by hand and by itself', async ({ page, shop }) => {
  await page.goto(`${shop.server.url}/?refresh=1s`);
  const question = () => page.waitForRequest((request) => request.url().endsWith('/api/v1/sql'));
  await question();
  await question();
  await page.getByRole('button', { name: 'Refreshes every 1s' }).click();
  await page.getByRole('menuitemradio', { name: 'When asked to' }).click();
  await expect(page).not.toHaveURL(/refresh=/);
  await expect(page.getByRole('button', { name: 'Refresh', exact: true })).toHaveAttribute('aria-busy', 'false');
  const asked = question();
  await page.keyboard.press('r');
  await asked;
});

test('the theme stays, without a flash of another', async ({ page, shop }) => {
  await page.goto(shop.server.url);
  await page.getByRole('button', { name: 'Theme' }).click();
  await page.getByRole('menuitemradio', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark');

  await page.addInitScript(() => {
    // Every state the page is in from the moment there is something to paint.
    const seen: string[] = [];
    Object.assign(globalThis, { __themes: seen });
    new MutationObserver(() => {
      if (document.body) seen.push(document.documentElement.getAttribute('data-mantine-color-scheme') ?? 'none');
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await page.reload();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  const themes = await page.evaluate(() => (globalThis as unknown as { __themes: string[] }).__themes);
  expect([...new Set(themes)]).toEqual(['dark']);

  await page.getByRole('button', { name: 'Theme' }).click();
  await page.getByRole('menuitemradio', { name: 'As the system' }).click();
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'light');
});

test('a server that keeps tenants apart asks whose data to show', async ({ page, startServer }) => {
  const server = await startServer({ tenancy: { enabled: true } });
  await fill(server, { checkouts: 3, tenant: 'acme-books' });
  await page.goto(server.url);
  await expect(page.getByRole('alert').filter({ hasText: 'Which tenant?' }).first()).toBeVisible();
  await page.getByRole('textbox', { name: 'Tenant' }).fill('acme-books');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/tenant=acme-books/);
  await expect(page.getByRole('table').getByText('catalog').first()).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);

  // Another tenant sees nothing of it, not even for a moment.
  await page.getByRole('textbox', { name: 'Tenant' }).fill('leaf-and-page');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/tenant=leaf-and-page/);
  await expect(page.getByText('storefront')).toHaveCount(0);
});

test('a trace is one paste away', async ({ page, shop, context }) => {
  await page.goto(shop.server.url);
  await page.evaluate((text) => navigator.clipboard.writeText(text), `00-${shop.good.traceId}-00f067aa0ba902b7-01`);
  // The page listens to keys once it is drawn, which the end of its loading does not wait for.
  const box = page.getByRole('textbox', { name: 'Trace id' });
  await expect(box).toBeVisible();
  await page.keyboard.press('i');
  await expect(box).toBeFocused();
  await page.keyboard.press('Control+V');
  await expect(page).toHaveURL(new RegExp(`/traces/${shop.good.traceId}`));
  await expect(page).toHaveTitle(/Trefoil$/);
  await context.clearPermissions();
});

test('on a narrow screen everything is in the menu', async ({ page, shop }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto(shop.server.url);
  await expect(page.getByRole('link', { name: 'Traces', exact: true })).toBeHidden();
  await page.getByRole('button', { name: 'Menu' }).click();
  await expect(page.getByLabel('Trace id')).toBeVisible();
  await page.getByRole('link', { name: 'Traces', exact: true }).click();
  await expect(page).toHaveURL(/\/traces/);
  await expect(page.getByLabel('Trace id')).toBeHidden();
});

test('the browser keeps what cannot change and asks for what can', async ({ page, shop, context }) => {
  const answers = new Map<string, Record<string, string>>();
  page.on('response', async (response) => {
    answers.set(new URL(response.url()).pathname, await response.allHeaders());
  });
  await page.goto(shop.server.url, { waitUntil: 'networkidle' });
  const document = answers.get('/');
  expect(document?.['cache-control']).toBe('no-cache');
  expect(document?.['content-security-policy']).toContain("default-src 'none'");
  expect(document?.['x-content-type-options']).toBe('nosniff');
  const assets = [...answers].filter(([path]) => path.startsWith('/assets/'));
  expect(assets.length).toBeGreaterThan(2);
  for (const [path, headers] of assets) {
    expect(headers['cache-control'], path).toBe('public, max-age=31536000, immutable');
    if (Number(headers['content-length']) > 2048) expect(headers['content-encoding'], path).toMatch(/^(br|gzip)$/);
    expect(headers.vary?.toLowerCase(), path).toContain('accept-encoding');
  }
  expect(answers.get('/api/v1/sql')?.['cache-control']).toBe('no-store');

  // The second visit fetches no asset again.
  const again = await context.newPage();
  const fetched: string[] = [];
  again.on('response', async (response) => {
    const path = new URL(response.url()).pathname;
    if (path.startsWith('/assets/') && !response.fromServiceWorker()) {
      const { transferSize } = await again.evaluate(
        (name) => performance.getEntriesByName(name)[0]?.toJSON() ?? { transferSize: 0 },
        response.url(),
      );
      if (transferSize > 0) fetched.push(path);
    }
  });
  await again.goto(shop.server.url, { waitUntil: 'networkidle' });
  expect(fetched).toEqual([]);
});
