// The figures of a story's step on the three surfaces: REST, the command line, and the console's pages.
export const MAIN = 'dbd0cb49-b563-45e7-9724-889e799fa648', CONTROL = 'Remediate vulnerabilities';
const WORDS = ['critical', 'high', 'medium', 'low'];
const total = (rows) => rows.reduce((sum, row) => sum + row.images, 0);

export async function byRest(server) {
  const { counts } = await server.get('/counts'), recommendation = await server.get(`/recommendations/${MAIN}`);
  const control = (await server.get('/score')).controls.find((one) => one.name === CONTROL);
  return [counts.findings, ...WORDS.map((word) => counts[word]), counts.disabled, recommendation.unhealthy, recommendation.healthy, control.formula, total((await server.get('/usage')).items)];
}

export async function byCommand(server) {
  const list = (...words) => JSON.parse(server.local('--data', server.data, 'finding', 'list', ...words, '--format', 'json', '--limit', '1').stdout).total;
  const recommendation = server.json('recommendation', 'list').items.find((one) => one.key === MAIN);
  const control = server.json('score', 'show').controls.find((one) => one.name === CONTROL);
  return [list(), ...WORDS.map((word) => list(`severity:${word}`)), list('status:disabled'), recommendation.unhealthy, recommendation.healthy, control.formula, total(server.json('usage').items)];
}

// What a person reads on the pages.
export async function byPage(server, page) {
  const text = async (path, ...selectors) => {
    await page.goto(server.base + path);
    return Promise.all(selectors.map(async (selector) => (await page.locator(selector).allInnerTexts()).join(' ').replaceAll(/\s+/g, ' ').trim()));
  };
  const number = (words, pattern) => Number(words.match(pattern)?.[1] ?? 0);
  const [caption, parts] = await text('/findings', 'main caption', '.tally li');
  const [disabled] = await text('/findings?q=status:disabled', 'main caption');
  const [states] = await text(`/recommendations/${MAIN}?tab=images`, 'nav[aria-label="Images by state"]');
  const [control] = await text('/score', `tr:has(td.lead:text-is("${CONTROL}")) td[data-name=Points]`);
  const [metered] = await text('/activity/usage', 'main caption');
  const of = /^(\d+) findings?/i;
  return [number(caption, of), ...WORDS.map((word) => number(parts, new RegExp(`${word} (\\d+)`, 'i'))), number(disabled, of),
    number(states, /unhealthy (\d+)/i), number(states, /(?<!un)healthy (\d+)/i), control, number(metered, /^(\d+) images?/i)];
}
