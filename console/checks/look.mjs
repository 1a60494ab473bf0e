// Accessibility and width of every page, in every theme.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// Name, what the system prefers, what was chosen.
const THEMES = [['light', 'light', ''], ['dark', 'dark', 'dark'], ['contrast', 'light', 'contrast'], ['contrast, dark', 'dark', 'contrast']];
const ATONCE = 3;

// Looks at a page in one width. The theme is what the server writes on the document when one is chosen.
async function look(page, base, path, width, themes, report) {
  await page.goto(base + path);
  await page.evaluate(axe);
  for (const [theme, colorScheme, chosen] of themes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const found = await page.evaluate(([values, theme]) => {
      if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
      return axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] });
    }, [RULES, chosen]);
    for (const one of found.violations) report.fail(`${path} (${theme}, ${width} px): ${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.any[0]?.message ?? ''}`).join(' | ')}`);
    report.checked += 1;
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) report.fail(`${path}: ${wide} px wide in ${width} px`);
}

export async function looks(server, browser, all, report, short) {
  const themes = THEMES.slice(0, short ? 1 : 4), widths = short ? [1400] : [1400, 360];
  const work = all.flatMap((path) => widths.map((width) => [path, width]));
  const total = work.length;
  await Promise.all(Array.from({ length: ATONCE }, async () => {
    for (let next = work.shift(); next; next = work.shift()) {
      const [path, width] = next;
      const headers = path.startsWith('/sign-in') ? {} : { Authorization: server.login };
      const visit = await browser.newContext({ viewport: { width, height: 900 }, bypassCSP: true, extraHTTPHeaders: headers });
      await report.check(path, async () => look(await visit.newPage(), server.base, path, width, themes, report));
      await visit.close();
    }
  }));
  console.log(`console: ${total / widths.length} pages, ${themes.length} themes, ${widths.length} widths looked at`);
}
