import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, expectNoSidewaysScroll, test } from './test.ts';

async function expectNoViolations(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .map((node) => node.html)
        .slice(0, 3)
        .join(' | ')}`,
  );
  expect(found).toEqual([]);
}

/** Skeletons are gone: what is tested is the screen, not its absence. */
async function settled(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.getByRole('status', { name: /load/i })).toHaveCount(0);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });

    test('screens with data have no violations', async ({ page, shop }) => {
      const trace = `/traces/${shop.failed.traceId}`;
      for (const path of ['/', '/traces', trace, `${trace}?span=${shop.failed.spans[2]?.spanId}`]) {
        await page.goto(shop.server.url + path);
        await settled(page);
        await expectNoViolations(page);
      }
    });

    test('screens without data have no violations', async ({ page, empty }) => {
      for (const path of ['/', '/traces', `/traces/${'1'.repeat(32)}`, '/traces/no-id', '/nowhere']) {
        await page.goto(empty.url + path);
        await settled(page);
        await expectNoViolations(page);
      }
    });

    test('what opens above a screen has no violations', async ({ page, shop }) => {
      await page.goto(`${shop.server.url}/?from=oops&tenant=acme-books`);
      await settled(page);
      await page.keyboard.press('t');
      await expect(page.getByLabel('From', { exact: true })).toBeFocused();
      await expectNoViolations(page);
      await page.keyboard.press('Escape');
      await expect(page.getByLabel('From', { exact: true })).toBeHidden();
      await page.keyboard.press('?');
      await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
      await expectNoViolations(page);
    });

    test('a narrow screen has no violations', async ({ page, shop }) => {
      await page.setViewportSize({ width: 390, height: 800 });
      for (const path of ['/', '/traces', `/traces/${shop.failed.traceId}`]) {
        await page.goto(shop.server.url + path);
        await settled(page);
        await expectNoSidewaysScroll(page);
        await expectNoViolations(page);
      }
      await page.getByRole('button', { name: 'Menu' }).click();
      await expect(page.getByRole('link', { name: 'Traces' })).toBeVisible();
      await expectNoViolations(page);
    });
  });
}

test('everything can be walked through with the keyboard alone', async ({ page, shop }) => {
  await page.goto(shop.server.url);
  await settled(page);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Skip to the content' })).toBeFocused();

  // To the list of traces by its link.
  const traces = page.getByRole('navigation', { name: 'Screens' }).getByRole('link', { name: 'Traces' });
  await tabTo(page, traces);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/traces/);
  await expect(page.getByRole('main')).toBeFocused();

  // To a trace by its link in the list, from the start of the content.
  await expect(page.getByRole('main').locator('a[href*="/traces/"]').first()).toBeVisible();
  await tabTo(page, page.getByRole('main').locator('a[href*="/traces/"]').first());
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/traces\/[0-9a-f]{32}/);

  // And back, where the list stands as it was. (The browser's own key for it does nothing without its window.)
  await page.goBack();
  await expect(page).toHaveURL(/\/traces(\?|$)/);
});

test('what has the focus shows it', async ({ page, shop }) => {
  await page.goto(shop.server.url);
  await settled(page);
  for (let step = 0; step < 12; step++) {
    await page.keyboard.press('Tab');
    const { name, isMarked } = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused) return { name: 'nothing', isMarked: false };
      const around = [focused, focused.parentElement]
        .filter((element) => element !== null)
        .map((e) => getComputedStyle(e));
      const hasOutline = around.some(
        (style) => style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0,
      );
      // Inputs turn their border into the theme's colour.
      const hasBorder =
        focused.matches('input, select, textarea') && getComputedStyle(focused).borderTopWidth !== '0px';
      return { name: focused.outerHTML.slice(0, 120), isMarked: hasOutline || hasBorder };
    });
    expect(isMarked, name).toBe(true);
  }
});

async function tabTo(page: Page, target: ReturnType<Page['locator']>): Promise<void> {
  await expect(target).toBeVisible();
  for (let step = 0; step < 120; step++) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  await expect(target).toBeFocused();
}
