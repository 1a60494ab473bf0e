// Text that wants to be more than text: in images, advisories and what people type. On every page, in every export and on the command
// line it stays text.
import { MAIN } from './figures.mjs';
import { of, push } from './images.mjs';
import { pages } from './pages.mjs';
import { serve } from './server.mjs';

const MARKUP = '"><script>window.pwned=1</script><x-pwned onclick=alert(1)><img src=x onerror=window.pwned=1>';
const FORMULA = '=HYPERLINK("http://evil.invalid","x")', ANSI = '\x1b[31mred\x1b]8;;http://evil.invalid\x07link', BIDI = 'a\u202egnp.exe\u2066\u200b', LINES = 'one\r\ntwo\tthree', TEMPLATE = "{{7*7}}${7*7}'-alert(1)-'";
const LONG = 'L'.repeat(100_000);
const SHORT = [MARKUP, FORMULA, '@SUM(1)', '+1+1', '-2+3', ANSI, BIDI, LINES, TEMPLATE];
const ALL = [...SHORT, LONG];
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/;

const id = (at) => `CVE-2026-3${String(at).padStart(4, '0')}`;
// A name that a package manager would write in one line.
const line = (text) => text.replaceAll(/[\r\n\t]/g, ' ');
const vulnerabilities = ALL.flatMap((text, at) => [
  { id: id(at), feed: 'npm', package: text, fixed: text.length < 100 ? `9.9.9-${text}` : '9.9.9', vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', description: text, details: `${text}\n# [here](javascript:alert(1)) <b>bold</b>`, ghsa: `GHSA-aaaa-bbbb-${at}${at}${at}${at}`,
    references: ['javascript:alert(1)', 'data:text/html,<script>alert(1)</script>', `https://example.invalid/${text.slice(0, 300)}`].map((url) => ({ type: 'WEB', url })) },
  { id: id(at + 100), feed: 'debian', package: `pack${at}`, fixed: '9', description: text },
]);

function layers(salt) {
  const status = ALL.map((text, at) => `Package: pack${at}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-${line(text).slice(0, 2000)}\nDescription: ${line(text)}\n\nPackage: ${line(text)}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nSource: pack${at}\nDescription: x\n\n`).join('');
  return [
    { files: [['etc/os-release', `NAME="${MARKUP.replaceAll('"', "'")}"\nPRETTY_NAME="${BIDI}${ANSI}"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n`], ['var/lib/dpkg/status', status], ['etc/salt', salt]], by: `RUN ${MARKUP}${ANSI}${BIDI}` },
    ...ALL.map((text, at) => ({ files: [[`app/${text.replaceAll(/[/\n]/g, '_').slice(0, 900)}/node_modules/p${at}/package.json`, JSON.stringify({ name: text, version: '1.0.0', license: text })]], by: text })),
  ];
}

async function fill(server) {
  const labels = Object.fromEntries(ALL.map((text) => [text, text]));
  const first = of(layers('first'), labels), next = of(layers('next'), labels);
  for (const [name, one] of [['payments/api:1.0', first], ['payments/api:1.0', next], ['web/site:1.0', first]]) {
    await push(server, name, one);
    await server.judged(one.digest);
  }
  const subscription = (await server.get('/plans')).items[0].subscription, scope = `/${subscription}`;
  let kept = 0, refused = 0, rule = '';
  // What is refused is refused with a sentence; what is kept is looked at below.
  const send = (...request) => server.ask(...request).then((answer) => { kept += 1; return answer; }, (error) => {
    if (!/: 4\d\d /.test(error.message)) throw error;
    refused += 1;
  });
  for (const [at, text] of ALL.entries()) {
    const why = { reason: 'other', justification: text, owner: text.slice(0, 90), ticket: text.slice(0, 90), expires: '30d', confirm: true };
    for (const name of [text, text.slice(0, 100), line(text).slice(0, 100)]) {
      const made = await send('POST', '/rules', { name, scope: `${scope}/local/web/site`, criteria: { finding_ids: [id(at)], packages: [text.slice(0, 90)] }, ...why });
      rule ||= made?.id;
    }
    for (const short of new Set([text, line(text).slice(0, 60)])) {
      await send('POST', '/users', { name: short, password: 'a long enough password' });
      await send('POST', '/tokens', { name: short, grants: [] });
      await send('POST', '/views', { name: short, address: `/findings?q=${encodeURIComponent(short)}` });
      await send('POST', '/subscriptions', { name: short });
      await send('POST', '/registries', { name: short, host: short, subscription, resource_group: short });
      await send('POST', '/exemptions', { recommendation: at % 2 ? 'end-of-life' : MAIN, scope: `${scope}/local/web/site`, kind: 'waiver', reason: short });
      await send('PUT', `/recommendations/${at % 2 ? 'plan-off' : MAIN}/assignment`, { owner: short, note: short });
      await send('POST', '/imports', { source: short, as: short });
      await send('POST', '/imports', { source: `registry.invalid/${short}` });
    }
    await fetch(`${server.base}/sign-in`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ name: text.slice(0, 200), password: 'x' }) });
    await fetch(`${server.base}/v2/${encodeURIComponent(text.slice(0, 200))}/manifests/${encodeURIComponent(text.slice(0, 100))}`, { method: 'PUT', body: '{}', headers: { Authorization: server.login } });
  }
  await server.ask('POST', '/imports', { source: 'registry.invalid/team/app:1' });
  if (!rule) throw new Error('no rule was made');
  return Object.assign(server, { subscription, next, rule, at: `/s/${subscription}/local/payments/api`, kept, refused });
}

