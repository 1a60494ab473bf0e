// The security team's day, from the plan to a healthy image, by clicks from the Overview. After each step REST, the command line and
// the pages give the figures of seed.json.
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { listen, open, pointer, same, walk } from './browser.mjs';
import { byCommand, byPage, byRest } from './figures.mjs';
import { image, push, pushWithSkopeo } from './images.mjs';
import { PASSWORD, serve } from './server.mjs';

export const story = JSON.parse(readFileSync(new URL('seed.json', import.meta.url)));
export const images = Object.fromEntries(Object.entries(story.images).map(([name, kinds]) => [name, image(kinds, name)]));
const TITLE = 'Vulnerabilities in container registry images should be remediated';
const AZURE = 'Vulnerabilities in Azure Container Registry images should be remediated';
const skopeo = !spawnSync('skopeo', ['--version']).error;

export const sign_in = (server) => [{ see: 'h1:text-is("Sign in")' }, { fill: ['input[name=name]', 'admin'] }, { type: ['input[name=password]', PASSWORD] }, { see: 'h1:text-is("Overview")' }];
const nav = (text) => [{ press: '.brand' }, { see: 'h1:text-is("Overview")' }, { press: `#nav a:has-text("${text}")` }];
const recommendation = [...nav('Recommendations'), { press: `td.lead a:text-is("${TITLE}")` }, { see: `main :text("${AZURE}")` }];
const disable = [...recommendation, { press: 'a.button:text-is("Disable rule")' }, { see: 'legend:text-is("1. Scope")' }];

