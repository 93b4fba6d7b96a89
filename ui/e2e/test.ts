/** Playwright's `test` with Trefoil's servers, and an eye on what must never happen on any page. */

import { type BrowserContext, test as base, expect, type Page } from '@playwright/test';
import { type Checkout, fill } from './bookstore.ts';
import { TrefoilServer } from './server.ts';

export { expect };

interface Shop {
  server: TrefoilServer;
  /** The newest checkout without an error. */
  good: Checkout;
  /** The newest one within which catalog failed. */
  failed: Checkout;
}

interface Fixtures {
  /** Starts servers that end with the test. */
  startServer: (config?: Record<string, unknown>) => Promise<TrefoilServer>;
  /** Fails the test on script errors, violations of the page's policy, dialogs and requests to anybody else. */
  watch: undefined;
}

interface WorkerFixtures {
  /** A shop with half a dozen minutes of data. For tests that only look. */
  shop: Shop;
  /** A server that nobody ever sent anything to. */
  empty: TrefoilServer;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  shop: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures out of the pattern.
    async ({}, use) => {
      const server = await TrefoilServer.start();
      await use({ server, ...(await fill(server)) });
      await server.close();
    },
    { scope: 'worker' },
  ],

  empty: [
    // biome-ignore lint/correctness/noEmptyPattern: as above.
    async ({}, use) => {
      const server = await TrefoilServer.start();
      await use(server);
      await server.close();
    },
    { scope: 'worker' },
  ],

  // biome-ignore lint/correctness/noEmptyPattern: as above.
  startServer: async ({}, use) => {
    const servers: TrefoilServer[] = [];
    await use(async (config) => {
      const server = await TrefoilServer.start(config);
      servers.push(server);
      return server;
    });
    for (const server of servers) await server.close();
  },

  watch: [
    async ({ context }, use) => {
      const seen = await watchContext(context);
      await use(undefined);
      expect(seen, 'what must never happen on a page').toEqual([]);
    },
    { auto: true },
  ],
});

/** Collects what must never happen on the pages of a context. */
export async function watchContext(context: BrowserContext): Promise<string[]> {
  const seen: string[] = [];
  await context.exposeBinding('__violated', (_, violation: string) => void seen.push(violation));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const report = `policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`;
      (globalThis as unknown as { __violated: (text: string) => void }).__violated(report);
    });
  });
  context.on('weberror', (error) => seen.push(`script: ${error.error().stack ?? error.error().message}`));
  context.on('dialog', async (dialog) => {
    seen.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  context.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    const isOwn = hostname === '127.0.0.1' || protocol === 'data:' || protocol === 'blob:';
    if (!isOwn) seen.push(`request: ${request.url()}`);
  });
  context.on('console', (message) => {
    if (message.type() === 'error' && !isAboutRequest(message.text())) seen.push(`console: ${message.text()}`);
  });
  return seen;
}

/** The browser's own lines for requests that fail; what the screen makes of it is for the tests to say. */
function isAboutRequest(line: string): boolean {
  return /^Failed to load resource|Failed to fetch dynamically imported module/.test(line);
}

/** No screen is wider than the window, at whatever width. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const { scroll, client } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    client: document.documentElement.clientWidth,
  }));
  expect(scroll, 'the page scrolls sideways').toBeLessThanOrEqual(client);
}
