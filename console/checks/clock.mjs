// A newcomer's clock: from the start of the program to the first finding and what to do about it, on screen.
import { open, pointer, walk } from './browser.mjs';
import { serve } from './server.mjs';
import { sign_in } from './seed.mjs';

const BAR = 60;

export async function newcomer(binary, report) {
  const browser = await open();
  const begun = Date.now();
  const server = await serve(binary, { sample: true });
  await report.check('the newcomer', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(server.base);
    await walk(page, server.base, pointer, [...sign_in(server), { press: 'td.lead a:text-is("sample/shop")' }, { press: 'td.lead a[href*="@sha256"]' }, { press: 'main .tabs a:has-text("Findings")' }, { press: 'td.lead a[data-pane] >> nth=0' },
      { see: '#pane :text("What to do")' }, { see: '#pane .steps' }]);
    const seconds = (Date.now() - begun) / 1000;
    console.log(`console: the newcomer's clock: ${seconds.toFixed(1)} s from \`serve --sample --offline\` to a finding with what to do`);
    if (seconds > BAR) throw new Error(`${seconds} s, at most ${BAR}`);
  });
  await browser.close();
  server.stop();
}
