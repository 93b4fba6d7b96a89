/**
 * How fast the screens are; `npm run perf` prints a table for benches/RESULTS.md. Not a test: it fails only where something
 * cannot be measured. `TREFOIL_BIN_DIR` chooses the build.
 */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from '@playwright/test';
import { fill } from './bookstore.ts';
import { fillHuge, HUGE_ROOT, HUGE_TRACE } from './huge.ts';
import { binary, freePorts, listenersAt, waitUntil } from './server.ts';
import { expect, test } from './test.ts';

const RUNS = 5;

test('figures', async ({ browser, startServer }) => {
  const server = await startServer();
  await fill(server, { checkouts: 200 });
  await fillHuge(server);

  const rows: string[][] = [];
  const firsts = await repeat(() =>
    firstScreen(browser.newContext({ viewport: { width: 1440, height: 900 } }), server.url),
  );
  rows.push(
    row(
      'first screen: transferred (gzip)',
      firsts.map(({ kilobytes }) => kilobytes),
      'KB',
    ),
  );
  rows.push(
    row(
      'first screen: heading painted',
      firsts.map(({ heading }) => heading),
      'ms',
    ),
  );
  rows.push(
    row(
      'first screen: interactive',
      firsts.map(({ interactive }) => interactive),
      'ms',
    ),
  );

  const traces = await repeat(() =>
    hugeTrace(browser.newContext({ viewport: { width: 1440, height: 900 } }), `${server.url}/traces/${HUGE_TRACE}`),
  );
  rows.push(
    row(
      '50,000 spans: open',
      traces.map(({ opened }) => opened),
      'ms',
    ),
  );
  rows.push(
    row(
      '50,000 spans: longest frame while scrolling',
      traces.map(({ frame }) => frame),
      'ms',
    ),
  );
  rows.push(
    row(
      '50,000 spans: longest task while scrolling',
      traces.map(({ task }) => task),
      'ms',
    ),
  );

  const starts = await repeat(() => firstTrace(browser));
  rows.push(row('`trefoil demo --serve` to its first complete trace on the screen', starts, 'ms'));

  const table = [['what', 'median', 'worst'], ['---', '---', '---'], ...rows].map((row) => `| ${row.join(' | ')} |`);
  process.stdout.write(`\n${table.join('\n')}\n\n`);
});

async function repeat<T>(measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 0; run < RUNS; run++) results.push(await measure());
  return results;
}

/** What was measured, its median and its worst. */
function row(what: string, values: number[], unit: string): string[] {
  const sorted = values.toSorted((a, b) => a - b);
  const text = (value: number | undefined) => `${Math.round(value ?? Number.NaN)} ${unit}`;
  return [what, text(sorted[Math.floor(sorted.length / 2)]), text(sorted.at(-1))];
}

/** With an empty cache: what is transferred until the network is quiet, and when the page answers to clicks. */
async function firstScreen(opening: Promise<BrowserContext>, url: string) {
  const context = await opening;
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  let bytes = 0;
  network.on('Network.loadingFinished', ({ encodedDataLength }) => {
    bytes += encodedDataLength;
  });
  await observe(page, 'h1');
  await page.goto(url, { waitUntil: 'networkidle' });
  await expect(page.getByRole('table').first()).toBeVisible();
  const { seenAt, tasks } = await observed(page);
  await context.close();
  // Interactive: the heading is there, and no long task holds clicks up any more.
  const interactive = Math.max(seenAt, ...tasks.map(({ start, duration }) => start + duration));
  return { kilobytes: bytes / 1000, heading: seenAt, interactive };
}

/** From following the address to the rows of the waterfall; then scrolled from the first row to the last. */
async function hugeTrace(opening: Promise<BrowserContext>, url: string) {
  const context = await opening;
  const page = await context.newPage();
  // The code of the screen is there, as it is for whoever comes from the list.
  await page.goto(new URL('/traces', url).href, { waitUntil: 'networkidle' });
  await observe(page, '[role="treegrid"] [role="row"], [role="tree"] [role="treeitem"]');
  await page.goto(url);
  await expect(page.getByText(HUGE_ROOT).first()).toBeVisible();
  await page.waitForLoadState('networkidle');
  const { seenAt } = await observed(page);
  const scrolled = await page.evaluate(scrollThrough);
  await context.close();
  return { opened: seenAt, ...scrolled };
}

