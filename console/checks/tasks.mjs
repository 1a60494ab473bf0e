// What people come for, as steps. Each is done twice: with a pointer and no script, and by keyboard alone.
export function tasks({ image }, finding) {
  const place = image.places[0], tag = place.tags[0];
  const at = `/s/${place.subscription}/${place.registry}/${place.repository}`;
  const picture = `${at}@${image.digest}`;
  const walk = [{ open: '/inventory/repositories' }, { press: `td.lead a[href="${at}"]` }, { press: `td.lead a[href^="${at}@"]` }];
  return {
    'which images have a vulnerability': [{ open: '/' }, { type: ['.jump input', finding.finding_id] }, { see: `h1:has-text("${finding.finding_id}")` }, { press: 'main p a[href*="/inventory"]' }, { see: 'td.lead a' }],
    'what fixes most': [...walk, { see: '.verdict' }, { see: 'td.do pre' }],
    'why an image is unhealthy': [...walk, { press: 'main .tabs a[href*="tab=findings"]' }, { press: 'td.lead a[data-pane] >> nth=0' }, { see: '#pane h2' }],
    'from one finding to the next, and back to the list': [{ open: `${picture}?tab=findings` }, { press: 'td.lead a[data-pane] >> nth=0' }, { press: '#pane a[rel=next]' }, { press: '#pane a.close' }, { gone: '#pane' }],
    'only the worst findings': [{ open: '/findings' }, { type: ['main input[type=search]', 'severity:>=high'] }, { see: 'caption:has-text("finding")' }],
    'sorted by score': [{ open: '/findings' }, { press: 'th a:has-text("CVSS")' }, { see: 'th[aria-sort]' }],
    'a word that is not known is pointed at': [{ open: '/findings' }, { type: ['main input[type=search]', 'colour:red'] }, { see: '[role=alert]:has-text("colour")' }],
    'only one registry': [{ open: '/findings' }, { press: '.drop summary' }, { press: '.drop ul a >> nth=0' }, { see: '.scope li:nth-child(2)' }],
    'down the walk to an image': [...walk, { see: `h1:has-text("${place.repository}")` }],
    'a tag leads to the digest': [{ open: `${at}:${tag}` }, { at: image.digest }],
    'what changed since the push before': [{ open: picture }, { press: 'main .tabs a[href*="tab=changes"]' }, { see: '.empty, .verdict' }],
    'which layer brought it': [{ open: picture }, { press: 'main .tabs a[href*="tab=layers"]' }, { see: '.strip' }],
    'a bill of materials': [{ open: picture }, { press: 'main .tabs a[href*="tab=sbom"]' }, { see: 'a[download]' }],
    'where a package is': [{ open: `${picture}?tab=packages` }, { press: 'td.lead a >> nth=0' }, { see: 'h2:has-text("Versions")' }],
    'a dark theme that stays': [{ open: '/' }, { press: '.me summary' }, { choose: ['.look select[name=theme]', 'dark'] }, { press: '.look button' }, { see: 'html[data-theme=dark]' }],
  };
}
