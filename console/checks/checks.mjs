// The checks: accessibility of every page, then the tasks.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { login, serve } from './server.mjs';
import { pages } from './pages.mjs';
import { tasks } from './tasks.mjs';

const [, , binary, short] = process.argv;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// Name, what the system prefers, what was chosen.
const THEMES = [['system', 'light', ''], ['dark', 'dark', 'dark'], ['contrast', 'light', 'contrast'], ['contrast, dark', 'dark', 'contrast']].slice(0, short ? 1 : 4);
const WIDTHS = short ? [1400] : [1400, 360];

const server = await serve(binary);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
let checked = 0, wrong = 0;
const fail = (text) => { wrong += 1; console.log(`  WRONG ${text}`); };
const context = (options) => browser.newContext({ extraHTTPHeaders: { Authorization: login }, ...options });

async function accessible(path, [theme, scheme, look], width) {
  const visit = await context({ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: true });
  await visit.addCookies([{ name: 'pw-look', value: `${look}.`, url: server.base }]);
  const page = await visit.newPage();
  await page.goto(server.base + path);
  await page.evaluate(axe);
  const found = await page.evaluate((values) => axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
  for (const one of found.violations) fail(`${path} (${theme}, ${width} px): ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(' | ')}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) fail(`${path} (${theme}): ${wide} px wide in ${width} px`);
  checked += 1;
  await visit.close();
}

// With a pointer.
const pointer = {
  press: (page, selector) => page.click(selector),
  async type(page, [selector, text]) { await page.fill(selector, text); await page.press(selector, 'Enter'); },
  choose: (page, [selector, value]) => page.selectOption(selector, value),
};
// By keyboard: Tab until it is there; where it is must be seen.
async function reach(page, selector) {
  const target = page.locator(selector).first();
  await target.waitFor({ timeout: 3000 });
  for (let tabs = 0; tabs < 400; tabs++) {
    if (await target.evaluate((element) => element === document.activeElement)) {
      const seen = await target.evaluate((element) => getComputedStyle(element).outlineStyle !== 'none');
      if (!seen) throw new Error(`${selector} has the focus and nobody sees it`);
      return target;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never comes to ${selector}`);
}
const keyboard = {
  async press(page, selector) { await reach(page, selector); await page.keyboard.press('Enter'); },
  async type(page, [selector, text]) { await reach(page, selector); await page.keyboard.type(text); await page.keyboard.press('Enter'); },
  async choose(page, [selector, value]) { await reach(page, selector); await page.locator(selector).selectOption(value); },
};
const both = {
  open: (page, path) => page.goto(server.base + path),
  see: (page, selector) => page.locator(selector).first().waitFor({ timeout: 4000 }),
  gone: (page, selector) => page.locator(selector).waitFor({ state: 'detached', timeout: 4000 }),
  at: async (page, part) => { if (!decodeURIComponent(page.url()).includes(part)) throw new Error(`is at ${page.url()}`); },
};

async function done(name, steps, driver, how, options) {
  const visit = await context({ viewport: { width: 1400, height: 900 }, ...options });
  const page = await visit.newPage();
  page.on('console', (message) => { if (message.text().includes('Content Security Policy')) fail(`${name}: ${message.text()}`); });
  try {
    for (const step of steps) {
      const [[verb, value]] = Object.entries(step);
      await (both[verb] || driver[verb])(page, value);
      await page.waitForLoadState('load');
    }
  } catch (error) {
    fail(`${how}: ${name}: ${error.message.split('\n')[0]} at ${page.url()}`);
  }
  checked += 1;
  await visit.close();
}

try {
  const all = await pages(server);
  for (const theme of THEMES) for (const width of WIDTHS) for (const path of all) await accessible(path, theme, width);
  console.log(`console: ${all.length} pages, ${THEMES.length} themes, ${WIDTHS.length} widths looked at`);
  const finding = (await (await fetch(`${server.base}/api/v1/findings?limit=1`, { headers: { Authorization: login } })).json()).items[0];
  const list = tasks(server, finding);
  for (const [name, steps] of Object.entries(list)) {
    await done(name, steps, pointer, 'without a script', { javaScriptEnabled: false });
    await done(name, steps, keyboard, 'by keyboard', {});
  }
  console.log(`console: ${Object.keys(list).length} tasks without a script and by keyboard`);
} finally {
  await browser.close();
  server.stop();
}
console.log(`console: ${checked} checks, ${wrong} wrong`);
process.exit(wrong ? 1 : 0);
