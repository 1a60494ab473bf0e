// The pages to look at: those that the navigation leads to, and one of each kind below them.
import { login } from './server.mjs';

const links = (html, within) => {
  const part = within ? html.split(within).slice(1).map((piece) => piece.split('</nav>')[0]).join('') : html;
  return [...part.matchAll(/href="(\/[^"#]*)"/g)].map((found) => found[1].replaceAll('&#38;', '&').replaceAll('&amp;', '&'));
};

export async function pages({ base, image }) {
  const read = async (path) => (await fetch(base + path, { headers: { Authorization: login, Accept: 'text/html' } })).text();
  const place = image.places[0];
  const at = `/s/${place.subscription}/${place.registry}/${place.repository}`;
  const picture = `${at}@${image.digest}`;
  const finding = (await (await fetch(`${base}/api/v1/findings?limit=1`, { headers: { Authorization: login } })).json()).items[0];
  const wanted = [
    '/', picture, ...['findings', 'packages', 'layers', 'changes', 'scans', 'sbom'].map((tab) => `${picture}?tab=${tab}`), `${picture}?finding=${finding.id}`, `/findings/${finding.id}`,
    `/vulnerabilities/${finding.finding_id}`, `/packages/${encodeURIComponent(finding.package.purl)}`, at, `/s/${place.subscription}/${place.registry}`, `/s/${place.subscription}`,
    '/inventory?q=colour:red', '/inventory?q=repo:nothing', '/nothing',
  ];
  for (const path of links(await read('/'), 'id="nav"')) {
    wanted.push(path, ...links(await read(path), 'aria-label="Sections"'));
  }
  return [...new Set(wanted)];
}
