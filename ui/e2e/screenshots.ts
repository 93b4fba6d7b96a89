/** Pictures of every screen in every state, to be looked at: `npm run screenshots` puts them into `screenshots/`. */

import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { fill } from './bookstore.ts';
import { fillHuge, HUGE_TRACE } from './huge.ts';
import { id } from './otlp.ts';
import type { TrefoilServer } from './server.ts';
import { expect, test } from './test.ts';

const DIRECTORY = join(import.meta.dirname, '../screenshots');
const WIDTHS = [390, 1024, 1600];

interface State {
  name: string;
  fill: (server: TrefoilServer) => Promise<{ trace: string; span: string }>;
}

const STATES: State[] = [
  { name: 'empty', fill: async () => ({ trace: '1'.repeat(32), span: '1'.repeat(16) }) },
  {
    name: 'demo',
    fill: async (server) => {
      const { failed } = await fill(server, { checkouts: 200 });
      return { trace: failed.traceId, span: failed.spans[2]?.spanId ?? '' };
    },
  },
  {
    name: 'huge',
    fill: async (server) => {
      await fillHuge(server);
      return { trace: HUGE_TRACE, span: id('huge 98', 16) };
    },
  },
];

for (const state of STATES) {
  test(state.name, async ({ page, startServer }) => {
    const server = await startServer();
    const { trace, span } = await state.fill(server);
    const screens: [string, string][] = [
      ['home', '/'],
      ['traces', '/traces'],
      ['trace', `/traces/${trace}`],
      ['span', `/traces/${trace}?span=${span}`],
    ];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: width < 600 ? 844 : 1000 });
        for (const [name, path] of screens) {
          await page.goto(server.url + path);
          await settle(page);
          await page.screenshot({ path: join(DIRECTORY, state.name, `${name}-${width}-${colorScheme}.png`) });
        }
        await page.goto(`${server.url}/?refresh=10s`);
        await settle(page);
        await page.keyboard.press('t');
        await expect(page.getByLabel('From', { exact: true })).toBeVisible();
        await page.screenshot({ path: join(DIRECTORY, state.name, `range-${width}-${colorScheme}.png`) });
      }
    }
  });
}

/** What was asked is answered, and nothing moves any more. */
async function settle(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await page.waitForLoadState('networkidle');
  await page.evaluate(() => document.fonts.ready);
}