// What of a page is made from data, in the page.
function made(unseen) {
  const wrong = [], own = new RegExp(unseen);
  if (window.pwned !== undefined) wrong.push('a script of data ran');
  for (const element of document.querySelectorAll('script:not([src="/assets/app.js"]), x-pwned, img, iframe, object, embed, base, style, form:not([method=post]):not([action^="/"])')) wrong.push(element.outerHTML.slice(0, 120));
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc') wrong.push(`${element.tagName} has ${name}`);
      if (/^(href|action|src|formaction)$/.test(name) && !/^(https?:\/\/|\/|\?|#)/.test(value)) wrong.push(`${element.tagName} leads to ${value.slice(0, 60)}`);
      if (/^(title|aria-label|alt)$/.test(name) && own.test(value)) wrong.push(`${element.tagName} ${name} holds what is not seen`);
    }
  }
  for (const link of document.querySelectorAll('a[href^=http]')) if (!/noopener/.test(link.rel) || !/noreferrer/.test(link.rel)) wrong.push(`${link.href.slice(0, 60)} opens this page`);
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) if (own.test(node.data)) wrong.push(`text holds ${JSON.stringify(node.data.match(own)[0])}: ${node.parentElement.outerHTML.slice(0, 80)}`);
  if (document.documentElement.scrollWidth > innerWidth) wrong.push(`${document.documentElement.scrollWidth} px wide in ${innerWidth} px`);
  return [...wrong, ...(window.refusals ?? [])];
}

function cells(csv) {
  const rows = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1).push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end !== ',') rows.push([]);
  }
  return rows.flat();
}
function inertCsv(what, csv, report) {
  const run = cells(csv).find((cell) => /^[=+\-@\t\r]/.test(cell));
  if (run !== undefined) report.fail(`${what}: a cell is ${JSON.stringify(run.slice(0, 60))}`);
  if (UNSEEN.test(csv.replaceAll('\r\n', '\n'))) report.fail(`${what}: holds ${JSON.stringify(csv.replaceAll('\r\n', '\n').match(UNSEEN)[0])}`);
}

async function exports(server, report) {
  const { paths } = await server.get('/openapi.json');
  const given = { '{digest}': server.next.digest, '{id}': null };
  const lists = Object.entries(paths).filter(([, methods]) => methods.get?.parameters?.some((one) => one.name === 'format')).map(([path]) => path.replace('/api/v1', '').replace(/\{digest\}/, given['{digest}']).replace(/\{key\}/, MAIN).replace(/\{(period|month)\}/, new Date().toISOString().slice(0, 7)).replace(/\{(name|registry)\}/, 'local'));
  const files = [...lists.filter((path) => !path.includes('{')).flatMap((path) => ['csv', 'json', 'jsonl'].map((format) => [path, format])), ...['sbom?format=cyclonedx', 'sbom?format=spdx', 'sarif'].map((one) => [`/images/${server.next.digest}/${one}`, ''])];
  for (const [path, format] of files) {
    const answer = await fetch(`${server.base}/api/v1${path}${format && `?format=${format}`}`, { headers: { Authorization: server.login } });
    const text = await answer.text(), what = `${path} ${format}`;
    report.checked += 1;
    if (!answer.ok && answer.status !== 400) report.fail(`${what}: ${answer.status}`);
    if (!answer.ok) continue;
    if (!/nosniff/.test(answer.headers.get('x-content-type-options')) || /html/.test(answer.headers.get('content-type'))) report.fail(`${what}: ${answer.headers.get('content-type')} may be taken for a page`);
    if (format === 'csv') inertCsv(what, text, report);
    else await report.check(what, () => (format === 'jsonl' ? text.split('\n').filter(Boolean).map((row) => JSON.parse(row)) : JSON.parse(text)));
  }
  return files.length;
}

