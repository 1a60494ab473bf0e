// Chromium, and two ways to use a page: with a pointer, and by keyboard alone.
import { chromium } from 'playwright-core';

export const PATIENCE = 10_000;
export const open = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });

// What was checked and what was wrong, said as it is found.
export class Report {
  checked = 0;
  wrong = 0;
  fail(text) { this.wrong += 1; console.log(`  WRONG ${text}`); }
  // Does something; what it throws is said with its name.
  async check(name, work) {
    this.checked += 1;
    try { return await work(); } catch (error) { this.fail(`${name}: ${error.message.split('\n').slice(0, 30).join(' ')}`); }
  }
}

export const same = (what, is, wanted) => {
  const [a, b] = [is, wanted].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
};

// With a pointer.
export const pointer = {
  press: (page, selector) => page.locator(selector).first().click({ timeout: PATIENCE }),
  fill: (page, [selector, text]) => page.locator(selector).first().fill(text, { timeout: PATIENCE }),
  async type(page, [selector, text]) { await pointer.fill(page, [selector, text]); await page.locator(selector).first().press('Enter'); },
  choose: (page, [selector, value]) => page.locator(selector).first().selectOption(value, { timeout: PATIENCE }),
  tick: (page, selector) => page.locator(selector).first().check({ timeout: PATIENCE }),
};

// What has the focus: how it is seen, and whether it is what is looked for.
function focus(selected) {
  const here = document.activeElement;
  if (!selected.isConnected) return { replaced: true };
  if (!here || here === document.body) return { none: true };
  const style = getComputedStyle(here), box = here.getBoundingClientRect();
  const parts = style.outlineColor.match(/[\d.]+/g) ?? [];
  const shown = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && (parts.length < 4 || Number(parts[3]) > 0.5);
  const x = Math.min(Math.max(box.left + Math.min(box.width, 40) / 2, 0), innerWidth - 1), y = Math.min(Math.max(box.top + Math.min(box.height, 20) / 2, 0), innerHeight - 1);
  const hit = document.elementFromPoint(x, y);
  const uncovered = box.width > 0 && box.bottom > 0 && box.top < innerHeight && hit && (here.contains(hit) || hit.contains(here));
  return { name: here.outerHTML.slice(0, 90), shown, uncovered, there: here === selected, group: here.type === 'radio' && here.name === selected.name && here.form === selected.form };
}

// By keyboard: Tab until it is there; all that has the focus on the way must show it and not be covered.
async function reach(page, selector, enough = 'there') {
  const find = () => page.locator(selector).first().elementHandle({ timeout: PATIENCE });
  let target = await find();
  for (let tabs = 0; tabs < 500; tabs++) {
    const at = await page.evaluate(focus, target);
    if (at.replaced) { target = await find(); continue; }
    if (tabs > 0 && !at.none) {
      if (!at.shown) throw new Error(`${at.name} has the focus and nobody sees it`);
      if (!at.uncovered) throw new Error(`${at.name} has the focus and lies under something`);
    }
    if (at[enough] && tabs > 0 || at.there) return target;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never comes to ${selector}`);
}
export const keyboard = {
  async press(page, selector) { await reach(page, selector); await page.keyboard.press('Enter'); },
  async fill(page, [selector, text]) {
    await reach(page, selector);
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.keyboard.type(text);
  },
  async type(page, what) { await keyboard.fill(page, what); await page.keyboard.press('Enter'); },
  async choose(page, [selector, value]) {
    const target = await reach(page, selector);
    await page.keyboard.press('Home');
    for (let at = 0; at < 100 && await target.evaluate((select) => select.value) !== value; at++) await page.keyboard.press('ArrowDown');
    same(selector, await target.evaluate((select) => select.value), value);
  },
  async tick(page, selector) {
    const target = await reach(page, selector, 'group');
    const ticked = () => target.evaluate((input) => input.checked && document.activeElement === input);
    if (!(await ticked()) && await target.evaluate((input) => document.activeElement === input)) await page.keyboard.press('Space');
    for (let at = 0; at < 500 && !(await ticked()); at++) await page.keyboard.press('ArrowDown');
    if (!(await ticked())) throw new Error(`${selector} cannot be chosen by keys`);
  },
};

// The same for both.
const both = (base) => ({
  open: (page, path) => page.goto(base + path),
  see: (page, selector) => page.locator(selector).first().waitFor({ timeout: PATIENCE }),
  gone: (page, selector) => page.locator(selector).first().waitFor({ state: 'detached', timeout: PATIENCE }),
  at: async (page, part) => { if (!decodeURIComponent(page.url()).includes(part)) throw new Error(`is at ${page.url()}`); },
});

// Goes through steps, each `{ verb: what }`.
export async function walk(page, base, driver, steps) {
  const verbs = { ...both(base), ...driver };
  for (const step of steps) {
    const [[verb, what]] = Object.entries(step);
    try {
      await verbs[verb](page, what);
      await page.waitForLoadState('load');
    } catch (error) {
      throw new Error(`${verb} ${JSON.stringify(what)}: ${error.message.split('\n')[0]} at ${page.url()}`);
    }
  }
}

// Says what a page's policy refused, and what its script threw.
export function listen(page, report, name) {
  page.on('console', (message) => { if (message.text().includes('Content Security Policy')) report.fail(`${name}: ${message.text()}`); });
  page.on('pageerror', (error) => report.fail(`${name}: ${error.message}`));
}
