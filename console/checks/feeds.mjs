// A tree of feeds as `db update --from` reads it, as small as can be: the vulnerabilities given, and what each feed cannot be without.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const TRACKER = 'salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data';
const FILLER = { debian: 'adduser', npm: 'left-pad', PyPI: 'example', Go: 'example.com/x' };

// One stored file in an archive. The checksum of its bytes is what gzip writes behind them.
function zip(files) {
  const parts = [], directory = [];
  let at = 0;
  for (const [name, text] of files) {
    const data = Buffer.from(text), called = Buffer.from(name), head = Buffer.alloc(30), zipped = gzipSync(data);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    zipped.copy(head, 14, zipped.length - 8, zipped.length - 4);
    head.writeUInt32LE(data.length, 18);
    head.writeUInt32LE(data.length, 22);
    head.writeUInt16LE(called.length, 26);
    const listed = Buffer.alloc(46);
    listed.writeUInt32LE(0x02014b50, 0);
    listed.writeUInt16LE(20, 4);
    head.copy(listed, 6, 4, 30);
    listed.writeUInt32LE(at, 42);
    parts.push(head, called, data);
    directory.push(listed, called);
    at += 30 + called.length + data.length;
  }
  const listing = Buffer.concat(directory), end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, listing, end]);
}

function debian(vulnerabilities) {
  const packages = {};
  for (const one of vulnerabilities) {
    const release = one.fixed
      ? { status: 'resolved', repositories: { bookworm: '1' }, fixed_version: one.fixed, urgency: one.urgency ?? 'medium' }
      : { status: 'open', repositories: { bookworm: '1' }, urgency: one.urgency ?? 'medium' };
    (packages[one.package] ??= {})[one.id] = { description: one.description, scope: 'remote', releases: { bookworm: release } };
  }
  return JSON.stringify(packages);
}

const osv = (ecosystem, one) => JSON.stringify({
  id: one.ghsa ?? `GHSA-aaaa-bbbb-${one.id.slice(-4)}`, aliases: [one.id], modified: '2026-01-01T00:00:00Z', published: '2026-01-01T00:00:00Z', summary: one.description, details: one.details ?? one.description,
  severity: one.vector ? [{ type: 'CVSS_V3', score: one.vector }] : [], references: one.references ?? [],
  affected: [{ package: { ecosystem, name: one.package }, ranges: [{ type: ecosystem === 'PyPI' ? 'ECOSYSTEM' : 'SEMVER', events: [{ introduced: '0' }, ...(one.fixed ? [{ fixed: one.fixed }] : [])] }] }],
});

export function write(tree, vulnerabilities) {
  const of = (feed) => {
    const found = vulnerabilities.filter((one) => one.feed === feed);
    return found.length ? found : [{ id: 'CVE-2026-10001', feed, package: FILLER[feed], fixed: '99.0.0', description: 'a weakness' }];
  };
  const archive = (ecosystem) => zip(of(ecosystem).map((one, at) => [`${at}.json`, osv(ecosystem, one)]));
  const list = (kind) => `[01 Jan 2026] ${kind}-1-1 none - security update\n\t[bookworm] - none 1\n`;
  const alpine = (reponame) => JSON.stringify({ distroversion: 'edge', reponame, packages: [{ pkg: { name: 'zlib', secfixes: { '1.2.12-r0': ['CVE-2018-25032'] } } }] });
  const files = {
    'security-tracker.debian.org/tracker/data/json': debian(of('debian')),
    [`${TRACKER}/DSA/list`]: list('DSA'),
    [`${TRACKER}/DLA/list`]: list('DLA'),
    'secdb.alpinelinux.org/edge/main.json': alpine('main'),
    'secdb.alpinelinux.org/edge/community.json': alpine('community'),
    'www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json': JSON.stringify({ title: 'x', catalogVersion: '1', dateReleased: '2026-01-01T00:00:00Z', count: 1, vulnerabilities: [{ cveID: 'CVE-2026-10001', dateAdded: '2026-01-01' }] }),
    'epss.empiricalsecurity.com/epss_scores-current.csv.gz': gzipSync('#model_version:v1,score_date:2026-01-01T00:00:00Z\ncve,epss,percentile\nCVE-2026-10001,0.5,0.9\n'),
    'osv-vulnerabilities/PyPI/all.zip': archive('PyPI'),
    'osv-vulnerabilities/npm/all.zip': archive('npm'),
    'osv-vulnerabilities/Go/all.zip': archive('Go'),
  };
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), bytes);
  }
}