async function commands(server, report) {
  const finding = (await server.get('/findings?package=*script*')).items[0] ?? (await server.get('/findings')).items[0];
  const local = [['finding', 'list', 'hidden:all', 'status:all'], ['finding', 'show', finding.id], ['finding', 'explain', finding.id], ['image', 'list'], ['image', 'show', server.next.digest]].map((words) => ['--data', server.data, ...words]);
  const asked = [['rule', 'list'], ['rule', 'show', server.rule], ['rule', 'history', server.rule], ['audit', 'list'], ['token', 'list'], ['user', 'list'], ['role', 'list'], ['exemption', 'list'], ['recommendation', 'list'], ['recommendation', 'show', MAIN], ['subscription', 'list'], ['registry', 'list'], ['plan', 'list'], ['usage'], ['score', 'show']];
  const runs = [...local.map((words) => [words, server.local]), ...asked.map((words) => [words, server.cli])];
  for (const [words, run] of runs) {
    const done = run(...words), what = `portwarden ${words.filter((word) => word !== '--data' && word !== server.data).join(' ')}`;
    report.checked += 1;
    if (done.status !== 0) report.fail(`${what}: ${done.status} ${done.stderr.slice(0, 200)}`);
    const found = (done.stdout + done.stderr).match(UNSEEN);
    if (found) report.fail(`${what}: a terminal would get ${JSON.stringify(found[0])}`);
    const csv = run(...words, '--format', 'csv');
    if (csv.status === 0 && !/^[{[]/.test(csv.stdout)) inertCsv(`${what} --format csv`, csv.stdout, report);
  }
  return runs.length;
}

export async function hostile(binary, browser, report) {
  const server = await serve(binary, { vulnerabilities });
  try {
    await fill(server);
    const all = await pages(server, report);
    for (const text of SHORT) all.push(...['/findings?q=', '/inventory?q=', '/go?to=', '/rules?q=', '/sign-in?next=', '/findings?scope=', '/vulnerabilities?ids=', '/views?address='].map((path) => path + encodeURIComponent(text)));
    const visit = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    await visit.addInitScript(() => { window.refusals = []; addEventListener('securitypolicyviolation', (event) => window.refusals.push(`the policy refused ${event.violatedDirective} ${event.blockedURI}`)); });
    const entered = await visit.newPage();
    await entered.goto(`${server.base}/sign-in`);
    await entered.fill('input[name=name]', 'admin');
    await entered.fill('input[name=password]', server.credentials.slice(6));
    await entered.press('input[name=password]', 'Enter');
    await entered.waitForURL(`${server.base}/`);
    for (const width of [1400, 360]) {
      await entered.setViewportSize({ width, height: 900 });
      for (const path of width === 360 ? all.filter((one) => !one.includes('%')) : all) {
        await report.check(`hostile text on ${path.slice(0, 120)}`, async () => {
          await entered.goto(server.base + path);
          await entered.waitForLoadState('load');
          for (const wrong of [...new Set(await entered.evaluate(made, UNSEEN.source))].slice(0, 4)) report.fail(`hostile text on ${path.slice(0, 200)} (${width} px): ${wrong}`);
        });
      }
    }
    await visit.close();
    const files = await exports(server, report), runs = await commands(server, report);
    console.log(`console: hostile text: ${server.kept} texts kept and ${server.refused} refused; inert on ${all.length} pages, in ${files} exports, in ${runs} commands`);
  } finally {
    server.stop();
  }
}
