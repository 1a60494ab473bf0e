// The tasks, each way.
import { keyboard, listen, pointer, walk } from './browser.mjs';
import { images } from './seed.mjs';
import { entering, tasks } from './tasks.mjs';

const CLICKS = ['press', 'type', 'tick'];
const WAYS = [['without a script', pointer, { javaScriptEnabled: false }], ['by keyboard', keyboard, {}]];

export async function useful(server, browser, report) {
  const list = tasks({ ...server, images });
  for (const [name, most, steps] of list) {
    const clicks = steps.filter((step) => CLICKS.includes(Object.keys(step)[0])).length;
    if (most && clicks > most) report.fail(`${name}: ${clicks} clicks, at most ${most}`);
  }
  for (const [how, driver, options] of WAYS) {
    const visit = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
    for (const [name, , steps, after = []] of [entering(server), ...list]) {
      const page = await visit.newPage();
      listen(page, report, `${how}: ${name}`);
      await report.check(`${how}: ${name}`, () => walk(page, server.base, driver, [...steps, ...after]));
      await page.close();
    }
    await visit.close();
  }
  console.log(`console: ${list.length + 1} tasks without a script and by keyboard`);
}