export async function seed(binary, report) {
  const server = await serve(binary, { vulnerabilities: story.vulnerabilities });
  const browser = await open();
  const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
  const reader = await (await browser.newContext({ extraHTTPHeaders: { Authorization: server.login } })).newPage();
  listen(page, report, 'the seed');
  const tree = (await server.get('/plans')).items;
  const subscription = tree[0].subscription, registry = `/${subscription}/local`;
  const go = (steps) => walk(page, server.base, pointer, steps);
  const put = async (name, which) => (skopeo ? pushWithSkopeo(server, name, images[which]) : push(server, name, images[which]));
  let steps = 0;
  const stand = async (name) => {
    for (const [surface, figures] of [['REST', await byRest(server)], ['the command line', await byCommand(server)], ['the console', await byPage(server, reader)]]) {
      same(`${name}: ${story.figures.join(', ')} by ${surface}`, figures, story.steps[name]);
    }
    steps += 1;
  };
  await report.check('the seed', async () => {
    if (!skopeo) console.log('console: the seed pushes without skopeo: no skopeo');
    await server.ask('PUT', '/plans', { name: 'ContainerRegistry', subscription, tier: 'Free' });
    await put('payments/api:1.0', 'old');
    await stand('the plan is off');

    // Enable the plan.
    await page.goto(server.base);
    await go(sign_in(server));
    await go([...nav('Settings'), { press: 'tr:has(strong:text-is("default")) a:has-text("Change…")' }, { see: 'main :text("1 image")' }, { press: 'button:text-is("Switch it on")' }, { see: 'tr:has(strong:text-is("default")) .tag:text-is("on")' }]);
    await server.judged(images.old.digest);
    await stand('the plan is on');

    // Push; the same image under another tag and in another repository is one image.
    await put('payments/api:stable', 'old');
    await put('mirror/api:1.0', 'old');
    await put('payments/worker:1.0', 'worker');
    await put('web/site:1.0', 'clean');
    for (const which of ['worker', 'clean']) await server.judged(images[which].digest);
    await stand('all is pushed');

    // Recommendations > registry > repository > image > finding > details pane.
    await go([...recommendation, { see: 'main :text("Severity")' }, { press: 'main .tabs a:text-is("Remediation")' }, { see: 'ol.steps :text("Delete the old image")' }, { press: 'main .tabs a:text-is("Affected resources")' },
      { press: 'td.lead a:text-is("local")' }, { press: 'td.lead a:text-is("payments/api")' }, { press: `td.lead a[href*="${images.old.digest}"]` }, { press: 'main .tabs a:has-text("Findings")' },
      { press: 'td.lead a:text-is("CVE-2026-20003")' }, { see: '#pane h2:text-is("Prototype pollution in minimist")' }, { see: '#pane :text("What to do")' }, { see: '#pane :text("Upgrade minimist to 1.2.6 or later")' },
      { see: '#pane dt:text-is("Ids") + dd:has-text("CVE-2026-20003"):has-text("GHSA-aaaa-bbbb-0003")' }, { see: '#pane dd:has-text("9.8"):has-text("CVSS:3.1/AV:N")' }, { see: '#pane .description' }, { see: '#pane dd:has-text("RUN npm install")' }]);

    // Disable rule > scope > criteria > Apply; "Rule applied".
    await go([...disable, { tick: `input[name=scope][value="/${subscription}"]` }, { choose: ['select[name=severity_below]', 'medium'] }, { fill: ['textarea[name=justification]', 'nothing below medium this quarter'] },
      { see: '#preview :text("hides 3 of 11 open findings in 2 images")' }, { press: 'button[name=do]:has-text("Apply")' }, { see: 'main .tile:has-text("Findings hidden") .figure:has-text("3")' }]);
    await stand('a rule is applied');

    // View, override, delete.
    const applied = `.tree li:has(input[value="/${subscription}"]) a:has-text("Rule applied")`;
    await go([...disable, { press: applied }, { press: 'td.lead a:has-text("medium")' }, { see: 'main :text("nothing below medium this quarter")' }, { press: 'a.button:text-is("Override here")' },
      { tick: `input[name=scope][value="${registry}/payments/api"]` }, { choose: ['select[name=severity_below]', ''] }, { fill: ['input[name=cvss_below]', '6.5'] }, { fill: ['textarea[name=justification]', 'takes cards'] },
      { press: 'button.main[name=do]' }, { see: 'h2:text-is("Chain of overrides")' }]);
    await stand('it is overridden');
    const deleted = [{ press: 'summary:has-text("Delete this rule")' }, { press: 'button:text-is("Delete it")' }, { see: 'h1:text-is("Rules")' }];
    await go(deleted);
    await stand('the override is deleted');
    await go([...disable, { press: applied }, { press: 'td.lead a:has-text("medium")' }, ...deleted, { see: 'main :text("No rule hides anything")' }]);
    await stand('the rule is deleted');

    // Push the fixed image: healthy.
    await put('payments/api:1.1', 'fixed');
    await server.judged(images.fixed.digest);
    await stand('the fixed image is pushed');
    await go([...recommendation, { press: 'main .tabs a:text-is("Images")' }, { see: `tr:has-text("payments/api:1.1"):has-text("healthy"):not(:has-text("unhealthy"))` }, { see: `tr:has-text("${images.old.digest.slice(7, 19)}"):has-text("unhealthy")` }]);

    // Delete the old image: its findings are gone at once.
    for (const repository of ['payments/api', 'mirror/api']) await remove(server, repository, images.old.digest);
    await stand('the old image is deleted');
    await go([...recommendation, { press: 'main .tabs a:text-is("Images")' }, { see: 'tr:has-text("payments/api:1.1")' }, { gone: `tr:has-text("${images.old.digest.slice(7, 19)}")` }]);
  });
  console.log(`console: the seed's walk, ${steps} of ${Object.keys(story.steps).length} steps with equal figures by REST, command line and console`);
  await browser.close();
  server.stop();
}

async function remove(server, repository, digest) {
  if (skopeo) {
    const done = spawnSync('skopeo', ['delete', '--tls-verify=false', '--creds', server.credentials, `docker://${server.host}/${repository}@${digest}`], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`skopeo delete: ${done.stderr}`);
    return;
  }
  const answer = await fetch(`${server.base}/v2/${repository}/manifests/${digest}`, { method: 'DELETE', headers: { Authorization: server.login } });
  if (!answer.ok) throw new Error(`delete ${repository}: ${answer.status}`);
}
