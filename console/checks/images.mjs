// Images made in code: packages as files of their package managers, in layers, pushed as clients push.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json', CONFIG = 'application/vnd.oci.image.config.v1+json', LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const sha = (bytes) => 'sha256:' + createHash('sha256').update(bytes).digest('hex');

const block = (name, kind, data) => {
  const head = Buffer.alloc(512);
  head.write(name, 0, 100, 'utf8');
  head.write('0000644\0' + '0000000\0' + '0000000\0' + data.length.toString(8).padStart(11, '0') + '\0' + '14541012000\0' + ' '.repeat(8) + kind, 100, 'latin1');
  head.write('ustar\x0000', 257, 'latin1');
  head.write(head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\0 ', 148, 'latin1');
  return Buffer.concat([head, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
};

// A name that does not fit into the head of an entry has one of its own before it.
const entry = (name, text) => {
  const record = `path=${name}\n`;
  let length = Buffer.byteLength(record) + 3;
  while (Buffer.byteLength(`${length} ${record}`) !== length) length += 1;
  const long = Buffer.byteLength(name) > 99 ? [block('long', 'x', Buffer.from(`${length} ${record}`))] : [];
  return Buffer.concat([...long, block(long.length ? 'long' : name, '0', Buffer.from(text))]);
};

const FILES = {
  debian: (packages) => [
    ['etc/os-release', 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'],
    ['var/lib/dpkg/status', packages.map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\nDescription: x\n\n`).join('')],
  ],
  npm: (packages) => packages.map(([name, version]) => [`app/node_modules/${name}/package.json`, JSON.stringify({ name, version })]),
  PyPI: (packages) => packages.map(([name, version]) => [`usr/lib/python3/${name.toLowerCase()}-${version}.dist-info/METADATA`, `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`]),
};
const MADE_BY = { debian: 'FROM debian:12', npm: 'RUN npm install', PyPI: 'RUN pip install' };

// An image of packages by kind: { debian: { name: version }, npm: … }. The salt makes its bytes its own.
export function image(kinds, salt, labels = {}) {
  const layers = Object.entries(kinds).map(([kind, packages]) => ({ files: FILES[kind](Object.entries(packages)), by: MADE_BY[kind] }));
  return of([...layers, { files: [['etc/salt', salt]], by: `COPY ${salt} /etc/salt` }], labels);
}

// An image of layers: [{ files: [[name, text]], by: instruction }].
export function of(layers, labels = {}) {
  const tars = layers.map(({ files }) => Buffer.concat([...files.map(([name, text]) => entry(name, text)), Buffer.alloc(1024)]));
  const blobs = tars.map((tar) => gzipSync(tar));
  const config = Buffer.from(JSON.stringify({
    architecture: 'amd64', os: 'linux', config: { Labels: labels }, rootfs: { type: 'layers', diff_ids: tars.map(sha) },
    history: layers.map(({ by }) => ({ created: '2026-01-01T00:00:00Z', created_by: by })),
  }));
  const described = (mediaType, bytes) => ({ mediaType, digest: sha(bytes), size: bytes.length });
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config: described(CONFIG, config), layers: blobs.map((bytes) => described(LAYER, bytes)) }));
  return { digest: sha(manifest), manifest, blobs: [config, ...blobs] };
}

// Pushes with skopeo, from a layout on disk.
export function pushWithSkopeo(server, name, { digest, manifest, blobs }) {
  const layout = mkdtempSync(join(tmpdir(), 'portwarden-layout-'));
  const folder = join(layout, 'blobs/sha256');
  mkdirSync(folder, { recursive: true });
  for (const bytes of [manifest, ...blobs]) writeFileSync(join(folder, sha(bytes).slice(7)), bytes);
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: MANIFEST, digest, size: manifest.length, annotations: { 'org.opencontainers.image.ref.name': 'x' } }] }));
  const done = spawnSync('skopeo', ['--insecure-policy', 'copy', '--quiet', '--preserve-digests', '--dest-tls-verify=false', '--dest-creds', server.credentials, `oci:${layout}:x`, `docker://${server.host}/${name}`], { encoding: 'utf8' });
  rmSync(layout, { recursive: true });
  if (done.error || done.status !== 0) throw new Error(`skopeo: ${done.error?.message ?? done.stderr}`);
}

// Pushes by the registry's own words.
export async function push(server, name, { manifest, blobs }) {
  const at = name.lastIndexOf(':'), repository = name.slice(0, at), tag = name.slice(at + 1);
  const send = async (method, path, type, body) => {
    const answer = await fetch(new URL(path, server.base), { method, body, headers: { Authorization: server.login, 'Content-Type': type } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  for (const bytes of blobs) {
    const upload = (await send('POST', `/v2/${repository}/blobs/uploads/`, 'application/octet-stream')).headers.get('location');
    await send('PUT', `${upload}${upload.includes('?') ? '&' : '?'}digest=${sha(bytes)}`, 'application/octet-stream', bytes);
  }
  await send('PUT', `/v2/${repository}/manifests/${tag}`, MANIFEST, manifest);
}
