// Every page of the product: its table of pages says which there are; here is one of each kind, with the tabs that it has.
import { readFileSync, readdirSync } from 'node:fs';
import { MAIN } from './figures.mjs';

// The addresses of the table that answer to GET.
function table() {
  const folder = new URL('../../crates/server/src/page/', import.meta.url);
  const sources = readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.rs')).map((name) => readFileSync(new URL(String(name), folder), 'utf8'));
  const rows = sources.flatMap((source) => [...source.matchAll(/path:\s*"([^"]+)",(?:(?!path:)[\s\S])*?handler:\s*\|\|\s*get\(/g)]);
  return [...new Set(rows.map((found) => found[1]))].sort();
}

export const links = (html, begin = '', end = '</nav>') => html.split(begin).slice(begin ? 1 : 0).flatMap((piece) => [...piece.split(end)[0].matchAll(/href="(\/[^"#]*)"/g)])
  .map((found) => found[1].replaceAll('&#38;', '&').replaceAll('&amp;', '&'));

// How a page with a name in its address is opened.
async function examples(server) {
  const { get, at, subscription } = server;
  const first = async (list) => (await get(list)).items[0];
  const finding = await first('/findings'), image = `${at}@${server.next.digest}`;
  const others = (await get('/recommendations')).items.filter((one) => one.key !== MAIN && one.asked_of === 'registries').slice(0, 1);
  return {
    '/s/{*path}': [`/s/${subscription}`, `/s/${subscription}/local`, at, image, `${image}?finding=${(await first(`/findings?image=${server.next.digest}`)).id}`, `/s/${subscription}/local/web/site@${(await first('/images?repository=web/site')).digest}`],
    '/findings/{id}': [`/findings/${finding.id}`],
    '/vulnerabilities/{id}': [`/vulnerabilities/${finding.finding_id}`, '/vulnerabilities?ids=CVE-2026-20001%20CVE-1999-1'],
    '/packages/{purl}': [`/packages/${encodeURIComponent(finding.package.purl)}`],
    '/recommendations/{key}': [MAIN, ...others.map((one) => one.key)].map((key) => `/recommendations/${key}`),
    '/rules/new': ['/rules/new', `/rules/new?finding=${finding.id}`, `/rules/new?override=${server.rule}`],
    '/rules/{id}': [`/rules/${server.rule}`],
    '/rules/{id}/edit': [`/rules/${server.rule}/edit`],
    '/activity/imports/{id}': [`/activity/imports/${(await first('/imports')).id}`],
    '/activity/usage/{period}': [`/activity/usage/${new Date().toISOString().slice(0, 7)}`],
    '/settings/plans/change': [`/settings/plans/change?subscription=${subscription}&tier=Free`, '/settings/plans/change?registry=local&tier=Standard'],
    '/settings/subscriptions/{guid}': [`/settings/subscriptions/${subscription}`],
    '/settings/subscriptions/{guid}/groups/{group}': [`/settings/subscriptions/${subscription}/groups/default`],
    '/settings/notifications/{id}': (await get('/notifications/channels')).items.slice(0, 1).map((one) => `/settings/notifications/${one.id}`),
    '/settings/registries/{name}': ['/settings/registries/local'],
    '/settings/registries/{name}/repositories/{repository}': ['/settings/registries/local/repositories/payments%2Fapi'],
    '/images/{digest}/delete': [`/images/${server.next.digest}/delete?at=${encodeURIComponent(at.slice(2))}`],
    '/go': ['/go?to=nothing'],
  };
}
// Filters that are wrong, or that nothing passes; what is not there.
const TROUBLE = ['/inventory?q=colour:red', '/findings?q=repo:nothing', '/nothing', '/sign-in?next=/rules'];

export async function pages(server, report) {
  const known = await examples(server), named = /[{]([a-z]+)[}]/;
  const wanted = table().flatMap((path) => {
    if (known[path]) return known[path];
    if (path.includes('{registry}') || path.includes('{name}')) return [path.replace(/[{](registry|name)[}]/, 'local')];
    if (!named.test(path)) return [path];
    report.fail(`nobody looks at ${path}: say in pages.mjs how it is opened`);
    return [];
  });
  const read = async (path) => (await fetch(server.base + path, { headers: { Authorization: server.login, Accept: 'text/html' } })).text();
  const tabs = (await Promise.all(wanted.map(async (path) => links((await read(path)).split('<main')[1] ?? '', 'class="tabs"')))).flat();
  return [...new Set([...wanted, ...tabs, ...TROUBLE])];
}

// Every link of the pages leads somewhere, and a number leads to a list that says the same number.
export async function honest(server, all, report) {
  const seen = new Map();
  const read = (path) => {
    if (!seen.has(path)) seen.set(path, fetch(server.base + path, { headers: { Authorization: server.login, Accept: 'text/html' } }).then(async (answer) => [answer.status, await answer.text()]));
    return seen.get(path);
  };
  let numbers = 0;
  for (const path of all.filter((one) => !one.startsWith('/nothing'))) {
    const [, html] = await read(path);
    for (const link of new Set(links(html))) {
      const [status] = await read(link);
      if (status >= 400 && !path.includes('q=')) report.fail(`${path} leads to ${link}: ${status}`);
    }
    for (const [, link, number] of html.matchAll(/<a href="(\/[^"#]*)">(?:<span class="sev[^>]*>.*?<\/span> )?(\d+)<\/a>/g)) {
      const [, list] = await read(link.replaceAll('&#38;', '&'));
      const caption = /<caption>(\d+)/.exec(list)?.[1] ?? (list.includes('class="empty"') ? '0' : null);
      numbers += 1;
      if (caption !== number) report.fail(`${path}: ${number} leads to ${link.replaceAll('&#38;', '&')} with ${caption}`);
    }
  }
  report.checked += numbers;
  console.log(`console: ${seen.size} addresses followed, ${numbers} numbers held against the list behind them`);
}
