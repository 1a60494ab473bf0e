// The checks of the console in Chromium, in the order of `run`.
import { Report, open } from './browser.mjs';
import { newcomer } from './clock.mjs';
import { furnish } from './furnish.mjs';
import { hostile } from './hostile.mjs';
import { looks } from './look.mjs';
import { honest, pages } from './pages.mjs';
import { seed } from './seed.mjs';
import { serve } from './server.mjs';
import { useful } from './usage.mjs';

const [, , binary, short] = process.argv;
const report = new Report();
const timed = async (name, work) => {
  const begun = Date.now();
  await work();
  console.log(`console: ${name}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
};

await timed('newcomer', () => newcomer(binary, report));
await timed('seed', () => seed(binary, report));
const browser = await open();
const server = await furnish(binary);
try {
  const all = await pages(server, report);
  await timed('numbers', () => honest(server, all, report));
  await timed('pages', () => looks(server, browser, all, report, short));
  await timed('tasks', () => useful(server, browser, report));
} finally {
  server.stop();
}
await timed('empty', async () => {
  const empty = await serve(binary);
  await looks(empty, browser, ['/', '/inventory', '/inventory/repositories', '/findings', '/vulnerabilities', '/recommendations', '/rules', '/score', '/exemptions', '/views', '/activity/imports', '/activity/usage'], report, true);
  empty.stop();
});
await timed('hostile text', () => hostile(binary, browser, report));
await browser.close();
console.log(`console: ${report.checked} checks, ${report.wrong} wrong`);
process.exit(report.wrong ? 1 : 0);
