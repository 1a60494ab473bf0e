// What people come for, each from the Overview, as steps. All of them are done twice: without a script, and by keyboard alone.
// The number is the most clicks that one may take (0: as many as it needs); what stands behind the steps cleans up.
import { MAIN } from './figures.mjs';
import { sign_in } from './seed.mjs';

const start = { open: '/' };
const nav = (text) => [start, { press: `#nav a:has-text("${text}")` }];
const section = (entry, text) => [...nav(entry), { press: `nav[aria-label=Sections] a:has-text("${text}")` }];
const tab = (text) => ({ press: `main .tabs a:has-text("${text}")` });
const recommendation = [...nav('Recommendations'), { press: `td.lead a[href*="${MAIN}"]` }];
const repository = [start, { press: 'td.lead a:text-is("payments/api")' }];

export function tasks({ subscription, images, next }) {
  const scope = `/${subscription}/local/payments/api`, plan = 'tr:has(strong:text-is("default"))';
  const picture = [...repository, { press: `td.lead a[href*="${next.digest}"]` }];
  const mine = 'td.lead a:text-is("by hand")';
  const reveal = [{ press: 'summary:has-text("For programs")' }, { press: 'a:has-text("Keep this page as a view")' }];
  return [
    // The seed's walk.
    ['switch a plan off and on', 0, [...nav('Settings'), { press: `${plan} a:has-text("Change…")` }, { press: 'button:text-is("Switch it off")' }, { see: `${plan} .tag:text-is("off")` }, { press: `${plan} a:has-text("Change…")` }, { press: 'button:text-is("Switch it on")' }, { see: `${plan} .tag:text-is("on")` }]],
    ['from the recommendation down to a finding', 0, [...recommendation, { press: 'td.lead a:text-is("local")' }, { press: 'td.lead a:text-is("payments/api")' }, { press: `td.lead a[href*="${next.digest}"]` }, tab('Findings'), { press: 'td.lead a:text-is("CVE-2026-20001")' }, { see: '#pane :text("What to do")' }]],
    ['make a disable rule', 0, [...recommendation, { press: 'a.button:text-is("Disable rule")' }, { tick: `input[name=scope][value="${scope}"]` }, { fill: ['textarea[name=finding_ids]', 'CVE-2026-20004'] }, { choose: ['select[name=reason]', 'not-reachable'] }, { fill: ['textarea[name=justification]', 'no shell is called'] }, { fill: ['input[name=name]', 'by hand'] },
      { press: 'button[name=do][value=preview]' }, { see: '#preview :text("hides 2")' }, { press: 'button[name=do]:has-text("Apply")' }, { see: 'h1:text-is("by hand")' }]],
    ['override a rule where "Rule applied" is said', 0, [...recommendation, { press: 'a.button:text-is("Disable rule")' }, { press: `.tree li:has(input[value="/${subscription}"]) a:has-text("Rule applied")` }, { press: 'td.lead a:text-is("no templates of strangers")' }, { press: 'a.button:text-is("Override here")' }, { tick: `input[name=scope][value="/${subscription}/local/web/site"]` }, { fill: ['textarea[name=justification]', 'another here'] },
      { press: 'button[name=do]:has-text("Apply")' }, { tick: 'input[name=confirm]' }, { press: 'button[name=do]:has-text("Apply")' }, { see: 'h2:text-is("Chain of overrides")' }, { press: 'summary:has-text("Delete this rule")' }, { press: 'button:text-is("Delete it")' }]],
    ['prove that it is hidden', 2, [...nav('Rules'), { press: 'tr:has(td.lead a:text-is("by hand")) td[data-name=Hides] a' }, { see: 'caption:has-text("2 findings")' }]],
    ['delete a rule', 0, [...nav('Rules'), { press: mine }, { press: 'summary:has-text("Delete this rule")' }, { press: 'button:text-is("Delete it")' }, { gone: mine }]],
    // Time to answer.
    ['which images have a vulnerability', 2, [start, { type: ['.jump input', 'CVE-2026-20004'] }, { press: 'main p a[href*="/inventory"]' }, { see: 'caption:has-text("2 images")' }]],
    ['what fixes most', 1, [start, { press: 'section:has(h2:text-is("Upgrades that fix most")) td.lead a >> nth=0' }, { see: 'h2:has-text("Versions")' }]],
    ['why an image is unhealthy', 3, [...picture, { see: 'td.do pre' }, tab('Findings'), { see: 'td.lead a[data-pane]' }]],
    ['what changed since the push before', 3, [...picture, tab('Changes'), { see: 'main :text("CVE-2026-20003")' }]],
    ['hide a finding where it is', 4, [start, { press: 'a:text-is("All findings")' }, { press: 'td.lead a >> nth=0' }, { press: '#pane a:has-text("Disable this finding")' }, { fill: ['textarea[name=justification]', 'for now'] }, { fill: ['input[name=name]', 'one finding'] }, { press: 'button[name=do]:has-text("Apply")' }, { see: 'h1:text-is("one finding")' }], [{ press: 'summary:has-text("Delete this rule")' }, { press: 'button:text-is("Delete it")' }, { see: 'h1:text-is("Rules")' }]],
    // Around it.
    ['make a token and end it', 0, [...section('Settings', 'Tokens'), { fill: ['input[name=name]', 'a laptop'] }, { press: 'button:text-is("Make the token")' }, { see: 'pre:has-text("pw_")' }, { press: 'tr:has(td:text-is("a laptop")) summary' }, { press: 'tr:has(td:text-is("a laptop")) button' }, { gone: 'td:text-is("a laptop")' }]],
    ['import an image and end it', 0, [...section('Activity', 'Imports'), { type: ['input[name=source]', 'registry.invalid/team/app:2'] }, { see: 'main :text("registry.invalid/team/app:2")' }, { press: 'summary:has-text("Cancel")' }, { press: 'button:has-text("End this import")' }, { see: '.tag:has-text("cancel")' }]],
    ['keep a view and take it away', 0, [start, { press: 'a:text-is("All findings")' }, { type: ['main input[type=search]', 'severity:>=high'] }, ...reveal, { type: ['input[name=name]', 'high and above'] }, { press: 'td.lead a:text-is("high and above")' }, { see: 'caption:has-text("finding")' }, ...section('Overview', 'Saved views'), { press: 'tr:has(a:text-is("high and above")) summary' }, { press: 'tr:has(a:text-is("high and above")) button' }, { gone: 'a:text-is("high and above")' }]],
    ['exempt an image and end that', 0, [...recommendation, tab('Exemptions'), { fill: ['input[name=digest]', images.worker.digest] }, { fill: ['input[name=reason]', 'behind a wall'] }, { press: 'button:text-is("Exempt")' }, { see: 'td:has-text("behind a wall")' }, ...section('Recommendations', 'Exemptions'), { press: 'tr:has-text("behind a wall") summary' }, { press: 'tr:has-text("behind a wall") button' }, { gone: 'td:has-text("behind a wall")' }]],
    // And besides.
    ['say who looks after it', 0, [...recommendation, tab('Remediation'), { fill: ['input[name=owner]', 'team api'] }, { press: 'button:text-is("Assign")' }, { see: 'main .meta :text("team api")' }]],
    ['give a role and take it', 0, [...section('Settings', 'Access'), { choose: ['select[name=principal]', 'ann'] }, { choose: ['select[name=role]', 'auditor'] }, { fill: ['input[name=scope]', '/'] }, { press: 'button:has-text("Give")' }, { see: 'tr:has-text("ann"):has-text("auditor")' }, { press: 'tr:has-text("ann"):has-text("auditor") summary' }, { press: 'tr:has-text("ann"):has-text("auditor") details button' }, { gone: 'tr:has-text("ann"):has-text("auditor")' }]],
    ['from one finding to the next, and back', 0, [...picture, tab('Findings'), { press: 'td.lead a[data-pane] >> nth=0' }, { press: '#pane a[rel=next]' }, { press: '#pane a.close' }, { gone: '#pane' }]],
    ['only one registry', 0, [start, { press: 'a:text-is("All findings")' }, { press: '.drop summary' }, { press: '.drop ul a >> nth=0' }, { see: '.scope li:nth-child(2)' }]],
    ['a word that is not known is pointed at', 0, [start, { press: 'a:text-is("All findings")' }, { type: ['main input[type=search]', 'colour:red'] }, { see: '[role=alert]:has-text("colour")' }]],
    ['a dark theme that stays', 0, [start, { press: '.me summary' }, { choose: ['.look select[name=theme]', 'dark'] }, { press: '.look button' }, { see: 'html[data-theme=dark]' }, start, { see: 'html[data-theme=dark]' }]],
  ];
}

export const entering = (server) => ['sign in', 0, [{ open: '/findings' }, ...sign_in(server).slice(0, -1), { see: 'h1:text-is("Findings")' }]];