/** From the start of the program, without data, to a checkout's twelve spans on the screen (milliseconds). */
async function firstTrace(browser: Browser): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'trefoil-perf-'));
  const [gateway, ...ports] = await freePorts(7);
  const url = `http://127.0.0.1:${ports[2]}`;
  const config = join(directory, 'trefoil.yaml');
  await writeFile(config, JSON.stringify(listenersAt(ports)));
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();

  const began = performance.now();
  const where = ['--config', config, '--data-dir', join(directory, 'data'), '--listen', `127.0.0.1:${gateway}`];
  const demo = spawn(binary(), ['demo', '--serve', ...where], { stdio: 'ignore' });
  const ended = new Promise((ended) => demo.once('exit', ended));
  await waitUntil(async () => ((await fetch(url).catch(() => undefined))?.ok ? true : undefined), 'a page');
  await page.goto(`${url}/traces?refresh=1s&operation=${encodeURIComponent('POST /api/v2/checkout')}`);
  await page.locator('main a[href*="/traces/"]').first().click();
  await expect(page.getByText('12 spans')).toBeVisible();
  const took = performance.now() - began;

  demo.kill('SIGINT');
  await ended;
  await context.close();
  await rm(directory, { recursive: true, force: true });
  return took;
}

interface Observed {
  /** When the element that was waited for was painted, in ms since the navigation began. */
  seenAt: number;
  tasks: { start: number; duration: number }[];
}

async function observe(page: Page, selector: string): Promise<void> {
  await page.addInitScript((selector) => {
    const observed: Observed = { seenAt: Number.NaN, tasks: [] };
    Object.assign(globalThis, { __observed: observed });
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) observed.tasks.push({ start: startTime, duration });
    }).observe({ type: 'longtask', buffered: true });
    const look = () => {
      if (document.querySelector(selector)) {
        // The frame that shows it ends after this one begins.
        requestAnimationFrame(() => {
          observed.seenAt = performance.now();
        });
      } else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, selector);
}

async function observed(page: Page): Promise<Observed> {
  await page.waitForFunction(() =>
    Number.isFinite((globalThis as unknown as { __observed: Observed }).__observed.seenAt),
  );
  return page.evaluate(() => (globalThis as unknown as { __observed: Observed }).__observed);
}

/** In the page: scrolls the tallest thing there is from top to bottom and half way back up, 600 frames in all. */
async function scrollThrough(): Promise<{ frame: number; task: number }> {
  const scroller = [document.scrollingElement, ...document.querySelectorAll('*')].reduce<Element | null>(
    (tallest, element) =>
      element &&
      element.scrollHeight - element.clientHeight > (tallest ? tallest.scrollHeight - tallest.clientHeight : 0) &&
      (element === document.scrollingElement || /auto|scroll/.test(getComputedStyle(element).overflowY))
        ? element
        : tallest,
    null,
  );
  if (!scroller || scroller.scrollHeight < 100_000) throw new Error('there are no 50,000 rows to scroll through');
  let task = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) task = Math.max(task, duration);
  });
  observer.observe({ type: 'longtask' });
  const height = scroller.scrollHeight - scroller.clientHeight;
  const frame = await new Promise<number>((done) => {
    let longest = 0;
    let count = 0;
    let last = performance.now();
    const step = (now: number) => {
      if (count > 1) longest = Math.max(longest, now - last);
      last = now;
      if (count === 600) return done(longest);
      // Slow pixels, fast pages, and jumps: 200 frames each.
      if (count < 200) scroller.scrollTop += 30;
      else if (count < 400) scroller.scrollTop += scroller.clientHeight;
      else scroller.scrollTop = (height * ((count * 37) % 200)) / 200;
      count += 1;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  observer.disconnect();
  return { frame, task };
}
